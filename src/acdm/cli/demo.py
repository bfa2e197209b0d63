"""The whole way in one call, on toy set 1 of the paper or on the real images of the package: to a report."""

from pathlib import Path

from acdm.cli.terminal import table
from acdm.core.config import Config
from acdm.core.progress import Progress
from acdm.core.run import next_folder
from acdm.data.sets.boards import POSITIVE, write_boards
from acdm.data.sets.synthetic import write_synthetic
from acdm.errors import RunError
from acdm.evaluation.results import evaluate
from acdm.training.request import Request
from acdm.training.train import train
from acdm.web.live import LiveReport
from acdm.web.report import build_report

SIZE, TRAIN, TEST = 128, 4000, 400


def run_demo(
    out: Path | None, real: bool, minutes: float, seed: int, command: str, progress: Progress
) -> tuple[Path, list[str]]:
    """Do it all in one folder; returns the report's page and lines of figures.

    Args:
        out: holds the images and `run/`; by default a new folder under runs/.
        real: whether to take the package's real images, and not draw toy images.
        minutes: of training.
        seed: of the images and the training.
        command: as it was typed; stored in env.json.
        progress: told of every image and step.

    Raises:
        ConfigError, RunError: before anything is drawn, when an option does not fit or `out` holds something already.
    """
    options = {"minutes": minutes, "seed": seed}
    Config.of(options)
    folder = out or next_folder("demo")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder}: already exists; choose another folder with -o")
    data, positive = _boards(folder, progress) if real else _toy(folder, seed, progress)
    request = Request(
        folders=[data],
        out=folder / "run",
        options=options if real else {**options, "size": SIZE},
        positive=positive,
        command=command,
    )
    with LiveReport(progress) as live:
        run = train(request, live)
    progress.say("evaluating")
    results = evaluate(run, [data], progress=progress)
    return build_report(run), table(results).splitlines()


def _boards(folder: Path, progress: Progress) -> tuple[Path, str]:
    """The package's real images, and the class with the object."""
    progress.say(f"unpacking crops of circuit boards (DeepPCB, MIT licence) into {folder / 'boards'}")
    return write_boards(folder / "boards"), POSITIVE


def _toy(folder: Path, seed: int, progress: Progress) -> tuple[Path, str]:
    """Toy set 1, and the class with the object."""
    toy = folder / "toy"
    progress.say(f"drawing {TRAIN + TEST} toy images into {toy}")
    progress.begin("images", TRAIN + TEST)
    write_synthetic(toy, "1", SIZE, TRAIN, TEST, seed, progress)
    return toy, "with"
