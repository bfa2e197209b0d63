from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acdm.data.images.read import read_image
from acdm.data.shortcuts import shortcuts, traits

N = 60


def found_in(folder: Path, images: list[np.ndarray], suffix: str = ".png") -> dict[str, float]:
    """AUROC by trait, where every second image is of class 1."""
    measured = []
    for number, pixels in enumerate(images):
        path = folder / f"{number:03d}{suffix}"
        Image.fromarray(pixels).save(path)
        measured.append(traits(read_image(path), path))
    labels = np.arange(len(images)) % 2
    return {s.trait: s.auroc for s in shortcuts(measured, labels, [str(i) for i in range(len(images))])}


def noise(rng: np.random.Generator, shape: tuple[int, ...] = (32, 32)) -> list[np.ndarray]:
    return [np.clip(120 + 20 * rng.standard_normal(shape), 0, 255).astype(np.uint8) for _ in range(N)]


def test_nothing_separates_noise_from_noise(tmp_path, rng):
    assert all(0.2 < auroc < 0.8 for auroc in found_in(tmp_path, noise(rng)).values())


@pytest.mark.parametrize(
    ("trait", "change"),
    [
        ("brightness", lambda p: p + 30),
        ("contrast", lambda p: (p // 3 + 80).astype(np.uint8)),
        ("texture", lambda p: np.repeat(np.repeat(p[::2, ::2], 2, 0), 2, 1)),
        ("size", lambda p: p[:, :28]),
    ],
)
def test_each_trait_finds_what_it_is_named_after(tmp_path, rng, trait, change):
    images = [change(p) if number % 2 else p for number, p in enumerate(noise(rng))]
    assert found_in(tmp_path, images)[trait] > 0.95


def test_colour_is_found_where_brightness_is_not(tmp_path, rng):
    images = noise(rng, (32, 32, 3))
    for number, pixels in enumerate(images):
        pixels[..., number % 2] += 30
    found = found_in(tmp_path, images)
    assert found["colour"] > 0.95
    assert found["brightness"] < 0.8


def test_a_small_mark_in_one_corner_is_found_and_its_place_told(tmp_path, rng):
    images = noise(rng, (128, 128))
    for pixels in images[1::2]:
        pixels[:6, -6:] = 255
    measured = []
    for number, pixels in enumerate(images):
        Image.fromarray(pixels).save(path := tmp_path / f"{number}.png")
        measured.append(traits(read_image(path), path))
    groups = [str(i) for i in range(N)]
    best = shortcuts(measured, np.arange(N) % 2, groups)[0]
    assert best.trait == "brightness of one place"
    assert best.auroc > 0.95
    assert best.detail == "3% from the top, 97% from the left"


def test_an_object_that_moves_is_no_place(tmp_path, rng):
    images = noise(rng, (128, 128))
    for pixels in images[1::2]:
        top, left = rng.integers(0, 110, 2)
        pixels[top : top + 12, left : left + 12] = 255
    assert found_in(tmp_path, images)["brightness of one place"] < 0.75


def test_too_few_groups_say_nothing(tmp_path, rng):
    Image.fromarray(noise(rng)[0]).save(path := tmp_path / "a.png")
    measured = [traits(read_image(path), path)] * 4
    assert shortcuts(measured, np.array([0, 1, 0, 1]), ["a", "b", "a", "b"]) == []


def test_of_very_many_images_those_of_a_small_class_are_all_looked_at(rng, monkeypatch):
    """A hundred against four thousand: of two thousand drawn anyhow fifty would be left."""
    labels = np.repeat([0, 1], [4_000, 100])
    seen = []
    monkeypatch.setattr("acdm.data.shortcuts._separation", lambda x, y, folds: seen.append(y) or 0.5)
    shortcuts([{"size": np.zeros(1)}] * len(labels), labels, [str(i) for i in range(len(labels))])
    assert len(seen[0]) == 2_000
    assert seen[0].sum() == 100
