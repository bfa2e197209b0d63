"""Images handed over in Python, in whatever form; forks; classes of a batch."""

import os
import signal

import numpy as np
import pytest
import torch
from PIL import Image
from small import small_network

from acdm.errors import DataError
from acdm.maps.decomposer import Decomposer
from acdm.maps.loading import _survive_forks
from acdm.method.branches import Branches

BYTES = np.random.default_rng(0).integers(0, 256, (20, 16), np.uint8)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    branches = Branches(small_network(), 1, 2).eval()
    torch.nn.init.normal_(branches.decoder.head.weight, std=0.1)
    return Decomposer(branches=branches, judge=None, classes=("a", "b"), size=16, precision="fp32")


FORMS = {
    "pillow": Image.fromarray(BYTES),
    "colour pillow": Image.fromarray(BYTES).convert("L"),
    "bytes": BYTES,
    "rows and columns last": BYTES[None],
    "channels last": BYTES[..., None],
    "flipped twice": BYTES[::-1][::-1],
    "doubles": BYTES / 127.5 - 1,
    "a tensor": torch.from_numpy(BYTES / 127.5 - 1),
    "16 bits": BYTES.astype(np.uint16) * 257,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_image_has_the_same_maps(model, form):
    expected = model.decompose((BYTES / 127.5 - 1).astype(np.float32)[None], "b").psi1
    torch.testing.assert_close(model.decompose(FORMS[form], "b").psi1, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (BYTES / 255, "no float below 0"),
        (BYTES.astype(np.float32), "floats from 0 to 255"),
        (np.full((16, 16), np.nan), "not finite"),
        (np.full((16, 16), np.inf), "not finite"),
        (BYTES.astype(np.int64), "values of int64"),
        (np.zeros((2, 2, 16, 16)), "has the shape"),
        (np.zeros((3, 16, 16)), "3 channels"),
        (np.zeros((4, 4), np.uint8), "too small"),
    ],
)
def test_what_is_no_image_of_the_run_is_a_sentence(model, image, words):
    with pytest.raises(DataError, match=words):
        model.decompose(image, "b")


def test_a_class_an_image_as_captum_has_it(model):
    x = torch.rand(2, 1, 16, 16) * 2 - 1
    both = model.attribute(x, torch.tensor([0, 1]))
    torch.testing.assert_close(both[:1], model.attribute(x[:1], 0))
    torch.testing.assert_close(both[1:], model.attribute(x[1:], 1))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_process_that_forks_after_a_decomposition_does_not_hang(model):
    _survive_forks()
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        model.decompose(BYTES, "b")
        if not (child := os.fork()):
            signal.alarm(30)
            model.decompose(BYTES, "b")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        torch.set_num_threads(threads)
