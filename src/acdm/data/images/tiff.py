"""TIFF files: 8 and 16 bits, floats, many channels, nodata, and the geometry of GeoTIFF."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import PHOTOMETRIC, TiffFile, TiffFileError, TiffPage

from acdm.core.extras import extra
from acdm.data.images.arrays import Mask
from acdm.data.images.grid import GeoGrid
from acdm.data.images.raw import Raw, require_size, undecodable
from acdm.errors import DataError

_NODATA, _SCALE, _MATRIX = 42113, 33550, 34264  # GDAL_NODATA, ModelPixelScale, ModelTransformation
_DAMAGED = (
    TiffFileError, struct.error, zlib.error, ValueError, OSError, KeyError, IndexError, TypeError, AttributeError,
    RuntimeError, MemoryError,
)  # fmt: skip
_ALPHA = (1, 2)  # of ExtraSamples: associated, unassociated


def read_tiff(path: Path, bands: tuple[int, ...] | None, pages_are_channels: bool) -> Raw:
    """Decode a TIFF whole.

    Args:
        path: of the file.
        bands: channels to take, from 1; None takes all.
        pages_are_channels: what to make of more than one page.

    Raises:
        DataError: a sentence that begins with the path.
    """
    try:
        with TiffFile(path) as file:
            pages = [page for page in file.pages if not (page.is_reduced or page.is_mask)]  # type: ignore[union-attr]
            if not pages:
                raise DataError(f"{path}: holds no image; replace or remove it")
            if len(pages) > 1 and not pages_are_channels:
                raise DataError(
                    f"{path}: holds {len(pages)} pages; save the one that is meant, or declare --images.pages channels"
                )
            first = pages[0].aspage()
            require_size(path, first.imagelength, first.imagewidth, first.samplesperpixel * len(pages))
            values = np.concatenate([_channels(page.asarray(), page.aspage()) for page in pages])
            return _raw(path, first, values, bands)
    except DataError:
        raise
    except _DAMAGED as error:
        if "imagecodecs" in str(error):
            raise DataError(f"{path}: its compression needs imagecodecs: pip install 'acdm[geo]'") from None
        raise undecodable(path, error) from None


def tiff_size(path: Path) -> tuple[int, int]:
    """Height and width, from the header alone.

    Raises:
        DataError: when it is no TIFF.
    """
    try:
        with TiffFile(path) as file:
            page = file.pages.first
            return page.imagelength, page.imagewidth
    except _DAMAGED as error:
        raise undecodable(path, error) from None


def _channels(stored: NDArray[Any], page: TiffPage) -> NDArray[Any]:
    """(C, H, W), whatever the order in the file."""
    stored = stored.reshape(page.shape)
    if page.axes.replace("S", "") != "YX":
        raise ValueError(f"its axes are {page.axes}, expected rows, columns and samples")
    return np.moveaxis(stored, page.axes.index("S"), 0) if "S" in page.axes else stored[None]


def _raw(path: Path, page: TiffPage, values: NDArray[Any], bands: tuple[int, ...] | None) -> Raw:
    if page.photometric == PHOTOMETRIC.PALETTE:
        raise DataError(f"{path}: a palette TIFF; save it as grey or RGB")
    integer = np.issubdtype(values.dtype, np.unsignedinteger) or values.dtype == bool
    depth = float(2**page.bitspersample - 1) if integer else None
    valid = _valid(page, values)
    alpha = [place for place, sample in enumerate(page.extrasamples, start=-len(page.extrasamples)) if sample in _ALPHA]
    if alpha:
        opaque = values[alpha[0]] != 0
        valid = opaque if valid is None else valid & opaque
        values = np.delete(values, alpha, axis=0)
    if page.photometric == PHOTOMETRIC.MINISWHITE and depth:
        values = depth - values
    if bands:
        if max(bands) > len(values) or min(bands) < 1:
            raise DataError(f"{path}: has {len(values)} bands, not band {max(bands)}")
        values = values[[band - 1 for band in bands]]
    words = f"TIFF, {len(values)} channels, {values.dtype}"
    valid = None if valid is None or valid.all() else valid
    return Raw(values.astype(np.float32), words, depth, valid, _grid(path, page))


def _valid(page: TiffPage, values: NDArray[Any]) -> Mask | None:
    """A pixel counts where any of its channels has data."""
    tag = page.tags.get(_NODATA)
    if tag is None:
        return None
    try:
        nodata = float(str(tag.value).strip("\0 "))
    except ValueError:
        return None
    missing = np.isnan(values) if np.isnan(nodata) else values == nodata
    return np.asarray(~missing.all(axis=0))


def _grid(path: Path, page: TiffPage) -> GeoGrid | None:
    if page.tags.get(_SCALE) is None and page.tags.get(_MATRIX) is None:
        return None
    rasterio = extra("rasterio", "geo", f"{path}: keeping its place on the earth")
    with rasterio.open(path) as raster:
        return GeoGrid.of(raster)
