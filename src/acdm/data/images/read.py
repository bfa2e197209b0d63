"""From image files to arrays: (C, H, W) float32 in [-1, 1].  What a file is, its content says and not its name."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import numpy as np
from PIL import Image

from acdm.core.config import Reading
from acdm.data.images.arrays import Array, Mask
from acdm.data.images.dicom import read_dicom, says_dicom
from acdm.data.images.grid import Grid
from acdm.data.images.nifti import read_nifti
from acdm.data.images.pillow import FORMATS, PALETTE, palette_indices, read_with_pillow, webp_size
from acdm.data.images.raw import DEPTHS, Raw, choose_bands, require_size, undecodable
from acdm.data.images.tiff import read_tiff
from acdm.errors import DataError

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".npy", ".nii", ".nii.gz", ".dcm", ".dicom", ".ima",
)  # fmt: skip
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
AS_IS = Reading()


@dataclass(frozen=True)
class Picture:
    """An image with what is needed to put maps back on it.

    Attributes:
        pixels: (C, H, W) float32 in [-1, 1].
        valid: (H, W), false where the file has no data; None where all pixels count.
        grid: where the pixels lie in the world, if the file says.
        depth: highest value that the format can hold; None where values have no such bounds.
    """

    pixels: Array
    valid: Mask | None
    grid: Grid | None
    depth: float | None = None


def read_picture(path: Path, reading: Reading = AS_IS) -> Picture:
    """Decode an image and scale it.

    Raises:
        DataError: a sentence that begins with the path, for everything that is not such an image.
    """
    raw = decode(path, reading)
    return Picture(raw.scaled(path, reading.range), raw.valid, raw.grid, raw.depth)


def read_image(path: Path, reading: Reading = AS_IS) -> Array:
    """(C, H, W) float32 in [-1, 1]; where no range is declared, the format's lowest and highest value."""
    return read_picture(path, reading).pixels


def read_mask(path: Path, shape: tuple[int, ...] | None = None) -> Mask:
    """A mask image: (H, W), true where any channel is nonzero, and the file does not say that there is no data.

    Of a palette its indices count, not its colours.  A JPEG, which blurs, is cut at half of its highest value.

    Args:
        path: of the mask.
        shape: rows and columns of its image; None where nothing is to fit.

    Raises:
        DataError: a sentence that begins with the path; for a mask of another size than its image, too.
    """
    raw = decode(path)
    values = palette_indices(path)[None] if raw.kind.endswith(PALETTE) else raw.values
    mask = np.asarray((values > values.max() / 2 if raw.kind.startswith("JPEG") else values != 0).any(axis=0))
    if raw.valid is not None:
        mask &= raw.valid
    if shape is not None and mask.shape != shape:
        raise DataError(f"{path}: has {mask.shape[1]} x {mask.shape[0]} pixels, its image {shape[1]} x {shape[0]}")
    return mask


def decode(path: Path, reading: Reading = AS_IS) -> Raw:
    """An image in its file's own units.

    Raises:
        DataError: a sentence that begins with the path.
    """
    try:
        with path.open("rb") as file:
            head = file.read(352)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); replace or remove it") from None
    if says_dicom(head):  # first, since its preamble may say that it is a TIFF, too
        raw = read_dicom(path)
    elif head[:4] in _TIFF:
        return read_tiff(path, reading.bands, reading.pages == "channels")
    elif head[:6] == b"\x93NUMPY":
        raw = _read_npy(path)
    elif head[344:347] in (b"n+1", b"ni1") or head[4:7] in (b"n+2", b"ni2") or head[:2] == b"\x1f\x8b":
        raw = read_nifti(path)
    else:
        raw = read_with_pillow(path)
    return replace(raw, values=choose_bands(path, raw.values, reading.bands))


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of a PNG, JPEG, BMP, WebP or npy file, from its header alone; (0, 0) where that says nothing."""
    try:
        if path.suffix.lower() == ".npy":
            height, width = np.load(path, mmap_mode="r", allow_pickle=False).shape[-2:]
            return int(height), int(width)
        if any(size := webp_size(path)):
            return size
        with Image.open(path, formats=FORMATS) as image:
            return image.height, image.width
    except Exception:  # reading it whole says what is wrong
        return 0, 0


def suffix(path: PurePath) -> str:
    """Of a file's name, in lower case; .nii.gz is one."""
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()


def stem(path: PurePath) -> str:
    """A file's name without `suffix`."""
    return path.name[: len(path.name) - len(suffix(path))]


def digest(image: Array) -> str:
    """The same for two images where their pixels are the same."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def _read_npy(path: Path) -> Raw:
    """(H, W) or (C, H, W); 8 and 16 bit integers have their depth, all other numbers none."""
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
        if stored.ndim not in (2, 3) or stored.dtype.kind not in "biuf":
            raise ValueError(f"{stored.dtype} of {stored.ndim} dimensions, expected numbers (H, W) or (C, H, W)")
        height, width = stored.shape[-2:]
        require_size(path, height, width, len(stored) if stored.ndim == 3 else 1)
        values = np.array(stored, np.float32)
    except DataError:
        raise
    except Exception as error:  # a damaged header raises whatever evaluating it raises
        raise undecodable(path, error) from None
    depth = DEPTHS.get(stored.dtype.name)
    values = values if values.ndim == 3 else values[None]
    return Raw(values, f"npy, {len(values)} channels, {stored.dtype}", depth)
