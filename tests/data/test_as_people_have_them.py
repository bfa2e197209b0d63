"""Folders, lists and tables as people and other programs leave them."""

import json
import shutil
import unicodedata

import numpy as np
import pytest
from PIL import Image

from acdm.cli.app import main
from acdm.core.config import Reading
from acdm.data.checkup import examine
from acdm.data.folder import load_dataset
from acdm.data.loading import load_images, settle_reading
from acdm.errors import DataError

RNG = np.random.default_rng(0)


def save(path, values=None, deep=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = RNG.integers(0, 256, (16, 16)) if values is None else np.full((16, 16), values)
    Image.fromarray((pixels * 256).astype(np.uint16) if deep else pixels.astype(np.uint8)).save(path)


@pytest.fixture
def data(tmp_path):
    """DATA with train and test of two classes."""
    for part, count in (("train", 20), ("test", 6)):
        for label in ("good", "bad"):
            for number in range(count):
                save(tmp_path / part / label / f"{part}{label}{number}.png")
    return tmp_path


def test_what_programs_leave_behind_is_no_class_and_no_image(data):
    save(data / "train/.ipynb_checkpoints/a-checkpoint.png")
    save(data / "train/good/.ipynb_checkpoints/a-checkpoint.png")
    (data / "train/good/._a.png").write_bytes(b"resource fork")
    dataset = load_dataset([data])
    assert dataset.classes == ("bad", "good")
    assert sum(dataset.counts()["train"].values()) + sum(dataset.counts()["validation"].values()) == 40
    assert {u.reason for u in dataset.unused} == {"hidden"}


def test_what_is_not_used_is_counted_with_its_reason(data, capsys):
    save(data / "val/good/a.png")  # of one class alone
    (data / "train/good/notes.txt").write_text("notes")
    (data / "elsewhere").mkdir()
    (data / "train/good/linked").symlink_to(data / "elsewhere")
    (data / "train/spare").mkdir()
    (data / "manifest.csv").write_text("file,group\ntrain/good/traingood0.png,p\ntrain/good/of-before.png,p\n")
    assert main(["check", str(data), "--json", "--steps", "2", "--size", "16", "--network.width", "4"]) == 0
    unused = json.loads(capsys.readouterr().out)["unused"]
    assert sorted(u["reason"] for u in unused) == [
        "a folder without images",
        "a link to a folder",
        "beside train and test",
        "beside train and test",
        "named by manifest.csv and not there",
        "no image of a known format",
    ]
    assert str(data / "train/good/of-before.png") in {u["file"] for u in unused}


def test_a_folder_of_validation_images_is_used_as_such(data):
    for label in ("good", "bad"):
        for number in range(4):
            save(data / f"val/{label}/v{label}{number}.png")
    dataset = load_dataset([data])
    assert {item.path.parent.parent.name for item in dataset.validation} == {"val"}
    assert len(dataset.validation) == 8
    assert sum(dataset.counts()["train"].values()) == 40
    assert dataset.unused == ()
    (data / "manifest.csv").write_text("file,group\nval/bad/vbad0.png,p1\ntrain/bad/trainbad0.png,p1\n")
    with pytest.raises(DataError, match="group 'p1' is in train/ and in validation/"):
        load_dataset([data])


def test_images_in_folders_within_a_class_are_images(data):
    save(data / "train/good/2021/deep.png")
    assert any(item.path.name == "deep.png" for item in load_dataset([data]).items)


@pytest.mark.parametrize("name", ["testbad3_mask.png", "testbad3.PNG", "testbad3.tif", "TESTBAD3.png"])
def test_masks_are_found_by_the_names_that_they_have(data, name):
    save(data / "test/masks" / name, 255)
    (item,) = (item for item in load_dataset([data]).test if item.mask)
    assert item.path.name == "testbad3.png"


def test_a_mask_for_every_image_does_not_make_the_blank_class_the_positive_one(data):
    for number in range(6):
        save(data / "test/masks" / f"testbad{number}.png", 255)
        save(data / "test/masks" / f"testgood{number}.png", 0)
    assert load_dataset([data]).positive == "bad"


def test_a_mask_of_another_size_is_a_problem_before_training(data):
    (data / "test/masks").mkdir()
    Image.fromarray(np.full((9, 9), 255, np.uint8)).save(data / "test/masks/testbad0.png")
    assert any("9 x 9 pixels, its image 16 x 16" in problem for problem in examine(load_dataset([data])).problems)


def test_one_image_of_8_bits_among_deep_ones_is_a_problem(data):
    """Also where it is not among the images that a range is found from."""
    for path in data.rglob("*.png"):
        save(path, deep=True)
    save(data / "test/good/testgood3.png")
    assert any("mix depths" in problem for problem in examine(load_dataset([data])).problems)
    with pytest.raises(DataError, match="mix depths"):
        load_images(settle_reading(load_dataset([data]), Reading()), 16)


@pytest.mark.parametrize(
    "written",
    [
        lambda name: f"./{name}",
        lambda name: name.replace("/", "\\"),
        lambda name: f" {name} ",
        lambda name: name.upper(),
        lambda name: unicodedata.normalize("NFD", name),
    ],
)
def test_groups_hold_however_their_files_are_written(data, written):
    """A patient in both parts is found, whatever the manifest's spelling."""
    for part in ("train", "test"):
        save(data / part / "good" / f"é{part}.png")
    lines = [f"{written(f'{part}/good/é{part}.png')},patient" for part in ("train", "test")]
    (data / "manifest.csv").write_text("file,group\n" + "\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="'patient' is in train/ and in test/"):
        load_dataset([data])


def test_a_list_made_on_windows_is_read(data):
    rows = [f"{p.relative_to(data)},{p.parent.name}".replace("/", "\\") for p in (data / "train").rglob("*.png")]
    (data / "list.csv").write_text("path,label\r\n" + "\r\n".join(rows), encoding="utf-8")
    assert all(item.path.is_file() for item in load_dataset([data / "list.csv"]).items)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("train/good/traingood0.png,good,", "listed twice"),
        ("x.png,good,nomask.png", "no such mask"),
        ("a\0b,good,", "NUL"),
    ],
)
def test_a_list_that_cannot_be_meant_is_a_sentence(data, extra, words):
    rows = [f"{p.relative_to(data).as_posix()},{p.parent.name}," for p in (data / "train").rglob("*.png")]
    (data / "list.csv").write_text("path,label,mask\n" + "\n".join([*rows, extra]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=words):
        load_dataset([data / "list.csv"])


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_names_in_another_encoding_are_a_sentence(data, encoding):
    (data / "test/dev.txt").write_bytes("good/é.png\n".encode(encoding))
    with pytest.raises(DataError, match=r"dev\.txt: not a text in UTF-8"):
        load_dataset([data])


def test_boxes_beyond_all_numbers_are_a_sentence(data):
    boxes = {"images": [{"id": 1, "file_name": "good/testgood0.png"}], "annotations": []}
    text = json.dumps(boxes).replace("[]", '[{"image_id": 1, "bbox": [1e999, 0, 1, 1]}]')
    (data / "test/boxes.json").write_text(text)
    with pytest.raises(DataError, match="not COCO boxes"):
        load_dataset([data])


def test_training_images_copied_into_the_test_part_are_not_counted(data, tmp_path_factory, capsys):
    from small import TINY

    run = tmp_path_factory.mktemp("run") / "run"
    assert main(["train", str(data), "-o", str(run), *TINY]) == 0
    for number in range(3):
        shutil.copy(data / f"train/bad/trainbad{number}.png", data / f"test/bad/copy{number}.png")
    assert main(["evaluate", str(run), str(data)]) == 0
    assert json.loads((run / "results.json").read_text())["n"] == {"bad": 6, "good": 6}
    assert "3 images were trained on" in capsys.readouterr().err


def test_extensionless_dicom_is_an_image(tmp_path):
    from acdm.data.search import is_image

    (tmp_path / "IM0001").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 20)
    (tmp_path / "README").write_text("text")
    assert is_image(tmp_path / "IM0001")
    assert not is_image(tmp_path / "README")
