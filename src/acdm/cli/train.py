"""acdm demo, check, train: from images to a run."""

import sys
from contextlib import nullcontext
from json import dumps
from pathlib import Path

from acdm.cli.options import (
    AtLeast1,
    ConfigFile,
    Data,
    Out,
    PositiveClass,
    PresetName,
    Reference,
    TrainingOptions,
    layers,
    typed,
)
from acdm.core.progress import QUIET
from acdm.errors import DataError
from acdm.training.launch import launch, launched, require_named

TOY_MINUTES, REAL_MINUTES = 3.0, 8.0  # of the demo


def demo(out: Out = None, *, real: bool = False, minutes: float | None = None, seed: int = 0) -> None:
    """Images → train → evaluate → report, on a CPU, with nothing downloaded.

    Parameters
    ----------
    out
        Folder for the images and the run; by default a new one under runs/.
    real
        Take real images, which come with the package: crops of circuit boards with and without a flaw.
    minutes
        Minutes of training; by default 3, and 8 for the real images.
    seed
        Seed of the toy data and the training: the same seed, the same pictures.
    """
    from acdm.cli.demo import run_demo
    from acdm.cli.terminal import showing

    with showing() as progress:
        length = (REAL_MINUTES if real else TOY_MINUTES) if minutes is None else minutes
        report, lines = run_demo(out, real, length, seed, typed(), progress)
    for line in lines:
        print(line)
    print(f"look at {report}")


def check(
    data: Data,
    /,
    *,
    json: bool = False,
    preset: PresetName = None,
    positive: PositiveClass = None,
    reference: Reference = None,
    config: ConfigFile = None,
    options: TrainingOptions = None,
) -> None:
    """Examine images before training: counts, bad files, duplicates, shortcuts, and the plan.

    The options are those of train; they decide the plan.

    Parameters
    ----------
    json
        Print everything as JSON, for other programs.
    """
    from acdm.cli.terminal import showing
    from acdm.core.config import Config
    from acdm.data.checkup import examine_folders, summary
    from acdm.training.plan import make_plan

    given = layers(config, options)
    known = Config.of({"seed": given.get("seed"), "images": given.get("images", {})})
    with showing() as progress:
        found = examine_folders(data, progress, positive, known.seed, reference, known.images)
        if not found.problems:
            found.plan = make_plan(found, preset, given)
    print(dumps(found.as_json(), indent=1, ensure_ascii=False) if json else summary(found))
    if found.problems:
        raise DataError(f"{len(found.problems)} problems would stop the training; the first: {found.problems[0]}")


def train(
    data: Data,
    /,
    *,
    out: Out = None,
    preset: PresetName = None,
    positive: PositiveClass = None,
    reference: Reference = None,
    resume: bool = False,
    masks: Path | None = None,
    devices: AtLeast1 = 1,
    nodes: AtLeast1 = 1,
    config: ConfigFile = None,
    options: TrainingOptions = None,
) -> None:
    """Train on a data folder, or on two folders of images.

    Parameters
    ----------
    out
        Run folder; by default a new one under runs/.
    resume
        Go on with the run of -o from its newest checkpoint, after it was stopped or cut off.
    masks
        Folder of a few training images' masks, <name of the image>.png each, nonzero where the object is; they teach
        the segmenter beside the maps. With --resume of a finished run, it alone is taught anew; of several findings
        with -o RUN/findings/NAME --resume.
    devices
        Processes on this machine that share each batch, one a GPU where there are any.
    nodes
        Machines, each with as many devices; NODE_RANK and MASTER_ADDR say which one this is.
    """
    if devices * nodes > 1 and not launched():
        require_named(out)
        sys.exit(launch(sys.argv[1:], devices, nodes))
    from acdm.cli.terminal import showing
    from acdm.core.processes import is_first_process
    from acdm.training.request import Request, file_of_features
    from acdm.training.train import train as run_training
    from acdm.web.live import LiveReport

    request = Request(
        folders=data,
        out=out,
        preset=preset,
        options=layers(config, options),
        positive=positive,
        reference=reference,
        resume=resume,
        masks=masks,
        command=typed(),
    )
    with showing() if is_first_process() else nullcontext(QUIET) as progress, LiveReport(progress) as live:
        run = run_training(request, live)
    file = file_of_features(request.options)
    where = " ".join(map(str, data)) + (f" --features {file}" if file else "")
    if is_first_process():
        print(f"finished: {run.path}\nnext: acdm evaluate {run.path} {where}; acdm report {run.path}")
