"""acdm evaluate, report, ui, export, info, env: one finished run, and this machine."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from acdm.cli.options import Out


def evaluate(
    run: Path,
    data: list[Path],
    /,
    *,
    split: Literal["all", "dev", "final"] = "all",
    json: Path | None = None,
) -> None:
    """Measure a run on test images with truth; writes results.json.

    Parameters
    ----------
    run
        Run folder.
    data
        As it was given to train.
    split
        all test images, the dev half (test/dev.txt), or the final rest.
    json
        Another place for results.json.
    """
    from acdm.cli.terminal import table
    from acdm.core.run import Run
    from acdm.evaluation.results import assess

    results = assess(Run.open(run), data, split, json)
    print(table(results))
    print(f"written to {json or Run.open(run).results}")


def report(run: Path) -> None:
    """Write report/index.html: verdict, curves, gallery, figures; opens offline.

    Parameters
    ----------
    run
        Run folder, evaluated before.
    """
    from acdm.core.run import Run
    from acdm.web.report import build_report

    print(f"look at {build_report(Run.open(run))}")


def env() -> None:
    """What this machine offers."""
    import json

    from acdm.core.run import environment

    print(json.dumps(environment("acdm env"), indent=1))


def export(
    run: Path,
    *,
    to: Literal["onnx", "torch"] = "onnx",
    out: Out = None,
) -> None:
    """Write the networks for other runtimes, with model.json beside them.

    Parameters
    ----------
    run
        Run folder.
    to
        onnx: model.onnx, for onnxruntime and others; torch: model.pt2, a program of torch.export.
    out
        Folder; by default export/ in the run folder.
    """
    from acdm.maps.decomposer import load
    from acdm.maps.export import export as write

    path = write(load(run), out or run / "export", to)
    print(f"written to {path}, and {path.parent / 'model.json'}, which says how to use it")


def info(run: Path) -> None:
    """What a run is: data, settings, size, how far it is, and its figures.

    Parameters
    ----------
    run
        Run folder.
    """
    import json

    from acdm.cli.info import about
    from acdm.core.run import Run

    print(json.dumps(about(Run.open(run)), indent=1, ensure_ascii=False))


def ui(
    run: Path, *, port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 0, open: bool = True
) -> None:
    """A page on this machine to drop an image on: branches, maps, mask, boxes, and branch 1 turned up and down.

    Parameters
    ----------
    run
        Run folder.
    port
        Of 127.0.0.1; 0 takes a free one.
    open
        Open it in the browser.
    """
    import webbrowser

    from acdm.maps.decomposer import load
    from acdm.web.server import Page, serve

    decomposer = load(run)
    decomposer.insist_ready(None)
    page = Page(decomposer, run.resolve().name, port)
    print(f"open {page.address}\nfor this machine alone; Ctrl-C ends it", flush=True)
    if open:
        webbrowser.open(page.address)
    serve(page)
