import math

import pytest
import torch

from acdm.core.config import Weights
from acdm.method import losses


def pixels(*values):
    return torch.tensor(values).view(1, 1, 1, -1)


def branches(*values):
    """One pixel, one value a branch: (1, N, 1, 1, 1)."""
    return torch.tensor(values).view(1, -1, 1, 1, 1)


def test_l_rec_by_hand():
    assert losses.l_rec(pixels(0.0, 0.0), pixels(0.5, -1.0)).item() == pytest.approx((0.5 + 0.25 + 1 + 1) / 2)


def test_l_rec_does_not_depend_on_the_image_size():
    x, x_hat = torch.randn(2, 1, 1, 4, 4)
    larger = (t.repeat(1, 1, 3, 3) for t in (x, x_hat))
    torch.testing.assert_close(losses.l_rec(x, x_hat), losses.l_rec(*larger))


def test_l_grad_rec_ignores_a_constant_offset():
    x = torch.randn(2, 3, 8, 8)
    assert losses.l_grad_rec(x, x + 0.7).item() == pytest.approx(0, abs=1e-6)


def test_l_grad_rec_of_a_ramp_by_hand():
    ramp = torch.arange(4.0).expand(1, 1, 4, 4)  # gradient 1 along columns, 0 along rows
    assert losses.l_grad_rec(ramp, torch.zeros(1, 1, 4, 4)).item() == pytest.approx((1 + 1) / 2)


def test_l_dis_rec_counts_only_where_branch_1_is_loud():
    psi_1 = pixels(0.0, 0.0, 0.0, 4.0)  # mean 1: only the last pixel is above
    x, x_hat = pixels(9.0, 9.0, 9.0, 0.5), pixels(0.0, 0.0, 0.0, 0.0)
    assert losses.l_dis_rec(x, x_hat, psi_1).item() == pytest.approx(0.5 + 0.25)


def test_l_dis_rec_takes_the_mean_of_each_image_apart():
    psi_1 = torch.tensor([[0.0, 1.0], [100.0, 300.0]]).view(2, 1, 1, 2)
    x = torch.tensor([[5.0, 1.0], [5.0, 1.0]]).view(2, 1, 1, 2)
    assert losses.l_dis_rec(x, torch.zeros_like(x), psi_1).item() == pytest.approx(2.0)


def test_l_dis_rec_is_zero_and_not_nan_where_branch_1_is_silent():
    assert losses.l_dis_rec(pixels(1.0), pixels(0.0), pixels(0.0)).item() == 0


def test_l_dis_rec_gives_branch_1_no_gradient_through_the_indicator():
    psi_1 = torch.randn(1, 1, 4, 4, requires_grad=True)
    x_hat = torch.randn(1, 1, 4, 4, requires_grad=True)
    losses.l_dis_rec(torch.randn(1, 1, 4, 4), x_hat, psi_1).backward()
    assert psi_1.grad is None


@pytest.mark.parametrize(("values", "expected"), [((3, 0), 0), ((1, 1), 4), ((2, 2, -1), 0), ((1, -1), 4)])
def test_l_sqc_by_hand(values, expected):
    assert losses.l_sqc(branches(*map(float, values))).item() == expected


def test_l_energy_is_zero_for_equal_energies_whatever_branch_1_does():
    assert losses.l_energy(branches(9.0, 1.0, -1.0, 1.0)).item() == pytest.approx(0)


def test_l_energy_by_hand():
    # shares 1 and 0 of two branches: (1 - 1/2)^2 + (0 - 1/2)^2
    assert losses.l_energy(branches(5.0, 2.0, 0.0)).item() == pytest.approx(0.5)


@pytest.mark.parametrize("n", [1, 2])
def test_l_energy_is_zero_where_nothing_can_be_unequal(n):
    assert losses.l_energy(torch.randn(2, n, 1, 4, 4)).item() == 0


def test_l_share_looks_at_branches_2_to_n_alone():
    own, other = branches(9.0, 1.0, 2.0), branches(-9.0, 1.0, 5.0)
    assert losses.l_share(own, other).item() == pytest.approx((0 + 3) / 2)
    assert losses.l_share(branches(1.0), branches(2.0)).item() == 0


def test_l_sparse_is_the_mean_amplitude():
    assert losses.l_sparse(pixels(1.0, -3.0)).item() == 2


def test_adversarial_losses_of_an_undecided_discriminator():
    zero = torch.zeros(4)
    assert losses.l_adv(zero).item() == pytest.approx(math.log(2))
    assert losses.l_discriminator(zero, zero).item() == pytest.approx(2 * math.log(2))


def test_the_discriminator_wants_genuine_logits_high_and_generated_ones_low():
    assert losses.l_discriminator(torch.tensor([9.0]), torch.tensor([-9.0])).item() < 1e-3
    assert losses.l_adv(torch.tensor([9.0])).item() < 1e-3


def test_paired_losses_know_differences_alone():
    better, worse = torch.tensor([5.0, -2.0]), torch.tensor([5.0 - math.log(3), -2.0 + math.log(3)])
    assert losses.l_paired(better, worse).item() == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)
    shifted = losses.l_paired(better + 7, worse + 7)
    torch.testing.assert_close(shifted, losses.l_paired(better, worse))


def test_r1_of_a_linear_discriminator_is_half_its_squared_slope():
    x = torch.randn(3, 1, 2, 2, requires_grad=True)
    slope = torch.tensor([[1.0, 2.0], [0.0, -2.0]])
    logit = (x * slope).sum(dim=(1, 2, 3))
    assert losses.r1(logit, x).item() == pytest.approx(9 / 2)


def test_objective_is_the_weighted_sum():
    weights = Weights(rec=2, sparse=3)
    terms = {"rec": torch.tensor(5.0), "sparse": torch.tensor(7.0)}
    assert losses.objective(terms, weights).item() == 2 * 5 + 3 * 7


def test_a_misspelled_term_fails_at_once():
    with pytest.raises(AttributeError, match="spares"):
        losses.objective({"spares": torch.tensor(1.0)}, Weights())
