"""labels.csv and class folders as findings."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acdm.core.config import Reading
from acdm.data.findings import find_findings, find_several
from acdm.data.folder import load_dataset
from acdm.data.loading import load_images, settle_reading
from acdm.errors import ConfigError, DataError
from acdm.training.request import Request, prepare

KINDS = Path(__file__).parents[3] / "shared" / "data" / "pcb_kinds"


def write_image(path, level=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), level, np.uint8)).save(path)


def write_table(root, rows, header="file,split,spur,open,group"):
    (root / "labels.csv").write_text("\n".join([header, *rows]) + "\n")


@pytest.fixture
def labelled(tmp_path):
    """Eight combinations of state and part, three boards for training; the first test image has both findings."""
    rows = []
    for number in range(24):
        name = f"train/images/{number:02d}.png"
        write_image(tmp_path / name, number)
        rows.append(f"{name},train,{number % 2},{number // 2 % 2},board{number // 4}")
    for number, (spur, broken) in enumerate(((1, 1), (1, 0), (0, 1), (0, 0))):
        name = f"test/images/t{number}.png"
        write_image(tmp_path / name, 100 + number)
        rows.append(f"{name},test,{spur},{broken},tested")
    write_table(tmp_path, rows)
    write_image(tmp_path / "test/masks/spur/t0.png")
    write_image(tmp_path / "test/masks/open/t0.png")
    write_image(tmp_path / "test/masks/t1.png")
    boxes = {
        "images": [{"id": 1, "file_name": "images/t0.png"}],
        "categories": [{"id": 1, "name": "spur"}, {"id": 2, "name": "open"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]},
            {"image_id": 1, "category_id": 2, "bbox": [0, 0, 2, 2]},
        ],
    }
    (tmp_path / "test/boxes.json").write_text(json.dumps(boxes))
    (tmp_path / "test/dev.txt").write_text("images/t0.png\nimages/t3.png\n")
    return tmp_path


def test_each_finding_sees_two_classes(labelled):
    findings = find_findings([labelled])
    assert findings.names == ("spur", "open")
    spur, broken = findings.of("spur"), findings.of("open")
    assert spur.classes == ("no spur", "spur")
    assert [item.label for item in spur.test] == ["spur", "spur", "no spur", "no spur"]
    assert [item.label for item in broken.test] == ["open", "no open", "open", "no open"]
    assert {item.path for item in spur.train} == {item.path for item in broken.train}


def test_masks_boxes_and_dev_half_are_those_of_the_finding(labelled):
    findings = find_findings([labelled])
    spur, broken = findings.of("spur"), findings.of("open")
    assert spur.test[0].mask == labelled / "test/masks/spur/t0.png"
    assert broken.test[0].mask == labelled / "test/masks/open/t0.png"
    assert spur.test[1].mask == labelled / "test/masks/t1.png"  # its only finding
    assert broken.test[1].mask is None
    assert spur.boxes == {"test/images/t0.png": [(2, 1, 6, 4)]}
    assert broken.boxes == {"test/images/t0.png": [(0, 0, 2, 2)]}
    assert {item.path.stem for item in broken.part("dev")} == {"t0", "t3"}


def test_files_of_one_name_in_two_folders_are_two_images(land):
    """Their boxes and halves are not mixed up; a mask that fits both by its name is taken for neither."""
    for name in ("field", "forest"):
        write_image(land / "test" / name / "same.png", 210 + len(name))
    write_image(land / "test/masks/same.png")
    (land / "test/dev.txt").write_text("field/same.png\nforest/forest9.png\n")
    findings = find_findings([land])
    seen = [findings.of(name) for name in findings.names]
    dev = [[item.path for item in dataset.part("dev")] for dataset in seen]
    assert dev == [[land / "test/field/same.png", land / "test/forest/forest9.png"]] * 3
    assert all(len({item.name for item in dataset.test}) == len(dataset.test) for dataset in seen)
    by_name = {item.path.parent.name: item.mask for item in seen[0].test if item.path.name == "same.png"}
    assert by_name == {"field": land / "test/masks/same.png", "forest": None}


def test_a_rare_finding_does_not_stop_the_split(tmp_path):
    """One image lacks b where a is, and two have nothing: no stratum of their own can be cut."""
    rows = []
    for number in range(60):
        name = f"{number:02d}.png"
        write_image(tmp_path / name, number)
        rows.append(f"{name},{int(number < 30)},{int(number < 31)}" if number > 1 else f"{name},0,0")
    write_table(tmp_path, rows, "file,a,b")
    findings = find_findings([tmp_path])
    assert findings.split_made
    for counts in findings.counts().values():
        assert counts["a"]
        assert counts["b"]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("file,split,spur,,group", "the label '' becomes a folder's name"),
        ("file,split,spur,none,group", "the label 'none' becomes a folder's name"),
        ("file,split,spur,spur,group", "the column 'spur' is there twice"),
        ("file,split,spur,open", "line 2: has more values than there are columns"),
    ],
)
def test_a_header_that_says_no_labels_is_refused(labelled, header, message):
    rows = (labelled / "labels.csv").read_text().splitlines()[1:]
    write_table(labelled, rows, header)
    with pytest.raises(DataError, match=message):
        find_findings([labelled])


def test_the_same_pixels_under_other_findings_stop_the_training(labelled):
    """Both images have a finding, but not the same one."""
    shutil.copy(labelled / "train/images/01.png", labelled / "train/images/02.png")
    findings = find_findings([labelled])
    with pytest.raises(DataError, match="1 images are in two classes"):
        load_images(settle_reading(findings.any(), Reading()), 8, findings=findings)


def test_groups_stay_whole_and_every_finding_is_in_every_part(labelled):
    findings = find_findings([labelled])
    assert not {i.group for i in findings.train} & {i.group for i in findings.validation}
    for counts in findings.counts().values():
        assert all(counts[name] for name in findings.names)


def test_groups_of_a_manifest_stay_whole_where_the_table_names_none(tmp_path):
    rows, lines = [], ["file,group"]
    for number in range(60):
        name = f"images/{number:02d}.png"
        write_image(tmp_path / name, number)
        rows.append(f"{name},{number % 2},{number // 2 % 2}")
        lines.append(f"{name},patient{number // 6}")
    write_table(tmp_path, rows, "file,spur,open")
    (tmp_path / "manifest.csv").write_text("\n".join(lines) + "\n")
    findings = find_findings([tmp_path])
    seen = [{item.group for item in part} for part in (findings.train, findings.validation, findings.test)]
    assert sum(map(len, seen)) == 10 == len(set.union(*seen))


@pytest.mark.parametrize("name", ["flu?", "BI-RADS:4", "any"])
def test_a_class_whose_name_can_be_no_folder_everywhere_is_refused(tmp_path, name):
    for label in ("healthy", "covid", name):
        write_image(tmp_path / "train" / label / "0.png")
    with pytest.raises(DataError, match="rename the folder"):
        find_findings([tmp_path])


def test_more_than_two_class_folders_without_train_are_told_where_to_go(tmp_path):
    for label in ("healthy", "covid", "flu"):
        write_image(tmp_path / label / "0.png")
    with pytest.raises(DataError, match="belong into DATA/train/"):
        load_dataset([tmp_path])
    with pytest.raises(DataError, match=r"below .*train, which has 0"):
        find_findings([tmp_path], reference="healthy")


def test_one_finding_is_two_classes(labelled):
    """With --positive NAME, or where there is one alone, all is as with two folders."""
    assert load_dataset([labelled], "open").classes == ("no open", "open")
    assert find_several([labelled], positive="open") is None
    with pytest.raises(DataError, match="several findings, spur, open; name one"):
        load_dataset([labelled])


def test_a_finding_that_never_comes_alone_is_told(labelled):
    rows = (labelled / "labels.csv").read_text().splitlines()[1:]
    write_table(labelled, [row.replace(",1,0,", ",1,1,") if row.startswith("train") else row for row in rows])
    assert find_findings([labelled]).never_alone() == [("spur", "open", 1.0)]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("train/images/99.png,train,0,1,a", r"line 30: no such image .*99.png; correct 'file'"),
        ("train/images/00.png,train,0,1,a", "line 30: train/images/00.png is listed twice"),
        ("train/images/x.png,train,2,1,a", "line 30: 'spur' is '2', expected 0 or 1"),
        ("train/images/x.png,train,1,,a", "line 30: 'open' is '', expected 0 or 1"),
        ("train/images/x.png,dev,1,0,a", "line 30: split 'dev', expected train, validation or test"),
        ("train/images/x.png,train,1,0,tested", "group 'tested' is in train/ and in test/"),
    ],
)
def test_what_is_wrong_in_the_table_is_named(labelled, row, message):
    write_image(labelled / "train/images/x.png")
    with (labelled / "labels.csv").open("a") as file:
        file.write(row + "\n")
    with pytest.raises(DataError, match=message):
        find_findings([labelled])


@pytest.mark.parametrize("name", ["../out", ".hidden", "a/b", "c:d"])
def test_a_label_that_would_lead_out_of_the_run_is_refused(labelled, name):
    table = (labelled / "labels.csv").read_text()
    (labelled / "labels.csv").write_text(table.replace("spur", name, 1))
    with pytest.raises(DataError, match="becomes a folder's name"):
        find_findings([labelled])


def test_a_finding_that_all_or_none_have_is_refused(labelled):
    rows = (labelled / "labels.csv").read_text().splitlines()[1:]
    write_table(labelled, [f"{row[:-len(row.split(',')[-1])]}1,{row.split(',')[-1]}" for row in rows],
                "file,split,spur,open,always,group")  # fmt: skip
    with pytest.raises(DataError, match="every image of the train part has 'always'"):
        find_findings([labelled])


@pytest.fixture
def land(tmp_path):
    """Three classes, of which the test part has one image each."""
    for at, name in enumerate(("field", "forest", "town")):
        for number in range(6):
            write_image(tmp_path / "train" / name / f"{name}{number}.png", 10 * at + number)
        write_image(tmp_path / "test" / name / f"{name}9.png", 200 + at)
    return tmp_path


def test_each_of_more_than_two_classes_is_a_finding(land):
    findings = find_findings([land])
    assert findings.names == ("field", "forest", "town")
    assert findings.counts()["test"] == {"field": 1, "forest": 1, "town": 1, "none": 0}
    assert len(findings.any().classes) == 2
    assert {item.label for item in findings.any().train} == set(findings.any().classes)


def test_images_of_the_reference_have_no_finding(land):
    findings = find_findings([land], reference="field")
    assert findings.names == ("forest", "town")
    assert findings.counts()["test"]["none"] == 1
    with pytest.raises(DataError, match="--reference sea: no such class; the classes are field, forest, town"):
        find_findings([land], reference="sea")


def test_two_classes_are_no_findings(tmp_path):
    for name in ("good", "bad"):
        write_image(tmp_path / "train" / name / "0.png")
    assert find_findings([tmp_path]) is None
    with pytest.raises(DataError, match="is for more than two classes"):
        find_findings([tmp_path], reference="good")


@pytest.mark.skipif(not KINDS.is_dir(), reason="the data set is not at hand")
def test_counts_of_a_real_set_are_those_of_its_readme():
    counts = find_findings([KINDS]).counts()
    kinds = ("open", "short", "mousebite", "spur", "spurious", "pinhole", "none")
    both = {name: counts["train"][name] + counts["validation"][name] for name in kinds}
    assert both == dict(zip(kinds, (153, 117, 153, 132, 74, 110, 424), strict=True))
    assert counts["test"] == dict(zip(kinds, (34, 22, 47, 37, 30, 36, 154), strict=True))


def test_findings_come_in_pairs_so_that_an_odd_batch_is_refused(labelled):
    with pytest.raises(ConfigError, match="even number, not 5"):
        prepare(Request(folders=[labelled], options={"batch": 5, "size": 16}))
