"""acdm demo, check, train."""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from acdm.cli.options import Out, typed
from acdm.core.config import Augment, Judged, Network, Optimiser, Preset, Reading, Weights
from acdm.core.options import overlay, read_yaml
from acdm.errors import DataError
from acdm.training.launch import insist_named, launch, launched


def demo(out: Out = None, *, minutes: float = 3.0, seed: int = 0) -> None:
    """Toy images → train → evaluate → report, on a CPU, with nothing downloaded.

    Parameters
    ----------
    out
        Folder for the toy data and the run; by default a new one under runs/.
    minutes
        Of training.
    seed
        Of the toy data and the training.
    """
    from acdm.cli.demo import run_demo
    from acdm.cli.terminal import watching

    with watching() as watcher:
        report, lines = run_demo(out, minutes, seed, typed(), watcher)
    for line in lines:
        print(line)
    print(f"look at {report}")


def check(
    data: list[Path],
    /,
    *,
    json: bool = False,
    positive: str | None = None,
    preset: Preset | None = None,
    size: int | None = None,
    minutes: float | None = None,
    steps: int | None = None,
    seed: Annotated[int, Parameter(validator=Number(gte=0))] = 0,
) -> None:
    """Examine images before training: counts, bad files, duplicates, shortcuts, and the plan.

    Parameters
    ----------
    data
        As for train.
    json
        Print everything as JSON.
    positive
        The class that carries the object, as for train.
    preset
        As for train; decides the plan.
    size
        As for train; decides the plan.
    minutes
        As for train; decides the plan.
    steps
        As for train; decides the plan.
    seed
        Of the split, where one has to be made.
    """
    from json import dumps

    from acdm.cli.terminal import bar
    from acdm.data.checkup import check as examine
    from acdm.data.checkup import summary
    from acdm.data.folder import load_dataset

    options = {"preset": preset, "size": size, "minutes": minutes, "steps": steps, "seed": seed}
    dataset = load_dataset(data, positive, seed)
    with bar("images", len(dataset.items)) as tick:
        found = examine(dataset, {key: value for key, value in options.items() if value is not None}, tick)
    print(dumps(found.as_json(), indent=1, ensure_ascii=False) if json else summary(found))
    if found.problems:
        raise DataError(f"{len(found.problems)} problems would stop the training; the first: {found.problems[0]}")


def train(
    data: list[Path],
    /,
    *,
    out: Out = None,
    preset: Preset | None = None,
    size: int | None = None,
    branches: int | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    batch: int | None = None,
    seed: int | None = None,
    device: Literal["auto", "cpu", "cuda"] | None = None,
    precision: Literal["auto", "bf16", "fp32"] | None = None,
    judged: Judged | None = None,
    positive: str | None = None,
    resume: bool = False,
    devices: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    nodes: Annotated[int, Parameter(validator=Number(gte=1))] = 1,
    config: Path | None = None,
    loss: Weights | None = None,
    network: Network | None = None,
    optimiser: Optimiser | None = None,
    augment: Augment | None = None,
    images: Reading | None = None,
) -> None:
    """Train on a data folder, or on two folders of images.

    Parameters
    ----------
    data
        DATA with train/CLASS/ or CLASS/, a CSV path,label[,group][,mask], or two class folders.
    out
        Run folder; by default a new one under runs/.
    preset
        tiny (64 px), small (128 px) or paper (256 px); by default after the images' size.
    size
        Side of the square the network sees, a power of two.
    branches
        N.
    steps
        How many.
    minutes
        Bound on the wall clock of training; the measured speed becomes a step count.
    batch
        Images a step.
    seed
        Of splits, weights and batches.
    device
        auto takes a GPU where there is one.
    precision
        auto takes bf16 where the processor is fast at it.
    judged
        What the discriminator compares: swapped images with reconstructions (paired), swapped images with real ones
        (swapped), or swapped images and reconstructions with real ones (both).
    positive
        The class that carries the object; by default the one with masks or boxes, else the second.
    resume
        Go on with the run of -o from its newest checkpoint.
    devices
        Processes on this machine that share each batch, one a GPU where there are any.
    nodes
        Machines, each with as many devices; NODE_RANK and MASTER_ADDR say which one this is.
    config
        YAML file of options; the command line wins over it.
    """
    if devices * nodes > 1 and not launched():
        insist_named(out)
        sys.exit(launch(sys.argv[1:], devices, nodes))
    from acdm.cli.terminal import watching
    from acdm.core.processes import leads
    from acdm.training.progress import Watcher
    from acdm.training.request import start

    nested = {"loss": loss, "network": network, "optimiser": optimiser, "augment": augment, "images": images}
    options: dict[str, Any] = read_yaml(config) if config else {}
    plain = {
        "size": size, "steps": steps, "minutes": minutes, "batch": batch, "seed": seed, "device": device,
        "precision": precision, "judged": judged,
    }  # fmt: skip
    options |= {key: value for key, value in plain.items() if value is not None}
    for key, model in nested.items():
        if model is not None:
            options = overlay(options, {key: model.model_dump(exclude_unset=True)})
    if branches is not None:
        options = overlay(options, {"network": {"branches": branches}})
    with watching() if leads() else nullcontext(Watcher()) as watcher:
        run = start(data, out, preset, options, typed(), positive=positive, resume=resume, watcher=watcher)
    where = " ".join(map(str, data))
    if leads():
        print(f"finished: {run.path}\nnext: acdm evaluate {run.path} {where}; acdm report {run.path}")
