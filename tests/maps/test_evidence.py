import pytest
import torch
from torch import nn

from acdm.maps.evidence import WINDOW, attribution, evidence
from acdm.maps.judge import Judge, small_resnet


class Corner(nn.Module):
    """Logits that hang on the upper left quarter alone, on each of its pixels by the same weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(3.0))

    def forward(self, x):
        s = x.shape[-1] // 2
        return torch.stack([torch.zeros(len(x)), self.weight * x[:, :, :s, :s].mean(dim=(1, 2, 3))], dim=1)


def test_what_the_judge_hangs_on_by_hand():
    """d logit / d pixel is 3 / 8² in the corner; the factor is the square root of 16 times that."""
    x = torch.zeros(2, 1, 16, 16)
    residual = torch.full_like(x, -0.5)
    drawn = evidence(Judge(Corner(), 1.0), x, residual)
    assert drawn[:, :, :6, :6] == pytest.approx(-0.5 * (16 * 3 / 64) ** 0.5)
    beyond = 8 + round(WINDOW * 16) // 2
    assert drawn[:, :, beyond:].abs().max() == drawn[:, :, :, beyond:].abs().max() == 0


def test_attributions_add_up_to_the_decision():
    """Exactly, where the logits are linear: 3 times the mean of the corner's residual."""
    x, residual = torch.rand(2, 3, 16, 16), torch.randn(2, 3, 16, 16)
    owed = attribution(Judge(Corner(), 1.0), x, residual)
    assert owed.sum(dim=(1, 2, 3)) == pytest.approx(3 * residual[:, :, :8, :8].mean(dim=(1, 2, 3)))
    assert not owed[:, :, 8:].any()


def test_signs_stay_and_nothing_is_nothing():
    judge = Judge(small_resnet(3, 2).eval(), 0.5)
    x = torch.rand(3, 3, 32, 32) * 2 - 1
    residual = torch.randn(3, 3, 32, 32)
    residual[:, :, 10:20] = 0
    drawn = evidence(judge, x, residual)
    assert torch.equal(drawn.sign(), residual.sign())


def test_an_image_is_weighed_for_itself_alone():
    """In a batch and alone; nothing of the judge is changed by it."""
    judge = Judge(small_resnet(1, 2).eval(), 0.5)
    before = {name: value.clone() for name, value in judge.network.state_dict().items()}
    x, residual = torch.rand(40, 1, 64, 64), torch.randn(40, 1, 64, 64)
    with torch.no_grad():
        together = evidence(judge, x, residual)
    torch.testing.assert_close(together[7:8], evidence(judge, x[7:8], residual[7:8]), rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in judge.network.state_dict().items())
    assert all(p.grad is None for p in judge.network.parameters())
