"""acdm: two folders of images in, class distinction maps out.

    run = acdm.train("healthy/", "tumour/", size=128, minutes=30)
    acdm.evaluate(run, "healthy/", "tumour/"), acdm.report(run)
    model = acdm.load(run.path)
    d = model.decompose("scan.png", label="tumour")  # d.psi1, d.contrast, d.evidence, d.object, d.counterfactual
    boxes = acdm.segment(d.maps()[d.default_map]).boxes

Importing this is cheap: torch is loaded when something is called.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import Tensor

    from acdm.core.config import Split
    from acdm.core.progress import Progress
    from acdm.core.results import FindingResults, Results
    from acdm.core.run import Run
    from acdm.data.checkup import Checkup
    from acdm.maps.decomposer import Decomposer
    from acdm.maps.findings import FindingsDecomposer
    from acdm.maps.segmentation import Segmentation

__version__ = "0.1.0"
__all__ = ["check", "evaluate", "load", "map", "report", "segment", "train"]


def train(
    *folders: str | Path,
    out: str | Path | None = None,
    preset: str | int | None = None,
    positive: str | None = None,
    reference: str | None = None,
    resume: bool = False,
    masks: str | Path | None = None,
    progress: bool = True,
    **options: Any,
) -> "Run":
    """Train on DATA, or on two folders of images.

    Args:
        folders: one data folder, or two class folders.
        out: run folder; by default a new one under runs/.
        preset: 64, 128, 256 or "paper"; by default chosen from the images' size.
        positive: the class that carries the object; by default the one with masks or boxes, else the second.
        reference: with more than two classes, the one that the others are findings beside.
        resume: go on with the run in `out`.
        masks: folder of a few training images' masks, which the segmenter is taught by, too.
        progress: show how far it is: a bar in a terminal, a line every hundred steps elsewhere.
        options: keys of the configuration, nested ones as dictionaries: `loss={"sparse": 2.0}`.

    Raises:
        AcdmError: a sentence that says what is wrong, where, and what to do.
    """
    from torch.random import fork_rng

    from acdm.training.request import Request
    from acdm.training.train import train as run_training

    request = Request(
        folders=[Path(folder) for folder in folders],
        out=Path(out) if out else None,
        preset=None if preset is None else str(preset),
        options=options,
        positive=positive,
        reference=reference,
        resume=resume,
        masks=Path(masks) if masks else None,
    )
    with _shown(progress) as heard, fork_rng(devices=[]):  # what the caller draws stays as it would have been
        return run_training(request, heard)


def load(
    run: str | Path, features: str | Path | None = None, finding: str | None = None
) -> "Decomposer | FindingsDecomposer":
    """Load a trained run, ready to decompose images.

    Args:
        run: its folder.
        features: the file of `train(features=…)`, where the run's segmenter was taught on one.
        finding: with several findings in an image, the one that is meant; None loads them all, and a decomposition then
            has each in `labels`.

    Raises:
        RunError, CheckpointError: when the folder or its files are not what they should be.
    """
    from acdm.maps.loading import load as load_run
    from acdm.maps.loading import load_findings

    opened = _opened(run)
    if finding is None and opened.findings():
        return load_findings(opened, features)
    return load_run(opened.finding(finding).path, features=features)


def check(
    *folders: str | Path,
    positive: str | None = None,
    seed: int = 0,
    reference: str | None = None,
    progress: bool = True,
) -> "Checkup":
    """Examine images before training: counts, bad files, duplicates, shortcuts; print it, or read its attributes.

    Args:
        folders, positive, reference: as for `train`.
        seed: of the split.
        progress: show how far it is.

    Raises:
        DataError: when the folders are no data set.
    """
    from acdm.data.checkup import examine_folders

    with _shown(progress) as heard:
        return examine_folders([Path(folder) for folder in folders], heard, positive, seed, reference)


def evaluate(
    run: "str | Path | Run",
    *folders: str | Path,
    split: "Split" = "all",
    progress: bool = True,
    features: str | Path | None = None,
) -> "Results | FindingResults":
    """Measure a run on test images; writes results.json into it.

    Args:
        run: its folder, or what `train` gave.
        folders: as for `train`.
        split: all test images, the "dev" half, or the "final" rest.
        progress: show how far it is.
        features: as for `load`.

    Raises:
        RunError, DataError: when the run is unfinished, or images or truth cannot be used.
    """
    from acdm.evaluation.findings import evaluate_run

    with _shown(progress) as heard:
        file = None if features is None else Path(features)
        return evaluate_run(_opened(run), [Path(folder) for folder in folders], split, progress=heard, features=file)


def map(
    run: "str | Path | Run",
    images: str | Path,
    out: str | Path,
    label: str | None = None,
    progress: bool = True,
    finding: str | None = None,
    features: str | Path | None = None,
) -> Path:
    """Write the maps of one image or of a folder of them; goes on where it was cut off.

    Args:
        run: its folder, or what `train` gave.
        images: a file, or a folder that is searched through.
        out: where the maps go; one folder an image, and maps.csv, which says what became of each.
        label: class of the images; None lets the check classifier decide.
        progress: show how far it is.
        finding: with several findings in an image, the one that is meant.
        features: as for `load`.

    Returns:
        The path of maps.csv.

    Raises:
        RunError, DataError: when the run is unfinished, or no image can be mapped.
    """
    from acdm.maps.jobs.folders import map_folder
    from acdm.maps.jobs.worklist import MapOptions, find_images
    from acdm.maps.loading import load as load_run

    files = find_images(Path(images))
    decomposer = load_run(_opened(run).finding(finding).path, features=features)
    with _shown(progress) as heard:
        heard.begin("maps", len(files))
        for _ in map_folder(decomposer, files, Path(out), MapOptions(label=label), heard):
            heard.advance()
    return Path(out) / "maps.csv"


def report(run: "str | Path | Run", single_file: bool = False) -> Path:
    """Write a report of an evaluated run; returns its page.

    Args:
        run: its folder, or what `train` gave.
        single_file: one page that holds its pictures, for the mail.

    Raises:
        RunError: when the run has not been evaluated.
    """
    from acdm.web.findings import build_page

    return build_page(_opened(run), single_file=single_file)


def _shown(progress: bool) -> "AbstractContextManager[Progress]":
    """What hears how far the work is: the terminal, or nobody."""
    from contextlib import nullcontext

    from acdm.cli.terminal import showing
    from acdm.core.progress import QUIET

    return showing() if progress else nullcontext(QUIET)


def _opened(run: "str | Path | Run") -> "Run":
    from acdm.core.run import Run

    return run if isinstance(run, Run) else Run.open(Path(run))


def segment(signed: "Tensor", rule: str | float = "default", **options: Any) -> "Segmentation":
    """Cut a map of a decomposition into a mask and regions; see `acdm.maps.segmentation.segment`."""
    from acdm.maps.segmentation import segment as cut

    return cut(signed, rule, **options)
