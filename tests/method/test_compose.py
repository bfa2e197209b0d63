import pytest
import torch

from acdm.method.compose import blend, common, compose, distinction


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
