from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from acdm.core.config import PRESETS, Config
from acdm.data.folder import load_dataset
from acdm.method.discriminator import Discriminator
from acdm.training import defaults
from acdm.training.defaults import preset_of, settle, sizes_for


@pytest.mark.parametrize(
    ("side", "cpu", "gpu"),
    [
        (40, [64], [64]),
        (64, [64], [64]),
        (100, [96, 64], [96, 64]),
        (112, [112, 64], [112, 64]),
        (130, [128, 64], [128, 64]),
        (192, [128, 64], [192, 128, 64]),
        (600, [128, 64], [256, 128, 64]),
    ],
)
def test_sizes_are_the_images_own_within_bounds_and_then_less(side, cpu, gpu):
    assert (sizes_for(side, False, {}), sizes_for(side, True, {})) == (cpu, gpu)
    for size in gpu:
        config = Config.of(PRESETS[preset_of(size)], {"size": size})
        assert Discriminator(config.network, 1, 2, size)(torch.zeros(2, 1, size, size)).shape == (2, 2)


@pytest.fixture
def images(tmp_path):
    """Two classes of images of 128 pixels."""
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        for number in range(12):
            pixels = np.random.default_rng(number).integers(0, 256, (128, 90), np.uint8)
            Image.fromarray(pixels).save(tmp_path / label / f"{label}{number}.png")
    return load_dataset([tmp_path])


@pytest.mark.parametrize(
    ("options", "seconds", "size", "steps", "words"),
    [
        ({"steps": 50}, 0.3, 128, 50, "128 px (images are 128) · 2 branches · CPU, fp32 · 50 steps in less than a"),
        ({"minutes": 30}, 0.3, 128, 4224, "4,224 steps in about 26 min"),
        ({"minutes": 1}, 0.3, 64, 123, "64 px (images are 128; 1 minute would be too short for 128 px)"),
        ({"minutes": 1, "size": 128}, 0.3, 128, 123, "128 px (images are 128) · 2 branches"),
    ],
)
def test_the_size_follows_from_images_minutes_and_speed(monkeypatch, images, options, seconds, size, steps, words):
    monkeypatch.setattr(defaults, "seconds_a_step", lambda config, channels, findings, halved=False: seconds)
    _, outlook = defaults.choose(images, None, {"precision": "fp32", "device": "cpu", **options})
    assert (outlook.config.size, outlook.steps) == (size, steps)
    assert words in outlook.sentence()


def test_the_first_steps_at_256_px_are_at_half_the_size_for_at_most_half_of_the_minutes(monkeypatch, images):
    """Of 10 minutes .88 are planned, 528 s: half of them hold 528 steps of .5 s; 250 s leave 278 of 1 s."""
    monkeypatch.setattr(
        defaults, "seconds_a_step", lambda config, channels, findings, halved=False: 0.5 if halved else 1.0
    )
    options = {"precision": "fp32", "device": "cpu", "size": 256, "minutes": 10, "segmenter": False}
    _, outlook = defaults.choose(images, None, options)
    assert (outlook.config.half_size_steps, outlook.steps) == (500, 778)
    assert outlook.minutes == pytest.approx(528 / 60, abs=0.1)
    _, shorter = defaults.choose(images, None, {**options, "minutes": 4})
    assert shorter.config.half_size_steps == 211


@pytest.mark.parametrize(
    ("channels", "told", "flips", "light"),
    [
        (3, (0.5, 0.6), (True, True), (0.2, 0.1)),  # an aerial picture
        (1, (0.6, 0.95), (True, False), (0.0, 0.0)),  # a slice of a head
        (4, (0.9, 1.0), (False, False), (0.0, 0.0)),
    ],
)
def test_what_is_left_open_follows_from_the_images(channels, told, flips, light):
    augment = settle(Config.of(), SimpleNamespace(channels=channels, mirror_accuracy=told), print).augment
    assert (augment.flip_horizontal, augment.flip_vertical) == flips
    assert (augment.intensity, augment.cast) == light


def test_what_was_asked_for_is_done():
    asked = {"flip_horizontal": False, "flip_vertical": True, "intensity": 0.0, "cast": 0.3}
    config = Config.of({"augment": asked})
    augment = settle(config, SimpleNamespace(channels=3, mirror_accuracy=(0.5, 1.0)), print).augment
    assert {key: getattr(augment, key) for key in asked} == asked
