"""Large images: windows of the training images' size, overlapping by half, blended, in bounded memory.

Memory grows with the width of the image times the height of one window, never with its area.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acdm.decompose import MAPS, Decomposer
from acdm.errors import DataError, WriteError
from acdm.images.grid import extra
from acdm.images.raw import DEPTHS, Mask, Raw
from acdm.images.read import Picture

Floats = NDArray[np.floating]


def blended(
    height: int, width: int, side: int, apart: Callable[[int, int, int, int], dict[str, Floats]]
) -> Iterator[tuple[int, dict[str, Floats]]]:
    """Windows of a large image put together again, band by band from the top.

    A window weighs sin² of the way across it, most in its middle and next to nothing at its border, so that what a
    network says differently at borders makes no seam.

    Args:
        height, width: of the image.
        side: of the windows, in pixels; images smaller than that are one window.
        apart: from top, left, height and width of a window to arrays (C, height, width) by name.

    Yields:
        Row of the band's top, and its arrays (C, rows, width).
    """
    h, w = min(side, height), min(side, width)
    weight = np.outer(_hill(h), _hill(w))
    tops, lefts = _starts(height, h), _starts(width, w)
    sums: dict[str, Floats] = {}
    total = np.zeros((h, width))
    for top, following in zip(tops, [*tops[1:], tops[-1] + h], strict=True):
        for left in lefts:
            for name, values in apart(top, left, h, w).items():
                band = sums.setdefault(name, np.zeros((len(values), h, width)))
                band[:, :, left : left + w] += values * weight
            total[:, left : left + w] += weight
        rows = following - top
        yield top, {name: band[:, :rows] / total[:rows] for name, band in sums.items()}
        for band in (*sums.values(), total):
            band[..., : h - rows, :] = band[..., rows:, :].copy()
            band[..., h - rows :, :] = 0


def map_raster(
    decomposer: Decomposer, path: Path, folder: Path, label: str | None, side: int, tell: Callable[[str], None]
) -> str:
    """Write the three maps of a raster of any size as float GeoTIFFs on its grid; the class most windows are of.

    Contrast is 0 in windows of the negative class, where it would show the object that the swap adds.

    Args:
        decomposer: of the run.
        path: a TIFF; read window by window.
        folder: where psi1.tif, contrast.tif and residual.tif go.
        label: class of every window, or None for the judge's word on each.
        side: of the windows in pixels.
        tell: told how far it is.

    Raises:
        DataError: when the file cannot be read, or its channels are not those of the run.
        WriteError: when the disk refuses.
    """
    rasterio = extra("rasterio", "geo", f"{path}: an image of this size")
    labels: list[str] = []
    parts = {name: folder / f"{name}.part.tif" for name in MAPS}
    try:
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            source = stack.enter_context(rasterio.open(path))
            folder.mkdir(parents=True, exist_ok=True)
            targets = {
                name: stack.enter_context(_target(rasterio, part, source, decomposer)) for name, part in parts.items()
            }

            def apart(top: int, left: int, height: int, width: int) -> dict[str, Floats]:
                raw = _window(rasterio, source, decomposer, (left, top, width, height))
                if raw.valid is not None and not raw.valid.any():
                    return {name: np.zeros_like(raw.values) for name in MAPS}
                pixels = raw.scaled(path, decomposer.reading.range)
                d = decomposer.take_apart(Picture(pixels, raw.valid, None), label, path)
                labels.append(d.label)
                maps = {name: signed.numpy() for name, signed in d.maps().items()}
                return maps if d.positive else {**maps, "contrast": np.zeros_like(maps["contrast"])}

            for top, bands in blended(source.height, source.width, side, apart):
                rows = next(iter(bands.values())).shape[1]
                window = rasterio.windows.Window(0, top, source.width, rows)
                missing = source.dataset_mask(window=window) == 0
                for name, band in bands.items():
                    band[:, missing] = np.nan
                    targets[name].write(band.astype(np.float32), window=window)
                tell(f"{path.name} {(top + rows) / source.height:.0%}")
        for name, part in parts.items():
            part.replace(folder / f"{name}.tif")
    except rasterio.errors.RasterioIOError as error:
        raise DataError(f"{path}: cannot be decoded, or {folder} not written ({error})") from None
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written ({error.strerror or error}); free space") from None
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return max(set(labels), key=labels.count) if labels else ""


def _target(rasterio: Any, path: Path, source: Any, decomposer: Decomposer) -> Any:
    return rasterio.open(
        path, "w", driver="GTiff", dtype="float32", count=decomposer.branches.channels, height=source.height,
        width=source.width, transform=source.transform, crs=source.crs, nodata=np.nan, compress="deflate", tiled=True,
        bigtiff="IF_SAFER",
    )  # fmt: skip


def _window(rasterio: Any, source: Any, decomposer: Decomposer, place: tuple[int, int, int, int]) -> Raw:
    window = rasterio.windows.Window(*place)
    bands = list(decomposer.reading.bands or range(1, decomposer.branches.channels + 1))
    if max(bands) > source.count:
        raise DataError(f"{source.name}: has {source.count} bands, this run was trained on {len(bands)}")
    stored = source.read(bands, window=window)
    valid: Mask = source.dataset_mask(window=window) > 0
    return Raw(stored.astype(np.float32), "GeoTIFF", DEPTHS.get(stored.dtype.name), None if valid.all() else valid)


def _starts(length: int, side: int) -> list[int]:
    """Every half window, the last one moved back inside."""
    return sorted({*range(0, length - side + 1, max(1, side // 2)), length - side})


def _hill(side: int) -> Floats:
    return np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2
