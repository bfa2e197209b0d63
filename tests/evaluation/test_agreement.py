"""Whether an image and its mirror image get the same mask, by maps made up for it."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from acdm.data.dataset import Item
from acdm.data.images.read import Picture
from acdm.evaluation.agreement import mirror_dice
from acdm.evaluation.truth import Truth
from acdm.maps.calibration import Calibration


@dataclass
class Drawer:
    """Draws the image itself, in the columns from `first` on alone."""

    first: int
    mirrors: tuple = ((), (-1,))
    default_map: str = "residual"
    classes: tuple = ("without", "with")
    size: int = 16
    alone: bool = False
    calibration: dict = field(default_factory=lambda: {"residual": Calibration("positive", 0, 0, 0.5, "otsu", {})})

    def maps(self, x, y):
        drawn = x.clone()
        drawn[..., : self.first] = 0
        return {"residual": drawn}


def truth():
    image = np.zeros((1, 16, 16), np.float32)
    image[0, 4:8, 2:6] = 1  # in the left half
    item = Item(None, "with", "a")
    return Truth(
        items=[item],
        pictures=[Picture(image, None, None)],
        masks=[image[0] > 2],
        boxes=[[]],
        known=[False],
        valid=[np.ones((16, 16), bool)],
    )


@pytest.mark.parametrize(("first", "agreement"), [(0, 1.0), (8, 0.0), (4, 2 / 3)])
def test_what_is_drawn_by_place_does_not_agree(first, agreement):
    """From column 4 on half of the square is drawn, and all of its mirror image."""
    assert mirror_dice(Drawer(first), truth()) == pytest.approx(agreement)


def test_a_run_without_mirror_images_knows_nothing_of_it():
    assert math.isnan(mirror_dice(Drawer(0, mirrors=((),)), truth()))


def test_where_nothing_is_drawn_there_is_nothing_to_agree_on():
    blank = truth()
    blank.pictures[0].pixels[:] = 0
    assert math.isnan(mirror_dice(Drawer(0), blank))
