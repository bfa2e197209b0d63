import re

import numpy as np
import pytest
from PIL import Image

from acdm.data.corrections import find_corrections, read_corrections
from acdm.data.folder import load_dataset
from acdm.errors import DataError


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


@pytest.fixture
def dataset(tmp_path):
    """Twelve images a class, 20 x 10 pixels; those of the negative class have names of their own but for 0.png."""
    g = np.random.default_rng(0)
    for number in range(12):
        for label, name in (("healthy", f"h{number}" if number else "0"), ("ill", f"{number}")):
            save(tmp_path / "data/train" / label / f"{name}.png", g.integers(0, 255, (10, 20), np.uint8))
            save(tmp_path / "data/test" / label / f"t{label}{number}.png", g.integers(0, 255, (10, 20), np.uint8))
    return load_dataset([tmp_path / "data"], positive="ill")


def trained(dataset, label):
    """Stems of the images of a class that are trained on."""
    return [item.path.stem for item in dataset.train if item.label == label]


def mask(left=0, right=0):
    drawn = np.zeros((10, 20), np.uint8)
    drawn[:, left:right] = 255
    return drawn


@pytest.mark.parametrize("name", ["{}", "ill/{}", "train/ill/{}", "TRAIN/Ill/{}"])
def test_a_mask_belongs_to_the_image_whose_path_ends_like_its_own(dataset, tmp_path, name):
    stem = trained(dataset, "ill")[0]
    save(tmp_path / "masks" / f"{name.format(stem)}.png", mask(0, 10))
    (found,), _ = find_corrections(tmp_path / "masks", dataset)
    assert dataset.train[found.index].path == tmp_path / f"data/train/ill/{stem}.png"


def test_a_name_of_both_classes_is_the_positive_one_s(dataset, tmp_path):
    save(tmp_path / "masks/0.png", mask())
    save(tmp_path / "masks" / f"{trained(dataset, 'ill')[-1]}.png", mask())
    found, _ = find_corrections(tmp_path / "masks", dataset)
    assert {dataset.train[c.index].label for c in found} == {"ill"}


def test_a_mask_of_a_positive_image_never_teaches_a_negative_one_of_its_name(tmp_path):
    """Two folders of the same names, as scanners number them: some positive images validate, their namesakes teach."""
    g = np.random.default_rng(1)
    for label in ("healthy", "ill"):
        for number in range(30):
            save(tmp_path / label / f"{number}.png", g.integers(0, 255, (10, 20), np.uint8))
            save(tmp_path / "masks" / f"{number}.png", mask(0, 10))
    dataset = load_dataset([tmp_path / "healthy", tmp_path / "ill"], positive="ill")
    found, _ = find_corrections(tmp_path / "masks", dataset)
    assert {dataset.train[c.index].label for c in found} == {"ill"}
    assert len(found) == len(trained(dataset, "ill")) < 30


def test_names_that_validation_and_test_images_share_stop_nothing(dataset, tmp_path):
    """Their masks teach nothing, whichever they belong to."""
    validated = next(item.path.stem for item in dataset.validation if item.label == "ill")
    save(tmp_path / f"data/test/ill/{validated}.png", np.zeros((10, 20), np.uint8))
    for name in (validated, trained(dataset, "ill")[0]):
        save(tmp_path / f"masks/{name}.png", mask(0, 3))
    found, unused = find_corrections(tmp_path / "masks", load_dataset([tmp_path / "data"], positive="ill"))
    assert [c.path.stem for c in found] == trained(dataset, "ill")[:1]
    assert [path.stem for path in unused] == [validated]


def test_masks_become_squares_as_their_images_do(dataset, tmp_path):
    """A left half of 20 x 10 pixels is the left half of a square of 8, filled up above and below."""
    stem = trained(dataset, "ill")[0]
    save(tmp_path / "masks" / f"{stem}.png", mask(0, 10))
    masks = read_corrections(find_corrections(tmp_path / "masks", dataset)[0], dataset, size=8)
    (square,) = masks.values()
    assert square.shape == (1, 8, 8)
    assert square[0, :, :3].gt(0.99).all()
    assert square[0, :, 5:].lt(0.01).all()


def test_masks_of_images_that_teach_nothing_are_passed_over(dataset, tmp_path):
    validation = next(item.path.stem for item in dataset.validation if item.label == "ill")
    for stem in (validation, "till3"):
        save(tmp_path / "masks" / f"{stem}.png", mask())
    with pytest.raises(DataError, match="all 2 masks are of validation or test images"):
        find_corrections(tmp_path / "masks", dataset)
    save(tmp_path / "masks" / f"{trained(dataset, 'ill')[0]}.png", mask())
    found, passed_over = find_corrections(tmp_path / "masks", dataset)
    assert len(found) == 1
    assert sorted(path.stem for path in passed_over) == sorted([validation, "till3"])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "holds no mask"),
        (["nobody"], "have no image of their name"),
        (["{0}", "ill/{0}"], "is the second mask of"),
    ],
)
def test_masks_that_fit_nothing_are_a_sentence(dataset, tmp_path, names, words):
    (tmp_path / "masks").mkdir()
    for name in names:
        save(tmp_path / "masks" / f"{name.format(trained(dataset, 'ill')[0])}.png", mask())
    with pytest.raises(DataError, match=words):
        find_corrections(tmp_path / "masks", dataset)


def test_a_folder_that_is_not_there_and_a_mask_of_another_size_are_sentences(dataset, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        find_corrections(tmp_path / "nowhere", dataset)
    stem = trained(dataset, "ill")[0]
    save(tmp_path / "masks" / f"{stem}.png", mask()[:8])
    with pytest.raises(DataError, match=re.escape("has 20 x 8 pixels, its image 20 x 10")):
        read_corrections(find_corrections(tmp_path / "masks", dataset)[0], dataset, size=8)
