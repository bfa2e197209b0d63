"""NIfTI volumes, slice by slice."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from acdm.data.images.grid import VoxelGrid
from acdm.data.images.nifti import open_nifti
from acdm.data.images.raw import choose_bands
from acdm.data.images.read import Picture, suffix
from acdm.maps.decomposer import Decomposer
from acdm.maps.decomposition import Decomposition
from acdm.maps.jobs.worklist import MapOptions


def is_volume(path: Path) -> bool:
    """Whether a file holds slices, by its name: NIfTI files may hold many, all others hold one image."""
    return suffix(path) in (".nii", ".nii.gz")


def decompose_volume(
    decomposer: Decomposer, path: Path, options: MapOptions
) -> tuple[VoxelGrid, Iterator[Decomposition]]:
    """A volume's geometry, and its slices decomposed one by one.

    Raises:
        DataError: when the file cannot be read, or its channels are not those of the run.
    """
    grid, slices = open_nifti(path, options.axis)
    reading = decomposer.reading
    chosen = (replace(raw, values=choose_bands(path, raw.values, reading.bands)) for raw in slices)
    pictures = (Picture(raw.scaled(path, reading.range), raw.valid, grid) for raw in chosen)
    return grid, (decomposer.decompose(picture, options.label, path) for picture in pictures)
