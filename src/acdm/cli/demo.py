"""The paper's first experiment in one call: toy set 1 → train → evaluate → report."""

from pathlib import Path

from acdm.cli.terminal import table
from acdm.core.config import Config
from acdm.core.progress import Progress
from acdm.core.run import next_folder
from acdm.data.sets.synthetic import write_synthetic
from acdm.errors import RunError
from acdm.evaluation.results import evaluate
from acdm.training.request import Request
from acdm.training.train import train
from acdm.web.report import build_report

SIZE, TRAIN, TEST = 128, 4000, 400


def run_demo(out: Path | None, minutes: float, seed: int, command: str, progress: Progress) -> tuple[Path, list[str]]:
    """Do it all in one folder; returns the report's page and lines of figures.

    Args:
        out: holds `toy/` and `run/`; by default a new folder under runs/.
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
    toy = folder / "toy"
    progress.say(f"drawing {TRAIN + TEST} toy images into {toy}")
    progress.begin("images", TRAIN + TEST)
    write_synthetic(toy, "1", SIZE, TRAIN, TEST, seed, progress)
    request = Request(
        folders=[toy], out=folder / "run", options={**options, "size": SIZE}, positive="with", command=command
    )
    run = train(request, progress)
    progress.say("evaluating")
    results = evaluate(run, [toy], progress=progress)
    return build_report(run), table(results).splitlines()
