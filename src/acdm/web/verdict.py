"""What a report concludes: a light, a sentence, and the next step, by rules that each carry their number.

The first rule that holds decides.  Limits: a class is told apart from `TOLD` of the real images on, a counterfactual
convinces from `CONVINCING` on, images are rebuilt from `REBUILT` dB on, masks are usable from `USABLE` Dice on.
"""

from dataclasses import dataclass
from typing import Literal

from acdm.core.config import TAUGHT
from acdm.core.records import DataRecord
from acdm.core.results import Results
from acdm.core.words import counted
from acdm.data.shortcuts import WARN

Light = Literal["red", "amber", "green"]

FEW_STEPS = 200  # with which no set was seen to be learned
TOLD = 0.7  # accuracy of the check classifier
CONVINCING = 0.5  # share of counterfactuals that fool it
PLACES_OF_MASKS = (
    "DATA/test/masks/ (of two folders: masks/ in that folder; of DATA/<class>/: DATA/masks/; of one finding of several:"
    " DATA/test/masks/NAME/)"
)
REBUILT = 25.0  # dB
FEWEST_SCORED = 5  # images with truth that a green light by masks needs
USABLE, FOUND = 0.6, 0.4  # Dice of the masks that no mask was seen for
SEPARATED = 0.9  # AUROC of images by the default map's highest score


@dataclass(frozen=True)
class Verdict:
    """What a run is good for.

    Attributes:
        light: red, amber or green.
        sentence: with the number that decides.
        next_step: what to do.
    """

    light: Light
    sentence: str
    next_step: str


def conclude(results: Results, data: DataRecord) -> Verdict:
    """Conclude from a run's figures and from what is known of its images."""
    rules = (_too_short, _nothing_to_see, _dead, _shortcut, _blurred, _by_masks)
    return next((found for rule in rules if (found := rule(results, data))), _without_masks(results))


def _too_short(results: Results, data: DataRecord) -> Verdict | None:
    steps = results.steps
    if steps is None or steps >= FEW_STEPS:
        return None
    return Verdict(
        "red",
        f"Not ready: it was trained for {steps} steps; at least {FEW_STEPS} are needed, and some thousand are usual.",
        "Go on with acdm train DATA -o RUN --resume --minutes 30.",
    )


def _nothing_to_see(results: Results, data: DataRecord) -> Verdict | None:
    classes = results.classes
    right = classes.judge_accuracy if classes.judge_balanced_accuracy is None else classes.judge_balanced_accuracy
    if right is None or right >= TOLD:
        return None
    return Verdict(
        "red",
        f"Nothing to see: the check classifier, trained apart, is right about {right:.0%} of the images, each class"
        f" counting alike ({TOLD:.0%} are needed). A map of such images shows nothing that can be trusted.",
        "See whether the images lie in the right folders, and whether the object is in them at this size.",
    )


def _dead(results: Results, data: DataRecord) -> Verdict | None:
    share = results.classes.swap_accuracy
    if share is None or share >= CONVINCING or results.default_map == TAUGHT:  # which draws without the branches
        return None
    return Verdict(
        "red",
        f"Not ready: {share:.0%} of the counterfactuals fool the check classifier, trained apart ({CONVINCING:.0%} are"
        " needed). Branch 1 does not hold the class.",
        "Train longer (acdm train DATA -o RUN --resume --minutes 30); if branch 1 stays silent, begin anew with"
        " --loss.keep 1.",
    )


def _shortcut(results: Results, data: DataRecord) -> Verdict | None:
    loudest = max(data.shortcuts, key=lambda shortcut: shortcut.auroc, default=None)
    if loudest is None or loudest.auroc < WARN:
        return None
    return Verdict(
        "amber",
        f"It may show a shortcut: {loudest.trait.replace('_', ' ')} alone tells the folders apart (AUROC"
        f" {loudest.auroc:.2f}; {WARN:.1f} is a warning, .5 is chance).",
        f"Look at the {results.default_map} map: is it where the object is? If not, match the folders in that trait,"
        " and train anew.",
    )


def _blurred(results: Results, data: DataRecord) -> Verdict | None:
    psnr = results.reconstruction.psnr_mean
    if psnr is None or psnr >= REBUILT or results.default_map == TAUGHT:
        return None
    return Verdict(
        "amber",
        f"Coarse: images are rebuilt at {psnr:.1f} dB ({REBUILT:.0f} are needed): every edge is in the residual.",
        "Train longer: acdm train DATA -o RUN --resume --minutes 30.",
    )


def _by_masks(results: Results, data: DataRecord) -> Verdict | None:
    shown, name = results.maps[results.default_map], results.default_map
    if shown.dice is None:
        return None
    seen = "for which no test mask was seen"
    if name == TAUGHT and results.masks:
        seen = f"taught by {counted(results.masks, 'mask')} of training images and by no test mask"
    low, high = shown.ci.dice
    among = "" if low is None or high is None else f", 95 %: {low:.2f} to {high:.2f}"
    of = "" if results.scored is None else f" of {counted(results.scored, 'image')}"
    found = f"masks cut from {name}, {seen}, agree with the true ones{of} by {shown.dice:.2f} (Dice{among};"
    few = results.scored is not None and results.scored < FEWEST_SCORED
    if shown.dice >= USABLE and few:
        return Verdict(
            "amber",
            f"It may be usable: {found} at least {FEWEST_SCORED} images with masks are needed to say so).",
            f"Draw masks of ten test images, put them into {PLACES_OF_MASKS}, and evaluate again.",
        )
    if shown.dice >= USABLE:
        return Verdict(
            "green",
            f"Usable for pre-annotation: {found} {USABLE} is asked for).",
            "acdm segment draws the masks of new images, and names those to look at first.",
        )
    if shown.dice >= FOUND:
        return Verdict(
            "amber",
            f"It shows where to look: {found} {USABLE} would be usable for pre-annotation).",
            "Correct twenty masks and let them teach it: acdm train DATA -o RUN --resume --masks DIR; or train longer.",
        )
    return Verdict(
        "red",
        f"It finds too little: {found} {FOUND} is the least).",
        "Train longer, take more images, or let twenty true masks teach: acdm train DATA -o RUN --resume --masks DIR.",
    )


def _without_masks(results: Results) -> Verdict:
    name, told = results.default_map, results.maps[results.default_map].image_auroc
    known = (
        "" if told is None else f" The {name} map's highest score tells the test images apart with AUROC {told:.2f}."
    )
    sure = told is not None and told >= SEPARATED
    share = results.classes.swap_accuracy
    behind = share is not None and share < CONVINCING
    fooled = f" Its branches are behind: {share:.0%} of the counterfactuals fool the check classifier."
    return Verdict(
        "green" if sure else "amber",
        ("Ready to be looked at." if sure else "Look with care: the map is unsure.")
        + f"{known}{fooled if behind else ''} How well it marks the object is not known, as no masks were given.",
        f"Draw masks of ten test images, put them into {PLACES_OF_MASKS}, and evaluate again.",
    )
