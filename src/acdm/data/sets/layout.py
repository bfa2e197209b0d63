"""Writing a data folder: train/, test/, masks, boxes, groups, and what was skipped and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acdm.core.files import write_bytes, write_json, write_text
from acdm.core.tables import csv_text
from acdm.data.images.arrays import Box
from acdm.data.images.write import png
from acdm.errors import DataError

TEST_SHARE = 0.2  # of the groups


def require_sound(size: int, train: int, test: int, seed: int) -> None:
    """Raise DataError where images cannot be drawn of such a size, in such numbers, or from such a seed."""
    if size < 16 or min(train, test) < 8:
        raise DataError(f"size must be at least 16 and images at least 8 a part, got {size}, {train} and {test}")
    if seed < 0:
        raise DataError(f"--seed {seed}: must be 0 or more")


def empty_folder(path: Path) -> Path:
    """Raises DataError when something is there already."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DataError(f"{path}: already exists; choose another folder")
    return path


def parts_of(groups: Sequence[str], seed: int) -> dict[str, str]:
    """ "train", "dev" or "final" for each group: four in five are trained on, half of the rest chooses defaults."""
    names = sorted(set(groups))
    if len(names) < 3:
        raise DataError(f"only {len(names)} groups with usable images; at least 3 are needed for training and test")
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    tested = order[: max(2, round(TEST_SHARE * len(order)))]
    dev = set(tested[: len(tested) // 2])
    return {name: "dev" if name in dev else "final" if name in tested else "train" for name in names}


@dataclass
class DataFolder:
    """A data folder in the making; `finish` writes its tables.

    Attributes:
        root: where it is made.
        groups: of each file, relative to `root`.
        dev: names <class>/<file> of the half of the test images on which defaults may be chosen.
        boxes: of test images, by <class>/<file>: their size (height, width) and boxes.
        skipped: what was not used, and why.
    """

    root: Path
    groups: dict[str, str] = field(default_factory=dict)
    dev: list[str] = field(default_factory=list)
    boxes: dict[str, tuple[tuple[int, int], list[Box]]] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def add(self, part: str, label: str, name: str, content: bytes, group: str) -> str:
        """Write an image of a part (train, dev or final); its name among test images, <class>/<file>."""
        file = f"{'train' if part == 'train' else 'test'}/{label}/{name}"
        write_bytes(self.root / file, content)
        self.groups[file] = group
        if part == "dev":
            self.dev.append(f"{label}/{name}")
        return f"{label}/{name}"

    def add_mask(self, stem: str, mask: NDArray[np.bool_]) -> None:
        write_bytes(self.root / "test" / "masks" / f"{stem}.png", png(mask.astype(np.uint8) * 255))

    def skip(self, what: str, why: str) -> None:
        self.skipped.append((what, why))

    def counts(self) -> dict[str, int]:
        """Images of each <part>/<class>."""
        folders = [file.rsplit("/", 1)[0] for file in self.groups]
        return {name: folders.count(name) for name in sorted(set(folders))}

    def finish(self) -> None:
        """Write manifest.csv, test/dev.txt, test/boxes.json and skipped.csv, where there is something to write."""
        rows = [{"file": file, "group": group} for file, group in self.groups.items()]
        write_text(self.root / "manifest.csv", csv_text(rows))
        if self.dev:
            write_text(self.root / "test" / "dev.txt", "".join(f"{name}\n" for name in self.dev))
        if self.boxes:
            write_json(self.root / "test" / "boxes.json", self._coco())
        if self.skipped:
            rows = [{"what": what, "reason": reason} for what, reason in self.skipped]
            write_text(self.root / "skipped.csv", csv_text(rows))

    def _coco(self) -> dict[str, object]:
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for image_id, (name, (size, boxes)) in enumerate(self.boxes.items(), start=1):
            images.append({"id": image_id, "file_name": name, "height": size[0], "width": size[1]})
            for top, left, bottom, right in boxes:
                box = [left, top, right - left, bottom - top]
                annotations.append({"id": len(annotations) + 1, "image_id": image_id, "category_id": 1, "bbox": box})
        return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "object"}]}
