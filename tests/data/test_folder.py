import json
import shutil
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from acdm.core.config import Reading
from acdm.data.folder import load_dataset
from acdm.data.loading import read_all
from acdm.errors import DataError


def save(path, mode="L", size=(16, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(path)


@pytest.fixture
def train_and_test(tmp_path):
    for number in range(12):
        for label in ("healthy", "ill"):
            save(tmp_path / "train" / label / f"{number}.png")
            save(tmp_path / "test" / label / f"{number}.png")
    return tmp_path


def names(items):
    return {i.name for i in items}


def test_two_folders_are_two_classes_named_after_them(two_folders):
    dataset = load_dataset(two_folders)
    assert dataset.classes == ("bright", "dark")
    assert dataset.positive == "dark"
    everything = [*dataset.train, *dataset.validation, *dataset.test]
    assert len(everything) == len(names(everything)) == 24
    assert dataset.split_made


def test_one_folder_with_two_class_folders(two_folders):
    one = load_dataset([two_folders[0].parent])
    assert one.classes == load_dataset(two_folders).classes


def test_the_positive_class_can_be_named(two_folders):
    assert load_dataset(two_folders, positive="bright").classes == ("dark", "bright")


def test_the_positive_class_is_the_one_with_masks(train_and_test):
    save(train_and_test / "test/masks/3.png")
    shutil.rmtree(train_and_test / "test/ill")
    for number in range(12):
        save(train_and_test / "test/ill" / f"b{number}.png")
    assert load_dataset([train_and_test]).positive == "healthy"


def test_the_positive_class_is_the_one_with_boxes(train_and_test):
    boxes = {
        "images": [{"id": 1, "file_name": "healthy/0.png", "width": 16, "height": 16}],
        "annotations": [{"image_id": 1, "bbox": [2, 3, 4, 5]}],
    }
    (train_and_test / "test/boxes.json").write_text(json.dumps(boxes))
    dataset = load_dataset([train_and_test])
    assert dataset.positive == "healthy"
    assert dataset.boxes["healthy/0.png"] == [(3, 2, 8, 6)]  # rows and columns, ends excluded


def test_a_mask_that_fits_both_classes_is_the_positive_ones(train_and_test):
    save(train_and_test / "test/masks/3.png")  # both classes have a 3.png
    dataset = load_dataset([train_and_test], positive="healthy")
    assert [i.name for i in dataset.test if i.mask] == ["healthy/3.png"]


def test_a_mask_belongs_to_the_image_whose_folders_end_like_its_own(train_and_test):
    """A folder a patient, and the same names of slices in each."""
    for patient in ("p1", "P2"):
        save(train_and_test / "test/ill" / patient / "slice.png")
        save(train_and_test / "test/masks" / patient.lower() / "slice.png")
    save(train_and_test / "test/ill/p3/slice.png")
    dataset = load_dataset([train_and_test], positive="ill")
    masks = {
        item.path.parent.name: item.mask and item.mask.parent.name for item in dataset.test if item.path.stem == "slice"
    }
    assert masks == {"p1": "p1", "P2": "p2", "p3": None}


def test_a_mask_that_fits_several_images_is_none_s_and_named(train_and_test):
    for patient in ("p1", "p2"):
        save(train_and_test / "test/ill" / patient / "slice.png")
    save(train_and_test / "test/masks/slice.png")
    dataset = load_dataset([train_and_test], positive="ill")
    assert not any(item.mask for item in dataset.test)
    assert "1 a mask that fits several images by its name" in dataset.unused_in_words()


def test_umlauts_are_the_same_however_a_system_writes_them(train_and_test):
    """A Mac writes a letter and its dots, others one sign."""
    for form in ("NFC", "NFD"):
        name = unicodedata.normalize(form, f"{form}ä.png")
        save(train_and_test / "test/ill" / name)
        save(train_and_test / "test/masks" / unicodedata.normalize("NFD" if form == "NFC" else "NFC", name))
    (train_and_test / "test/dev.txt").write_text(
        "\n".join(unicodedata.normalize("NFC", f"ill/{form}ä.png") for form in ("NFC", "NFD"))
    )
    dataset = load_dataset([train_and_test], positive="ill")
    assert len(dataset.part("dev")) == sum(bool(item.mask) for item in dataset.test) == 2
    lines = [f"test/ill/{path.name},ill" for path in sorted((train_and_test / "test/ill").iterdir())]
    lines += [f"train/healthy/{number}.png,healthy" for number in range(12)]
    (train_and_test / "list.csv").write_text("path,label\n" + "\n".join(lines))
    assert all(item.path.is_file() for item in load_dataset([train_and_test / "list.csv"]).items)


def test_a_half_with_names_of_no_image_is_refused(train_and_test):
    (train_and_test / "test/dev.txt").write_text("ill/0.png\nill/o1.png\nill/o2.png\n")
    with pytest.raises(DataError, match=r"2 of its 3 lines name no test image, such as 'ill/o1\.png'"):
        load_dataset([train_and_test]).part("final")
    (train_and_test / "test/dev.txt").write_text("ill/0.png\nill/1.png\nill/gone.png\n")
    assert len(load_dataset([train_and_test]).part("dev")) == 2


def test_a_few_new_images_can_be_measured_on(tmp_path):
    """Nothing is set apart of what is all test images."""
    for label in ("a", "b"):
        for number in range(2):
            save(tmp_path / label / f"{number}.png")
    with pytest.raises(DataError, match="at least"):
        load_dataset([tmp_path / "a", tmp_path / "b"])
    for folders in ([tmp_path / "a", tmp_path / "b"], [tmp_path]):
        assert len(load_dataset(folders, whole=True).test) == 4


def test_a_folder_within_the_other_is_refused(tmp_path):
    save(tmp_path / "images/tumour/0.png")
    for folders in (
        [tmp_path / "images", tmp_path / "images/tumour"],
        [tmp_path / "images/tumour", tmp_path / "images"],
    ):
        with pytest.raises(DataError, match="lies within"):
            load_dataset(folders)


def test_images_listed_without_a_box_mark_no_class(train_and_test):
    images = [{"id": n, "file_name": name} for n, name in enumerate(("test/healthy/0.png", "ill/1.png"))]
    boxes = {"images": images, "annotations": [{"image_id": 0, "bbox": [1, 1, 4, 4]}]}
    (train_and_test / "test/boxes.json").write_text(json.dumps(boxes))
    assert load_dataset([train_and_test]).positive == "healthy"


@pytest.mark.parametrize("content", ["file\na\n", "file,group\nx.png,p\n", "file,group\ntrain/ill/0.png,\n", "\xff"])
def test_a_manifest_that_says_nothing_is_refused(train_and_test, content):
    (train_and_test / "manifest.csv").write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=r"manifest\.csv"):
        load_dataset([train_and_test])


def test_no_split_divides_a_group(train_and_test):
    lines = ["file,group"]
    lines += [f"train/{c}/{n}.png,patient{n % 6}" for c in ("healthy", "ill") for n in range(12)]
    (train_and_test / "manifest.csv").write_text("\n".join(lines))
    dataset = load_dataset([train_and_test])
    groups = [{i.group for i in part} for part in (dataset.train, dataset.validation)]
    assert groups[0] & groups[1] == set()
    assert len(groups[0] | groups[1]) == 6


def test_a_group_on_both_sides_is_refused(train_and_test):
    (train_and_test / "manifest.csv").write_text("file,group\ntrain/ill/0.png,p\ntest/ill/0.png,p\n")
    with pytest.raises(DataError, match="group 'p'"):
        load_dataset([train_and_test])


def test_the_split_depends_on_the_seed_alone(two_folders):
    assert load_dataset(two_folders, seed=1) == load_dataset(two_folders, seed=1)
    assert load_dataset(two_folders, seed=1) != load_dataset(two_folders, seed=2)


def test_other_folders_under_test_are_named_and_ignored(train_and_test):
    save(train_and_test / "test/ill_clean/0.png")
    assert load_dataset([train_and_test]).ignored == ("ill_clean",)


def test_dev_and_final_halves_make_the_whole(train_and_test):
    (train_and_test / "test/dev.txt").write_text("healthy/0.png\nill/1.png\n")
    dataset = load_dataset([train_and_test])
    assert names(dataset.part("dev")) == {"healthy/0.png", "ill/1.png"}
    assert names(dataset.part("dev")) | names(dataset.part("final")) == names(dataset.part("all"))
    assert names(dataset.part("dev")) & names(dataset.part("final")) == set()


def test_a_csv_lists_images(two_folders):
    root = two_folders[0].parent
    rows = [f"{c}/{n:02d}.png,{c},g{n}" for c in ("bright", "dark") for n in range(12)]
    (root / "list.csv").write_text("path,label,group\n" + "\n".join(rows))
    dataset = load_dataset([root / "list.csv"])
    assert dataset.classes == ("bright", "dark")
    assert {i.group for i in dataset.train} & {i.group for i in dataset.test} == set()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a, b: shutil.rmtree(b), "no such folder"),
        (lambda a, b: [p.unlink() for p in b.iterdir()], "holds no image of a known format"),
        (lambda a, b: [p.rename(p.with_suffix(".doc")) for p in b.iterdir()], r"12 files of other kinds"),
        (lambda a, b: [p.unlink() for p in sorted(b.iterdir())[2:]], "has 2 images .* at least 4"),
    ],
)
def test_folders_that_cannot_be_used_are_named(two_folders, spoil, message):
    a, b = two_folders
    spoil(a, b)
    with pytest.raises(DataError, match=message) as error:
        load_dataset([a, b])
    assert "dark" in str(error.value)


def test_one_and_three_classes_are_refused(two_folders):
    root = two_folders[0].parent
    save(root / "third" / "0.png")
    with pytest.raises(DataError, match="exactly two class folders, found 3"):
        load_dataset([root])
    shutil.rmtree(root / "third")
    shutil.rmtree(root / "dark")
    with pytest.raises(DataError, match="exactly two class folders, found 1"):
        load_dataset([root])


def test_mixed_channels_name_the_odd_file(two_folders):
    save(two_folders[1] / "odd.png", mode="RGB")
    dataset = load_dataset(two_folders)
    with pytest.raises(DataError, match=r"odd\.png: images mix channels"):
        read_all(
            [*dataset.train, *dataset.validation, *dataset.test], Reading(), lambda picture, _: len(picture.pixels)
        )


def test_every_unreadable_file_is_counted(two_folders):
    for number in range(5):
        (two_folders[0] / f"bad{number}.png").write_text("not an image")
    dataset = load_dataset(two_folders)
    with pytest.raises(DataError, match=r"bad0\.png: not a PNG.*and 2 more"):
        read_all(
            sorted([*dataset.train, *dataset.validation, *dataset.test], key=lambda i: i.path),
            Reading(),
            lambda picture, _: len(picture.pixels),
        )


def test_class_folders_of_a_data_folder_keep_its_groups_from_wherever_they_are_named(train_and_test, monkeypatch):
    lines = [f"train/{label}/{n}.png,patient-{n // 2}" for label in ("healthy", "ill") for n in range(12)]
    (train_and_test / "manifest.csv").write_text("\n".join(["file,group", *lines]))
    dataset = load_dataset([train_and_test / "train/healthy", train_and_test / "train/ill"])
    assert {item.group for item in dataset.items} == {f"patient-{n}" for n in range(6)}
    monkeypatch.chdir(train_and_test / "train")
    within = load_dataset([Path("healthy"), Path("ill")])
    assert [item.group for item in within.items] == [item.group for item in dataset.items]


def test_a_folder_called_by_a_dot_is_a_class_with_a_name(two_folders, monkeypatch):
    monkeypatch.chdir(two_folders[0])
    assert load_dataset([Path(), two_folders[1]]).classes == ("bright", "dark")
