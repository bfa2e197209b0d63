"""From image files to arrays: (C, H, W) float32 in [-1, 1], C = 1 for grey and 3 for colour."""

import hashlib
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from acdm.errors import DataError

Array = NDArray[np.float32]

FORMATS = ("PNG", "JPEG")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
MAX_PIXELS = 64_000_000  # of a file decoded whole
MIN_SIDE = 8
_TOO_LARGE = f"has more than {MAX_PIXELS // 10**6} million pixels, too many to decode whole; cut it into tiles"
_DEPTH = {"1": 1, "L": 255, "RGB": 255, "I;16": 65535, "I": 65535}


def read_image(path: Path) -> Array:
    """Decode a PNG or JPEG whole, upright, at its declared bit depth.

    Palettes become colour; transparent pixels are laid on black.

    Returns:
        (C, H, W) float32 in [-1, 1]; the file's lowest value is -1 and its highest possible value 1.

    Raises:
        DataError: a sentence that begins with the path, for everything that is not such an image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                _check_header(path, image)
                image.load()
                upright = _plain(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise DataError(f"{path}: not a PNG or JPEG image; convert or remove it") from None
    except Image.DecompressionBombError:  # Pillow's own limit, met before ours can be looked at
        raise DataError(f"{path}: {_TOO_LARGE}") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: cannot be decoded ({error}); replace or remove it") from None
    pixels = np.asarray(upright, dtype=np.float32) / _DEPTH[upright.mode]
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    return np.ascontiguousarray(pixels.transpose(2, 0, 1) * 2 - 1)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """A mask image: (H, W), true where any channel is nonzero."""
    return np.asarray((read_image(path) > -1).any(axis=0))


def digest(image: Array) -> str:
    """The same for two images where their pixels are the same."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def _check_header(path: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(f"{path}: {_TOO_LARGE}")
    if min(width, height) < MIN_SIDE:
        raise DataError(f"{path}: {width} x {height} pixels is too small, at least {MIN_SIDE} a side are needed")
    if getattr(image, "n_frames", 1) > 1:
        raise DataError(f"{path}: holds {image.n_frames} frames; save the one that is meant")  # type: ignore[attr-defined]


def _plain(image: Image.Image) -> Image.Image:
    """Grey or RGB of the same pixels."""
    if image.mode in _DEPTH:
        return image
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba)
        return flat.convert("L" if image.mode == "LA" else "RGB")
    return image.convert("RGB")
