"""The run folder: what is in it, who may write to it, and how it is read back.

RUN/ config.yaml  data.json  env.json  metrics.csv  log.txt
     checkpoints/step-<n>.safetensors  chosen.safetensors  judge.safetensors  calibration.json  samples/step-<n>.png
     results.json  gallery/<n>.png  report/index.html
"""

import csv
import os
import platform
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from acdm.core.config import Config, build
from acdm.core.files import append_line, parse_json, write_json, write_text
from acdm.core.options import read_yaml, to_yaml
from acdm.core.tables import csv_text
from acdm.data.dataset import Dataset, describe
from acdm.errors import RunError, RunLockedError, WriteError


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
    def calibration(self) -> Path:
        return self.path / "calibration.json"

    @property
    def results(self) -> Path:
        return self.path / "results.json"

    @property
    def report(self) -> Path:
        return self.path / "report"

    @property
    def gallery(self) -> Path:
        return self.path / "gallery"

    @property
    def samples(self) -> Path:
        return self.path / "samples"

    @classmethod
    def open(cls, path: Path) -> "Run":
        """A folder that a training made.

        Raises:
            RunError: when it is not one.
        """
        if not (path / "config.yaml").is_file():
            raise RunError(
                f"{path}: not a run folder (no config.yaml in it); give the folder that 'acdm train' printed"
            )
        return cls(path)

    @classmethod
    def create(cls, path: Path, config: Config, dataset: Dataset, data: Mapping[str, Any], command: str) -> "Run":
        """A new folder with its configuration, data and environment written down.

        Raises:
            RunError: when something is there already.
        """
        _insist_empty(path)
        run = cls(path)
        run.save_config(config)
        write_json(path / "data.json", {**data, **describe(dataset)})
        write_json(path / "env.json", environment(command))
        return run

    def config(self) -> Config:
        return build("tiny", read_yaml(self.path / "config.yaml"))

    def save_config(self, config: Config) -> None:
        write_text(self.path / "config.yaml", to_yaml(config))

    def read_json(self, name: str, remedy: str = "go on with 'acdm train … --resume'") -> dict[str, Any]:
        """A JSON file of the folder; `remedy` is what makes it where it is missing.

        Raises:
            RunError: when it is missing or damaged.
        """
        path = self.path / name
        try:
            content = parse_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{path}: missing; {remedy}") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read ({error})") from None
        if not isinstance(content, dict):
            raise RunError(f"{path}: expected a JSON object")
        return content

    def log(self, line: str) -> None:
        append_line(self.path / "log.txt", line)

    def metric(self, row: Mapping[str, Any]) -> None:
        """One more line of metrics.csv; the columns of the first line stay."""
        if not self.metrics.exists():
            append_line(self.metrics, ",".join(row))
        with self.metrics.open(encoding="utf-8") as file:
            columns = file.readline().strip().split(",")
        append_line(self.metrics, ",".join(str(row.get(column, "")) for column in columns))

    def metric_rows(self) -> list[dict[str, str]]:
        if not self.metrics.exists():
            return []
        with self.metrics.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def forget_after(self, step: int) -> None:
        """Drop metrics of steps that a resumed training will do again."""
        rows = [row for row in self.metric_rows() if int(row["step"]) <= step]
        if rows:
            write_text(self.metrics, csv_text(rows))
        else:
            self.metrics.unlink(missing_ok=True)


def insist_free(path: Path) -> None:
    """Raises RunError when a run folder would be laid over something, RunLockedError when another makes it just now."""
    if (path / ".lock").is_file():
        with lock(path):
            pass
    _insist_empty(path)


def _insist_empty(path: Path) -> None:
    if path.exists() and (not path.is_dir() or any(p.name != ".lock" for p in path.iterdir())):
        raise RunError(f"{path}: already exists; choose another folder with -o, or go on with it by --resume")


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
        wait: until it is free.

    Raises:
        RunLockedError: saying who holds it.
    """
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be made ({error.strerror}); choose another folder with -o") from None
    with (folder / ".lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            file.seek(0)
            raise RunLockedError(f"{folder}: in use by {file.read().strip() or 'another process'}") from None
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def environment(command: str) -> dict[str, Any]:
    """The machine, the versions, and the command as it was typed."""
    import torch

    names = ("acdm", "torch", "numpy", "monai", "kornia", "scikit-learn", "torchmetrics", "pillow")
    return {
        "command": command,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "versions": {name: version(name) for name in names},
    }
