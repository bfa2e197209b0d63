import numpy as np
import pytest
import torch
from PIL import Image
from small import SMALL

from acdm.cli.app import main
from acdm.maps import judge

torch.set_num_threads(1)  # xdist runs one process a core
judge.ROUND_STEPS = 10  # small trainings need a check classifier, not a good one


@pytest.fixture(autouse=True)
def seeded():
    """torch begins every process with another seed; a test's draws are the same each time."""
    torch.manual_seed(0)


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


@pytest.fixture(scope="session")
def forty(tmp_path_factory):
    """A small run, and forty images of which two are none."""
    folder = tmp_path_factory.mktemp("forty")
    assert main(["toy", str(folder / "toy"), "--size", "16", "--train", "40", "--test", "12"]) == 0
    assert main(["train", str(folder / "toy"), "-o", str(folder / "run"), *SMALL, "--steps", "4"]) == 0
    rng = np.random.default_rng(0)
    (folder / "images").mkdir()
    for number in range(40):
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(folder / f"images/{number:02d}.png")
    for number in (3, 30):
        (folder / f"images/{number:02d}.png").write_text("no image")
    return folder
