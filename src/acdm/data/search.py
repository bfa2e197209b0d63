"""Images in a folder and below it, and the masks that belong to them."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from acdm.data.dataset import Unused
from acdm.data.images.dicom import is_dicom
from acdm.data.images.read import SUFFIXES, stem, suffix

MASK_ENDINGS = ("_mask", "-mask", "_segmentation", "_gt")  # of masks' names, behind the image's


def images_below(folder: Path, masks: bool = False) -> tuple[list[Path], list[Unused]]:
    """Every image of a folder and of the folders within it, and what else is there, with the reason.

    Hidden files and folders are left out, folders of masks too, unless `masks`; links to folders are not followed.
    """
    images: list[Path] = []
    unused: list[Unused] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            unused.append(Unused(path, "hidden"))
        elif path.is_dir() and path.is_symlink():
            unused.append(Unused(path, "a link to a folder"))
        elif path.is_dir() and path.name == "masks" and not masks:
            continue
        elif path.is_dir():
            within = images_below(path, masks)
            images += within[0]
            unused += within[1]
        elif is_image(path):
            images.append(path)
        else:
            unused.append(Unused(path, "no image of a known format"))
    return images, unused


def is_image(path: Path) -> bool:
    """Whether a file is an image of a known format, by its name; DICOM without an ending is known by its content."""
    ending = suffix(path)
    return ending in SUFFIXES or ((not ending or ending[1:].isdigit()) and is_dicom(path))


def has_images(folder: Path) -> bool:
    """Whether there is an image in a folder or below it."""
    return any(is_image(path) for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def class_folders(root: Path, others: Sequence[str] = ("masks",)) -> tuple[list[str], list[Unused]]:
    """Names of the folders that may be classes, sorted, and those that hold no image; hidden ones and `others` are not.

    Of two folders both are meant as classes, whatever they hold.
    """
    names = folders_in(root, others)
    empty = [name for name in names if not has_images(root / name)] if len(names) > 2 else []
    return [n for n in names if n not in empty], [Unused(root / n, "a folder without images") for n in empty]


def folders_in(root: Path, others: Sequence[str] = ()) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones and `others` are left out."""
    return sorted(p.name for p in root.iterdir() if p.is_dir() and p.name[0] != "." and p.name not in others)


@dataclass(frozen=True)
class MaskFiles:
    """Masks by the stem of the image that they belong to, in lower case; MVTec's x_mask.png belongs to x.

    Attributes:
        by_stem: all of one stem.
    """

    by_stem: dict[str, list[Path]] = field(default_factory=dict)

    @classmethod
    def below(cls, folder: Path, deep: bool = True) -> "MaskFiles":
        """Look through a folder of masks, and, if `deep`, the folders within it; nothing where there is none."""
        exact: dict[str, list[Path]] = {}
        other: dict[str, list[Path]] = {}
        for path in images_below(folder, masks=True)[0] if folder.is_dir() else ():
            if not deep and path.parent != folder:
                continue
            name = _known_as(path)
            plain = next((name.removesuffix(end) for end in MASK_ENDINGS if name.endswith(end)), name)
            exact.setdefault(name, []).append(path)
            other.setdefault(plain, []).append(path)
        return cls(other | exact)

    def of(self, image: Path) -> Path | None:
        """The mask of an image: of those with its stem, the one whose folders end most like the image's own.

        None where several do, in folders of their own.
        """
        likely = most_alike(image, self.by_stem.get(_known_as(image), []))
        return likely[-1] if len({mask.parent for mask in likely}) == 1 else None


def most_alike(path: Path, others: Sequence[Path]) -> list[Path]:
    """Those of the other files whose folders end most like a file's own."""
    most = max((shared_folders(path, other) for other in others), default=0)
    return [other for other in others if shared_folders(path, other) == most]


def shared_folders(one: Path, other: Path) -> int:
    """How many folders above two files have the same names, from the files upwards.

    >>> shared_folders(Path("test/masks/p3/a.png"), Path("test/ill/P3/a.jpg"))
    1
    """
    above = [[_composed(part) for part in reversed(path.parent.parts)] for path in (one, other)]
    return next((k for k, (a, b) in enumerate(zip(*above, strict=False)) if a != b), min(map(len, above)))


def _known_as(path: Path) -> str:
    return _composed(stem(path))


def _composed(name: str) -> str:
    """A name in lower case, its Unicode composed: systems write umlauts in two ways."""
    return unicodedata.normalize("NFC", name).casefold()
