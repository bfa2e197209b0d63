"""DOTA from its original layout: images/*.png beside labelTxt*/*.txt with oriented boxes, versions 1.0 and 1.5.

A line of a label file: x1 y1 x2 y2 x3 y3 x4 y4 category difficult; before them imagesource: and gsd: lines.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.draw import polygon2mask

from acdm.core.progress import QUIET, Progress
from acdm.data.images.arrays import Box
from acdm.data.images.write import png
from acdm.data.sets.layout import DataFolder, empty_folder, parts_of
from acdm.errors import DataError

UPRIGHT = ("reclabel", "hbb", "task2")  # in names of folders with upright boxes in place of oriented ones
INSIDE = 0.7  # share of an object's area from which a window shows it
EMPTY = 0.5  # share of black pixels from which a window is the picture's padding


@dataclass(frozen=True)
class _Object:
    corners: NDArray[np.float64]  # (4, 2), rows and columns
    category: str


def write_dota(
    source: Path, out: Path, category: str, size: int, each: int, seed: int, progress: Progress = QUIET
) -> DataFolder:
    """Windows with and without objects of a category as a data folder, split by source image.

    Args:
        source: searched through for `images` folders and label files.
        out: must not exist.
        category: as in the label files, such as small-vehicle or plane.
        size: side of the windows in pixels.
        each: windows of each class that one source image gives at the most.
        seed: of the split and of the windows chosen.
        progress: told after each source image.

    Raises:
        DataError: when there is no labelled image, no such category, or too few images that show it.
    """
    folder, rng = DataFolder(empty_folder(out)), np.random.default_rng(seed)
    labelled = find_labelled(source)
    objects: dict[Path, list[_Object]] = {}
    for image, labels in labelled.items():
        try:
            objects[image] = _parse(labels)
        except DataError as error:
            folder.skip(image.name, str(error))
    categories = {o.category for found in objects.values() for o in found}
    if category not in categories:
        raise DataError(f"--category {category}: in no label file; there are {', '.join(sorted(categories))}")
    parts = parts_of([image.stem for image in objects], seed)
    for image, found in objects.items():
        try:
            _write_windows(
                folder, image, [o for o in found if o.category == category], category, size, each, parts, rng
            )
        except DataError as error:
            folder.skip(image.name, str(error))
        progress.advance()
    if {"train/" + category, "train/without"} - set(folder.counts()):
        raise DataError(f"{source}: too few windows with and without '{category}' to train on")
    folder.finish()
    return folder


def find_labelled(source: Path) -> dict[Path, Path]:
    """Images with their label files; of two versions the newer one.

    Raises:
        DataError: when there is none.
    """
    texts: dict[str, Path] = {}
    rest: dict[str, Path] = {}  # labels of upright boxes, taken where there are no others
    for path in sorted(source.rglob("*.txt")) if source.is_dir() else []:
        place = str(path.relative_to(source).parent).lower()
        if "labeltxt" in place:
            upright = any(word in place for word in UPRIGHT)
            found = texts if not upright else rest
            found[path.stem] = path  # labelTxt-v1.5 comes after labelTxt-v1.0
    texts = {**rest, **texts}
    images = {p: texts[p.stem] for p in sorted(source.rglob("*.png")) if p.stem in texts} if texts else {}
    if not images:
        raise DataError(f"{source}: holds no images/*.png with labels of the same name in a labelTxt folder")
    return images


def _parse(path: Path) -> list[_Object]:
    objects = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith(("imagesource", "gsd")):
            continue
        try:
            x, y = np.array([float(word) for word in words[:8]]).reshape(4, 2).T
            objects.append(_Object(np.stack([y, x], axis=1), words[8]))
        except (ValueError, IndexError):
            raise DataError(f"{path}, line {number}: not eight coordinates and a category") from None
    return objects


def _write_windows(
    folder: DataFolder, path: Path, objects: list[_Object], category: str, size: int, each: int,
    parts: dict[str, str], rng: np.random.Generator,
) -> None:  # fmt: skip
    picture, part = _read(path), parts[path.stem]
    height, width = picture.shape[:2]
    if min(height, width) < size:
        raise DataError(f"{path}: {width} x {height} pixels is smaller than a window of {size}")
    given = {category: 0, "without": 0}
    windows = list(_windows(height, width, size))
    for top, left in (windows[i] for i in rng.permutation(len(windows))):
        pixels = picture[top : top + size, left : left + size]
        shown, touched = _within(objects, top, left, size)
        label = category if shown else "without"
        if (touched and not shown) or given[label] == each or (pixels == 0).all(axis=2).mean() > EMPTY:
            continue
        given[label] += 1
        stem = f"{path.stem}_{top}_{left}"
        name = folder.add(part, label, f"{stem}.png", png(pixels), path.stem)
        if part != "train" and shown:
            folder.add_mask(stem, np.any([polygon2mask((size, size), corners) for corners in touched], axis=0))
            folder.boxes[name] = ((size, size), [_box(corners, size) for corners in touched])


def _within(
    objects: list[_Object], top: int, left: int, size: int
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Corners, relative to the window, of objects shown (mostly inside), and of all that reach into it."""
    shown, touched = [], []
    for o in objects:
        corners = o.corners - (top, left)
        low, high = corners.min(axis=0), corners.max(axis=0)
        cut = np.clip(high, 0, size) - np.clip(low, 0, size)
        if (cut > 0).all():
            touched.append(corners)
            if cut.prod() >= INSIDE * max((high - low).prod(), 1e-9):
                shown.append(corners)
    return shown, touched


def _box(corners: NDArray[np.float64], size: int) -> Box:
    top, left = np.clip(np.floor(corners.min(axis=0)), 0, size).astype(int)
    bottom, right = np.clip(np.ceil(corners.max(axis=0)), 0, size).astype(int)
    return int(top), int(left), int(bottom), int(right)


def _windows(height: int, width: int, size: int) -> Iterator[tuple[int, int]]:
    """Side by side, the last ones moved back inside."""
    for top in sorted({*range(0, height - size + 1, size), height - size}):
        for left in sorted({*range(0, width - size + 1, size), width - size}):
            yield top, left


def _read(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3), whole: the largest of these images are beyond what `acdm.data.images` decodes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG",)) as image:
                return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be decoded ({error})") from None
