"""The real images that come with the package: crops of the training boards of DeepPCB, as one archive.

    python benchmarks/quality/boards_sample.py DATA MASKS src/acdm/data/sets/boards.zip

DATA is `pcb_deeppcb` (docs/results/README.md), MASKS the true masks of its training images, which
say where a flaw lies.
A crop of 64 px holds a whole flaw, or is cut around an edge of an image without one.  Of four boards one is the test
part, with masks; they teach nothing.
"""

import csv
import sys
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import find_objects, label

SIDE, JITTER = 64, 14  # px; how far a flaw or an edge may lie from the middle
TEST_BOARD = "92000"
LICENCE = """\
Crops of DeepPCB (https://github.com/tangsanli5201/DeepPCB), changed: cut to 64 x 64 pixels, masks made from its boxes
and its clean templates.

MIT License

Copyright (c) 2018 tangsanli5201

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

Pixels = NDArray[np.uint8]


def crop_at(middle: tuple[float, float], side: int, rng: np.random.Generator) -> tuple[slice, slice]:
    """A square of `SIDE` around a place, moved by up to `JITTER`, within an image of that side."""
    moved = [round(at + rng.integers(-JITTER, JITTER + 1) - SIDE / 2) for at in middle]
    top, left = (min(max(0, at), side - SIDE) for at in moved)
    return slice(top, top + SIDE), slice(left, left + SIDE)


def around_flaw(mask: Pixels, rng: np.random.Generator) -> tuple[slice, slice] | None:
    """A crop that holds one whole part of the mask; None where there is none of such a size."""
    parts = find_objects(label(mask > 0, np.ones((3, 3)))[0])
    for rows, columns in (parts[i] for i in rng.permutation(len(parts))):
        crop = crop_at(((rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2), len(mask), rng)
        if all(c.start <= p.start and p.stop <= c.stop for c, p in zip(crop, (rows, columns), strict=True)):
            return crop
    return None


def around_edge(image: Pixels, rng: np.random.Generator) -> tuple[slice, slice]:
    """A crop around some place where copper ends, for that is where most flaws are."""
    copper = image > 127
    edges = np.argwhere(copper[1:-1, 1:-1] != copper[1:-1, 2:]) + 1
    middle = edges[rng.integers(len(edges))] if len(edges) else rng.integers(0, len(image), 2)
    return crop_at((float(middle[0]), float(middle[1])), len(image), rng)


def main(data: Path, masks: Path, out: Path) -> None:
    rng = np.random.default_rng(0)
    with (data / "manifest.csv").open(encoding="utf-8", newline="") as table:
        rows = [row for row in csv.DictReader(table) if row["split"] == "train"]
    files: dict[str, bytes] = {"LICENSE-DeepPCB.txt": LICENCE.encode()}
    groups = ["file,group"]
    for row in rows:
        image = np.asarray(Image.open(data / row["file"]).convert("L"))
        stem, flawed = Path(row["file"]).stem, row["class"] == "A"
        mask = np.asarray(Image.open(masks / f"{stem}.png").convert("L")) if flawed else None
        crop = around_edge(image, rng) if mask is None else around_flaw(mask, rng)
        if crop is None:
            continue
        part = "test" if row["group"] == TEST_BOARD else "train"
        file = f"{part}/{'flaw' if flawed else 'sound'}/{stem}.png"
        files[file] = png(image[crop])
        groups.append(f"{file},{row['group'] if part == 'test' else stem.split('_')[0]}")  # board, or scan of a board
        if mask is not None and part == "test":
            files[f"test/masks/{stem}.png"] = png((mask[crop] > 0).astype(np.uint8) * 255)
    files["manifest.csv"] = ("\n".join(groups) + "\n").encode()
    with ZipFile(out, "w", ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(ZipInfo(name), content)  # of a fixed date, so that the archive is the same each time
    print({kind: sum(kind in name for name in files) for kind in ("train/flaw", "train/sound", "test/flaw", "masks")})
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB")


def png(pixels: Pixels) -> bytes:
    """As small as PNG makes it."""
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
