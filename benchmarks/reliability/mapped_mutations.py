"""Image files with a few bytes changed, through `acdm map`.

    python benchmarks/reliability/mapped_mutations.py RUN [COUNT]

RUN is one of grey images, trained with `--images.range 0 255`, so that every format has its range.
Whole files of every format are made, and each mutant is one of them cut, or with some bytes changed, doubled or left
out. They are mapped 5,000 at a time by a process of its own. Prints what came of them: tracebacks, processes that took
longer than a second a file, images without a row in maps.csv, and peak memory above that of one good image.
"""

import csv
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import nibabel
import numpy as np
import tifffile
from PIL import Image

import acdm

EACH = 5000
SECONDS = 60 + EACH  # one for each file, and the start


def _tiffs(values: np.ndarray) -> dict[str, Callable[[Path], object]]:
    return {
        "plain.tif": lambda path: tifffile.imwrite(path, values, photometric="minisblack"),
        "tiled.tif": lambda path: tifffile.imwrite(path, values, photometric="minisblack", tile=(16, 16)),
        "deflate.tif": lambda path: tifffile.imwrite(path, values.astype(np.uint16), compression="zlib"),
        "float.tif": lambda path: tifffile.imwrite(path, values.astype(np.float32), photometric="minisblack"),
    }


def originals(folder: Path, rng: np.random.Generator) -> dict[str, bytes]:
    """Whole files by name, one of each kind, as bytes."""
    values = rng.integers(0, 256, (24, 20), np.uint8)
    grey = Image.fromarray(values)
    makers: dict[str, Callable[[Path], object]] = {
        "grey.png": grey.save,
        "deep.png": Image.fromarray(values.astype(np.uint16)).save,
        "palette.png": grey.convert("P").save,
        "plain.jpg": grey.save,
        "progressive.jpg": lambda path: grey.save(path, progressive=True),
        "grey.bmp": grey.save,
        "grey.webp": grey.save,
        "plain.npy": lambda path: np.save(path, values),
        "volume.nii": lambda path: nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), np.eye(4)), path),
        "volume.nii.gz": lambda path: nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), np.eye(4)), path),
        **_tiffs(values),
    }
    for name, save in makers.items():
        save(folder / name)
    return {name: (folder / name).read_bytes() for name in makers}


def mutant(whole: bytes, rng: np.random.Generator) -> bytes:
    """The file with one to four changes, most of them near its beginning, where headers are."""
    content = bytearray(whole)
    for _ in range(int(rng.integers(1, 5))):
        near = len(content) if rng.random() < 0.3 else min(len(content), 400)
        at, length = int(rng.integers(near)), int(rng.integers(1, 9))
        match int(rng.integers(6)):
            case 0:
                content[at] ^= 1 << int(rng.integers(8))
            case 1:
                content[at : at + length] = rng.bytes(length)
            case 2:
                content[at : at + length] = b"\xff" * length
            case 3:
                content[at : at + length] = bytes(length)
            case 4:
                content[at:at] = content[at : at + length]
            case _:
                del content[at : at + length]
        if not content:
            return b""
    return bytes(content[: int(rng.integers(len(content)))] if rng.random() < 0.1 else content)


def mapped(run: Path, images: Path, out: Path) -> tuple[int | None, int, str]:
    """Exit code (None where it took too long), peak memory in bytes, and what was said on standard error."""
    command = [
        sys.executable,
        "-m",
        "acdm",
        "map",
        str(run),
        str(images),
        "-o",
        str(out),
        "--label",
        acdm.load(run).classes[0],
    ]
    said = out.with_suffix(".err")
    with said.open("w") as errors:
        process = subprocess.Popen(["timeout", str(SECONDS), *command], stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return (None if code == 124 else code), usage.ru_maxrss * 1024, said.read_text(errors="replace")


def main(run: Path, count: int = 100_000) -> None:
    came, tracebacks, slow, lost, peak = Counter[str](), 0, 0, 0, 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "whole").mkdir()
        whole = originals(folder / "whole", np.random.default_rng(0))
        (folder / "one").mkdir()
        (folder / "one/grey.png").write_bytes(whole["grey.png"])
        _, idle, _ = mapped(run, folder / "one", folder / "one-maps")
        for start in range(0, count, EACH):
            rng, images, out = np.random.default_rng(start + 1), folder / f"{start}", folder / f"{start}-maps"
            images.mkdir()
            for number in range(start, min(start + EACH, count)):
                kind = list(whole)[number % len(whole)]
                (images / f"{number:06d}-{kind}").write_bytes(mutant(whole[kind], rng))
            code, memory, said = mapped(run, images, out)
            peak = max(peak, memory)
            slow += code is None
            tracebacks += said.count("Traceback")
            rows = {}
            if (out / "maps.csv").is_file():
                with (out / "maps.csv").open(newline="") as file:
                    rows = {row["file"]: row["reason"] for row in csv.DictReader(file)}
            lost += len(list(images.iterdir())) - len(rows)
            came.update("refused" if reason else "mapped" for reason in rows.values())
            if code not in (0, 3) or "Traceback" in said:
                print(f"from {start}: exit code {code}\n{said[-2000:]}", flush=True)
            subprocess.run(["rm", "-rf", str(images), str(out)], check=True)
    print(f"{count} files: {came['mapped']} mapped, {came['refused']} refused, {lost} without a row")
    print(f"{tracebacks} tracebacks; {slow} of {-(-count // EACH)} processes too slow", end="; ")
    print(f"peak memory {(peak - idle) / 2**20:.0f} MiB above one good image's")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
