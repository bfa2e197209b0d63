"""Two runs side by side: what each concludes, their figures, their curves, and the images that both reports show."""

from pathlib import Path

from acdm.core.files import write_text
from acdm.core.records import DataRecord
from acdm.core.results import Results
from acdm.core.run import Run
from acdm.core.tables import number
from acdm.web.chart import chart
from acdm.web.pages import percent, template, within
from acdm.web.training import facts, psnr_of
from acdm.web.verdict import conclude


def build_beside(one: Run, other: Run) -> Path:
    """Write report/beside-OTHER.html into the first run; returns its path.

    Raises:
        RunError: when either has not been evaluated.
    """
    runs = (one, other)
    results, data = [run.read_results() for run in runs], [run.read_data() for run in runs]
    trained = [run.metric_rows() for run in runs]
    names = [run.path.resolve().name for run in runs]
    if names[0] == names[1]:
        names = [str(run.path) for run in runs]
    galleries = [{(entry.file, entry.label): entry for entry in run.read_gallery().images} for run in runs]
    alike = _same_images(results, data)
    both = [key for key in galleries[0] if key in galleries[1]] if alike else []
    psnr = {name: psnr_of(rows) for name, rows in zip(names, trained, strict=True)}

    def pictures(file: str, label: str) -> list[str]:
        shown = [run.gallery / gallery[file, label].picture for run, gallery in zip(runs, galleries, strict=True)]
        return [within(path.read_bytes()) for path in shown]

    page = template("beside.html").render(
        names=names,
        facts=[facts(run, rows) for run, rows in zip(runs, trained, strict=True)],
        conclusions=[conclude(*known) for known in zip(results, data, strict=True)],
        rows=_rows(results),
        same_images=alike,
        curve=chart("PSNR of validation images, dB", psnr),
        images=[(f"{file}, class {label}", pictures(file, label)) for file, label in both],
    )
    path = one.report / f"beside-{other.path.resolve().name}.html"
    write_text(path, page)
    return path


def _same_images(results: list[Results], data: list[DataRecord]) -> bool:
    """Whether both runs were measured on the same test images, as far as their names tell."""
    measured = [(r.data, r.split, r.n) for r in results]
    names = [d.files.get("test") for d in data]
    return measured[0] == measured[1] and names[0] == names[1]


def _rows(results: list[Results]) -> list[tuple[str, list[str]]]:
    """What is compared, and each run's figure."""
    default = [r.maps[r.default_map] for r in results]
    maps = dict.fromkeys(name for r in results for name in r.maps)
    return [
        ("default map", [r.default_map for r in results]),
        ("test images", [f"{sum(r.n.values())} of {r.data}, {r.split}" for r in results]),
        ("images are rebuilt at, dB", [number(r.reconstruction.psnr_mean, 1) for r in results]),
        ("counterfactuals that convince", [percent(r.classes.swap_accuracy) for r in results]),
        ("image AUROC of the default map", [number(m.image_auroc) for m in default]),
        ("positive images with a region", [percent(m.positives_with_region) for m in default]),
        ("negative images with a region", [percent(m.negatives_with_region) for m in default]),
        ("Dice of the default map, no test mask seen", [number(m.dice) for m in default]),
        *(
            (f"AUPRC, {name}", [number(r.maps[name].auprc) if name in r.maps else "–" for r in results])
            for name in maps
        ),
    ]
