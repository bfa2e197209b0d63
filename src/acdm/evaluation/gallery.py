"""The images that a report shows, with what a page needs to play with them."""

from pathlib import Path

from acdm.core.files import write_bytes
from acdm.core.results import Gallery, GalleryImage
from acdm.data.images.arrays import Floats
from acdm.data.images.write import npz, png
from acdm.evaluation import metrics
from acdm.evaluation.looks import Seen
from acdm.evaluation.truth import Truth
from acdm.maps.calibration import smoothed
from acdm.maps.decomposer import Decomposer
from acdm.maps.pictures import strip
from acdm.maps.preview import preview


def write_gallery(folder: Path, decomposer: Decomposer, truth: Truth, seen: Seen) -> None:
    """Write pictures, arrays and gallery.json of some test images.

    Args:
        folder: of the gallery.
        decomposer: that drew them.
        truth: test images.
        seen: what was seen of them.
    """
    scores = seen.scores[decomposer.default_map]
    found = _auprc_of_each(decomposer, truth, scores)
    highest = [float(s.max()) for s in scores]
    doubt = seen.columns["doubt"].tolist() if decomposer.segmenter else []
    entries = []
    for number, (i, why) in enumerate(chosen_images(truth, decomposer.classes, found, highest, doubt).items()):
        item = truth.items[i]
        d = decomposer.decompose(truth.pictures[i], item.label, item.path)
        write_bytes(folder / f"{number}.png", png(strip(d)))
        write_bytes(folder / f"{number}.npz", npz(preview(d, truth.masks[i])))
        entries.append(
            GalleryImage(
                picture=f"{number}.png", why=", ".join(why), label=item.label, file=item.path.name, auprc=found.get(i)
            )
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


def chosen_images(
    truth: Truth, classes: tuple[str, ...], found: dict[int, float], highest: list[float], doubt: list[float]
) -> dict[int, list[str]]:
    """The places of the images that are shown, and why each is.

    Of the positive class the best, the median and the worst by what was found, where there is truth; of both classes
    the strongest, the typical and the weakest by the map's highest score, and the one that the segmenter is least sure
    of.
    """
    chosen: dict[int, list[str]] = {}

    def add(ranked: list[int], names: tuple[str, str, str]) -> None:
        for i, why in zip((ranked[0], ranked[len(ranked) // 2], ranked[-1]), names, strict=True):
            chosen.setdefault(i, []).append(why)

    if found:
        add(sorted(found, key=lambda i: -found[i]), ("best", "median", "worst"))
    for label in reversed(classes):
        members = truth.only(label)
        add(sorted(members, key=lambda i: -highest[i]), ("strongest", "typical", "weakest"))
        if doubt:
            chosen.setdefault(max(members, key=lambda i: doubt[i]), []).append("most unsure")
    return chosen
