"""NIfTI volumes, slice by slice."""

from collections.abc import Iterator
from pathlib import Path

from acdm.data.images.grid import VoxelGrid
from acdm.data.images.nifti import open_nifti
from acdm.data.images.read import Picture, choose_bands, suffix
from acdm.maps.decomposer import Decomposer
from acdm.maps.decomposition import Decomposition


def is_volume(path: Path) -> bool:
    """Told by its name: NIfTI files may hold many slices, all others hold one image."""
    return suffix(path) in (".nii", ".nii.gz")


def decomposed(
    decomposer: Decomposer, path: Path, label: str | None, axis: int
) -> tuple[VoxelGrid, Iterator[Decomposition]]:
    """A volume's geometry, and its slices along an axis (0, 1 or 2) taken apart one by one.

    Raises:
        DataError: when the file cannot be read, or its channels are not those of the run.
    """
    grid, slices = open_nifti(path, axis)
    reading = decomposer.reading
    pixels = (choose_bands(path, raw, reading.bands).scaled(path, reading.range) for raw in slices)
    return grid, (decomposer.take_apart(Picture(values, None, grid), label, path) for values in pixels)
