"""A finished run with one file damaged, under every command that reads runs.

    python benchmarks/reliability/damaged_runs.py

Every file of the run in turn is missing, empty, `{}`, cut in half, or of another run of the same networks.  Prints how
often a command ended well, how often with a sentence and the exit code of one, and everything else.
"""

import contextlib
import io
import shutil
import warnings
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from acdm.cli.app import main as acdm

TRAINING = [
    "--size", "16", "--batch", "4", "--steps", "12", "--save-every", "6", "--validate-every", "6",
    "--precision", "fp32", "--branches", "2", "--network.width", "4", "--network.max-width", "8",
    "--network.discriminator-width", "4", "--network.discriminator-max-width", "8",
]  # fmt: skip
FILES = [
    "config.yaml", "data.json", "env.json", "metrics.csv", "log.txt", "judge.safetensors", "chosen.safetensors",
    "segmenter.safetensors",
    "calibration.json", "results.json", "gallery/gallery.json", "checkpoints/step-12.safetensors",
    "samples/step-12.png",
]  # fmt: skip
WAYS: dict[str, Callable[[Path, Path], object]] = {
    "missing": lambda file, other: file.unlink(),
    "empty": lambda file, other: file.write_bytes(b""),
    "{}": lambda file, other: file.write_bytes(b"{}"),
    "cut": lambda file, other: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "of another run": lambda file, other: shutil.copy(other, file),
}
COMMANDS: dict[str, Callable[[Path, Path], list[str]]] = {
    "info": lambda run, toy: ["info", str(run)],
    "evaluate": lambda run, toy: ["evaluate", str(run), str(toy)],
    "report": lambda run, toy: ["report", str(run)],
    "map": lambda run, toy: ["map", str(run), str(toy / "test/with"), "-o", str(run.parent / "maps")],
    "segment": lambda run, toy: ["segment", str(run), str(toy / "test/with"), "-o", str(run.parent / "masks")],
    "export": lambda run, toy: ["export", str(run), "--to", "torch"],
    "ui": lambda run, toy: ["ui", str(run), "--no-open"],
    "compare": lambda run, toy: [
        "compare", str(toy), str(run), "-o", str(run.parent / "compared"), "--baselines", "trivial",
    ],
    "resume": lambda run, toy: ["train", str(toy), "-o", str(run), "--resume", "--steps", "13"],
}  # fmt: skip


def make(folder: Path) -> None:
    """A toy set, and two finished, evaluated runs of it that differ in their seed."""
    toy = str(folder / "toy")
    commands = [["toy", toy, "--size", "16", "--train", "24", "--test", "8"]]
    for name, seed in (("whole", "0"), ("other", "1")):
        run = str(folder / name)
        commands += [["train", toy, "-o", run, "--seed", seed, *TRAINING], ["evaluate", run, toy]]
    for command in commands:
        code, said = quiet(command)
        if code:
            raise RuntimeError(said)


def quiet(command: list[str]) -> tuple[int, str]:
    """Exit code, and what was said on standard error."""
    said = io.StringIO()
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(said),
        patch("acdm.web.server.serve", lambda page: page.server_close()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("always")  # they are words to the user
        code = acdm(command)
    return code, said.getvalue()


def damaged(folder: Path, file: str, way: str, command: str) -> str:
    """What came of a command on a run with one file damaged: "well", "a sentence", or all that was said."""
    place = folder / "trial"
    shutil.copytree(folder / "whole", place / "run")
    try:
        WAYS[way](place / "run" / file, folder / "other" / file)
        code, said = quiet(COMMANDS[command](place / "run", folder / "toy"))
    finally:
        shutil.rmtree(place)
    if "Traceback" in said or code not in (0, 2, 3):
        return f"exit code {code}: {said}"
    if not code:
        return "well"
    return "a sentence" if said.strip().splitlines()[-1].startswith("✗ ") else said


def main() -> None:
    came = Counter[str]()
    with TemporaryDirectory() as name:
        make(Path(name))
        for file, way, command in product(FILES, WAYS, COMMANDS):
            try:
                outcome = damaged(Path(name), file, way, command)
            except Exception as error:
                outcome = repr(error)
            if outcome not in ("well", "a sentence"):
                print(f"{command}, {file} {way}: {outcome}", flush=True)
            came[outcome if outcome in ("well", "a sentence") else "else"] += 1
    print(", ".join(f"{count} {outcome}" for outcome, count in came.most_common()))


if __name__ == "__main__":
    main()
