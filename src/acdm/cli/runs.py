"""acdm evaluate, report, ui, export, info, runs, env: finished runs, and this machine."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from acdm.cli.options import Data, FeaturesFile, FindingName, OtherRun, Out, RunFolder
from acdm.core.config import Split


def evaluate(
    run: RunFolder,
    data: Data,
    /,
    *,
    split: Split = "all",
    json: Path | None = None,
    finding: FindingName = None,
    features: FeaturesFile = None,
) -> None:
    """Measure a run on test images with truth; writes results.json.

    Parameters
    ----------
    split
        Measure all test images, the dev half (test/dev.txt), or the final rest.
    json
        Another place for results.json; the run's own stays as it is.
    """
    from acdm.cli.terminal import showing, table
    from acdm.core.run import Run
    from acdm.evaluation.findings import evaluate_run

    opened = Run.open(run)
    if finding is not None:
        opened = opened.finding(finding)
    with showing() as progress:
        results = evaluate_run(opened, data, split, json, progress, features)
    print(table(results))
    print(f"written to {json or opened.results}")


def report(
    run: RunFolder,
    beside: OtherRun = None,
    /,
    *,
    single_file: bool = False,
    finding: FindingName = None,
) -> None:
    """Write report/index.html: verdict, curves, gallery, figures; opens offline.

    Parameters
    ----------
    single_file
        Write report/report.html in its place, which holds its pictures: one file, for the mail.
    """
    from acdm.core.run import Run
    from acdm.web.beside import build_beside
    from acdm.web.findings import build_page

    opened = Run.open(run)
    if beside:
        page = build_beside(opened.finding(finding), Run.open(beside).finding(finding))
    else:
        page = build_page(opened.finding(finding) if finding else opened, single_file=single_file)
    print(f"look at {page}")


def env() -> None:
    """Print what this machine offers: cores, GPU, versions."""
    from acdm.core.records import Environment

    print(Environment.here("acdm env").model_dump_json(indent=1))


def export(
    run: RunFolder,
    *,
    to: Literal["onnx", "torch"] = "onnx",
    out: Out = None,
    finding: FindingName = None,
) -> None:
    """Write the networks for other runtimes, with model.json beside them.

    Parameters
    ----------
    to
        onnx: model.onnx, for onnxruntime and others; torch: model.pt2, a program of torch.export.
    out
        Folder, and of several findings a folder in it for each; by default export/ in the folder of the run, or of each
        finding.  A segmenter on features of a file of your own stays out.
    """
    from acdm.core.run import Run
    from acdm.maps.export import export as write
    from acdm.maps.loading import load

    for name, one in Run.open(run).each(finding).items():
        path = write(load(one.path), out / name if out else one.path / "export", to)
        print(f"written to {path}, and {path.parent / 'model.json'}, which says how to use it")


def info(run: RunFolder) -> None:
    """Print what a run is: data, settings, size, how far it is, and its figures."""
    import json

    from acdm.cli.info import about
    from acdm.core.run import Run

    print(json.dumps(about(Run.open(run)), indent=1, ensure_ascii=False))


def runs(folder: Path = Path("runs"), /) -> None:
    """List the runs in a folder with their figures, those of the latest training first.

    Parameters
    ----------
    folder
        Searched through; by default runs/.
    """
    from acdm.cli.info import found_runs, line_of
    from acdm.core.tables import markdown
    from acdm.errors import RunError

    lines = [line_of(run, folder) for run in found_runs(folder)]
    if not lines:
        raise RunError(f"{folder}: holds no run; acdm train makes one")
    print(markdown(lines))


def ui(
    run: RunFolder,
    *,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 0,
    open: bool = True,
    masks: Path | None = None,
    finding: FindingName = None,
    features: FeaturesFile = None,
) -> None:
    """Serve a page on this machine to drop images on: maps, mask, boxes, branches, and the way to the other class.

    Of several findings it shows all in colours, and each of them.

    Parameters
    ----------
    port
        Port of 127.0.0.1; 0 takes a free one.
    open
        Open the page in the browser.
    masks
        Folder for masks of training images that are corrected on the page, as train --masks reads them.
    """
    import webbrowser

    from acdm.core.run import Run
    from acdm.maps.findings import decomposers_of
    from acdm.maps.loading import load, load_findings
    from acdm.web.corrections import Corrections
    from acdm.web.report import gallery_images
    from acdm.web.server import Beside, LocalServer, serve

    opened = Run.open(run)
    of_each = opened.each(finding)
    found = load(of_each[""].path, features=features) if "" in of_each else load_findings(opened, features)
    for one in decomposers_of(found).values():
        one.require_ready(None)
    beside = {
        name: Beside(
            gallery_images(one) if one.results.is_file() else [],
            Corrections(masks / name, one.path, one.read_data()) if masks else None,
        )
        for name, one in of_each.items()
    }
    page = LocalServer(found, run.resolve().name, port, beside)
    print(f"open {page.address}\nfor this machine alone; Ctrl-C ends it", flush=True)
    if open:
        webbrowser.open(page.address)
    serve(page)
