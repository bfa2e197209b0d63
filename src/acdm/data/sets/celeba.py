"""CelebA from its original files: img_align_celeba/, list_attr_celeba.txt, list_eval_partition.txt.

identity_CelebA.txt, where it is there, keeps each person on one side of the split.
"""

from pathlib import Path

import numpy as np

from acdm.core.progress import QUIET, Progress
from acdm.data.sets.layout import DataFolder, empty_folder
from acdm.errors import DataError

PARTITIONS = ("0", "1", "2")  # training, validation, test


def write_celeba(
    source: Path, out: Path, attribute: str, each: int, seed: int, progress: Progress = QUIET
) -> DataFolder:
    """Faces with and without an attribute as a data folder, on the sides of CelebA's own partition.

    Training and validation of the partition are trained on (ours is cut from them again); half of the test part becomes
    the dev half.

    Args:
        source: searched through for the three files.
        out: must not exist.
        attribute: as in list_attr_celeba.txt, such as Male or Eyeglasses.
        each: images of each class in training at the most; a tenth of that in test.
        seed: of the images chosen and of the dev half.
        progress: told after each image.

    Raises:
        DataError: when a file is missing or not of the known form, or there is no such attribute.
    """
    folder, rng = DataFolder(empty_folder(out)), np.random.default_rng(seed)
    signs = _attribute(_find(source, "list_attr_celeba"), attribute)
    partition = _pairs(_find(source, "list_eval_partition"))
    if bad := set(partition.values()) - set(PARTITIONS):
        raise DataError(f"{source}: list_eval_partition has '{min(bad)}', expected 0, 1 or 2")
    people = source.rglob("identity_CelebA.txt")
    identity = _pairs(next(people, None))
    images = {path.name: path for path in source.rglob("*.jpg")}
    in_dev: dict[str, bool] = {}  # every other person of the test images
    for training, most in ((True, each), (False, max(1, each // 10))):
        for label, sign in ((f"not_{attribute}", "-1"), (attribute, "1")):
            names = [n for n, s in signs.items() if s == sign and n in partition and (partition[n] != "2") == training]
            chosen = [names[i] for i in rng.permutation(len(names))[:most]]
            for name in chosen:
                if name not in images:
                    folder.skip(name, "listed, but there is no such file")
                    continue
                person, content = identity.get(name, name), images[name].read_bytes()
                part = "train"
                if not training:
                    part = "dev" if in_dev.setdefault(person, len(in_dev) % 2 == 1) else "final"
                folder.add(part, label, name, content, person)
                progress.advance()
    if len(folder.counts()) < 4:
        raise DataError(f"{source}: no images of both classes in training and test; is img_align_celeba/ there?")
    folder.finish()
    return folder


def _find(source: Path, name: str) -> Path:
    """A table of the download by its name: .txt as first published, .csv as Kaggle has it."""
    found = [path for ending in (".txt", ".csv") for path in source.rglob(name + ending)] if source.is_dir() else []
    if not found:
        raise DataError(f"{source}: holds no {name}.txt or .csv; give the folder of the original download")
    return found[0]


def _lines(path: Path) -> list[list[str]]:
    """The words of each line; a .csv has commas between them."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return [line.replace(",", " ").split() if path.suffix == ".csv" else line.split() for line in text.splitlines()]


def _attribute(path: Path, attribute: str) -> dict[str, str]:
    """ "1" or "-1" by file name."""
    lines = _lines(path)
    first = 1 if path.suffix == ".csv" else 2  # line of the first file; the .txt begins with a count
    names = lines[first - 1][2 - first :] if len(lines) >= first else []
    if attribute not in names:
        raise DataError(f"--attribute {attribute}: no such attribute; there are {', '.join(names)}")
    column = names.index(attribute) + 1
    signs = {}
    for number, words in enumerate(lines[first:], start=first + 1):
        if len(words) != len(names) + 1 or words[column] not in ("1", "-1"):
            raise DataError(f"{path}, line {number}: expected a file name and {len(names)} values of 1 or -1")
        signs[words[0]] = words[column]
    return signs


def _pairs(path: Path | None) -> dict[str, str]:
    """Lines of two words; nothing where there is no file."""
    if path is None:
        return {}
    pairs = {}
    for number, words in enumerate(_lines(path), start=1):
        if number == 1 and path.suffix == ".csv":  # its header
            continue
        if len(words) != 2:
            raise DataError(f"{path}, line {number}: expected two words")
        pairs[words[0]] = words[1]
    return pairs
