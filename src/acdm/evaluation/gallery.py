"""The images that a report shows, with what a page needs to play with them."""

from pathlib import Path

import numpy as np
from torch import Tensor

from acdm.core.config import DEFAULT_MAP
from acdm.core.files import write_bytes
from acdm.core.results import Gallery, GalleryImage
from acdm.data.images.write import npz, png
from acdm.evaluation import metrics
from acdm.evaluation.map_metrics import own_size
from acdm.evaluation.truth import Truth
from acdm.maps.decomposer import Decomposer, Drawn
from acdm.maps.pictures import strip
from acdm.maps.preview import preview

RANDOM_IMAGES = 4  # of each class, beside the best, the median and the worst


def write_gallery(folder: Path, decomposer: Decomposer, truth: Truth, x: Tensor, drawn: Drawn) -> None:
    """Write pictures, arrays and gallery.json of some test images.

    Args:
        folder: of the gallery.
        decomposer: that drew them.
        truth: test images.
        x: the squares that the network saw, (n, C, S, S).
        drawn: branches and maps of all of them.
    """
    values = _auprc_of_each(decomposer, truth, drawn)
    entries = []
    for number, (why, i) in enumerate(_chosen(truth, decomposer.classes, values)):
        item = truth.items[i]
        d = decomposer.decomposition(truth.pictures[i], x[i], drawn, i)
        write_bytes(folder / f"{number}.png", png(strip(d)))
        write_bytes(folder / f"{number}.npz", npz(preview(d, truth.masks[i])))
        entries.append(
            GalleryImage(picture=f"{number}.png", why=why, label=item.label, file=item.path.name, auprc=values.get(i))
        )
    Gallery(images=tuple(entries)).write(folder / "gallery.json")


def _auprc_of_each(decomposer: Decomposer, truth: Truth, drawn: Drawn) -> dict[int, float]:
    """AUPRC of the default map on each positive image that has pixels to rank, by the image's place."""
    calibration = decomposer.calibration[DEFAULT_MAP]
    maps = own_size(drawn.maps[DEFAULT_MAP], truth, decomposer.size)
    return {
        i: metrics.auprc(calibration.scores(maps[i]), truth.masks[i])
        for i in truth.only(decomposer.classes[1])
        if truth.masks[i].any() and not truth.masks[i].all()
    }


def _chosen(truth: Truth, classes: tuple[str, ...], values: dict[int, float]) -> list[tuple[str, int]]:
    """Best, median and worst positive image, and random images of both classes: why, and the image's place."""
    ranked = sorted(values, key=lambda i: -values[i])
    chosen = [("best", ranked[0]), ("median", ranked[len(ranked) // 2]), ("worst", ranked[-1])] if ranked else []
    rng = np.random.default_rng(0)
    for label in classes:
        chosen += [("random", int(i)) for i in rng.permutation(truth.only(label))[:RANDOM_IMAGES]]
    return chosen
