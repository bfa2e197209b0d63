"""Files of every awkward kind: refused with a sentence, or taken; never a traceback, never changed."""

import csv
import os

import numpy as np
import pytest
from PIL import Image
from reliability.corpus import REFUSED, TAKEN, outcomes, peak

from acdm.cli.app import main


def test_every_kind_gets_the_behaviour_that_is_written_down(tmp_path):
    before = peak()
    counts = outcomes(tmp_path, 20)
    assert {key: n for key, n in counts.items() if key[1] != "expected"} == {}
    assert peak() - before < 600, "MB"


def test_of_a_batch_of_two_hundred_the_forty_bad_ones_alone_have_a_reason(forty, tmp_path, capsys):
    """Bad in twenty ways, all at once."""
    images, rng = tmp_path / "images", np.random.default_rng(0)
    images.mkdir()
    for number in range(160):
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(images / f"good{number}.png")
    no_range_or_colour = {kind: TAKEN[kind] for kind in ("float TIFF", "CMYK")}
    for each, (suffix, make, *_) in enumerate([*REFUSED.values(), *no_range_or_colour.values()]):
        for number in range(2):
            (images / f"bad{each}-{number}{suffix}").write_bytes(make(rng))
    code, said = fails(capsys, "map", forty / "run", images, "-o", tmp_path / "out", "--label", "with")
    with (tmp_path / "out/maps.csv").open(newline="") as file:
        reasons = {row["file"]: row["reason"] for row in csv.DictReader(file)}
    good = {name for name, reason in reasons.items() if not reason}
    assert (code, len(reasons), good) == (3, 200, {f"good{number}.png" for number in range(160)})
    assert "40 images failed" in said
    assert all("\n" not in reason for reason in reasons.values())


def fails(capsys, *arguments):
    code = main([str(a) for a in arguments])
    return code, capsys.readouterr().err


def test_loops_of_links_end(two_folders, tmp_path, capsys):
    first, second = two_folders
    (first / "loop").symlink_to(first, target_is_directory=True)
    (second / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    code, text = fails(capsys, "train", first, second, "-o", tmp_path / "run", "--steps", "1", "--size", "16")
    assert code in (0, 2)
    assert "Traceback" not in text


def test_a_file_that_may_not_be_read_is_named(two_folders, tmp_path, capsys):
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (two_folders[0] / "00.png").chmod(0)
    code, text = fails(capsys, "check", *two_folders)
    assert (code, "00.png" in text) == (2, True)


def test_two_files_of_one_stem_have_maps_of_their_own(two_folders, tmp_path, rng):
    options = [
        "--size",
        "16",
        "--steps",
        "2",
        "--branches",
        "2",
        "--network.width",
        "4",
        "--network.discriminator-width",
        "4",
    ]
    run, images = tmp_path / "run", tmp_path / "new"
    assert main(["train", *map(str, two_folders), "-o", str(run), *options]) == 0
    images.mkdir()
    for name in ("a.png", "a.jpg", "new\nline.png"):
        Image.fromarray(rng.integers(0, 255, (20, 20), np.uint8)).save(images / name)
    assert main(["map", str(run), str(images), "-o", str(tmp_path / "maps"), "--label", "dark"]) == 0
    made = {p.name for p in (tmp_path / "maps").iterdir() if not p.name.startswith(".")}
    assert made == {"a.png", "a.jpg", "new\nline.png", "maps.csv", "index.html"}
    assert main(["segment", str(run), str(images), "-o", str(tmp_path / "masks"), "--label", "dark"]) == 0
    assert len(list((tmp_path / "masks/masks").iterdir())) == 3
