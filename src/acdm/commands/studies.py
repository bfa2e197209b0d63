"""acdm bench: many trainings, compared."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from acdm.errors import PartialError


def bench(
    file: Path,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    root: Path = Path(),
) -> None:
    """Run a grid of trainings; the same command goes on where it was cut off.

    Parameters
    ----------
    file
        YAML: data, variants and seeds; docs/reference/bench.md, examples in benchmarks/paper.
    out
        Folder for runs, tables and curves; by default runs/bench-<name of the file>.
    root
        Folder that relative paths of data in the file are below.
    """
    from acdm.bench import run_study, write_tables
    from acdm.screen import watching
    from acdm.study import read_study

    study, folder = read_study(file), out or Path("runs") / f"bench-{file.stem}"
    reasons: dict[str, str] = {}
    with watching() as watcher:
        for cell, reason in run_study(study, root, folder, shlex.join(["acdm", *sys.argv[1:]]), watcher):
            if reason:
                reasons[str(cell)] = reason
            table = write_tables(study, folder, reasons)
    print(table)
    print(f"written to {folder}: bench.csv, curves.csv, table.md, curves.html, and the runs")
    if reasons:
        name, reason = next(iter(reasons.items()))
        raise PartialError(f"{len(reasons)} cells failed, first {name}: {reason}; all are in {folder / 'bench.csv'}")
