"""The images that a report shows, with what a page needs to play with them."""

from pathlib import Path

import numpy as np

from acdm.core.files import write_bytes
from acdm.core.results import Gallery, GalleryImage
from acdm.data.images.arrays import Floats
from acdm.data.images.write import npz, png
from acdm.evaluation import metrics
from acdm.evaluation.truth import Truth
from acdm.maps.calibration import smoothed
from acdm.maps.decomposer import Decomposer
from acdm.maps.pictures import strip
from acdm.maps.preview import preview

RANDOM_IMAGES = 4  # of each class, beside the best, the median and the worst


def write_gallery(folder: Path, decomposer: Decomposer, truth: Truth, scores: list[Floats]) -> None:
    """Write pictures, arrays and gallery.json of some test images.

    Args:
        folder: of the gallery.
        decomposer: that drew them.
        truth: test images.
        scores: the default map of each as one unsmoothed number a pixel, (H, W) at its own size.
    """
    values = _auprc_of_each(decomposer, truth, scores)
    entries = []
    for number, (why, i) in enumerate(_chosen(truth, decomposer.classes, values)):
        item = truth.items[i]
        d = decomposer.decompose(truth.pictures[i], item.label, item.path)
        write_bytes(folder / f"{number}.png", png(strip(d)))
        write_bytes(folder / f"{number}.npz", npz(preview(d, truth.masks[i])))
        entries.append(
            GalleryImage(picture=f"{number}.png", why=why, label=item.label, file=item.path.name, auprc=values.get(i))
        )
    Gallery(images=tuple(entries)).write(folder / "gallery.json")


def _auprc_of_each(decomposer: Decomposer, truth: Truth, scores: list[Floats]) -> dict[int, float]:
    """AUPRC of the default map on each positive image that has pixels to rank, by the image's place."""
    scale = decomposer.calibration[decomposer.default_map].scale
    return {
        i: metrics.auprc(smoothed(scores[i], scale), truth.masks[i])
        for i in truth.only(decomposer.classes[1])
        if truth.masks[i].any() and not truth.masks[i].all()
    }


def _chosen(truth: Truth, classes: tuple[str, ...], values: dict[int, float]) -> list[tuple[str, int]]:
    """Best, median and worst positive image, and random images of both classes: why, and the image's place."""
    ranked = sorted(values, key=lambda i: -values[i])
    chosen = [("best", ranked[0]), ("median", ranked[len(ranked) // 2]), ("worst", ranked[-1])] if ranked else []
    rng = np.random.default_rng(0)
    for label in reversed(classes):
        chosen += [("random", int(i)) for i in rng.permutation(truth.only(label))[:RANDOM_IMAGES]]
    return chosen
