"""Large images: windows of the training images' size, overlapping by half, blended, in bounded memory.

Memory grows with the width of the image times the height of one window, never with its area.
"""

import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mode
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from acdm.core.config import TAUGHT, MapName
from acdm.core.extras import extra
from acdm.core.files import whole_file
from acdm.core.progress import Progress
from acdm.data.images.arrays import Array, Floats, Mask
from acdm.data.images.raw import Raw
from acdm.data.images.read import Picture, decode, image_size, suffix
from acdm.data.images.tiff import MAX_BAND, TiffSource, open_tiff, tiff_size
from acdm.errors import DataError
from acdm.maps.decomposer import Decomposer
from acdm.maps.decomposition import Decomposition
from acdm.maps.jobs.volumes import is_volume
from acdm.maps.kinds import KINDS

Draw = Callable[[Decomposition], dict[str, Floats]]

RASTERS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".npy")
TOGETHER = 32  # windows that are decomposed at once


def blended(
    height: int, width: int, side: int, draw: Callable[[int, list[int], int, int], list[dict[str, Floats]]]
) -> Iterator[tuple[int, dict[str, Floats]]]:
    """Blend windows of a large image, band by band from the top.

    MONAI's sliding window holds the whole image; this holds one row of windows.  A window weighs sin² of the
    way across it, most in its middle and next to nothing at its border, so that what a network says differently at
    borders makes no seam.

    Args:
        height, width: of the image.
        side: of the windows, in pixels; images smaller than that are one window.
        draw: from top, lefts, height and width of up to `TOGETHER` windows to arrays (C, height, width) by name.

    Yields:
        Row of the band's top, and its arrays (C, rows, width).
    """
    h, w = min(side, height), min(side, width)
    weight = np.outer(_hill(h), _hill(w)).astype(np.float32)
    tops, lefts = _starts(height, h), _starts(width, w)
    sums: dict[str, Floats] = {}
    total = np.zeros((h, width), np.float32)
    for top, following in zip(tops, [*tops[1:], tops[-1] + h], strict=True):
        for some in (lefts[i : i + TOGETHER] for i in range(0, len(lefts), TOGETHER)):
            for left, drawn in zip(some, draw(top, some, h, w), strict=True):
                for name, values in drawn.items():
                    if name not in sums:
                        sums[name] = np.zeros((len(values), h, width), np.float32)
                    sums[name][:, :, left : left + w] += values * weight
                total[:, left : left + w] += weight
        rows = following - top
        yield top, {name: band[:, :rows] / total[:rows] for name, band in sums.items()}
        for band in (*sums.values(), total):
            band[..., : h - rows, :] = band[..., rows:, :].copy()
            band[..., h - rows :, :] = 0


@dataclass(frozen=True)
class ArraySource:
    """An image that was decoded whole, to be taken in windows as a `TiffSource` is."""

    name: Path
    raw: Raw
    grid: None = None

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.raw.values.shape[1])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.raw.values.shape[2])

    @property
    def count(self) -> int:
        """Channels."""
        return len(self.raw.values)

    def window(self, top: int, left: int, height: int, width: int) -> Raw:
        """The pixels of a window in the file's units."""
        place = np.s_[top : top + height, left : left + width]
        valid = None if self.raw.valid is None else self.raw.valid[place]
        return replace(self.raw, values=self.raw.values[(slice(None), *place)], valid=valid)

    def valid(self, top: int, height: int) -> Mask:
        """Which pixels of whole rows have data, (height, W)."""
        known = self.raw.valid
        return np.ones((height, self.width), bool) if known is None else known[top : top + height]


class Raster:
    """A raster that is mapped window by window while its bands are taken.

    Attributes:
        height, width: in pixels.
        grid: where it lies on the earth; None where the file does not say.
    """

    def __init__(
        self, source: TiffSource | ArraySource, decomposer: Decomposer, draw: Draw, label: str | None, side: int
    ) -> None:
        self.height, self.width, self.grid = source.height, source.width, source.grid
        self._source, self._decomposer, self._draw, self._given, self._side = source, decomposer, draw, label, side
        self._labels: list[str] = []  # of the windows so far
        self._silence: dict[str, Floats] | None = None  # what is drawn where there is no data: nothing

    @property
    def label(self) -> str:
        """The class most windows are of; empty where no window had data."""
        return mode(self._labels) if self._labels else ""

    def bands(self, progress: Progress) -> Iterator[tuple[int, dict[str, Floats], Mask]]:
        """First row, what was drawn (C, rows, W) by name, and which pixels have data (rows, W), from the top."""
        path = self._source.name
        for top, drawn in blended(self.height, self.width, self._side, self._draw_windows):
            rows = next(iter(drawn.values())).shape[1]
            yield top, drawn, self._source.valid(top, rows)
            progress.note(f"{path.name} {(top + rows) / self.height:.0%}")

    def whole(self) -> Array:
        """All pixels (C, H, W) in [-1, 1], of an image that memory holds."""
        window = self._source.window(0, 0, self.height, self.width)
        return window.scaled(self._source.name, self._decomposer.reading.range)

    def _draw_windows(self, top: int, lefts: list[int], height: int, width: int) -> list[dict[str, Floats]]:
        windows = [self._source.window(top, left, height, width) for left in lefts]
        path, scale = self._source.name, self._decomposer.reading.range
        pictures = [Picture(w.scaled(path, scale), w.valid, None) for w in windows if not _empty(w)]
        decomposed = iter(self._decomposer.decompose_all(pictures, self._given, path) if pictures else [])
        return [self._silent(w) if _empty(w) else self._drawn(next(decomposed)) for w in windows]

    def _drawn(self, d: Decomposition) -> dict[str, Floats]:
        self._labels.append(d.label)
        return self._draw(d)

    def _silent(self, window: Raw) -> dict[str, Floats]:
        if self._silence is None:  # windows are all of one size
            blank = Picture(np.zeros_like(window.values), window.valid, None)
            self._silence = self._draw(self._decomposer.decompose(blank, self._decomposer.classes[1]))
        return self._silence


def is_tiff(path: Path) -> bool:
    """Whether a file is a TIFF, by its name."""
    return suffix(path) in (".tif", ".tiff")


def side_of_windows(decomposer: Decomposer, path: Path, tile: int | None = None) -> int | None:
    """Side in pixels of the windows that a file is mapped in; None where it is mapped whole.

    Rasters more than twice as wide or high as a window go in windows, by default of the training images' side: shown
    whole, they would be shrunk until nothing is seen.
    """
    side = tile or decomposer.side
    if not side or is_volume(path) or suffix(path) not in RASTERS:
        return None
    size = tiff_size(path) if is_tiff(path) else image_size(path)
    return side if max(size) > 2 * side else None


@contextmanager
def opened(decomposer: Decomposer, path: Path, draw: Draw, label: str | None, side: int) -> Iterator[Raster]:
    """Open a raster of any size.

    Args:
        decomposer: draws the windows.
        path: of an image file; a TIFF may be larger than memory.
        draw: what is made of a window, (C, h, w) by name; 0 where there is no data.
        label: class of every window; None lets the check classifier decide for each.
        side: of the windows, in pixels.

    Raises:
        DataError: when the file cannot be read, or its channels are not those of the run.
    """
    reading, channels = decomposer.reading, decomposer.branches.channels
    with ExitStack() as stack:
        source: TiffSource | ArraySource
        if is_tiff(path):
            extra("rasterio", "geo", f"{path}: an image of this size")
            source = stack.enter_context(open_tiff(path, reading.bands, reading.pages == "channels", on_disk=True))
            count = len(reading.bands) if reading.bands else source.count
        else:
            source = ArraySource(path, decode(path, reading))
            count = source.count
        if side * source.width * channels > MAX_BAND:
            raise DataError(f"{path}: is {source.width} pixels wide, too wide for windows of {side}; cut it into tiles")
        if count != channels or (reading.bands and is_tiff(path) and max(reading.bands) > source.count):
            raise DataError(f"{path}: has {source.count} bands, this run was trained on {channels}")
        yield Raster(source, decomposer, draw, label, side)


def claimed_maps(d: Decomposition) -> dict[MapName, Tensor]:
    """The maps of a window; one that claims nothing on the negative class is 0 in a window of that class."""
    return {
        name: signed if d.positive or KINDS[name].claims_on_negatives else signed * 0
        for name, signed in d.maps().items()
    }


def map_raster(
    decomposer: Decomposer, path: Path, folder: Path, label: str | None, side: int, progress: Progress
) -> str:
    """Write psi1.tif and so on for every map, float on the raster's grid; the class most windows are of.

    Raises:
        DataError: as `opened`.
        WriteError: when the disk refuses.
    """
    channels = decomposer.branches.channels

    def draw(d: Decomposition) -> dict[str, Floats]:
        return {name: signed.numpy() for name, signed in claimed_maps(d).items()}

    channels_of = {name: 1 if name == TAUGHT else channels for name in decomposer.names}
    with opened(decomposer, path, draw, label, side) as raster, ExitStack() as stack:
        targets: dict[str, Callable[[int, NDArray[Any]], None]] = {
            name: stack.enter_context(large_geotiff(folder / f"{name}.tif", raster, count, "float32", np.nan))
            for name, count in channels_of.items()
        }
        for top, maps, valid in raster.bands(progress):
            for name, band in maps.items():
                band[:, ~valid] = np.nan
                targets[name](top, band)
    return raster.label


@contextmanager
def large_geotiff(
    path: Path, raster: Raster, channels: int, kind: str, nodata: float | None
) -> Iterator[Callable[[int, NDArray[Any]], None]]:
    """Write a GeoTIFF on a raster's grid band by band; it is read back, and has its name only when it is whole.

    Yields:
        A function that writes (C, rows, W) from a first row on.

    Raises:
        WriteError: when the disk refuses.
    """
    rasterio = extra("rasterio", "geo", "writing GeoTIFF")
    grid = raster.grid
    place = {"transform": rasterio.Affine(*grid.transform), "crs": grid.crs or None} if grid else {}
    written: list[tuple[Any, int]] = []  # windows, and checksums of what was put there

    with whole_file(path) as temporary, warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(
            temporary, "w", driver="GTiff", dtype=kind, count=channels, height=raster.height, width=raster.width,
            nodata=nodata, compress="deflate", tiled=True, bigtiff="IF_SAFER", **place,
        ) as target:  # fmt: skip

            def write(top: int, band: NDArray[Any]) -> None:
                window, values = rasterio.windows.Window(0, top, raster.width, band.shape[1]), band.astype(kind)
                target.write(values, window=window)
                written.append((window, zlib.crc32(values.tobytes())))

            yield write
        with rasterio.open(temporary) as again:  # GDAL may lose what a full disk refused, and say nothing
            if any(zlib.crc32(again.read(window=window).tobytes()) != known for window, known in written):
                raise OSError("what was read back differs from what was written")


def _empty(window: Raw) -> bool:
    return window.valid is not None and not window.valid.any()


def _starts(length: int, side: int) -> list[int]:
    """Every half window, the last one moved back inside."""
    return sorted({*range(0, length - side + 1, max(1, side // 2)), length - side})


def _hill(side: int) -> Floats:
    return np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2
