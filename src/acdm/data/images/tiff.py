"""TIFF files, whole or window by window through the same reader: what a pixel means is decided here once.

Tags that change what a pixel means, and what is made of each: docs/reference/formats.md.
"""

import logging
import math
import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import COMPRESSION, PHOTOMETRIC, TiffFile, TiffFileError, TiffPage

from acdm.core.extras import extra
from acdm.data.images.arrays import Mask
from acdm.data.images.grid import GeoGrid
from acdm.data.images.raw import Raw, choose_bands, require_sides, require_size, undecodable
from acdm.errors import DataError

_NODATA, _SCALE, _MATRIX, _ORIENTATION = 42113, 33550, 34264, 274  # GDAL_NODATA, ModelPixelScale, ModelTransformation
_DAMAGED = (
    TiffFileError, struct.error, zlib.error, ValueError, OSError, KeyError, IndexError, TypeError, AttributeError,
    RuntimeError, MemoryError, ZeroDivisionError, OverflowError, AssertionError, RecursionError,
)  # fmt: skip
_ALPHA = (1, 2)  # of ExtraSamples: associated, unassociated
_GREY_OR_RGB = (PHOTOMETRIC.MINISWHITE, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.RGB)
MAX_PAGES = 4096
logging.getLogger("tifffile").addHandler(logging.NullHandler())  # or its remarks on damaged files go to stderr
MAX_STORED = 40_000_000_000  # bytes of a file that is taken in windows, unpacked
MAX_BAND = 64_000_000  # values of one row of windows, all channels; memory grows with it


@dataclass(frozen=True)
class TiffSource:
    """An open TIFF, upright, with its channels first.

    Attributes:
        name: of the file, for messages.
        stored: (C, H, W), as in the file, alpha channels among them; on the disk where the file is large.
        masks: internal masks (H, W), nonzero where a pixel counts.
        page: the first page, whose tags say what values mean.
        alpha: places of the alpha channels.
        bands: channels to take, from 1; None takes all.
        grid: where the pixels lie on the earth; None where the file does not say.
    """

    name: Path
    stored: NDArray[Any]
    masks: tuple[NDArray[Any], ...]
    page: TiffPage
    alpha: tuple[int, ...]
    bands: tuple[int, ...] | None
    grid: GeoGrid | None

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.stored.shape[1])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.stored.shape[2])

    @property
    def count(self) -> int:
        """Channels that are not alpha."""
        return len(self.stored) - len(self.alpha)

    def window(self, top: int, left: int, height: int, width: int) -> Raw:
        """The pixels of a window in the file's units.

        Raises:
            DataError: when there are fewer channels than `bands` asks for.
        """
        place = np.s_[top : top + height, left : left + width]
        values = np.asarray(self.stored[(slice(None), *place)])
        valid = self._valid(values, place)
        values = np.delete(values, self.alpha, axis=0) if self.alpha else values
        depth = _depth(self.page, values.dtype)
        if self.page.photometric == PHOTOMETRIC.MINISWHITE and depth:
            values = depth - values
        values = choose_bands(self.name, values, self.bands)
        words = f"TIFF, {len(values)} channels, {self.stored.dtype}"
        valid = None if valid is None or valid.all() else valid
        return Raw(values.astype(np.float32), words, depth, valid, self.grid)

    def valid(self, top: int, height: int) -> Mask:
        """Which pixels of whole rows have data, (height, W)."""
        place = np.s_[top : top + height, 0 : self.width]
        found = self._valid(np.asarray(self.stored[:, top : top + height]), place)
        return np.ones((height, self.width), bool) if found is None else found

    def _valid(self, values: NDArray[Any], place: tuple[slice, slice]) -> Mask | None:
        """A pixel counts where no mask and no alpha channel rules it out, and any of its channels has data."""
        valid = _with_data(self.page, np.delete(values, self.alpha, axis=0) if self.alpha else values)
        for ruled in (*(values[k] for k in self.alpha), *(mask[place] for mask in self.masks)):
            valid = ruled != 0 if valid is None else valid & (ruled != 0)
        return valid


def read_tiff(path: Path, bands: tuple[int, ...] | None, pages_are_channels: bool) -> Raw:
    """Decode a TIFF whole.

    Args:
        path: of the file.
        bands: channels to take, from 1; None takes all.
        pages_are_channels: what to make of more than one page.

    Raises:
        DataError: a sentence that begins with the path.
    """
    with open_tiff(path, bands, pages_are_channels) as source:
        return source.window(0, 0, source.height, source.width)


@contextmanager
def open_tiff(
    path: Path, bands: tuple[int, ...] | None, pages_are_channels: bool, *, on_disk: bool = False
) -> Iterator[TiffSource]:
    """Open a TIFF to be read in windows.

    Args:
        path: of the file.
        bands: channels to take, from 1; None takes all.
        pages_are_channels: what to make of more than one page.
        on_disk: unpack it into a temporary file, so that memory does not grow with its area; else it has to be small
            enough to be decoded whole.

    Raises:
        DataError: a sentence that begins with the path.
    """
    with ExitStack() as opened:
        try:
            _require_sound_pages(path)
            file = opened.enter_context(TiffFile(path))
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="acdm-"))) if on_disk else None
            source = _source(path, file, bands, pages_are_channels, folder)
        except DataError:
            raise
        except _DAMAGED as error:
            if "imagecodecs" in str(error):
                raise DataError(f"{path}: its compression needs imagecodecs: pip install 'acdm[geo]'") from None
            raise undecodable(path, error) from None
        yield source
        del source


def tiff_size(path: Path) -> tuple[int, int]:
    """Height and width of the upright image, from the header alone.

    Raises:
        DataError: when it is no TIFF.
    """
    try:
        _require_sound_pages(path)
        with TiffFile(path) as file:
            page = file.pages.first
            size = int(page.imagelength), int(page.imagewidth)
            return size[::-1] if _orientation(page) > 4 else size
    except DataError:
        raise
    except _DAMAGED as error:
        raise undecodable(path, error) from None


def _source(
    path: Path, file: TiffFile, bands: tuple[int, ...] | None, pages_are_channels: bool, folder: Path | None
) -> TiffSource:
    pages = [page.aspage() for page in file.pages]
    images = [page for page in pages if not (page.is_reduced or page.is_mask)]
    if not images:
        raise DataError(f"{path}: holds no image; replace or remove it")
    if len(images) > 1 and not pages_are_channels:
        raise DataError(
            f"{path}: holds {len(images)} pages; save the one that is meant, or declare --images.pages channels"
        )
    first = images[0]
    for page in images:
        _require_meaning(path, page)
    _require_fitting(path, first, len(images), folder)
    grid, orientation = _grid(path, first), _orientation(first)
    if grid and orientation != 1:
        raise DataError(f"{path}: is turned (Orientation {orientation}) and on the earth at once; save it upright")
    planes = [
        _channels(page.asarray(out=str(folder / f"{k}") if folder else None), page) for k, page in enumerate(images)
    ]
    stored = planes[0] if len(planes) == 1 else np.concatenate(planes)
    masks = tuple(
        page.asarray().reshape(page.imagelength, page.imagewidth)
        for page in pages
        if page.is_mask and not page.is_reduced and (page.imagelength, page.imagewidth) == stored.shape[1:]
    )
    alpha = [k for k, kind in enumerate(first.extrasamples, start=-len(first.extrasamples)) if kind in _ALPHA]
    return TiffSource(
        name=path,
        stored=_upright(stored, orientation),
        masks=tuple(_upright(mask, orientation) for mask in masks),
        page=first,
        alpha=tuple(len(stored) + k for k in alpha),
        bands=bands,
        grid=grid,
    )


def _require_sound_pages(path: Path) -> None:
    """Raise DataError for directories that point at one another for ever, or are too many."""
    with path.open("rb") as file:
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        big = head[2:4] in (b"+\0", b"\0+")
        place = struct.unpack(f"{order}Q", head[8:16])[0] if big else struct.unpack(f"{order}I", head[4:8])[0]
        seen: set[int] = set()
        while place:
            if place in seen:
                raise DataError(f"{path}: its directories point at one another; replace or remove it")
            if len(seen) == MAX_PAGES:
                raise DataError(f"{path}: holds more than {MAX_PAGES} pages; save the one that is meant")
            seen.add(place)
            file.seek(place)
            count = struct.unpack(f"{order}{'Q' if big else 'H'}", file.read(8 if big else 2))[0]
            file.seek(place + (8 + 20 * count if big else 2 + 12 * count))
            place = struct.unpack(f"{order}{'Q' if big else 'I'}", file.read(8 if big else 4))[0]


def _require_meaning(path: Path, page: TiffPage) -> None:
    """Raise DataError for pixels that are no grey values and no red, green and blue."""
    kind, dtype = page.photometric, page.dtype
    if dtype is None:
        raise DataError(f"{path}: has pixels of an unknown type; save it as grey or RGB")
    if np.issubdtype(dtype, np.complexfloating):
        raise DataError(f"{path}: has complex values; save their magnitude")
    jpeg = kind == PHOTOMETRIC.YCBCR and page.compression in (COMPRESSION.JPEG, COMPRESSION.OJPEG)  # decoded to RGB
    if kind not in _GREY_OR_RGB and not jpeg:
        word = {PHOTOMETRIC.PALETTE: "a palette TIFF", PHOTOMETRIC.SEPARATED: "a CMYK TIFF"}.get(
            kind, f"a TIFF in {getattr(kind, 'name', kind)}"
        )
        raise DataError(f"{path}: {word}; save it as grey or RGB")
    if kind == PHOTOMETRIC.MINISWHITE and _depth(page, dtype) is None:
        raise DataError(f"{path}: numbers whose 0 is white (MINISWHITE); save it with black as the lowest")


def _require_fitting(path: Path, page: TiffPage, pages: int, folder: Path | None) -> None:
    """Raise DataError where an image is too large to be decoded whole, or to be unpacked into the folder."""
    height, width, samples = page.imagelength, page.imagewidth, page.samplesperpixel * pages
    if page.is_tiled and not (page.tilelength and page.tilewidth):
        raise undecodable(path, "its tiles have no size")
    if math.prod(page.chunked) > len(page.dataoffsets):
        raise undecodable(path, "it has fewer strips or tiles than its size asks for")
    if page.compression != COMPRESSION.NONE and math.prod(page.chunks) > MAX_BAND:
        raise undecodable(path, "its strips or tiles are too large")
    require_sides(path, height, width)
    if folder is None:
        require_size(path, height, width, samples)
        return
    needed, free = height * width * samples * max(1, page.bitspersample // 8), disk_usage(folder).free
    if needed > MAX_STORED:
        raise DataError(f"{path}: unpacks to more than {MAX_STORED // 10**9} GB; cut it into tiles")
    if needed > free:
        raise DataError(
            f"{path}: unpacks to {needed / 1e9:,.1f} GB in {folder.parent}, where {free / 1e9:,.1f} GB are free;"
            " name a larger place by TMPDIR"
        )


def _depth(page: TiffPage, dtype: Any) -> float | None:
    """Highest value of unsigned integers of this many bits; None for all other numbers."""
    unsigned = np.issubdtype(dtype, np.unsignedinteger) or np.dtype(dtype) == np.bool_
    return float(2**page.bitspersample - 1) if unsigned else None


def _orientation(page: Any) -> int:
    """1 to 8, as in EXIF; 1 is upright."""
    tag = page.tags.get(_ORIENTATION)
    value = int(tag.value) if tag is not None else 1
    return value if 1 <= value <= 8 else 1


def _upright(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """(..., H, W) turned as its Orientation tag says, without a copy (TIFF 6.0, section 8)."""
    if orientation > 4:
        array = array.swapaxes(-1, -2)
    if orientation in (2, 3, 6, 7):
        array = array[..., ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[..., ::-1, :]
    return array


def _channels(stored: NDArray[Any], page: TiffPage) -> NDArray[Any]:
    """(C, H, W), whatever the order in the file."""
    stored = stored.reshape(page.shape)
    if page.axes.replace("S", "") != "YX":
        raise ValueError(f"its axes are {page.axes}, expected rows, columns and samples")
    return np.moveaxis(stored, page.axes.index("S"), 0) if "S" in page.axes else stored[None]


def _with_data(page: TiffPage, values: NDArray[Any]) -> Mask | None:
    """True where any channel has data, by GDAL's nodata tag; None without one."""
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
