"""NIfTI files.  Of their headers only geometry and what the values mean is read."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acdm.core.extras import extra
from acdm.data.images.arrays import Mask
from acdm.data.images.grid import VoxelGrid
from acdm.data.images.raw import DEPTHS, MAX_VALUES, Raw, require_size, undecodable
from acdm.errors import DataError

NIFTI2 = 540  # bytes of a header of version 2, which begins with that number
MAX_VOXELS = 4 * MAX_VALUES  # of a volume, which is read slice by slice


def read_nifti(path: Path) -> Raw:
    """A NIfTI of one slice, its channels along the fourth axis.

    Raises:
        DataError: a sentence that begins with the path; for more than one slice, too.
    """
    grid, slices = open_nifti(path, axis=2)
    if grid.shape[2] > 1:
        raise DataError(
            f"{path}: holds {grid.shape[2]} slices; training takes single ones, 'acdm map' takes volumes whole"
        )
    return next(slices)


def open_nifti(path: Path, axis: int) -> tuple[VoxelGrid, Iterator[Raw]]:
    """A volume's geometry and its slices along an axis (0, 1 or 2), read one by one.

    A slice's rows run along the later and its columns along the earlier of the other two axes.

    Raises:
        DataError: a sentence that begins with the path.
    """
    nibabel = extra("nibabel", "medical", f"{path}: reading NIfTI")
    try:
        image = _by_content(nibabel, path)
        shape = _without_trailing_ones(tuple(int(n) for n in image.shape))
        affine = np.asarray(image.affine, float)
        stored = image.dataobj
        scaled = (stored.slope, stored.inter) != (1, 0)  # of the array: nibabel resets what the header says
        depth = None if scaled else DEPTHS.get(image.get_data_dtype().name)
    except Exception as error:  # nibabel raises whatever its many readers raise
        raise undecodable(path, error) from None
    if not 2 <= len(shape) <= 4 or min(shape) < 1:
        raise DataError(f"{path}: has the shape {shape}, expected 2 to 4 dimensions")
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise DataError(f"{path}: its affine places its voxels nowhere; mend the header")
    whole = (*shape, 1, 1)[: max(3, len(shape))]
    channels = whole[3] if len(whole) == 4 else 1
    if np.prod(whole, dtype=float) > MAX_VOXELS:
        raise DataError(f"{path}: has more than {MAX_VOXELS // 10**6} million voxels")
    height, width = (whole[k] for k in (2, 1, 0) if k != axis)
    require_size(path, height, width, channels)
    grid = VoxelGrid(tuple(map(tuple, affine.tolist())), axis, whole[:3])
    return grid, _slices(path, stored, whole, grid, depth)


def _by_content(nibabel: Any, path: Path) -> Any:
    """A NIfTI of version 1 or 2, whatever its name; nibabel's own `load` asks for an ending."""
    with nibabel.openers.ImageOpener(path) as file:
        header = file.read(4)
    second = NIFTI2 in (int.from_bytes(header, "little"), int.from_bytes(header, "big"))
    image = nibabel.Nifti2Image if second else nibabel.Nifti1Image
    return image.from_file_map({"image": nibabel.FileHolder(filename=path)})


def _slices(path: Path, stored: Any, shape: tuple[int, ...], grid: VoxelGrid, depth: float | None) -> Iterator[Raw]:
    if path.name.lower().endswith(".gz"):
        stored = _decoded(path, stored, ...)  # or every slice decompresses the file anew
    for number in range(shape[grid.axis]):
        place = tuple(number if k == grid.axis else slice(None) for k in range(3))
        cut = _decoded(path, stored, (*place, slice(None), *(0 for _ in stored.shape[4:]))[: len(stored.shape)])
        cut = cut.reshape(*(n for k, n in enumerate(shape[:3]) if k != grid.axis), -1)  # (earlier, later, C)
        values = np.ascontiguousarray(cut.transpose(2, 1, 0))
        yield Raw(values, "NIfTI", depth, _where_data_is(values), grid)


def _without_trailing_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape without the fifth dimension and those behind it, where they are 1.

    >>> _without_trailing_ones((64, 64, 4, 1, 1))
    (64, 64, 4, 1)
    """
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _where_data_is(values: NDArray[np.float32]) -> Mask | None:
    """False where a slice (C, H, W) is NaN, as some programs mark what lies outside the head; None where all count.

    A slice without any data counts whole, as zeros: there is nothing that its pixels could be filled with.
    """
    missing = np.isnan(values)
    if not missing.any():
        return None
    if missing.all():
        values[:] = 0
        return None
    return np.asarray(~missing.any(axis=0))


def _decoded(path: Path, stored: Any, place: Any) -> NDArray[np.float32]:
    try:
        return np.asarray(stored[place], np.float32)
    except (OSError, EOFError, ValueError, TypeError, ArithmeticError, zlib.error, MemoryError) as error:
        raise undecodable(path, error) from None


def nifti(slices: NDArray[np.float32], grid: VoxelGrid) -> bytes:
    """Slices (n, C, H, W), cut along `grid.axis`, as .nii.gz with the affine and nothing else of any header."""
    nibabel = extra("nibabel", "medical", "writing NIfTI")
    stack = np.moveaxis(slices.transpose(0, 3, 2, 1), 0, grid.axis)  # (X, Y, Z, C)
    stack = stack[..., 0] if stack.shape[-1] == 1 else stack
    image = nibabel.Nifti1Image(np.ascontiguousarray(stack), grid.matrix())
    return gzip.compress(image.to_bytes(), compresslevel=6, mtime=0)
