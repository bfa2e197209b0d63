"""Features of a file of the user's own: TorchScript or ONNX."""

import pytest
import torch
from extras import installed
from torch import nn

from acdm.errors import CheckpointError, ConfigError
from acdm.maps.backbone import load_backbone
from acdm.maps.features import Features
from acdm.maps.probe import fit_probe
from acdm.maps.segmenter import Segmenter, UNet, load_segmenter, save_segmenter


class Levels(nn.Module):
    """Four levels of two to five channels, of strides 2 to 16."""

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(3, 2 + k, 2 ** (k + 1), 2 ** (k + 1)) for k in range(4))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [convolution(x) for convolution in self.convolutions]


class One(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def written(network, path):
    if path.suffix == ".onnx":
        pytest.importorskip("onnxscript")
        torch.onnx.export(network, (torch.zeros(1, 3, 224, 224),), path, dynamo=True, verbose=False,
                          dynamic_shapes=({0: torch.export.Dim("n", min=1, max=64)},))  # fmt: skip
    else:
        torch.jit.script(network).save(str(path))
    return path


@pytest.fixture
def levels():
    torch.manual_seed(0)
    return Levels().eval()


@pytest.mark.parametrize("ending", ["pt", pytest.param("onnx", marks=pytest.mark.skipif(
    installed("onnxruntime") is None, reason="needs the onnx extra"))])  # fmt: skip
def test_a_file_sees_what_its_network_sees(levels, tmp_path, ending):
    backbone = load_backbone(written(levels, tmp_path / f"mine.{ending}"))
    assert backbone.channels == (2, 3, 4, 5)
    assert backbone.origin.name == f"mine.{ending}", "no folder"
    grey = torch.rand(2, 1, 40, 40) * 2 - 1
    for one, three in zip(backbone(grey), backbone(grey.expand(2, 3, 40, 40)), strict=True):
        torch.testing.assert_close(one, three)
    assert [level.shape[-1] for level in backbone(grey)] == [112, 56, 28, 14]


def test_a_segmenter_wants_the_very_file_it_was_taught_on(levels, tmp_path):
    mine = load_backbone(written(levels, tmp_path / "mine.pt"))
    taught = Segmenter(UNet(1, mine.channels).eval(), mine)
    save_segmenter(tmp_path / "s", taught, "run")
    x = torch.rand(1, 1, 32, 32)
    assert load_segmenter(tmp_path / "s", 1, run="run") is None
    again = load_segmenter(tmp_path / "s", 1, run="run", given=mine)
    torch.testing.assert_close(again.probabilities(x), taught.probabilities(x))
    other = load_backbone(written(Levels(), tmp_path / "mine.pt"))
    with pytest.raises(CheckpointError, match="taught on other features"):
        load_segmenter(tmp_path / "s", 1, run="run", given=other)


def test_the_probe_takes_them_too(levels, tmp_path):
    mine = load_backbone(written(levels, tmp_path / "mine.pt"))
    x, y = torch.rand(8, 1, 32, 32), torch.arange(8) % 2
    assert fit_probe(mine, x, y, seed=0).probabilities(x).shape == (8, 1, 32, 32)


@pytest.mark.parametrize("content", [None, b"", b"no network"])
@pytest.mark.parametrize("name", ["mine.pt", "mine.onnx"])
def test_a_file_that_is_none_is_a_sentence(tmp_path, name, content):
    if name.endswith(".onnx") and installed("onnxruntime") is None:
        pytest.skip("needs the onnx extra")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match="--features") as caught:
        load_backbone(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_one_level_is_not_four(tmp_path):
    with pytest.raises(ConfigError, match="expected 4 levels"):
        load_backbone(written(One(), tmp_path / "one.pt"))


def test_the_published_features_have_four_levels():
    assert len(Features.channels) == 4
