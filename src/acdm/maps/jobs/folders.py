"""Maps of many images as files: floats for machines, pictures for people, one folder an image."""

from collections.abc import Iterator
from pathlib import Path
from statistics import mode

import numpy as np
import torch

from acdm.core.config import MapName
from acdm.core.files import write_bytes, write_text
from acdm.core.progress import QUIET, Progress
from acdm.core.tables import csv_text
from acdm.data.images.arrays import Array, Floats
from acdm.data.images.grid import GeoGrid
from acdm.data.images.nifti import nifti
from acdm.data.images.write import geotiff, npy, png
from acdm.maps.decomposer import Decomposer
from acdm.maps.decomposition import Decomposition
from acdm.maps.jobs.volumes import decompose_volume, is_volume
from acdm.maps.jobs.windows import is_tiff, map_raster, opened, side_of_windows
from acdm.maps.jobs.worklist import ImageFiles, ImageOutcome, Job, MapOptions, work_through
from acdm.maps.pictures import overlay, strip, to_pixels


def map_folder(
    decomposer: Decomposer, files: ImageFiles, out: Path, options: MapOptions, progress: Progress = QUIET
) -> Iterator[ImageOutcome]:
    """Decompose every image into `out/<its name>/`; tells of each as it is done.

    NIfTI volumes are taken slice by slice along `options.axis`; images more than twice as wide or high as training
    images in windows, and `progress` hears how far it is.  A file that cannot be read is told of and passed over;
    `out/maps.csv` lists all.  Images that the same run has mapped into `out` before, as they are now, are not mapped
    again.

    Raises:
        DataError: when no image can be mapped, there is no such class, or `out` lies among the images.
    """
    decomposer.require_ready(options.label)
    job = mapping_job(decomposer, out, options, progress)
    return work_through(files, out, "maps.csv", job, mapping_request(decomposer, files, options))


def mapping_request(decomposer: Decomposer, files: ImageFiles, options: MapOptions) -> dict[str, object]:
    """What makes maps the same."""
    source = str(files.root.resolve())
    alone = {"alone": True} if decomposer.alone else {}
    return {"run": decomposer.origin, "source": source, "precision": decomposer.precision, **alone, **vars(options)}


def mapping_job(decomposer: Decomposer, out: Path, options: MapOptions, progress: Progress) -> Job:
    """The job that maps one image into `out/<its name>`."""

    def job(path: Path, name: str) -> str:
        if is_volume(path):
            return _map_volume(decomposer, path, out / name, options)
        if side := side_of_windows(decomposer, path, options.tile):
            if is_tiff(path):
                return map_raster(decomposer, path, out / name, options.label, side, progress)
            return _map_in_windows(decomposer, path, out / name, options.label, side, progress)
        d = decomposer.decompose(path, options.label)
        write_decomposition(out / name, d)
        return d.label

    return job


def _map_in_windows(
    decomposer: Decomposer, path: Path, folder: Path, label: str | None, side: int, progress: Progress
) -> str:
    """Write one large image's files, all of them blended from windows; returns the class that most windows are of."""
    shown = decomposer.calibration[decomposer.default_map]

    def draw(d: Decomposition) -> dict[str, Floats]:
        return {
            "image": d.image.numpy(),
            "psi": d.psi.flatten(0, 1).numpy(),
            "psi_other": d.psi_other.flatten(0, 1).numpy(),
            **{name: signed.numpy() for name, signed in d.drawn.items()},
            "scores": shown.scores(d.maps()[d.default_map])[None],
        }

    whole: dict[str, Array] = {}
    with opened(decomposer, path, draw, label, side) as raster:
        rows_with_data = []
        for top, drawn, valid in raster.bands(progress):
            rows_with_data.append(valid)
            for name, band in drawn.items():
                made = whole.setdefault(name, np.empty((len(band), raster.height, raster.width), np.float32))
                made[:, top : top + band.shape[1]] = band
        valid = np.concatenate(rows_with_data)
    c = decomposer.branches.channels
    decided = raster.label
    d = Decomposition(
        image=torch.from_numpy(whole["image"]),
        psi=torch.from_numpy(whole["psi"]).unflatten(0, (len(whole["psi"]) // c, c)),
        psi_other=torch.from_numpy(whole["psi_other"]).unflatten(0, (len(whole["psi_other"]) // c, c)),
        drawn={name: torch.from_numpy(whole[name]) for name in decomposer.names if name in whole},
        label=decided,
        other=next(name for name in decomposer.classes if name != decided),
        positive=decided == decomposer.classes[1],
        default_map=decomposer.default_map,
        calibration=decomposer.calibration,
        valid=None if valid.all() else valid,
    )
    write_decomposition(folder, d, whole["scores"][0])
    return decided


def _map_volume(decomposer: Decomposer, path: Path, folder: Path, options: MapOptions) -> str:
    """Write the maps on the volume's grid, the class of each slice, and the loudest slice as a picture."""
    grid, slices = decompose_volume(decomposer, path, options)
    maps: dict[MapName, list[Array]] = {name: [] for name in decomposer.names}
    labels, best, shown = [], -1.0, None
    for d in slices:
        labels.append(d.label)
        for name, signed in d.maps().items():
            maps[name].append(signed.numpy())
        loudness = float((d.contrast if d.branched else d.object).abs().mean()) if d.positive else 0.0
        if loudness > best:
            best, shown = loudness, d
    for name, stack in maps.items():
        write_bytes(folder / f"{name}.nii.gz", nifti(np.stack(stack), grid))
    rows = [{"slice": number, "label": decided} for number, decided in enumerate(labels)]
    write_text(folder / "slices.csv", csv_text(rows))
    assert shown is not None  # a volume has at least one slice
    write_bytes(folder / "strip.png", png(strip(shown)))
    return mode(labels)


def write_decomposition(folder: Path, d: Decomposition, scores: Floats | None = None) -> None:
    """Write one image's files; `scores` (H, W) of the default map are given where windows made them.

    The maps and psi (all branches) as float32 .npy, signed and never rescaled, and as PNG with zero at mid-grey;
    GeoTIFF on the same grid where the image was one; overlay.png, reconstruction.png, counterfactual.png and strip.png,
    which has all of them.  Where the segmenter worked alone, there are no branches and no other map than `object`.
    """
    for name, signed in d.maps().items():
        write_bytes(folder / f"{name}.npy", npy(signed.numpy()))
        write_bytes(folder / f"{name}.png", png(to_pixels(signed)))
        if isinstance(d.grid, GeoGrid):
            write_bytes(folder / f"{name}.tif", geotiff(signed.numpy(), d.grid, d.valid))
    shown = d.calibration[d.default_map]
    scores = shown.scores(d.maps()[d.default_map]) if scores is None else scores
    write_bytes(folder / "overlay.png", png(overlay(d.image, scores, shown.threshold)))
    write_bytes(folder / "strip.png", png(strip(d, scores)))
    if d.branched:
        write_bytes(folder / "psi.npy", npy(d.psi.numpy()))
        for number, branch in enumerate(d.psi, start=1):
            write_bytes(folder / f"branch-{number}.png", png(to_pixels(branch)))
        write_bytes(folder / "reconstruction.png", png(to_pixels(d.reconstruction)))
        write_bytes(folder / "counterfactual.png", png(to_pixels(d.counterfactual)))
