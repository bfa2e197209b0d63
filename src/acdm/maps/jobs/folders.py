"""Maps of many images as files: floats for machines, pictures for people, one folder an image."""

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mode

import numpy as np
from numpy.typing import NDArray

from acdm.core.config import DEFAULT_MAP, MAPS
from acdm.core.files import write_bytes, write_text
from acdm.core.tables import csv_text
from acdm.data.images.grid import GeoGrid
from acdm.data.images.nifti import nifti
from acdm.data.images.write import geotiff, npy, png
from acdm.maps.decomposer import Decomposer
from acdm.maps.decomposition import Decomposition
from acdm.maps.jobs.volumes import decomposed, is_volume
from acdm.maps.jobs.windows import map_raster, side_of_windows
from acdm.maps.jobs.worklist import Job, Outcome, sweep
from acdm.maps.pictures import overlay, strip, to_pixels


def map_folder(
    decomposer: Decomposer,
    images: Path,
    out: Path,
    label: str | None,
    axis: int = 2,
    tile: int | None = None,
    tell: Callable[[str], None] = lambda facts: None,
) -> Iterator[Outcome]:
    """Decompose every image below `images` (or one file) into `out/<its name>/`; tells of each as it is done.

    NIfTI volumes are taken slice by slice along `axis`; TIFFs more than twice as wide or high as training images in
    windows of `tile` pixels, by default of the training images' size, and `tell` hears how far it is.  A file that
    cannot be read is told of and passed over; `out/maps.csv` lists all.  Images that the same run has mapped into `out`
    before, as they are now, are not mapped again.

    Raises:
        DataError: when there is no image or none that can be mapped, no such class, or `out` lies within `images`.
    """
    decomposer.insist_ready(label)
    request = request_of(decomposer, label, axis, tile)
    return sweep(images, out, "maps.csv", job_of(decomposer, out, label, axis, tile, tell), request)


def request_of(decomposer: Decomposer, label: str | None, axis: int, tile: int | None) -> dict[str, object]:
    """What makes maps the same."""
    return {"run": decomposer.origin, "label": label, "axis": axis, "tile": tile}


def job_of(
    decomposer: Decomposer, out: Path, label: str | None, axis: int, tile: int | None, tell: Callable[[str], None]
) -> Job:
    """Map one image into `out/<its name>`."""

    def job(path: Path, name: str) -> str:
        if is_volume(path):
            return _map_volume(decomposer, path, out / name, label, axis)
        if side := side_of_windows(decomposer, path, tile):
            return map_raster(decomposer, path, out / name, label, side, tell)
        d = decomposer.decompose(path, label)
        write_decomposition(out / name, d)
        return d.label

    return job


def _map_volume(decomposer: Decomposer, path: Path, folder: Path, label: str | None, axis: int) -> str:
    """The maps on the volume's grid, the class of each slice, and the slice with most contrast as a picture."""
    grid, slices = decomposed(decomposer, path, label, axis)
    maps: dict[str, list[NDArray[np.float32]]] = {name: [] for name in MAPS}
    labels, best, shown = [], -1.0, None
    for d in slices:
        labels.append(d.label)
        for name, signed in d.maps().items():
            maps[name].append(signed.numpy())
        loudness = float(d.contrast.abs().mean()) if d.positive else 0.0
        if loudness > best:
            best, shown = loudness, d
    for name, stack in maps.items():
        write_bytes(folder / f"{name}.nii.gz", nifti(np.stack(stack), grid))
    rows = [{"slice": number, "label": decided} for number, decided in enumerate(labels)]
    write_text(folder / "slices.csv", csv_text(rows))
    assert shown is not None  # a volume has at least one slice
    write_bytes(folder / "strip.png", png(strip(shown)))
    return mode(labels)


def write_decomposition(folder: Path, d: Decomposition) -> None:
    """One image's files.

    The maps and psi (all branches) as float32 .npy, signed and never rescaled, and as PNG with zero at mid-grey;
    GeoTIFF on the same grid where the image was one; overlay.png, reconstruction.png, counterfactual.png and strip.png,
    which has all in a row.
    """
    for name, signed in d.maps().items():
        write_bytes(folder / f"{name}.npy", npy(signed.numpy()))
        write_bytes(folder / f"{name}.png", png(to_pixels(signed)))
        if isinstance(d.grid, GeoGrid):
            write_bytes(folder / f"{name}.tif", geotiff(signed.numpy(), d.grid, d.valid))
    write_bytes(folder / "psi.npy", npy(d.psi.numpy()))
    for number, branch in enumerate(d.psi, start=1):
        write_bytes(folder / f"branch-{number}.png", png(to_pixels(branch)))
    shown = d.calibration[DEFAULT_MAP]
    scores = shown.scores(d.maps()[DEFAULT_MAP])
    write_bytes(folder / "overlay.png", png(overlay(d.image, scores, shown.threshold)))
    write_bytes(folder / "reconstruction.png", png(to_pixels(d.reconstruction)))
    write_bytes(folder / "counterfactual.png", png(to_pixels(d.counterfactual)))
    write_bytes(folder / "strip.png", png(strip(d)))
