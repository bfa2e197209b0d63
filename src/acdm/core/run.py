"""The run folder: what is in it, who may write to it, and how it is read back.

RUN/ config.yaml  data.json  env.json  metrics.csv  log.txt
     checkpoints/step-<n>.safetensors  chosen.safetensors  judge.safetensors  calibration.json  samples/step-<n>.png
     segmenter.safetensors  results.json  look-first.csv  gallery/<n>.png  report/index.html
     beginning/  with several findings, the training that they begin with
     findings/<name>/  with several findings, a run folder of each, which has no checkpoints of its own
"""

import csv
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from filelock import FileLock, Timeout

from acdm.core.config import Config
from acdm.core.files import append_line, write_text
from acdm.core.options import read_yaml, to_yaml
from acdm.core.records import DataRecord, Environment
from acdm.core.results import FindingResults, Gallery, Results
from acdm.core.tables import csv_text
from acdm.errors import RunError, RunLockedError, WriteError

LOCK = ".lock"
FINDINGS = "findings"
BEFORE = {"real": 0, "loss": {"invention": 1}, "begin_as_one": False}  # what runs did before they had these options
BEGINNING = "beginning"
FOLDERS = ("checkpoints", "samples", "gallery", "report", BEGINNING, FINDINGS)
RESUME = "go on with 'acdm train DATA -o RUN --resume'"
EVALUATE = "first 'acdm evaluate RUN DATA'"
RENAMED_COLUMNS = {"critic": "discriminator"}  # of metrics.csv, since earlier versions


@dataclass(frozen=True)
class Run:
    """A run folder by its path; every property is a place in it."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.csv"

    @property
    def judge(self) -> Path:
        return self.path / "judge.safetensors"

    @property
    def chosen(self) -> Path:
        return self.path / "chosen.safetensors"

    @property
    def segmenter(self) -> Path:
        return self.path / "segmenter.safetensors"

    @property
    def calibration(self) -> Path:
        return self.path / "calibration.json"

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    @property
    def look_first(self) -> Path:
        return self.path / "look-first.csv"

    @property
    def report(self) -> Path:
        return self.path / "report"

    @property
    def gallery(self) -> Path:
        return self.path / "gallery"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @property
    def networks(self) -> "Run":
        """The run that has the networks: of one finding, the run of all of them; else itself."""
        above = self.path.absolute().parent
        if above.name != FINDINGS or not (above.parent / "data.json").is_file():
            return self
        whole = Run.open(above.parent)
        return whole if self.path.absolute().name in whole.findings() else self

    def findings(self) -> tuple[str, ...]:
        """The findings that it was trained on; none where it has classes."""
        return self.read_data().findings

    def finding(self, name: str | None) -> "Run":
        """The run of one of its findings; itself where it has classes and none is named.

        Raises:
            RunError: naming the findings there are, where none of them is named.
        """
        names = self.findings()
        if name is None and not names:
            return self
        if name not in names:
            there = f"its findings are {', '.join(names)}; name one with --finding" if names else "it has two classes"
            raise RunError(f"{self.path}: {f'has no finding {name!r}; ' if name else ''}{there}")
        if not (self.path / FINDINGS / name).is_dir():
            raise RunError(
                f"{self.path}: has no maps of {name!r} yet; finish it with 'acdm train DATA -o RUN --resume'"
            )
        return Run.open(self.path / FINDINGS / name)

    def each(self, name: str | None = None) -> dict[str, "Run"]:
        """The runs of its findings by their names; by "" the one that is named, or itself where it has classes.

        Raises:
            RunError: as `finding`.
        """
        names = self.findings() if name is None else ()
        return {one: self.finding(one) for one in names} or {"": self.finding(name)}

    @property
    def begins_findings(self) -> bool:
        """Whether its branches are trained and what comes after them is begun, finding by finding."""
        return (self.path / FINDINGS).is_dir()

    def forget_findings(self) -> Path | None:
        """Set aside what came after the branches, for they are trained on; returns its new place, if there was any."""
        found, aside = self.path / FINDINGS, self.path / f"{FINDINGS}-before"
        if not found.is_dir():
            return None
        rmtree(aside, ignore_errors=True)
        return found.replace(aside)

    def forget_figures(self) -> None:
        """Set aside what was measured, for it is of networks that change now."""
        aside = self.path / "before"
        for path in (self.results, self.look_first, self.gallery):
            if path.exists():
                aside.mkdir(exist_ok=True)
                old = aside / path.name
                rmtree(old, ignore_errors=True) if old.is_dir() else old.unlink(missing_ok=True)
                path.replace(old)

    def begin_finding(self, name: str, data: DataRecord) -> "Run":
        """Make the folder of a finding: the same configuration and machine, classes of its own."""
        run = Run(self.path / FINDINGS / name)
        run.begin(self.config(), data, self.read_environment())
        return run

    @property
    def beginning(self) -> "Run":
        """The training of any finding against none, with which several findings can begin."""
        return Run(self.path / BEGINNING)

    @property
    def in_training(self) -> "Run":
        """Whose curves and sheets show how a training goes: those of a beginning, while there are no others."""
        return self.beginning if self.beginning.metrics.is_file() and not self.metrics.is_file() else self

    @property
    def begun(self) -> bool:
        """Whether a training has got as far as its first step: env.json is written last."""
        return (self.path / "env.json").is_file()

    @classmethod
    def open(cls, path: Path) -> "Run":
        """Open a folder that a training made.

        Raises:
            RunError: when it is not one, or a link in it leads elsewhere.
        """
        if not (path / "config.yaml").is_file():
            raise RunError(
                f"{path}: not a run folder (no config.yaml in it); give the folder that 'acdm train' printed"
            )
        for place in (path, *(path / name for name in FOLDERS)):
            for entry in place.iterdir() if place.is_dir() else ():
                if entry.is_symlink():
                    raise RunError(f"{entry}: a link; a run folder holds its files itself. Put the file there")
        return cls(path)

    @classmethod
    def create(cls, path: Path, config: Config, data: DataRecord, command: str) -> "Run":
        """Make a new folder with its configuration, data and environment written down.

        Args:
            path: of the folder; nothing is there yet.
            config: every option, decided.
            data: what is trained on.
            command: as it was typed; stored in env.json.

        Raises:
            RunError: when something is there already.
        """
        _require_empty(path)
        run = cls(path)
        run.begin(config, data, Environment.here(command))
        return run

    def begin(self, config: Config, data: DataRecord, environment: Environment) -> None:
        """Write down what a run is begun with; `begun` hangs on the last of it."""
        self.save_config(config)
        data.write(self.path / "data.json")
        environment.write(self.path / "env.json")

    @property
    def id(self) -> str:
        """The run's own name, which its files carry; "" where env.json says none."""
        return self.read_environment().id if self.begun else ""

    def config(self) -> Config:
        """The configuration that the run was begun with, or goes on with."""
        return Config.of(BEFORE, read_yaml(self.path / "config.yaml"))

    def save_config(self, config: Config) -> None:
        """Write config.yaml."""
        write_text(self.path / "config.yaml", to_yaml(config))

    def read_data(self) -> DataRecord:
        """What the run was trained on; raises RunError as `Record.read`."""
        return DataRecord.read(self.path / "data.json", RESUME)

    def read_environment(self) -> Environment:
        """The machine, versions and command; raises RunError as `Record.read`."""
        return Environment.read(self.path / "env.json", RESUME)

    def read_results(self) -> Results:
        """The figures of the run's evaluation; raises RunError as `Record.read`."""
        return Results.read(self.results, EVALUATE)

    def read_finding_results(self) -> FindingResults:
        """The figures of several findings; raises RunError as `Record.read`."""
        return FindingResults.read(self.results, EVALUATE)

    def read_gallery(self) -> Gallery:
        """The images that the report shows; raises RunError as `Record.read`."""
        return Gallery.read(self.gallery / "gallery.json", EVALUATE)

    def log(self, line: str) -> None:
        """Add a line to log.txt."""
        append_line(self.path / "log.txt", line)

    def last_lines(self, count: int) -> list[str]:
        """The last lines of log.txt."""
        log = self.path / "log.txt"
        return log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:] if log.is_file() else []

    def newest_sheet(self) -> Path | None:
        """The sheet of sample pictures of the latest step; None where none is drawn yet."""
        drawn = (path for path in self.samples.glob("step-*.png") if path.stem.removeprefix("step-").isdigit())
        return max(drawn, key=lambda path: int(path.stem.removeprefix("step-")), default=None)

    def metric(self, row: Mapping[str, object]) -> None:
        """Add a line to metrics.csv; the columns of the first line stay."""
        if not self.metrics.exists():
            append_line(self.metrics, ",".join(row))
        with self.metrics.open(encoding="utf-8") as file:
            columns = [RENAMED_COLUMNS.get(name, name) for name in file.readline().strip().split(",")]
        append_line(self.metrics, ",".join(str(row.get(column, "")) for column in columns))

    def metric_rows(self) -> list[dict[str, str]]:
        """The lines of metrics.csv by column, under the columns' present names."""
        if not self.metrics.exists():
            return []
        with self.metrics.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if None not in row and None not in row.values()]  # torn lines
        return [
            {RENAMED_COLUMNS.get(name, name): v for name, v in row.items()} for row in rows if row["step"].isdigit()
        ]

    def forget_after(self, step: int) -> None:
        """Drop metrics of steps that a resumed training will do again."""
        rows = [row for row in self.metric_rows() if int(row["step"]) <= step]
        if rows:
            write_text(self.metrics, csv_text(rows))
        else:
            self.metrics.unlink(missing_ok=True)


def require_free(path: Path) -> None:
    """Raise RunError when a run folder would be laid over something, RunLockedError when another makes it just now."""
    if (path / LOCK).is_file():
        with lock(path):
            pass
    _require_empty(path)


BEFORE_BEGUN = {LOCK, "config.yaml", "data.json"}  # what a training that was cut off before its first step leaves


def _require_empty(path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(p.name not in BEFORE_BEGUN for p in path.iterdir())):
        raise RunError(
            f"{path}: already exists; choose another folder with -o, or go on with it by 'acdm train DATA -o {path}"
            " --resume'"
        )


def next_folder(name: str) -> Path:
    """The first of runs/<name>-1, runs/<name>-2, … that is not there yet."""
    number = 1
    while (folder := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return folder


@contextmanager
def lock(folder: Path, wait: bool = False) -> Iterator[None]:
    """Keep others out of a folder; the lock dies with the process.

    Args:
        folder: made where it is missing.
        wait: until the folder is free.

    Raises:
        RunLockedError: saying who holds it.
        WriteError: when the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = FileLock(folder / LOCK, timeout=-1 if wait else 0).acquire()
    except Timeout:
        raise RunLockedError(f"{folder}: in use by {_holder(folder / LOCK)}") from None
    except OSError as error:
        raise WriteError(f"{folder}: cannot be made ({error.strerror}); choose another folder with -o") from None
    with held:
        with suppress(OSError):  # Windows lets nobody write to a locked file
            (folder / LOCK).write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        yield


def _holder(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip() or "another process"
    except (OSError, UnicodeDecodeError):
        return "another process"
