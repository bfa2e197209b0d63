"""acdm bench, acdm compare: many trainings, side by side."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from acdm.cli.options import ConfigFile, NeededOut, Out, PositiveClass, PresetName, TrainingOptions, layers, typed
from acdm.core.config import Split
from acdm.errors import PartialError

DEFAULT_MINUTES = 10.0


def bench(file: Path, *, out: Out = None, root: Path = Path()) -> None:
    """Run a grid of trainings; the same command goes on where it was cut off, or takes other cells of one that runs.

    Parameters
    ----------
    file
        YAML: data, variants and seeds; docs/reference/bench.md, examples in benchmarks/quality/paper.
    out
        Folder for runs, tables and curves; by default runs/bench-<name of the file>.
    root
        Folder that relative paths of data in the file are below.
    """
    from acdm.cli.terminal import showing
    from acdm.evaluation.bench import run_study, write_tables
    from acdm.evaluation.grid import read_study

    study, folder = read_study(file), out or Path("runs") / f"bench-{file.stem}"
    reasons: dict[str, str] = {}
    with showing() as progress:
        for cell, reason in run_study(study, root, folder, typed(), progress):
            if reason:
                reasons[str(cell)] = reason
            write_tables(study, root, folder, reasons)
    print(write_tables(study, root, folder, reasons))
    print(f"written to {folder}: bench.csv, curves.csv, table.md, curves.html, and the runs")
    if reasons:
        name, reason = next(iter(reasons.items()))
        raise PartialError(f"{len(reasons)} cells failed, first {name}: {reason}; all are in {folder / 'bench.csv'}")


def compare(
    data: Path,
    runs: Annotated[list[Path] | None, Parameter(consume_multiple=True)] = None,
    /,
    *,
    out: NeededOut,
    baselines: str | None = None,
    teach: bool = False,
    split: Split = "all",
    preset: PresetName = None,
    positive: PositiveClass = None,
    config: ConfigFile = None,
    options: TrainingOptions = None,
) -> None:
    """Measure acdm beside what one would do instead, on the same images in the same time.

    The options are those of train; here --minutes is what each method may take to learn, by default 10.

    Parameters
    ----------
    data
        Data folder with test images and their truth.
    runs
        Finished runs of it; where there are none, acdm is trained in the same time as all others.
    out
        Folder for tables, pictures and runs; the same command goes on where it was cut off.
    baselines
        Comma-separated: one-branch, five-branches, trivial, classifier, normals, probe, patch-memory, cycle,
        additive, fixed-point; by default all.
    teach
        Teach acdm's segmenter by each baseline's maps, too, in the segmenter's share of the minutes: a quarter of 10.
    split
        Measure all test images, the dev half (test/dev.txt), or the final rest.
    """
    from acdm.cli.terminal import showing
    from acdm.evaluation.compare import compare as measure
    from acdm.evaluation.methods import METHODS, prepare

    wanted = METHODS[1:] if baselines is None else baselines.split(",")
    methods = [name for name in (*(() if runs else METHODS[:1]), *wanted) if name]
    given = {"seed": 0, **layers(config, options)}
    minutes = float(given.pop("minutes", DEFAULT_MINUTES))
    reasons: dict[str, str] = {}
    with showing() as progress:
        setting = prepare([data], split, preset, given, minutes, progress, teach, positive)
        for name, reason in measure(setting, runs or [], methods, out, typed(), progress):
            progress.say(f"✗ {name}: {reason}" if reason else f"{name}: done")
            if reason:
                reasons[name] = reason
    if (out / "table.md").is_file():
        print((out / "table.md").read_text(encoding="utf-8").rstrip())
        print(f"written to {out}: compare.csv, table.md, pictures.png")
    if reasons:
        name, reason = next(iter(reasons.items()))
        raise PartialError(f"{len(reasons)} methods failed, first {name}: {reason}")
