"""PNG and JPEG through Pillow."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from acdm.data.images.raw import MAX_PIXELS, Raw, require_size, undecodable
from acdm.errors import DataError

_DEPTH = {"1": 1.0, "L": 255.0, "RGB": 255.0, "I;16": 65535.0, "I": 65535.0}
_WORDS = {"1": "black and white", "L": "grey, 8 bits", "I;16": "grey, 16 bits", "I": "grey, 16 bits", "P": "palette"}


def read_png_or_jpeg(path: Path) -> Raw:
    """Decode a PNG or JPEG whole, upright, at its declared bit depth.

    Palettes become colour; transparent pixels are laid on black.

    Raises:
        DataError: a sentence that begins with the path.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                require_size(path, image.height, image.width, len(image.getbands()))
                if getattr(image, "n_frames", 1) > 1:
                    raise DataError(f"{path}: holds {image.n_frames} frames; save the one that is meant")  # type: ignore[attr-defined]
                words = f"{image.format}, {_WORDS.get(image.mode, f'{image.mode}, 8 bits')}"
                image.load()
                upright = _plain(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise DataError(f"{path}: not a PNG or JPEG image, nor of another known format; convert or remove it") from None
    except Image.DecompressionBombError:  # Pillow's own limit, met before ours can be looked at
        raise DataError(f"{path}: has more than {MAX_PIXELS // 10**6} million pixels; cut it into tiles") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise undecodable(path, error) from None
    pixels = np.asarray(upright, dtype=np.float32)
    values = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return Raw(np.ascontiguousarray(values), words, _DEPTH[upright.mode])


def _plain(image: Image.Image) -> Image.Image:
    """Grey or RGB of the same pixels."""
    if image.mode in ("LA", "PA", "RGBA") or ("transparency" in image.info and image.mode in ("L", "RGB", "P")):
        rgba = image.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", rgba.size, "black"), rgba)
        return flat.convert("L" if image.mode in ("L", "LA") else "RGB")
    return image if image.mode in _DEPTH else image.convert("RGB")
