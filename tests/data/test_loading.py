import numpy as np
import pytest
from PIL import Image

from acdm.data.folder import load_dataset
from acdm.training.defaults import automatic_size


@pytest.mark.parametrize(("side", "cpu", "gpu"), [(40, 64, 64), (130, 64, 64), (256, 128, 128), (600, 128, 256)])
def test_the_automatic_size_is_half_the_images_within_bounds(tmp_path, side, cpu, gpu):
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(8):
            pixels = np.full((side, side // 2), number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / label / f"{number}.png")
    dataset = load_dataset([tmp_path])
    assert (automatic_size(dataset, on_gpu=False), automatic_size(dataset, on_gpu=True)) == (cpu, gpu)
