from types import SimpleNamespace

import pytest
import torch
from torch import nn

from acdm.training.validation import PATIENCE, Choice, Health, Look, look


def signs_of(discriminator=0.7, steps=3 * PATIENCE):
    health = Health()
    return [(step, sign) for step in range(1, steps + 1) for sign in health.step({"discriminator": discriminator})]


def seen(psnr=20.0, variety=0.9, share=0.01):
    return Look(psnr, variety, 0.05, share)


def test_a_healthy_training_raises_no_alarm():
    assert signs_of() == []
    health = Health()
    assert [health.look(step, seen(20 + step / 500)) for step in range(250, 5000, 250)] == [[]] * 19


def test_a_silent_branch_1_is_told_once_after_its_slow_start():
    health = Health()
    told = {step: health.look(step, seen(share=5e-5)) for step in range(250, 2000, 250)}
    ((step, (sign,)),) = [(step, signs) for step, signs in told.items() if signs]
    assert (step, "branch 1 is silent: it holds under 0.01%" in sign) == (PATIENCE + 250, True)


def test_what_branch_1_holds_under_both_classes_alike_is_no_speech():
    """As maps are drawn: of 5 and 3 under the two classes, 3 is the other branch's."""

    def players(own, other):
        def branches(x, y, other_y):
            return tuple(
                torch.tensor([first, 4.0]).view(1, 2, 1, 1, 1).expand(len(x), 2, 1, 8, 8) for first in (own, other)
            )

        some = nn.Linear(1, 1)
        some.branches = 2
        return SimpleNamespace(branches=some, averaged=lambda states, k: branches, classes=2)

    x, y = torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 0, 1])
    assert look(players(3.0, 3.0), x, y, "fp32")[0].share == 0
    assert look(players(5.0, 3.0), x, y, "fp32")[0].share == pytest.approx(4 / (4 + 49))


def test_a_discriminator_that_has_won_is_told():
    ((step, sign),) = signs_of(discriminator=0.001)
    assert (step, "discriminator has won" in sign) == (PATIENCE, True)


def test_a_fall_of_quality_is_told_again_only_after_it_was_made_good():
    health = Health()
    told = [bool(health.look(step, seen(psnr))) for step, psnr in enumerate((20, 30, 23, 23, 29, 22), start=1)]
    assert told == [False, False, True, False, False, True]


def test_reconstructions_that_are_all_alike_are_told():
    health = Health()
    assert health.look(250, seen(15, 0.001)) == [], "at first all are grey"
    (sign,) = health.look(750, seen(15, 0.001))
    assert "rebuilt alike" in sign


def taken(looks):
    """Places of the looks (conviction, change, PSNR) that are taken, the last of which draws the maps."""
    choice = Choice()
    return [
        place
        for place, (convinced, change, *psnr) in enumerate(looks)
        if choice.offer(convinced, change, *psnr or [30])
    ]


def test_while_less_change_convinces_more_the_newest_is_taken():
    assert taken([(0.6, 0.05), (0.8, 0.045), (0.9, 0.045), (0.92, 0.045)]) == [0, 1, 2, 3]


def test_when_only_the_change_grows_the_last_good_one_stays():
    """As measured on cars, at one PSNR: from step 2,400 on there is nothing left to win."""
    looks = [(0.53, 0.060), (0.57, 0.044), (0.69, 0.044), (0.80, 0.045), (0.87, 0.047), (0.89, 0.049), (0.89, 0.052),
             (0.89, 0.056), (0.90, 0.060)]  # fmt: skip
    assert taken(looks)[-1] == 5


def test_change_is_weighed_against_how_well_images_are_rebuilt():
    """As measured on cars, every 500 steps: evidence has its best AUPRC at step 2,500 and 3,000."""
    looks = [(0.764, 0.0349, 26.0), (0.935, 0.0450, 27.9), (0.944, 0.0446, 29.3), (0.950, 0.0471, 29.9),
             (0.948, 0.0481, 30.6), (0.959, 0.0502, 31.1), (0.959, 0.0556, 31.6), (0.945, 0.0613, 31.9),
             (0.940, 0.0638, 32.2)]  # fmt: skip
    assert taken(looks)[-1] == 5


def test_a_swap_that_convinces_nobody_chooses_nothing():
    """Before branch 1 says anything the change is next to none, and so are a dead branch's."""
    assert taken([(0.1, 1e-6), (0.3, 0.001), (0.32, 0.0001)]) == []


def test_a_look_that_was_good_because_hardly_anything_happened_is_given_up():
    assert taken([(0.5, 0.001), (0.52, 0.02), (0.9, 0.03)]) == [0, 2]


def test_networks_that_rebuild_images_better_are_taken_though_they_change_more():
    """As in the demo, where a whole object goes late."""
    assert taken([(0.99, 0.02, 31), (0.99, 0.03, 32), (0.99, 0.03, 33.1), (0.5, 0.03, 40)]) == [0, 2]


def test_where_images_are_rebuilt_well_still_better_ones_excuse_no_change():
    """As measured on brain: from 40 to 42 dB the change grows by a third and convinces no better."""
    assert taken([(0.83, 0.019, 37.3), (0.78, 0.0226, 39.8), (0.78, 0.030, 42.1)])[-1] == 1
