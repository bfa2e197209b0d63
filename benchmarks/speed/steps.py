"""Seconds a step, where they go, how far that is from the floor and from a plain reference, and how fast maps come.

    python benchmarks/speed/steps.py [--quick] [--rounds 15] [--plot docs/results/speed.svg]

One run on one machine prints every table as Markdown.  What is compared takes turns, so that a machine that drifts
drifts for both.  Images are noise: nothing here depends on what is learned.
"""

import argparse
import multiprocessing
import platform
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from floor import Arithmetic, Machine, Yardstick, by_turns, measure, timed
from plain_trainer import BATCH, LESSONS, NETWORK, Reference
from torch import Tensor

from acdm.core.config import PRESETS, Config, Preset
from acdm.core.device import autocast, automatic_device, channels_last, flush_denormals
from acdm.core.memory import keep_memory
from acdm.data.batches import Batches
from acdm.maps.decomposer import Decomposer
from acdm.method import losses
from acdm.method.players import Players
from acdm.method.step import Batch, step
from acdm.training.defaults import SIZES, resolve
from acdm.training.fresh import fresh_players

DEVICE = torch.device(automatic_device())


@dataclass
class Training:
    """A training that is ready for its next step."""

    config: Config
    players: Players
    batches: Batches
    images: Batch
    lesson: Batch
    alpha: Tensor

    @classmethod
    def of(cls, preset: str, branches: int, findings: int = 1, **options: Any) -> "Training":
        config = resolve(
            Config.of(
                PRESETS[preset], options, {"network": {"branches": branches}, "augment": {"flip_horizontal": True}}
            )
        )
        images = torch.rand(64, 1, config.size, config.size) * 2 - 1
        batches = Batches(images, torch.arange(64) % 2, config.drawn, config.augment, seed=0)
        players = fresh_players(config, 1, 2, findings)
        alpha = torch.rand(players.branches.branches - 1).to(DEVICE)
        drawn = at(batches)
        if findings > 1:
            k = torch.arange(len(drawn.y), device=DEVICE) // 2 % findings  # pairs are of one finding
            drawn = replace(drawn, states=drawn.y[:, None].repeat(1, findings), k=k)
        return cls(config, players, batches, *drawn.split(config.batch), alpha)

    def step(self, index: int) -> None:
        step(self.players, self.images, self.lesson, self.alpha, index, self.config)

    def cycle(self) -> None:
        """As many steps as it takes for R1 to come once, with their batches."""
        for index in range(self.config.optimiser.r1_every):
            self.data()
            self.step(index)

    def data(self) -> None:
        self.batches.at(0)

    def discriminator(self) -> None:
        """Genuine, swapped and taught images there and back, down to the swapped pixels; without R1."""
        shown = torch.cat([self.images.x, self.images.x, self.lesson.x]).requires_grad_(True)
        with autocast(DEVICE, self.config.precision):
            shown = channels_last(shown)
            seen = self.players.see(shown) if self.players.see else []
            self.players.discriminator(shown, seen).sum().backward()

    def r1(self) -> None:
        real = self.images.x.clone().requires_grad_(True)
        with autocast(DEVICE, self.config.precision):
            losses.r1(self.players.discriminator(real)[:, 0], real).backward()

    def optimiser(self) -> None:
        p = self.players
        for module, optimiser in ((p.branches, p.generator_optimiser), (p.discriminator, p.discriminator_optimiser)):
            torch.nn.utils.get_total_norm([p.grad for p in module.parameters()])
            optimiser.step()
        p.average.update_parameters(p.branches)

    def floor(self, machine: Machine) -> float:
        """Seconds a step."""
        with Arithmetic() as counted:
            self.cycle()
        return machine.floor(counted.works) / self.config.optimiser.r1_every


def at(batches: Batches) -> Batch:
    """The first batch, on the device; with two classes the other one is what is left."""
    _, x, y = batches.at(0)
    return Batch(channels_last(x.to(DEVICE)), y.to(DEVICE), 1 - y.to(DEVICE))


def steps(machine: Machine, cases: list[tuple[str, int]], rounds: int) -> None:
    print(
        "\n| preset | N | ms a step | generators | discriminator | R1 | optimisers | data | floor, ms | step / floor |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for preset, branches in cases:
        work = Training.of(preset, branches)
        every = work.config.optimiser.r1_every
        stick = Yardstick(DEVICE, torch.bfloat16 if work.config.precision == "bf16" else torch.float32)
        calls = {name: getattr(work, name) for name in ("cycle", "data", "discriminator", "r1", "optimiser")}
        seconds = by_turns({**calls, "product": stick.product, "copy": stick.copy}, rounds, DEVICE)
        whole = seconds["cycle"] / every
        rest = {"discriminator": seconds["discriminator"], "R1": seconds["r1"] / every}
        rest |= {"optimisers": seconds["optimiser"], "data": seconds["data"]}
        shares = [1 - sum(rest.values()) / whole, *(value / whole for value in rest.values())]
        floor = work.floor(stick.machine(seconds["product"], seconds["copy"], machine))
        cells = [preset, branches, f"{1000 * whole:.0f}", *(f"{share:.0%}" for share in shares)]
        _row(*cells, f"{1000 * floor:.1f}", f"{whole / floor:.2f}")


def single_steps(preset: str, counts: tuple[int, ...]) -> None:
    """One step with R1 and one without, for presets whose steps take minutes."""
    print("\n| preset | N | s a step | with R1 |\n| --- | --- | --- | --- |")
    for branches in counts:
        work = Training.of(preset, branches)
        with_r1, plain = (timed(partial(work.step, index), DEVICE) for index in (0, 1))
        _row(preset, branches, f"{plain:.0f}", f"{with_r1:.0f}")


def against_reference(rounds: int) -> None:
    """Each on batches of its own size, with its own networks."""
    work, start = Training.of("tiny", 5), Training.of("tiny", 5, batch=BATCH, lessons=LESSONS, network=NETWORK)
    plain = Reference(start.players.branches.state_dict(), start.players.discriminator.state_dict(), 5, 1, 2)
    batch, lesson = (
        (images.x.cpu().contiguous(), images.y.cpu(), images.other.cpu()) for images in (start.images, start.lesson)
    )
    alpha = start.alpha.cpu()
    index = iter(range(10**9))
    calls = {
        "reference": lambda: plain.step(batch, lesson, alpha, next(index), rate=0.1),
        "ours": work.cycle,
    }
    seconds = by_turns(calls, rounds, DEVICE)
    ours = seconds["ours"] / work.config.optimiser.r1_every
    print(f"\ntiny, N = 5: reference {1000 * seconds['reference']:.0f} ms, ours {1000 * ours:.0f} ms a step:", end=" ")
    print(f"reference / ours = {seconds['reference'] / ours:.2f}")


def mapping(count: int) -> None:
    """Throughput with and without mirror images, and what memory grows by; outputs are dropped as they come."""
    work = Training.of("tiny", 5)
    network = work.players.average.module.eval()
    x, y = torch.rand(32, 1, 64, 64) * 2 - 1, torch.arange(32) % 2
    rounds = count // len(x)

    def run(decomposer: Decomposer, rounds: int) -> None:
        for _ in range(rounds):
            decomposer.split(x, y, 1 - y)

    print(f"\nmapping {len(x) * rounds} images, 64 px, N = 5, all branches, both styles")
    for mirrors in (((),), ((), (-1,))):
        decomposer = Decomposer(
            branches=network, judge=None, classes=("a", "b"), size=work.config.size, mirrors=mirrors
        )
        run(decomposer, 2)
        before = _memory("VmRSS")
        seconds = timed(partial(run, decomposer, rounds), DEVICE)
        grown = _memory("VmRSS") - before
        rate = len(x) * rounds / seconds
        print(f"{len(mirrors)} passes an image: {rate:.0f} images a second; memory grew by {grown:.0f} MiB")


def peak_memory(preset: str, branches: int) -> float:
    """MiB resident after two cycles in a process of its own, less what the imports take."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (preset, branches))


def _peak(preset: str, branches: int) -> float:
    keep_memory()
    before = _memory("VmHWM")
    work = Training.of(preset, branches)
    work.cycle()
    work.cycle()
    return _memory("VmHWM") - before


def _memory(field: str) -> float:
    """MiB, resident (VmRSS) or at the most so far (VmHWM); getrusage's is inherited from the parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) / 1024


def costs(rounds: int, plot: Path | None) -> None:
    """Cost against N, size and batch, as tables and as a picture."""
    series: dict[str, dict[int, dict[str, Any]]] = {
        "N": {n: {"branches": n} for n in (1, 2, 3, 5, 8)},
        "size": {s: {"branches": 5, "size": s} for s in (32, 64, 128)},
        "batch": {b: {"branches": 5, "batch": b} for b in (2, 4, 8, 16, 32)},
    }
    figure, axes = plt.subplots(1, len(series), figsize=(9, 2.6), layout="constrained")
    for axis, (name, cases) in zip(axes, series.items(), strict=True):
        works = {value: Training.of("tiny", **options) for value, options in cases.items()}
        seconds = by_turns({value: work.cycle for value, work in works.items()}, rounds, DEVICE)
        each = {value: 1000 * seconds[value] / work.config.optimiser.r1_every for value, work in works.items()}
        print(f"\n| {name} | ms a step | against the smallest |")
        print("| --- | --- | --- |")
        for value, milliseconds in each.items():
            _row(value, f"{milliseconds:.0f}", f"{milliseconds / min(each.values()):.2f}")
        axis.plot(list(each), list(each.values()), "o-")
        axis.set(xlabel=name, ylabel="ms a step", ylim=(0, None), xticks=list(each))
    if plot:
        figure.savefig(plot)


def presets(rounds: int) -> None:
    """A step of each preset with two branches, over `tiny`'s; then five branches over one. Presets take turns."""
    print(
        "\n| preset | ms, N = 2 | over tiny | N = 1 | N = 5 | N = 5 over N = 1 |\n| --- | --- | --- | --- | --- | --- |"
    )
    cases = [(preset, n) for preset in ("tiny", *SIZES) for n in (1, 2, 5)]
    works = {case: Training.of(*case) for case in cases}
    seconds = by_turns({case: work.cycle for case, work in works.items()}, rounds, DEVICE)
    each = {case: 1000 * seconds[case] / works[case].config.optimiser.r1_every for case in cases}
    for preset in ("tiny", *SIZES):
        one, two, five = (each[preset, n] for n in (1, 2, 5))
        cells = (f"{two:.0f}", f"{two / each['tiny', 2]:.2f}", f"{one:.0f}", f"{five:.0f}", f"{five / one:.2f}")
        _row(preset, *cells)


def findings(rounds: int) -> None:
    """A step of six findings over one of two classes, two branches each; they take turns."""
    print("\n| preset | ms a step, K = 6 | K = 1 | K = 6 over K = 1 |\n| --- | --- | --- | --- |")
    for preset in SIZES[:2]:
        works = {k: Training.of(preset, 2, findings=k) for k in (6, 1)}
        seconds = by_turns({k: work.cycle for k, work in works.items()}, rounds, DEVICE)
        six, one = (1000 * seconds[k] / works[k].config.optimiser.r1_every for k in (6, 1))
        _row(preset, f"{six:.0f}", f"{one:.0f}", f"{six / one:.2f}")


def _row(*cells: object) -> None:
    print("|", " | ".join(str(cell) for cell in cells), "|", flush=True)


def main() -> None:
    keep_memory()
    flush_denormals()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plot", type=Path, help="SVG to write: cost against N, size and batch")
    parser.add_argument("--rounds", type=int, help="of each comparison; by default 15, with --quick 5")
    parser.add_argument("--quick", action="store_true", help="the tiny preset alone, fewer rounds")
    arguments = parser.parse_args()
    quick, rounds = arguments.quick, arguments.rounds or (5 if arguments.quick else 15)
    chip = torch.cuda.get_device_name() if DEVICE.type == "cuda" else platform.processor() or platform.machine()
    machine = measure(DEVICE)
    print(f"{chip}, {torch.get_num_threads()} threads, torch {torch.__version__};", end=" ")
    print(", ".join(f"{str(d).removeprefix('torch.')} {r / 1e9:.0f} GFLOP/s" for d, r in machine.flops.items()), end="")
    print(f", memory {machine.bandwidth / 1e9:.1f} GB/s")
    measured: list[Preset] = ["tiny"] if quick else ["tiny", *SIZES]
    steps(machine, [(preset, n) for preset in measured for n in (1, 2, 5)], rounds)
    if not quick and DEVICE.type == "cuda":
        steps(machine, [("paper", n) for n in (1, 2, 5)], 1)
    elif not quick:
        single_steps("paper", (1, 2, 5))
    if not quick:
        presets(max(1, rounds // 3))
        findings(max(1, rounds // 3))
    against_reference(rounds)
    mapping(512 if quick else 10_000)
    costs(max(1, rounds // 3), arguments.plot)
    print("\n| preset | N | peak memory above the imports, MiB |\n| --- | --- | --- |")
    for preset in measured:
        _row(preset, 5, f"{peak_memory(preset, 5):.0f}")


if __name__ == "__main__":
    main()
