"""What a file holds, before any scaling: values in the file's own units, which pixels count, and where they lie."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from acdm.data.images.arrays import Array, Mask
from acdm.data.images.grid import Grid
from acdm.errors import DataError

Ranges = tuple[tuple[float, float], ...]

MAX_VALUES = 256_000_000  # of a file decoded whole: pixels times channels
MAX_PIXELS = 64_000_000
MIN_SIDE = 8
MAX_CHANNELS = 64
DEPTHS = {"bool": 1.0, "uint8": 255.0, "uint16": 65535.0}  # highest value of types that have their own range
EIGHT_BITS = {1.0, 255.0}  # depths of images whose values need no range of their own
SAMPLE = 20_000  # values of a channel that a range is found from, an image


def undecodable(path: Path | str, reason: object) -> DataError:
    """The error for a file that is damaged or not what its name says."""
    return DataError(f"{path}: cannot be decoded ({reason}); replace or remove it")


@dataclass(frozen=True)
class Raw:
    """A decoded image.

    Attributes:
        values: (C, H, W) in the file's units.
        kind: format and depth in words.
        depth: highest value that the format can hold, the lowest being 0; None where values have no such bounds.
        valid: (H, W), false where the file says that there is no data; None where all count.
        grid: where the pixels lie in the world; None where the file does not say.
    """

    values: Array
    kind: str
    depth: float | None = None
    valid: Mask | None = None
    grid: Grid | None = None

    def scaled(self, name: object, ranges: Ranges | None) -> Array:
        """(C, H, W) in [-1, 1]; pixels without data take the value of the nearest one that has some.

        Args:
            name: for messages.
            ranges: lowest and highest value, for all channels or for each; None takes the depth of the format.

        Raises:
            DataError: when a value is not finite, no pixel counts, or there is no range to scale by.
        """
        values = self._filled(name)
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            raise DataError(f"{name}: {bad} values are not finite; mend the file, or mark them as nodata")
        if ranges is None:
            if self.depth is None:
                raise DataError(
                    f"{name}: {self.kind} has no range of its own; train with --images.range LOW HIGH, or"
                    " save it as the training images are"
                )
            return np.asarray(values / self.depth * 2 - 1, dtype=np.float32)
        if len(ranges) not in (1, len(values)):
            raise DataError(f"{name}: has {len(values)} channels, but {len(ranges)} ranges are declared")
        low, high = (np.array(ends, np.float32)[:, None, None] for ends in zip(*ranges, strict=True))
        return np.asarray(np.clip((values - low) / (high - low), 0, 1) * 2 - 1, dtype=np.float32)

    def _filled(self, name: object) -> Array:
        if self.valid is None:
            return self.values
        if not self.valid.any():
            raise DataError(f"{name}: holds no data, every pixel is nodata; remove it")
        nearest = distance_transform_edt(~self.valid, return_distances=False, return_indices=True)
        return np.asarray(self.values[:, *nearest])


def find_ranges(images: Iterable[Raw]) -> Ranges | None:
    """Of a data set: None where all are 8 bits deep, else what 99.8 % of each channel's values lie between.

    Raises:
        DataError: when depths are mixed, or a channel has one value only.
    """
    depths, kinds, samples = set(), set(), []
    for raw in images:  # one at a time: they may be large
        depths.add(raw.depth)
        kinds.add(raw.kind)
        samples.append([_counting(raw, c) for c in range(len(raw.values))])
    if depths <= EIGHT_BITS:
        return None
    if len(depths) > 1:
        raise DataError(
            f"images mix depths ({', '.join(sorted(kinds))}); save all of them the same way, or declare --images.range"
        )
    if len({len(channels) for channels in samples}) > 1:
        return None  # whoever reads them all will say which
    pooled = [np.concatenate(channel) for channel in zip(*samples, strict=True)]
    if not all(len(values) for values in pooled):
        raise DataError("a channel holds no finite value; declare --images.range LOW HIGH")
    ranges = tuple(tuple(float(v) for v in np.quantile(values, (0.001, 0.999))) for values in pooled)
    if any(not low < high for low, high in ranges):
        raise DataError("a channel has one value in nearly all pixels; declare --images.range LOW HIGH")
    return ranges  # type: ignore[return-value]


def _counting(raw: Raw, channel: int) -> NDArray[np.float32]:
    """Some of the values that count."""
    values = raw.values[channel].ravel() if raw.valid is None else raw.values[channel][raw.valid]
    values = values[np.isfinite(values)]
    return values[:: max(1, len(values) // SAMPLE)].copy()


def require_size(name: object, height: int, width: int, channels: int) -> None:
    """Raises DataError for what is too large to be decoded whole, too small, or no image."""
    if height * width > MAX_PIXELS or height * width * channels > MAX_VALUES:
        raise DataError(
            f"{name}: has more than {MAX_PIXELS // 10**6} million pixels, too many to decode whole; cut it into tiles"
        )
    require_sides(name, height, width)
    if not 1 <= channels <= MAX_CHANNELS:
        raise DataError(f"{name}: has {channels} channels, expected 1 to {MAX_CHANNELS}")


def require_sides(name: object, height: int, width: int) -> None:
    """Raises DataError for what is too small, whether it is decoded whole or not."""
    if min(height, width) < MIN_SIDE:
        raise DataError(f"{name}: {width} x {height} pixels is too small, at least {MIN_SIDE} a side are needed")


def choose_bands(name: object, values: NDArray[Any], bands: tuple[int, ...] | None) -> NDArray[Any]:
    """The channels of (C, H, W) that are asked for, in that order; `bands` count from 1, None takes all.

    Raises:
        DataError: when there are fewer.
    """
    if not bands:
        return values
    if max(bands) > len(values):
        raise DataError(f"{name}: has {len(values)} bands, not band {max(bands)}")
    return values[[band - 1 for band in bands]]
