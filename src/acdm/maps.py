"""Maps of many images as files: floats for machines, pictures for people, one folder an image."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from acdm.calibrate import Calibration
from acdm.decompose import Decomposer, Decomposition, score
from acdm.errors import DataError
from acdm.figure import overlay, strip, to_pixels
from acdm.files import write_bytes, write_text
from acdm.images.read import SUFFIXES
from acdm.images.write import npy, png


@dataclass(frozen=True)
class Mapped:
    """What became of one image.

    Attributes:
        file: relative to the images' folder.
        label: its class, given or decided; empty where it failed.
        reason: why it failed, else empty.
    """

    file: str
    label: str
    reason: str


def map_folder(
    decomposer: Decomposer, calibration: dict[str, Calibration], images: Path, out: Path, label: str | None
) -> Iterator[Mapped]:
    """Decompose every image below `images` (or one file) into `out/<its name>/`; tells of each as it is done.

    A file that cannot be read is told of and passed over; `out/maps.csv` lists all.

    Raises:
        DataError: when there is no image or none that can be mapped, no such class, or `out` lies within `images`.
    """
    root, paths = find_images(images)
    inside = out.resolve().is_relative_to(root.resolve()) if images.is_dir() else out.resolve() == root.resolve()
    if inside:
        raise DataError(f"{out}: lies within {root}, whose images are read; choose another folder with -o")
    if label is not None:
        decomposer.index(label)
    table: list[Mapped] = []
    for path in paths:
        name = path.relative_to(root).as_posix()
        try:
            d = decomposer.decompose(path, label)
        except DataError as error:
            table.append(Mapped(name, "", str(error)))
        else:
            write_decomposition(out / name, d, calibration)
            table.append(Mapped(name, d.label, ""))
        yield table[-1]
    if all(row.reason for row in table):
        raise DataError(f"none of {len(table)} images can be mapped; the first: {table[0].reason}")
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "label", "reason"])
    writer.writerows([row.file, row.label, row.reason] for row in table)
    write_text(out / "maps.csv", text.getvalue())


def find_images(images: Path) -> tuple[Path, list[Path]]:
    """The folder that names are relative to, and every PNG and JPEG in it."""
    if images.is_file():
        return images.parent, [images]
    if not images.is_dir():
        raise DataError(f"{images}: no such file or folder")
    paths = sorted(p for p in images.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise DataError(f"{images}: holds no PNG or JPEG image")
    return images, paths


def write_decomposition(folder: Path, d: Decomposition, calibration: dict[str, Calibration]) -> None:
    """One image's files.

    psi1, contrast, residual and psi (all branches) as float32 .npy, signed and never rescaled, and as PNG with zero
    at mid-grey; overlay.png, reconstruction.png, counterfactual.png and strip.png, which has all in a row.
    """
    for name, signed in d.maps().items():
        write_bytes(folder / f"{name}.npy", npy(signed.numpy()))
        write_bytes(folder / f"{name}.png", png(to_pixels(signed)))
    write_bytes(folder / "psi.npy", npy(d.psi.numpy()))
    for number, branch in enumerate(d.psi, start=1):
        write_bytes(folder / f"branch-{number}.png", png(to_pixels(branch)))
    shown = calibration["contrast"]
    write_bytes(folder / "overlay.png", png(overlay(d.image, score(d.contrast, shown.polarity), shown.threshold)))
    write_bytes(folder / "reconstruction.png", png(to_pixels(d.reconstruction)))
    write_bytes(folder / "counterfactual.png", png(to_pixels(d.counterfactual)))
    write_bytes(folder / "strip.png", png(strip(d)))
