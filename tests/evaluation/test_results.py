"""Figures of results.json that no library has, by hand."""

import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from acdm.core.config import MAPS
from acdm.data.dataset import Dataset, Item
from acdm.data.images.read import Picture
from acdm.evaluation import looks, metrics
from acdm.evaluation.looks import Columns
from acdm.evaluation.map_metrics import map_metrics
from acdm.evaluation.results import branch_figures, class_figures, reconstruction_figures, removal
from acdm.evaluation.truth import Truth, trivial_scores
from acdm.maps.calibration import Calibration
from acdm.maps.decomposer import Drawn


def truth(*images, masks, valid=None):
    items = [Item(None, "with", str(number)) for number in range(len(images))]
    valid = valid or [np.ones_like(mask) for mask in masks]
    return Truth(
        items=items,
        pictures=[Picture(image, None, None) for image in images],
        masks=list(masks),
        boxes=[[] for _ in images],
        known=[True] * len(images),
        valid=valid,
    )


def table(*parts):
    columns = Columns()
    for rows in parts:
        columns.add(rows)
    return columns


def test_branches_by_hand():
    own = torch.tensor([3.0, 1.0, 0.0]).view(1, 3, 1, 1, 1).expand(1, 3, 1, 2, 2)
    other = torch.tensor([9.0, 2.0, 0.5]).view(1, 3, 1, 1, 1).expand(1, 3, 1, 2, 2)
    figures = branch_figures(table(looks.branches(own, other)))
    assert figures.common_gap == pytest.approx((1 + 0.5) / 2)  # branch 1 does not count
    assert figures.dominance == pytest.approx(3 / 4)
    assert figures.energy_share == pytest.approx([0.9, 0.1, 0])


def test_reconstruction_by_hand():
    image = np.full((1, 8, 8), 0.5, np.float32)
    psi = torch.tensor([0.3, 0.4]).view(2, 1, 1, 1, 1).expand(2, 1, 1, 8, 8)
    x, drawn = torch.from_numpy(np.stack([image, image])), Drawn(torch.ones(2), psi, psi, {})
    rows = looks.reconstructions(x, drawn, [image, image]), looks.objects(drawn, [image, image], [None, None])
    figures = reconstruction_figures(table(*rows))
    decibel = [10 * np.log10(4 / 0.2**2), 10 * np.log10(4 / 0.1**2)]
    assert figures.psnr_mean == pytest.approx(np.mean(decibel), abs=1e-3)
    assert figures.psnr_own_size == pytest.approx(figures.psnr_mean, abs=1e-3)
    assert figures.psnr_resize_ceiling is None, "nothing is resized"
    assert figures.removal is None, "no mask"


@pytest.mark.parametrize(("goes", "expected"), [(1.0, 1.0), (0.25, 0.25), (0.0, 0.0), (-1.0, 0.0), (1.5, 0.5)])
def test_removal_by_hand(goes, expected):
    """Two squares .8 and .4 above their surroundings, of which a share goes: too much is no better than too little."""
    image = np.full((1, 48, 48), 0.1, np.float32)
    image[0, :24] = -0.3
    mask = np.zeros((48, 48), bool)
    for part, height in ((np.s_[6:12, 20:26], 0.8), (np.s_[36:42, 20:26], 0.4)):
        image[0][part] += height
        mask[part] = True
    counterfactual = image - goes * np.where(mask, np.where(np.arange(48)[:, None] < 24, 0.8, 0.4), 0)
    psi = torch.from_numpy(counterfactual.astype(np.float32))[None, None]
    rows = looks.objects(Drawn(torch.ones(1), psi, psi, {}), [image], [mask])
    assert rows["there"].item() == pytest.approx(36 * 1.2, rel=1e-4)
    assert removal(rows["left"].sum(), rows["there"].sum()) == pytest.approx(expected, abs=1e-4)


class Bright:
    """A judge to whom an image is of class 1 where its mean is above zero."""

    def probabilities(self, images):
        bright = (images.mean(dim=(1, 2, 3)) > 0).float()
        return torch.stack([1 - bright, bright], dim=1)


def test_validity_and_closeness_of_counterfactuals_by_hand():
    """Of three swaps one convinces, and beyond [-1, 1] nothing counts."""
    x, y = torch.tensor([-0.5, 0.5, 1.0]).view(3, 1, 1, 1), torch.tensor([0, 1, 1])
    own, other = (torch.tensor(v).view(3, 1, 1, 1, 1) for v in ([-0.4, 0.4, 1.5], [0.5, 0.25, 1.0]))
    told = {"label": torch.tensor([0, 0, 1])}  # by whoever is asked for the class
    figures = class_figures(table({**looks.classes(Bright(), x, Drawn(y, own, other, {})), **told}))
    assert figures.swap_accuracy == pytest.approx(1 / 3)
    assert figures.judge_accuracy == figures.reconstruction_accuracy == 1
    assert figures.label_accuracy == pytest.approx(2 / 3)
    assert figures.swap_distance == pytest.approx((1 + 0.25 + 0) / 3)
    assert figures.reconstruction_distance == pytest.approx((0.1 + 0.1 + 0) / 3)


def test_pixels_without_data_are_neither_right_nor_wrong():
    """A bright square, found by brightness; outside the picture's data it is brighter still."""
    image = np.zeros((1, 32, 32), np.float32)
    image[0, :4, :4], image[0, 20:] = 0.5, 1.0
    mask, valid = image[0] == 0.5, image[0] < 1
    assert trivial_scores(truth(image, masks=[mask]), "with")["brightness"] < 0.1
    assert trivial_scores(truth(image, masks=[mask], valid=[valid]), "with")["brightness"] == 1


def test_boxes_found_where_nobody_drew_any_are_no_mistakes():
    """Four images with a square that is found exactly; two of them have truth, and one is of the other class."""
    image = np.full((1, 16, 16), -1.0, np.float32)
    square = np.zeros((16, 16), bool)
    square[4:10, 4:10] = True
    nothing = np.zeros_like(square)
    told = truth(*[image] * 5, masks=[square, square, nothing, nothing, nothing])
    told = replace(
        told,
        items=[*told.items[:4], Item(None, "without", "4")],
        boxes=[[(4, 4, 10, 10)]] * 2 + [[]] * 3,
        known=[True, True, False, False, False],
    )
    dataset = Dataset(Path(), ("without", "with"), [], [], told.items)
    raw = [square.astype(np.float32)] * 4 + [nothing.astype(np.float32)]
    found = map_metrics("evidence", raw, told, dataset, Calibration("both", 0.0, 0.0, 0.5, "otsu", {}))
    assert found.ap50 == pytest.approx(1.0)
    assert found.box_recall == pytest.approx(1.0)


def test_what_needs_no_learning_by_hand():
    image = np.zeros((1, 32, 32), np.float32)
    image[0, :4, :4] = 1
    bright = trivial_scores(truth(image, masks=[image[0] > 0]), "with")
    assert bright["brightness"] == 1
    assert bright["darkness"] == pytest.approx(16 / 1024, rel=0.05)
    edge = np.zeros((1, 32, 32), np.float32)
    edge[0, :, 16:] = 1  # a 9 x 9 window meets the edge from 4 pixels on either side
    near = np.zeros((32, 32), bool)
    near[:, 12:20] = True
    assert trivial_scores(truth(edge, masks=[near]), "with")["local_deviation"] == 1


class Forgetful:
    """A decomposer whose branches must be gone when the next images are drawn."""

    names, default_map = MAPS, "evidence"
    size, judge, calibration = 8, Bright(), {name: Calibration("both", 0.0, 0.0, 0.1, "otsu", {}) for name in MAPS}

    def __init__(self):
        self.kept, self.most = [], 0

    def index(self, label):
        return int(label == "with")

    def classify(self, x, found):
        return [0] * len(x)

    def draw(self, x, y):
        self.kept = [reference for reference in self.kept if reference() is not None]
        self.most = max(self.most, len(x))
        assert not self.kept, "branches of the images before are still there"
        psi = torch.stack([x * 0, x], dim=1)
        self.kept = [weakref.ref(psi)]
        return Drawn(y, psi, psi, dict.fromkeys(MAPS, x))


def test_no_branch_is_kept_when_the_next_images_are_decomposed():
    rng = np.random.default_rng(0)
    images = [rng.uniform(-1, 1, (1, 8 + number % 3, 8)).astype(np.float32) for number in range(looks.TOGETHER * 2 + 1)]
    decomposer = Forgetful()
    seen = looks.look_at_all(decomposer, truth(*images, masks=[image[0] > 2 for image in images]))
    assert decomposer.most == looks.TOGETHER
    assert len(seen.columns["psnr"]) == len(seen.scores["psi1"]) == len(images)
    assert [s.shape for s in seen.scores["psi1"]] == [image.shape[1:] for image in images]


def told(scores, mask, groups=None, valid=None):
    """Figures of evidence of positive images (n, H, W) with these true masks."""
    images = [np.zeros((1, *m.shape), np.float32) for m in mask]
    known = truth(*images, masks=mask, valid=valid)
    items = [Item(None, "with", str(group)) for group in groups or range(len(images))]
    none = Item(None, "without", "none")
    blank = np.zeros_like(mask[0])
    known = replace(
        known,
        items=[*items, none],
        pictures=[*known.pictures, known.pictures[0]],
        masks=[*mask, blank],
        boxes=[*(metrics.boxes_of(m) for m in mask), []],
        known=[*known.known, False],
        valid=[*known.valid, known.valid[0]],
    )
    dataset = Dataset(Path(), ("without", "with"), [], [], known.items)
    quiet = np.zeros(blank.shape)
    return map_metrics("evidence", [*scores, quiet], known, dataset, Calibration("both", 0.0, 0.0, 0.5, "otsu", {}))


def square(side=6, of=200):
    mask = np.zeros((of, of), bool)
    mask[10 : 10 + side, 20 : 20 + side] = True
    return mask


def test_the_interval_of_a_small_object_that_is_found_whole_is_at_its_auprc():
    masks = [*[square()] * 4, square(5)]
    scores = [mask + np.random.default_rng(0).random(mask.shape) / 2 for mask in masks]
    found = told(scores, masks)
    assert found.auprc == 1
    assert found.ci.auprc == pytest.approx((1, 1), abs=0.02)


def test_of_few_groups_no_interval_is_known():
    masks = [square()] * 8
    assert told([m * 0.7 for m in masks], masks, groups="aabbccdd").ci.auprc == (None, None)
    assert told([m * 0.7 for m in masks], masks, groups="aabbccde").ci.auprc == (1, 1)


def test_boxes_of_a_small_object_are_found_at_the_threshold_that_finds_them():
    """A smooth hill about the object: only the highest pixels of thousands have a box like its own."""
    mask = square(6, of=400)
    rows, columns = np.mgrid[:400, :400]
    hill = np.exp(-((rows - 12.5) ** 2 + (columns - 22.5) ** 2) / 2e4)
    assert told([hill, hill], [mask, mask]).box_recall == 1


def test_blank_masks_tell_nothing_of_how_well_masks_fit():
    blank = np.zeros((20, 20), bool)
    found = told([np.ones((20, 20))] * 2, [blank, blank])
    assert (found.dice, found.iou, found.auprc) == (None, None, None)


def test_what_has_no_data_is_no_false_alarm():
    mask, valid = square(6, of=40), np.ones((40, 40), bool)
    valid[:, 30:] = False
    loud = np.where(valid, 0.0, 9.0)
    loud[mask] = 1
    found = told([loud, loud], [mask, mask], valid=[valid, valid])
    assert found.ap50 == pytest.approx(1)
    assert found.dice == 1
