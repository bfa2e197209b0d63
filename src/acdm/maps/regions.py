"""Connected parts of a mask, whole or in bands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, find_objects, label
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from skimage.morphology import remove_small_objects

from acdm.data.images.arrays import Box, Floats, Mask

CONNECTED = np.ones((3, 3))  # eight neighbours


@dataclass(frozen=True)
class Region:
    """One connected part of a mask.

    Attributes:
        mask: (box height, box width), of this part alone.
        box: first row, first column, one past the last row, one past the last column.
        score: the map's mean within it.
        scores: (box height, box width), the map in half precision, where it was asked for.
    """

    mask: Mask
    box: Box
    score: float
    scores: NDArray[np.float16] | None = None

    @property
    def area(self) -> int:
        """Pixels."""
        return int(self.mask.sum())


def above(scores: Floats, threshold: float) -> Mask:
    """The mask that is true where a score reaches the threshold, and never where it is 0."""
    return scores >= threshold if threshold > 0 else scores > 0


def regions_of(bands: Iterable[tuple[int, Mask, Floats]], keep_scores: bool = False) -> list[Region]:
    """Find the 8-connected parts of a mask that comes in bands, the part with the highest mean score first.

    Args:
        bands: first row, mask (rows, W) and scores (rows, W) of each, from the top, without a gap.
        keep_scores: whether regions keep the scores within their boxes.
    """
    pieces: list[Region] = []
    links: list[NDArray[np.intp]] = [np.empty((0, 2), np.intp)]
    above: NDArray[np.intp] | None = None  # of the last row seen: number of the piece plus one, 0 where there is none
    for top, mask, scores in bands:
        parts = label(mask, structure=CONNECTED)[0].astype(np.intp)
        places = find_objects(parts)
        for number, (rows, columns) in enumerate(places, start=1):
            own = parts[rows, columns] == number
            box = (top + rows.start, columns.start, top + rows.stop, columns.stop)
            within = scores[rows, columns]
            kept = within.astype(np.float16) if keep_scores else None
            pieces.append(Region(own, box, float(within[own].mean()), kept))
        parts[parts > 0] += len(pieces) - len(places)
        if above is not None:
            links += _touching(above, parts[0])
        above = parts[-1]
    first, second = np.concatenate(links).T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(pieces), len(pieces)))
    whole: dict[int, list[Region]] = {}
    for piece, part in zip(pieces, connected_components(graph)[1] if pieces else (), strict=True):
        whole.setdefault(int(part), []).append(piece)
    return sorted((_joined(same) for same in whole.values()), key=lambda region: -region.score)


def without_specks(regions: Sequence[Region], min_area: int) -> list[Region]:
    """Regions of at least `min_area` pixels, their holes of fewer closed."""
    if min_area <= 1:
        return list(regions)
    kept = [region for region in regions if region.area >= min_area]
    return [replace(region, mask=_without_small_holes(region.mask, min_area)) for region in kept]


def mask_of(regions: Sequence[Region], top: int, bottom: int, width: int) -> Mask:
    """The mask (bottom - top, width) that regions make between two rows."""
    mask = np.zeros((bottom - top, width), bool)
    for region in regions:
        first, left, last, right = region.box
        upper, lower = max(top, first), min(bottom, last)
        if upper < lower:
            mask[upper - top : lower - top, left:right] |= region.mask[upper - first : lower - first]
    return mask


def _without_small_holes(mask: Mask, min_area: int) -> Mask:
    filled = binary_fill_holes(mask)
    return np.asarray(filled & ~remove_small_objects(filled & ~mask, max_size=min_area - 1))


def _touching(above: NDArray[np.intp], below: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Pairs of pieces, (n, 2) each, whose pixels in two neighbouring rows touch, by an edge or a corner."""
    width = len(above)
    pairs = []
    for shift in (-1, 0, 1):
        upper, lower = above[max(0, -shift) : width - max(0, shift)], below[max(0, shift) : width + min(0, shift)]
        both = (upper > 0) & (lower > 0)
        pairs.append(np.unique(np.stack([upper[both], lower[both]], axis=1) - 1, axis=0))
    return pairs


def _joined(pieces: list[Region]) -> Region:
    """One region out of pieces that do not overlap."""
    if len(pieces) == 1:
        return pieces[0]
    corners = np.array([piece.box for piece in pieces])
    (top, left), (bottom, right) = corners[:, :2].min(axis=0).tolist(), corners[:, 2:].max(axis=0).tolist()
    mask = np.zeros((bottom - top, right - left), bool)
    scores = None if pieces[0].scores is None else np.zeros(mask.shape, np.float16)
    for piece in pieces:
        y, x, last_y, last_x = piece.box
        place = slice(y - top, last_y - top), slice(x - left, last_x - left)
        mask[place] |= piece.mask
        if scores is not None:
            scores[place] = piece.scores
    areas = [piece.area for piece in pieces]
    mean = float(np.average([piece.score for piece in pieces], weights=areas))
    return Region(mask, (top, left, bottom, right), mean, scores)
