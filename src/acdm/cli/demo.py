"""The paper's first experiment in one call: toy set 1 → train → evaluate → report."""

from pathlib import Path

from acdm.cli.terminal import table
from acdm.core.config import build
from acdm.core.run import next_folder
from acdm.data.sets.synthetic import write_synthetic
from acdm.errors import RunError
from acdm.evaluation.results import assess
from acdm.training.progress import Watcher
from acdm.training.request import start
from acdm.web.report import build_report

SIZE, TRAIN, TEST = 64, 4000, 400


def run_demo(out: Path | None, minutes: float, seed: int, command: str, watcher: Watcher) -> tuple[Path, list[str]]:
    """Do it all in one folder; returns the report's page and lines of figures.

    Args:
        out: holds `toy/` and `run/`; by default a new folder under runs/.
        minutes: of training.
        seed: of the images and the training.
        command: for the record.
        watcher: of progress.

    Raises:
        ConfigError, RunError: before anything is drawn, when an option does not fit or `out` holds something already.
    """
    options = {"minutes": minutes, "seed": seed}
    build("tiny", options)
    folder = out or next_folder("demo")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder}: already exists; choose another folder with -o")
    toy = folder / "toy"
    watcher.say(f"drawing {TRAIN + TEST} toy images into {toy}")
    write_synthetic(toy, "1", SIZE, TRAIN, TEST, seed)
    run = start([toy], folder / "run", "tiny", options, command, positive="with", watcher=watcher)
    watcher.say("evaluating")
    results = assess(run, [toy])
    return build_report(run), table(results).splitlines()
