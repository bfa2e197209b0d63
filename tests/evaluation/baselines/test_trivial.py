import pytest
import torch

from acdm.core.config import Config
from acdm.evaluation.baselines.interface import Images
from acdm.evaluation.baselines.trivial import fit_trivial


def test_trivial_maps_by_hand():
    x, y = torch.zeros(4, 1, 16, 16), torch.tensor([0, 0, 1, 1])
    x[0], x[1], x[3, :, 8:, 8:] = -0.5, 0.5, 1.0  # the negative class's mean is 0
    maps = fit_trivial(Images((x, y), (x, y), Config.of()), 1, 0).maps
    shown = {name: draw(x)[3, 0] for name, draw in maps.items()}
    assert (shown["brightness"][0, 0], shown["brightness"][15, 15]) == (0.5, 1)
    assert (shown["darkness"][0, 0], shown["darkness"][15, 15]) == (0.5, 0)
    assert (shown["distance to the mean"][0, 0], shown["distance to the mean"][15, 15]) == (0, 1)
    assert shown["local deviation"][0, 0] == 0
    assert shown["local deviation"][8, 12] == pytest.approx(20**0.5 / 9), "5 of 9 rows in a window are 1"
