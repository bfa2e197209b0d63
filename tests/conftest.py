import numpy as np
import pytest
import torch
from PIL import Image

torch.set_num_threads(1)  # xdist runs one process a core


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def two_folders(tmp_path, rng):
    """A few grey images, bright ones and dark ones."""
    for name, level in (("bright", 200), ("dark", 50)):
        (tmp_path / name).mkdir()
        for number in range(12):
            pixels = np.clip(level + 20 * rng.standard_normal((40, 32)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{number:02d}.png")
    return tmp_path / "bright", tmp_path / "dark"
