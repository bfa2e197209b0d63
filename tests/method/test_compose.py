import pytest
import torch

from acdm.method.compose import blend, common, compose, distinction, sparsest


@pytest.mark.parametrize("n", [1, 2, 5])
def test_blending_conserves_the_sum_over_both_classes(n):
    psi0, psi1 = torch.randn(2, 3, n, 1, 4, 4)
    alpha = torch.rand(n - 1)
    both = blend(psi0, psi1, alpha) + blend(psi1, psi0, alpha)
    torch.testing.assert_close(both, (psi0 + psi1).sum(dim=1))


def test_alpha_of_one_is_inference():
    own, other = torch.randn(2, 3, 5, 2, 4, 4)
    torch.testing.assert_close(blend(own, other, torch.ones(4)), compose(own))


def test_alpha_of_zero_takes_all_but_branch_1_from_the_other_class():
    own, other = torch.randn(2, 3, 5, 2, 4, 4)
    expected = distinction(own) + common(other).sum(dim=1)
    torch.testing.assert_close(blend(own, other, torch.zeros(4)), expected)


def test_blending_by_hand():
    own, other = torch.tensor([1.0, 2.0, 4.0]), torch.tensor([10.0, 20.0, 40.0])
    shape = (1, 3, 1, 1, 1)
    blended = blend(own.view(shape), other.view(shape), torch.tensor([0.25, 0.5]))
    assert blended.item() == pytest.approx(1 + 0.25 * 2 + 0.75 * 20 + 0.5 * 4 + 0.5 * 40)


def test_branch_1_is_never_blended():
    own, other = torch.randn(2, 1, 3, 1, 2, 2)
    moved = other.clone()
    moved[:, 0] += 7
    alpha = torch.rand(2)
    torch.testing.assert_close(blend(own, other, alpha), blend(own, moved, alpha))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_what_both_classes_share_moves_without_changing_an_image(n):
    psi = torch.randn(2, 3, n, 2, 4, 4)
    own, other = sparsest(*psi)
    alpha = torch.rand(n - 1)
    for before, after in zip(psi, (own, other), strict=True):
        torch.testing.assert_close(compose(after), compose(before))
    torch.testing.assert_close(blend(own, other, alpha), blend(*psi, alpha))
    torch.testing.assert_close(distinction(own) - distinction(other), distinction(psi[0]) - distinction(psi[1]))
    torch.testing.assert_close(common(own) - common(other), common(psi[0]) - common(psi[1]))


def test_no_other_move_leaves_branch_1_sparser():
    psi = torch.randn(2, 1, 2, 1, 8, 8)
    own, other = (distinction(moved) for moved in sparsest(*psi))
    least = own.abs() + other.abs()
    assert (own * other).max() <= 0
    for shift in torch.linspace(-4, 4, 81):
        moved = (distinction(psi[0]) - shift).abs() + (distinction(psi[1]) - shift).abs()
        assert (moved >= least - 1e-5).all()


def test_with_one_branch_nothing_moves():
    own, other = torch.randn(2, 3, 1, 1, 4, 4)
    assert sparsest(own, other) == (own, other)
