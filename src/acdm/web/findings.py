"""The report of a run of several findings: what each concludes, and how well they are told apart."""

from pathlib import Path

from acdm.core.files import write_text
from acdm.core.run import Run
from acdm.web.pages import colours_of, template, within
from acdm.web.report import build_report
from acdm.web.training import curves, facts
from acdm.web.verdict import conclude


def build_page(run: Run, *, single_file: bool = False) -> Path:
    """Write the report of a run, whether of two classes or of several findings; raises RunError as both do."""
    build = _build_findings if run.findings() else build_report
    return build(run, single_file=single_file)


def _build_findings(run: Run, *, single_file: bool = False) -> Path:
    """Write the report of each finding, and the page that leads to them; returns its path.

    Args:
        run: of several findings.
        single_file: write report.html in place of index.html; each finding's page then holds its pictures, too.

    Raises:
        RunError: when the run has not been evaluated.
    """
    whole = run.read_finding_results()
    name = "report.html" if single_file else "index.html"
    of_each = {finding: run.finding(finding) for finding in whole.labels}
    for of_one in of_each.values():
        build_report(of_one, single_file=single_file)
    rows, together = run.metric_rows(), run.gallery / "findings.png"
    path = run.report / name
    page = template("findings.html").render(
        run=run.path.resolve().name,
        whole=whole,
        pages={finding: f"../findings/{finding}/report/{name}" for finding in of_each},
        conclusions={
            finding: conclude(whole.labels[finding], of_one.read_data()) for finding, of_one in of_each.items()
        },
        colours=colours_of(tuple(of_each)),
        shown=[name for name in ("object", "evidence", "psi1") if name in whole.confusion],
        picture=within(together.read_bytes()) if together.is_file() else "",
        curves=curves(rows, None),
        facts=facts(run, rows),
    )
    write_text(path, page)
    return path
