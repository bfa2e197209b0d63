import numpy as np
import torch

from acdm.maps.pictures import GAP, RED, SHEET_SIDE, overlay, sheet, to_pixels


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
