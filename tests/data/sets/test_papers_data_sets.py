"""BraTS, DOTA and CelebA: small files made in the original layouts, since the originals may not be shipped."""

import csv
import json

import numpy as np
import pytest
from extras import installed
from PIL import Image

from acdm.cli.app import main
from acdm.data.folder import load_dataset
from acdm.data.images.read import decode


def groups_of(root):
    with (root / "manifest.csv").open() as file:
        return {row["file"]: row["group"] for row in csv.DictReader(file)}


def parts_of_groups(root):
    parts = {}
    for file, group in groups_of(root).items():
        parts.setdefault(group, set()).add(file.split("/")[0])
    return parts


@pytest.mark.skipif(installed("nibabel") is None, reason="an extra that is not installed")
class TestBraTS:
    nibabel = installed("nibabel")

    def case(self, folder, name, endings, rng, tumour=True):
        shape = (24, 20, 15)
        brain = np.zeros(shape, np.float32)
        brain[4:20, 3:17, 2:13] = 100 + 10 * rng.random((16, 14, 11))
        truth = np.zeros(shape, np.uint8)
        if tumour:
            truth[8:12, 6:10, 5:8] = 4
        (folder / name).mkdir(parents=True)
        for factor, ending in enumerate(endings, start=1):
            volume = truth if ending.endswith("seg") else factor * (brain + 300 * (truth > 0))
            self.nibabel.save(self.nibabel.Nifti1Image(volume, np.eye(4)), folder / name / f"{name}{ending}.nii.gz")

    @pytest.fixture
    def source(self, tmp_path, rng):
        for number in range(8):
            self.case(tmp_path / "src", f"BraTS20_Training_{number:03d}", ("_flair", "_t1ce", "_seg"), rng)
        (tmp_path / "src" / "BraTS20_Training_007" / "BraTS20_Training_007_t1ce.nii.gz").unlink()
        return tmp_path / "src"

    def test_slices_masks_groups_and_what_was_skipped(self, source, tmp_path, capsys):
        out = tmp_path / "out"
        assert main(["data", "brats", str(source), str(out), "--modalities", "flair,t1ce", "--every", "1"]) == 0
        assert "BraTS20_Training_007" in capsys.readouterr().out
        assert "no t1ce file" in (out / "skipped.csv").read_text()
        dataset = load_dataset([out])
        assert dataset.classes == ("healthy", "tumour")
        assert all(len(parts) == 1 for parts in parts_of_groups(out).values())
        counts = [sum(item.label == label for item in dataset.items) for label in dataset.classes]
        assert counts[0] == counts[1] > 0
        tested = [item for item in dataset.test if item.label == "tumour"]
        for item in tested:
            assert item.mask is not None
            mask, image = np.asarray(Image.open(item.mask)) > 0, decode(item.path).values
            assert image.shape == (2, 20, 24)
            assert mask.sum() == 16
            assert image[0][mask].min() > image[0][~mask].max()
        assert dataset.part("dev")
        assert dataset.part("final")

    def test_levels_do_not_tell_the_classes_apart(self, source, tmp_path):
        out = tmp_path / "out"
        assert main(["data", "brats", str(source), str(out), "--every", "1"]) == 0
        levels = {
            label: sorted(int(path.stem[-3:]) for path in out.glob(f"*/{label}/*.tif"))
            for label in ("healthy", "tumour")
        }
        assert abs(np.mean(levels["healthy"]) - np.mean(levels["tumour"])) <= 3

    def test_names_from_2023_on_keep_visits_of_a_patient_together(self, tmp_path, rng):
        for patient in range(4):
            for visit in range(2):
                self.case(tmp_path / "src", f"BraTS-GLI-{patient:05d}-{visit:03d}", ("-t2f", "-seg"), rng)
        assert main(["data", "brats", str(tmp_path / "src"), str(tmp_path / "out")]) == 0
        assert set(groups_of(tmp_path / "out").values()) == {f"BraTS-GLI-{patient:05d}" for patient in range(4)}

    def test_a_segmentation_of_another_name_is_its_cases(self, source, tmp_path):
        """As of case 355 of 2020."""
        case = source / "BraTS20_Training_003"
        (case / "BraTS20_Training_003_seg.nii.gz").rename(case / "W39_1998.09.19_Segm.nii.gz")
        assert main(["data", "brats", str(source), str(tmp_path / "out"), "--every", "1"]) == 0
        assert "BraTS20_Training_003" in groups_of(tmp_path / "out").values()

    def test_a_folder_a_volume_is_a_folder_a_case(self, source, tmp_path):
        """As Kaggle has the volumes of 2021."""
        for path in sorted(source.rglob("*.nii.gz")):
            path.rename(path.with_name("whole"))
            path.with_name(path.name.removesuffix(".gz")).mkdir()
            path.with_name("whole").rename(path.with_name(path.name.removesuffix(".gz")) / path.name)
        assert main(["data", "brats", str(source), str(tmp_path / "out"), "--every", "1"]) == 0
        assert len(set(groups_of(tmp_path / "out").values())) == 8

    def test_a_folder_without_cases_gets_a_sentence(self, tmp_path, capsys):
        assert main(["data", "brats", str(tmp_path), str(tmp_path / "out")]) == 2
        assert "holds no BraTS case" in capsys.readouterr().err


class TestDOTA:
    @pytest.fixture
    def source(self, tmp_path, rng):
        images, labels = tmp_path / "src" / "train" / "images", tmp_path / "src" / "train" / "labelTxt-v1.5"
        images.mkdir(parents=True)
        labels.mkdir()
        for number in range(8):
            Image.fromarray(rng.integers(1, 255, (96, 130, 3), dtype=np.uint8)).save(images / f"P{number:04d}.png")
            lines = [
                "imagesource:GoogleEarth", "gsd:0.146",
                "4.0 8.0 14.0 8.0 14.0 12.0 4.0 12.0 plane 0",  # inside the first window of 32
                "28.0 8.0 40.0 8.0 40.0 12.0 28.0 12.0 plane 1",  # on the seam of two
                "70.0 70.0 80.0 70.0 80.0 80.0 70.0 80.0 ship 0",
            ]  # fmt: skip
            (labels / f"P{number:04d}.txt").write_text("\n".join(lines))
        (labels / "P0005.txt").write_text("1 2 3 plane")
        return tmp_path / "src"

    def test_windows_boxes_masks_and_what_was_skipped(self, source, tmp_path, capsys):
        out = tmp_path / "out"
        assert main(["data", "dota", str(source), str(out), "--category", "plane", "--size", "32"]) == 0
        assert "P0005.png" in capsys.readouterr().out
        dataset = load_dataset([out])
        assert dataset.positive == "plane"
        assert all(len(parts) == 1 for parts in parts_of_groups(out).values())
        shown = [item for item in dataset.items if item.label == "plane"]
        assert {item.path.stem.split("_", 1)[1] for item in shown} == {"0_0"}
        empty = {item.path.stem.split("_", 1)[1] for item in dataset.items if item.label == "without"}
        assert "0_32" not in empty  # a plane reaches into it
        tested = next(item for item in dataset.test if item.label == "plane")
        assert (8, 4, 12, 14) in dataset.boxes[tested.name]
        mask = np.asarray(Image.open(tested.mask)) > 0
        assert mask[9:12, 5:14].all()
        assert not mask[20:].any()
        coco = json.loads((out / "test" / "boxes.json").read_text())
        assert all(image["width"] == 32 for image in coco["images"])

    def test_oriented_boxes_win_over_upright_ones(self, source, tmp_path):
        upright = source / "train" / "labelTxt-v1.5-hbb"
        upright.mkdir()
        for number in range(8):
            (upright / f"P{number:04d}.txt").write_text("imagesource:GoogleEarth\n0 0 30 0 30 30 0 30 tank 0")
        assert main(["data", "dota", str(source), str(tmp_path / "a"), "--category", "plane", "--size", "32"]) == 0

    def test_any_category_works_and_an_unknown_one_lists_them(self, source, tmp_path, capsys):
        assert main(["data", "dota", str(source), str(tmp_path / "a"), "--category", "ship", "--size", "32"]) == 0
        assert main(["data", "dota", str(source), str(tmp_path / "b"), "--category", "tank", "--size", "32"]) == 2
        assert "plane, ship" in capsys.readouterr().err


class TestCelebA:
    @pytest.fixture
    def source(self, tmp_path, rng):
        source = tmp_path / "src"
        (source / "img_align_celeba").mkdir(parents=True)
        attributes = ["40", "Bald Male"]
        partition, people = [], []
        for number in range(1, 41):
            name = f"{number:06d}.jpg"
            if number != 3:
                picture = Image.fromarray(rng.integers(0, 255, (22, 18, 3), dtype=np.uint8))
                picture.save(source / "img_align_celeba" / name)
            attributes.append(f"{name} {-1} {1 if number % 2 else -1:2d}")
            partition.append(f"{name} {0 if number <= 20 else 1 if number <= 24 else 2}")
            people.append(f"{name} {number // 2 if number <= 24 else 100 + number // 2}")
        (source / "list_attr_celeba.txt").write_text("\n".join(attributes) + "\n")
        (source / "list_eval_partition.txt").write_text("\n".join(partition) + "\n")
        (source / "identity_CelebA.txt").write_text("\n".join(people) + "\n")
        return source

    def test_the_partition_and_the_attribute_decide(self, source, tmp_path, capsys):
        out = tmp_path / "out"
        assert main(["data", "celeba", str(source), str(out), "--attribute", "Male", "--each", "100"]) == 0
        assert "000003.jpg: listed, but there is no such file" in capsys.readouterr().out
        numbers = {folder.name: sorted(int(p.stem) for p in folder.iterdir()) for folder in (out / "train").iterdir()}
        assert numbers["Male"] == [n for n in range(1, 25, 2) if n != 3]
        assert numbers["not_Male"] == list(range(2, 25, 2))
        assert len(list((out / "test" / "Male").iterdir())) == 8
        assert groups_of(out)["train/Male/000001.jpg"] == "0"
        dataset = load_dataset([out], positive="Male")
        dev, final = ({item.group for item in dataset.part(part)} for part in ("dev", "final"))
        assert dev
        assert final
        assert not dev & final  # a person is in one half alone

    def test_tables_with_commas_are_the_same_tables(self, source, tmp_path):
        """As Kaggle has them."""
        assert main(["data", "celeba", str(source), str(tmp_path / "out"), "--attribute", "Male", "--each", "100"]) == 0
        for name, header in (("list_attr_celeba", "image_id,Bald,Male"), ("list_eval_partition", "image_id,partition")):
            lines = (source / f"{name}.txt").read_text().splitlines()
            rows = [",".join(line.split()) for line in lines if line.split()[0].endswith(".jpg")]
            (source / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n")
            (source / f"{name}.txt").unlink()
        again = tmp_path / "again"
        assert main(["data", "celeba", str(source), str(again), "--attribute", "Male", "--each", "100"]) == 0
        assert groups_of(again) == groups_of(tmp_path / "out")

    def test_an_unknown_attribute_lists_them(self, source, tmp_path, capsys):
        assert main(["data", "celeba", str(source), str(tmp_path / "out"), "--attribute", "Tall"]) == 2
        assert "Bald, Male" in capsys.readouterr().err

    def test_a_partition_of_another_form_is_told_by_line(self, source, tmp_path, capsys):
        (source / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg\n")
        assert main(["data", "celeba", str(source), str(tmp_path / "out")]) == 2
        assert "line 2: expected two words" in capsys.readouterr().err
