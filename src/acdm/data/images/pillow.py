"""PNG, JPEG, BMP and WebP through Pillow."""

import warnings
from math import prod
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from acdm.core.extras import extra
from acdm.data.images.arrays import Array
from acdm.data.images.raw import MAX_PIXELS, Raw, require_size, undecodable
from acdm.errors import DataError

FORMATS = ("PNG", "JPEG", "BMP", "WEBP")
_DEPTH = {"1": 1.0, "L": 255.0, "RGB": 255.0, "I;16": 65535.0, "I": 65535.0}
PALETTE = "palette"
_WORDS = {"1": "black and white", "L": "grey, 8 bits", "I;16": "grey, 16 bits", "I": "grey, 16 bits", "P": PALETTE}
_DEEP_PNG = {2: 3, 4: 2, 6: 4}  # channels by colour type (PNG, 11.2.2): RGB, grey and alpha, RGB and alpha
MAX_WEBP = 24_000_000  # pixels; its decoder holds several copies of the picture


def read_with_pillow(path: Path) -> Raw:
    """Decode an image whole, upright, at its declared bit depth.

    Palettes become colour; transparent pixels are laid on black.  Of a JPEG with previews the first picture is taken.

    Raises:
        DataError: a sentence that begins with the path.
    """
    try:
        if prod(webp_size(path)) > MAX_WEBP:  # Pillow's decoder takes its memory before it tells the size
            raise DataError(f"{path}: is a WebP of more than {MAX_WEBP // 10**6} million pixels; save it as PNG")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path, formats=FORMATS) as image:
                require_size(path, image.height, image.width, len(image.getbands()))
                if image.format == "WEBP" and image.height * image.width > MAX_WEBP:
                    raise DataError(
                        f"{path}: is a WebP of more than {MAX_WEBP // 10**6} million pixels; save it as PNG"
                    )
                frames = getattr(image, "n_frames", 1)
                if frames > 1 and image.format != "MPO":  # a JPEG with previews behind it, as cameras write
                    raise DataError(f"{path}: holds {frames} frames; save the one that is meant")
                if channels := _deep_channels(path):
                    return Raw(
                        _read_deep(path, channels), f"PNG, {'RGB' if channels > 2 else 'grey'}, 16 bits", 65535.0
                    )
                words = f"{image.format}, {_WORDS.get(image.mode, f'{image.mode}, 8 bits')}"
                image.load()
                upright = plain(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise DataError(f"{path}: not a PNG or JPEG image, nor of another known format; convert or remove it") from None
    except Image.DecompressionBombError:  # Pillow's own limit, met before ours can be looked at
        raise DataError(f"{path}: has more than {MAX_PIXELS // 10**6} million pixels; cut it into tiles") from None
    except DataError:
        raise
    except Exception as error:  # Pillow raises whatever its many decoders raise
        raise undecodable(path, error) from None
    pixels = np.asarray(upright, dtype=np.float32)
    values = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return Raw(np.ascontiguousarray(values), words, _DEPTH[upright.mode])


def palette_indices(path: Path) -> Array:
    """Which colour of its palette each pixel of an image has, upright: (H, W)."""
    with Image.open(path, formats=FORMATS) as image:
        return np.asarray(ImageOps.exif_transpose(image), np.float32)


def plain(image: Image.Image) -> Image.Image:
    """Grey or RGB of the same pixels."""
    if image.mode in ("LA", "PA", "RGBA") or ("transparency" in image.info and image.mode in ("L", "RGB", "P")):
        rgba = image.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba)
        return flat.convert("L" if image.mode in ("L", "LA") else "RGB")
    return image if image.mode in _DEPTH else image.convert("RGB")


def webp_size(path: Path) -> tuple[int, int]:
    """Height and width that the header of a WebP tells (RFC 9649, sections 2.5 to 2.7); (0, 0) for all other files."""
    with path.open("rb") as file:
        head = file.read(30)
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return 0, 0
    if head[12:16] == b"VP8X":
        width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
    elif head[12:16] == b"VP8L":
        sides = int.from_bytes(head[21:25], "little")
        width, height = (1 + (sides >> shift & 0x3FFF) for shift in (0, 14))
    else:
        width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (26, 28))
    return height, width


def _deep_channels(path: Path) -> int:
    """Channels of a PNG of 16 bits in colour or with alpha, of which Pillow keeps 8 bits; 0 for all other files."""
    with path.open("rb") as file:
        head = file.read(26)
    deep = head[:8] == b"\x89PNG\r\n\x1a\n" and head[24:25] == b"\x10"
    return _DEEP_PNG.get(head[25], 0) if deep else 0


def _read_deep(path: Path, channels: int) -> Array:
    """A PNG of 16 bits and several channels, alpha laid on black: (C, H, W), values of 0 to 65535."""
    codecs = extra("imagecodecs", "geo", f"{path}: reading a PNG of 16 bits in colour or with alpha")
    pixels = np.asarray(codecs.png_decode(path.read_bytes()), np.float32)
    values: Array = np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels[None]
    if channels in (2, 4) and len(values) == channels:
        values = values[:-1] * (values[-1:] / np.float32(65535))
    return np.ascontiguousarray(values)
