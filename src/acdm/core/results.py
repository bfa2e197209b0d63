"""results.json and gallery.json as types.  Definitions of every figure: docs/reference/results.md."""

from collections.abc import Mapping

from pydantic import Field

from acdm.core.config import MapName, Split
from acdm.core.records import Figure, Record

SCHEMA = 1


class Intervals(Record):
    """95 % bootstrap intervals over groups, lower and upper end."""

    auprc: tuple[Figure, Figure]
    dice: tuple[Figure, Figure]


class MapFigures(Record):
    """Every figure of one map over the positive class's test images.

    `best_iou` and `best_dice` use one threshold chosen with the masks, an oracle; `iou`, `dice` and `negative_area` use
    the mask-free one.
    """

    auprc: Figure
    auprc_unsmoothed: Figure = None
    auroc: Figure
    best_iou: Figure
    best_dice: Figure
    iou: Figure
    dice: Figure
    dice_by_group: Figure = None
    threshold: Figure
    rule: str
    ncc_mean: Figure
    ncc_std: Figure
    pxap: Figure
    pointing_game: Figure
    relevance_mass: Figure
    maxboxacc: Figure
    box_recall: Figure
    ap50: Figure = None
    ap50_95: Figure = None
    negative_area: Figure
    positives_with_region: Figure = None
    negatives_with_region: Figure = None
    image_auroc: Figure = None
    polarity: str
    scale: Figure = None
    ci: Intervals


class Reconstruction(Record):
    """How well images are rebuilt, at network size and at the images' own, with what resizing alone allows there.

    `removal` is how far counterfactuals take the object away, where there are masks: 1 where it is gone.
    """

    psnr_mean: Figure
    psnr_std: Figure
    ssim_mean: Figure
    psnr_own_size: Figure = None
    psnr_resize_ceiling: Figure = None
    removal: Figure = None


class BranchFigures(Record):
    """How the branches share an image's energy, and how much 2 to N differ between the classes."""

    common_gap: Figure
    energy_share: tuple[Figure, ...]
    dominance: Figure


class ClassFigures(Record):
    """How the check classifier sees real images, reconstructions and counterfactuals, and how close these are."""

    swap_accuracy: Figure
    judge_accuracy: Figure
    judge_balanced_accuracy: Figure = None
    label_accuracy: Figure = None
    image_auroc: Figure = None
    reconstruction_accuracy: Figure = None
    swap_distance: Figure = None
    reconstruction_distance: Figure = None


class Agreement(Record):
    """How far the default map's masks of an image and of its mirror image agree; nothing where the run mirrors none."""

    mirror_dice: Figure = None


class Timing(Record):
    """How fast maps were drawn."""

    map_images_per_second: Figure = None


class Results(Record):
    """results.json: every figure of a run on test images.

    Attributes:
        schema_: version of the file's keys; "schema" in the file.
        steps, step: how many steps the run had planned, and the one whose networks draw the maps.
        n: test images of each class.
        scored: positive test images with a mask or box; None in files of before.
        masks: how many masks of training images taught the segmenter; 0 where labels alone did.
        trivial: AUPRC of scores that need no learning.
    """

    schema_: int = Field(SCHEMA, alias="schema")
    run: str
    data: str
    split: Split
    seed: int
    steps: int | None = None
    step: int | None = None
    n: dict[str, int]
    scored: int | None = None
    masks: int = 0
    positive: str
    reconstruction: Reconstruction
    branches: BranchFigures
    maps: dict[str, MapFigures]
    default_map: MapName
    trivial: dict[str, Figure]
    classes: ClassFigures
    agreement: Agreement = Agreement()
    timing: Timing = Timing()

    def __repr__(self) -> str:
        shown = self.maps[self.default_map]
        known = {"AUPRC": shown.auprc, "Dice": shown.dice, "image AUROC": shown.image_auroc}
        return f"<Results: {self.run}, {sum(self.n.values())} test images; {self.default_map}{_in_words(known)}>"


class MeanFigures(Record):
    """The mean of one map's figures over all findings that have them."""

    auprc: Figure = None
    best_iou: Figure = None
    dice: Figure = None
    pointing_game: Figure = None
    sensitivity: Figure = None


class FindingResults(Record):
    """results.json of a run of several findings.

    Attributes:
        labels: the results of each finding.
        mean: of each map over all findings.
        confusion: for each map, what share of a finding's map lies in the true parts of each finding, over all test
            images: `confusion[map][finding][other]`.
        sensitivity: for each map and finding, the AUROC of the map's mean in true boxes: those of the finding against
            those of all others.
    """

    schema_: int = Field(SCHEMA, alias="schema")
    run: str
    data: str
    split: Split
    labels: dict[str, Results]
    mean: dict[str, MeanFigures]
    confusion: dict[str, dict[str, dict[str, Figure]]]
    sensitivity: dict[str, dict[str, Figure]]

    def __repr__(self) -> str:
        means = {name: _in_words({"AUPRC": mean.auprc}) for name, mean in self.mean.items()}
        told = ", ".join(f"{name}{words}" for name, words in means.items())
        return f"<FindingResults: {self.run}, {', '.join(self.labels)}; mean of {told}>"


def _in_words(figures: Mapping[str, Figure]) -> str:
    """Figures that are known, in one line."""
    known = [f" {name} {value:.2f}" for name, value in figures.items() if value is not None]
    return ",".join(known)


class GalleryImage(Record):
    """An image of the report: its picture in gallery/, why it was chosen, its class, file and AUPRC."""

    picture: str = Field(pattern=r"^\d+\.png$")
    why: str
    label: str
    file: str
    auprc: Figure = None


class Gallery(Record):
    """gallery.json: the images that the report shows, in their order."""

    images: tuple[GalleryImage, ...]
