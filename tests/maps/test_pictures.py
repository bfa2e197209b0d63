import numpy as np
import torch

from acdm.maps.calibration import Calibration
from acdm.maps.decomposition import Decomposition
from acdm.maps.pictures import (
    BAR,
    GAP,
    ORANGE,
    RED,
    SHEET_SIDE,
    TITLE_LINES,
    compared,
    heat,
    overlay,
    sheet,
    strip,
    to_pixels,
)
from acdm.maps.preview import HEAT


def test_zero_is_mid_grey_and_the_scale_is_the_same_for_every_image():
    values = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0, 7.0, -7.0]).view(1, 1, -1)
    assert to_pixels(values)[0, :, 0].tolist() == [1, 64, 128, 192, 255, 255, 1]


def test_a_sheet_has_a_row_for_the_images_each_branch_and_their_sum():
    images, psi = torch.zeros(3, 1, SHEET_SIDE, SHEET_SIDE), torch.zeros(3, 5, 1, SHEET_SIDE, SHEET_SIDE)
    psi[:, 0], psi[:, 1] = 0.25, 0.25
    drawn = sheet(images, psi)
    rows, columns = 1 + 5 + 1, 3
    assert drawn.shape == (rows * SHEET_SIDE + (rows - 1) * GAP, columns * SHEET_SIDE + (columns - 1) * GAP, 3)
    top = SHEET_SIDE + GAP
    assert tuple(drawn[top, 0]) == RED
    assert (drawn[-1] == to_pixels(torch.full((1, 1, 1), 0.5))[0, 0]).sum() >= columns * SHEET_SIDE


def test_an_overlay_leaves_unscored_pixels_alone():
    image, scores = torch.zeros(1, 1, 2), np.array([[0.0, 1.0]])
    drawn = overlay(image, scores, threshold=0.5)
    assert drawn[0, 0].tolist() == [128, 128, 128]
    assert drawn[0, 1, 0] > drawn[0, 1, 2]  # orange


def test_heat_is_mid_grey_at_zero_and_ever_lighter_so_that_it_reads_without_colour():
    drawn = heat(np.linspace(-1, 1, 101)[None]).astype(float)[0]
    assert drawn[50].tolist() == [128, 128, 128]
    assert drawn[0].tolist() == list(HEAT[0])
    assert drawn[-1].tolist() == list(HEAT[-1])
    assert (np.diff(drawn @ (0.299, 0.587, 0.114)) > 0).all(), "luma of ITU-R BT.601"
    assert (heat(np.array([[7.0]])) == HEAT[-1]).all(), "beyond its end a scale stays at its end"


def decomposition(**options):
    """Of an image of 128 px, half of which is bright in branch 1, under its own class alone."""
    psi = torch.zeros(2, 1, 128, 128)
    psi[0, :, :, :64] = 0.5
    known = Calibration("both", scale=0, speck=0, threshold=0.2, rule="otsu", thresholds={})
    given = {
        "image": torch.full((1, 128, 128), 0.25),
        "psi": psi,
        "psi_other": torch.zeros(2, 1, 128, 128),
        "drawn": {"residual": psi[0], "evidence": -psi[0]},
        "label": "with",
        "other": "without",
        "calibration": dict.fromkeys(("psi1", "contrast", "residual", "evidence"), known),
    }
    return Decomposition(**{**given, **options})


def test_a_strip_has_the_image_map_mask_and_counterfactual_then_branches_then_maps():
    drawn = strip(decomposition())
    tile, title = SHEET_SIDE, 12 * TITLE_LINES
    assert drawn.shape[1] == 4 * tile + 3 * GAP, "four tiles are its widest row"
    row = drawn[title : title + tile].astype(int)
    middle, right = tile // 2 - 20, tile - 20  # columns of a tile with and without the object
    at = [row[tile // 2, k * (tile + GAP) + place] for k in range(4) for place in (middle, right)]
    assert at[0].tolist() == to_pixels(torch.full((1, 1, 1), 0.25))[0, 0].tolist()
    assert at[2].tolist() == list(HEAT[0]), "evidence is below zero there, beyond twice its threshold"
    assert at[3].tolist() == [128, 128, 128]
    assert (row[:, 2 * (tile + GAP) : 3 * (tile + GAP)] == ORANGE).all(axis=-1).any(), "the mask's outline"
    assert at[6].tolist() == [128, 128, 128], "as the other class: nothing is left"
    branches = drawn[2 * title + tile + GAP + BAR + GAP :]
    assert tuple(branches[1, 1]) == RED, "branch 1 is framed"


def test_a_strip_of_a_run_without_calibration_shows_the_bare_map():
    drawn = strip(decomposition(calibration={}))
    assert drawn.shape[1] == 3 * SHEET_SIDE + 2 * GAP, "no mask can be cut"


def test_what_taught_a_segmenter_is_legible_over_its_column():
    """A glyph that the font lacks would be an empty box, like that of a private letter."""
    image, mask = np.zeros((1, 64, 64), np.float32), np.zeros((64, 64), bool)
    titled = [compared([image], [mask], {f"probe {sign} object": [np.zeros((64, 64))]}) for sign in "→\ue000>"]
    assert np.array_equal(titled[0], titled[2])
    assert not np.array_equal(titled[0], titled[1])
