"""How long steps and maps take on a GPU, and how far that is from the floor.

    benchmarks/gpu/run speed OUT

Each row is written to OUT/speed.md as it comes.  Images are noise: nothing here depends on what is learned.
"""

import argparse
from functools import partial
from pathlib import Path
from statistics import median

import torch
from floor import Machine, measure, timed
from steps import DEVICE, Training
from table import Table

from acdm.core.device import flush_denormals
from acdm.maps.decomposer import Decomposer
from acdm.maps.features import Features
from acdm.maps.segmenter import Segmenter, UNet
from acdm.training.graphs import GraphedSteps
from acdm.training.loop import train_steps

STEPS = 60  # of which the first ten are not counted
IMAGES = 512


def milliseconds(training: Training, recorded: bool, steps: int) -> tuple[float, list[str]]:
    """Median milliseconds a step with its batch, and what was said if steps could not be recorded."""
    said: list[str] = []
    players, config = training.players, training.config
    play = GraphedSteps(players, training.batches, config, said.append).play if recorded else None
    records = list(train_steps(players, training.batches, config, steps, play=play))
    late = [record.seconds for record in records if record.step > 10]
    return 1000 * median(late or [record.seconds for record in records]), said


def step_row(table: Table, machine: Machine, name: str, training: Training, steps: int, asked: str) -> None:
    """Milliseconds a step: recorded, call by call, over the floor; and the memory at the most."""
    if DEVICE.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    called, _ = milliseconds(training, False, max(12, steps // 3))
    recorded, said = milliseconds(training, True, steps)
    floor = 1000 * training.floor(machine)
    memory = torch.cuda.max_memory_allocated() / 2**30 if DEVICE.type == "cuda" else 0
    found = f"**{recorded:.1f} ms** ({called:.1f} call by call); floor {floor:.2f}, {recorded / floor:.1f} times"
    table.row(name, f"{found}; {memory:.1f} GiB{'; ' + said[0] if said else ''}", asked)


def compiled_row(table: Table, name: str, training: Training, steps: int, **how: str) -> None:
    """Milliseconds a step call by call whose branches torch.compile has made, the other way to fewer calls.

    The discriminator cannot be compiled so: R1 differentiates it twice, which AOTAutograd does not do.
    """
    try:
        training.players.branches.compile(**how)
        found = f"{milliseconds(training, False, steps)[0]:.1f} ms"
    except Exception as error:  # whatever a compiler says, the other rows are worth having
        found = f"does not compile: {str(error).splitlines()[0]}"
    table.row(f"{name}, branches compiled ({', '.join(how.values())})", found, "recorded is faster")


def mapping_row(table: Table, size: int, count: int, features: bool) -> None:
    """Images a second of `object` alone, from images on the device, mirror view included."""
    seen = Features.installed() if features else None
    network = UNet(3, seen.channels if seen else ()).to(DEVICE, memory_format=torch.channels_last).eval()
    segmenter = Segmenter(network, seen.to(DEVICE) if seen else None)
    decomposer = Decomposer(
        branches=Training.of("64", 2).players.branches, judge=None, segmenter=segmenter, classes=("a", "b"), size=size,
        mirrors=((), (-1,)), alone=True,
    )  # fmt: skip
    x = torch.rand(count, 3, size, size, device=DEVICE) * 2 - 1
    draw = partial(decomposer.objects, x)
    draw()
    rate = count / min(timed(draw, DEVICE) for _ in range(3))
    what = "with features" if seen else "pixels alone"
    table.row(
        f"`object` of {size} px with its mirror view, {what}", f"{rate:.0f} images/s", "≥ 2,000 images/s (256 px)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rehearse", action="store_true", help="small enough for a processor")
    arguments = parser.parse_args()
    flush_denormals()
    arguments.out.mkdir(parents=True, exist_ok=True)
    table = Table(arguments.out / "speed.md", "benchmarks/gpu/run " + ("rehearse" if arguments.rehearse else "speed"))
    if arguments.rehearse:  # rates are made up: a large bf16 product takes minutes on many a processor
        machine = Machine({torch.float32: 1e11, torch.bfloat16: 1e11}, 1e10)
        step_row(table, machine, "32 px, N = 2, batch 2", Training.of("64", 2, size=32, batch=2), 20, "")
        compiled_row(table, "32 px", Training.of("64", 2, size=32, batch=2), 12, backend="aot_eager")
        mapping_row(table, 64, 16, features=False)
        return
    machine = measure(DEVICE)
    step_row(table, machine, "`tiny`, N = 5, batch 4", Training.of("tiny", 5, batch=4), STEPS, "≤ 6 ms")
    for branches in (2, 5):
        training = Training.of("256", branches, batch=16)
        step_row(table, machine, f"`256`, N = {branches}, batch 16", training, STEPS, "≤ 4 times the floor")
    mapping_row(table, 256, IMAGES, features=True)
    training = Training.of("paper", 5, batch=8)
    step_row(table, machine, "`paper`, 256 px, N = 5, batch 8", training, 40, "≤ 2.5 times the floor")
    compiled_row(table, "`tiny`, N = 5, batch 4", Training.of("tiny", 5, batch=4), STEPS, mode="reduce-overhead")


if __name__ == "__main__":
    main()
