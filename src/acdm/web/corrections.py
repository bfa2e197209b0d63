"""Masks that a person corrects on the local page, written where `acdm train --masks` reads them."""

from dataclasses import dataclass
from itertools import dropwhile
from pathlib import Path, PurePosixPath
from shlex import quote

import numpy as np

from acdm.core.files import write_bytes
from acdm.core.records import DataRecord
from acdm.data.images.arrays import Array
from acdm.data.images.read import digest, stem
from acdm.data.images.write import png
from acdm.errors import DataError


@dataclass(frozen=True)
class Corrections:
    """The folder for corrected masks of a run's training images.

    Attributes:
        folder: made with the first mask.
        run: whose segmenter they teach.
        known: what that run was trained on; no other name becomes a path.
    """

    folder: Path
    run: Path
    known: DataRecord

    @property
    def lesson(self) -> str:
        """The command that lets the masks teach, but for the data."""
        return f"acdm train DATA -o {quote(str(self.run))} --resume --masks {quote(str(self.folder))}"

    def name_of(self, pixels: Array) -> str:
        """The training image that has these pixels (C, H, W), relative to the data folder; "" where none has.

        Another image of the same name is none, whatever its class: only its pixels say which one it is.
        """
        taught = dict(
            zip(self.known.digests, self.known.files.get("train", ()), strict=False)
        )  # validation comes later
        found = taught.get(digest(pixels))
        return found.path if found else ""

    def keep(self, mask: Array, name: str) -> str:
        """Write a mask; says where it is, and what to do with it.

        Args:
            mask: (C, H, W) in [-1, 1], bright where the object is, at the image's own size.
            name: as `name_of` told it.

        Raises:
            DataError: when no training image is called that.
            WriteError: when the disk refuses.
        """
        parts = PurePosixPath(name).parts
        place = PurePosixPath(*dropwhile(lambda part: part == "..", parts))  # of a CSV, or of folders far apart
        if name not in {file.path for file in self.known.files.get("train", ())}:
            raise DataError("this is none of the run's training images, and masks of these alone teach")
        if place.is_absolute() or ".." in place.parts:
            raise DataError(f"{name}: lies outside the data folder, so that its mask has no place; save it by hand")
        path = self.folder / place.with_name(f"{stem(place)}.png")
        write_bytes(path, png((mask.mean(axis=0) > 0).astype(np.uint8) * 255))
        return f"saved to {path}; {self.lesson} lets it teach"
