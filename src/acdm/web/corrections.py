"""Masks that a person corrects on the local page, written where `acdm train --masks` reads them."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from acdm.core.files import write_bytes
from acdm.core.records import DataRecord
from acdm.data.images.arrays import Array
from acdm.data.images.write import png
from acdm.errors import DataError


@dataclass(frozen=True)
class Corrections:
    """The folder for corrected masks of a run's training images.

    Attributes:
        folder: made with the first mask.
        known: what the run was trained on; no other name becomes a path.
    """

    folder: Path
    known: DataRecord

    def keep(self, mask: Array, name: str, label: str) -> str:
        """Write a mask; says where it is, and what to do with it.

        Args:
            mask: (C, H, W) in [-1, 1], bright where the object is, at the image's own size.
            name: of the training image's file.
            label: its class.

        Raises:
            DataError: when no training image, or more than one, is called that.
            WriteError: when the disk refuses.
        """
        of_train = [file for file in self.known.files.get("train", ()) if PurePosixPath(file.path).name == name]
        found = [file for file in of_train if file.label == label] or of_train
        if len(found) != 1:
            raise DataError(
                f"{name}: {len(found) or 'none'} of the run's training images {'are' if found else 'is'} called that;"
                " masks of training images alone teach"
            )
        place = PurePosixPath(found[0].path)
        if place.is_absolute() or ".." in place.parts:
            raise DataError(f"{name}: lies outside the data folder, so that its mask has no place; save it by hand")
        path = self.folder / place.with_suffix(".png")
        write_bytes(path, png((mask.mean(axis=0) > 0).astype(np.uint8) * 255))
        count = sum(1 for _ in self.folder.rglob("*.png"))
        there = f"{count} mask{'s' if count > 1 else ''} there"
        return f"saved to {path}; {there}: acdm train … --resume --masks {self.folder}"
