import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from extras import installed
from PIL import Image
from small import small_network

from acdm.maps.calibration import Calibration
from acdm.maps.decomposer import Decomposer
from acdm.maps.export import export
from acdm.maps.features import Features
from acdm.maps.segmenter import Segmenter, UNet
from acdm.method.branches import Branches
from acdm.method.findings import FindingBranches, OneFinding
from acdm.method.inference import network_maps

SIZES = [(1, 16, 16), (3, 24, 48), (4, 40, 16)]


needs_onnx = pytest.mark.skipif(installed("onnxruntime") is None, reason="needs the onnx extra")


@pytest.fixture(scope="module")
def decomposer():
    torch.manual_seed(0)
    branches = Branches(small_network(), 1, 2).eval()
    torch.nn.init.normal_(branches.decoder.head.weight, std=0.1)  # beyond that, 1e-4 is less than float32 resolves
    known = {"residual": Calibration("positive", 0.01, 0.0, 0.2, "otsu", {})}
    return Decomposer(
        branches=branches,
        judge=None,
        classes=("no", "yes"),
        size=16,
        mirrors=((), (-1,)),
        precision="fp32",
        calibration=known,
    )


@pytest.fixture(scope="module")
def onnx_folder(decomposer, tmp_path_factory):
    return export(decomposer, tmp_path_factory.mktemp("onnx"), "onnx").parent


@pytest.fixture(scope="module")
def with_segmenter(decomposer, tmp_path_factory):
    """The run of `decomposer` with a segmenter on features, and the folder of its export."""
    torch.manual_seed(1)
    network = UNet(1, Features.channels).eval()
    torch.nn.init.normal_(network.head.weight, std=0.1)
    known = {**decomposer.calibration, "object": Calibration("positive", 0.0, 0.0, 0.5, "even odds", {})}
    model = replace(decomposer, segmenter=Segmenter(network, Features.installed()), calibration=known)
    return model, export(model, tmp_path_factory.mktemp("object"), "onnx").parent


def ours(decomposer, x, y):
    own, other = decomposer.split(x, y, 1 - y)
    return own, other, network_maps(x, y, own, other)["residual"]


@needs_onnx
def test_onnx_says_what_torch_says_at_any_size(decomposer, onnx_folder):
    session = installed("onnxruntime").InferenceSession(str(onnx_folder / "model.onnx"))
    assert [i.name for i in session.get_inputs()] == ["x", "y"]
    assert [o.name for o in session.get_outputs()] == ["psi", "psi_other", "residual"]
    for b, h, w in SIZES:
        x, y = torch.rand(b, 1, h, w) * 2 - 1, torch.arange(b) % 2
        told = session.run(None, {"x": x.numpy(), "y": y.numpy()})
        for one, two in zip(told, ours(decomposer, x, y), strict=True):
            np.testing.assert_allclose(one, two.numpy(), atol=1e-4)


def test_an_exported_program_says_the_same_without_acdm(decomposer, tmp_path):
    program = torch.export.load(export(decomposer, tmp_path, "torch")).module()
    for b, h, w in SIZES:
        x, y = torch.rand(b, 1, h, w) * 2 - 1, torch.arange(b) % 2
        for one, two in zip(program(x, y), ours(decomposer, x, y), strict=True):
            torch.testing.assert_close(one, two, atol=1e-4, rtol=0)


@needs_onnx
def test_the_segmenter_is_one_graph_from_pixels_to_probabilities(with_segmenter):
    model, folder = with_segmenter
    session = installed("onnxruntime").InferenceSession(str(folder / "object.onnx"))
    assert json.loads((folder / "model.json").read_text())["object_multiple"] == 16
    for b, h, w in ((1, 32, 32), (3, 48, 64), (1, 256, 320)):  # features see 224 px: smaller images grow, larger shrink
        x = torch.rand(b, 1, h, w) * 2 - 1
        (told,) = session.run(None, {"x": x.numpy()})
        np.testing.assert_allclose(told, model.objects(x).numpy(), atol=1e-4)


@needs_onnx
def test_the_example_shows_the_object_where_there_is_a_segmenter(with_segmenter, tmp_path, rng):
    _, folder = with_segmenter
    Image.fromarray(rng.integers(0, 255, (30, 20), np.uint8)).save(tmp_path / "image.png")
    command = [sys.executable, "examples/onnx_with_numpy.py", folder, tmp_path / "image.png", tmp_path / "out.png"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert (done.returncode, "object: probability up to" in done.stdout) == (0, True), done.stderr


@needs_onnx
def test_the_example_needs_numpy_alone(onnx_folder, tmp_path, rng):
    about = json.loads((onnx_folder / "model.json").read_text())
    assert (about["classes"], about["multiple"]) == (["no", "yes"], 8)
    Image.fromarray(rng.integers(0, 255, (30, 20), np.uint8)).save(tmp_path / "image.png")
    command = [sys.executable, "examples/onnx_with_numpy.py", onnx_folder, tmp_path / "image.png", tmp_path / "out.png"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert (done.returncode, "yes: contrast up to" in done.stdout) == (0, True), done.stderr
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (16, 16)


def test_the_branches_of_one_of_several_findings_take_the_states_of_all(decomposer, tmp_path):
    torch.manual_seed(2)
    shared = FindingBranches(small_network(), 1, 3).eval()
    torch.nn.init.normal_(shared.decoder.head.weight, std=0.1)
    states = torch.tensor([[0, 1, 1], [1, 0, 0], [0, 0, 1]])
    told = OneFinding(shared, 1, lambda views: states.repeat(len(views) // len(states), 1))
    one = replace(decomposer, branches=told, findings=("spur", "open", "pinhole"))
    program = torch.export.load(export(one, tmp_path, "torch")).module()
    about = json.loads((tmp_path / "model.json").read_text())
    assert (about["findings"], list(about["inputs"])) == (["spur", "open", "pinhole"], ["x", "states"])
    x = torch.rand(3, 1, 24, 48) * 2 - 1
    for said, known in zip(program(x, states), ours(one, x, states[:, 1]), strict=True):
        torch.testing.assert_close(said, known, atol=1e-4, rtol=0)
