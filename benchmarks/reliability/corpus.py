"""Image files of every awkward kind, generated, with what should become of them.

    python benchmarks/reliability/corpus.py [EACH]

Prints what came of so many files of each kind, and by how much memory grew; anything unexpected is printed.
"""

import gzip
import io
import os
import resource
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tifffile
from PIL import Image

from acdm.core.config import Reading
from acdm.data.images.read import read_image
from acdm.errors import DataError

DECLARED = Reading(range=((0.0, 255.0),))
Make = Callable[[np.random.Generator], bytes]


def _pixels(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 256, shape or (24, 20), np.uint8)


def _saved(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _tiff(values: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def _npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


def _png(rng: np.random.Generator) -> bytes:
    return _saved(Image.fromarray(_pixels(rng)))


def _jpeg(rng: np.random.Generator) -> bytes:
    return _saved(Image.fromarray(_pixels(rng, 64, 64, 3)), "JPEG")


def _cut(whole: bytes, rng: np.random.Generator) -> bytes:
    return whole[: int(rng.integers(len(whole) // 4, 3 * len(whole) // 4))]


def _bomb(rng: np.random.Generator) -> bytes:
    """A PNG header of 30,000 x 30,000 pixels and hardly anything behind it."""
    side = int(rng.integers(20_000, 40_000))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


def _eps(rng: np.random.Generator) -> bytes:
    return b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\nshowpage\n" + rng.bytes(20)


def _frames(rng: np.random.Generator) -> bytes:
    first, second = (Image.fromarray(_pixels(rng)) for _ in range(2))
    return _saved(first, "PNG", save_all=True, append_images=[second])


def _nifti(shape: tuple[int, ...], compress: bool) -> bytes:
    """A NIfTI header that promises much, and zeros behind it."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(shape), *shape, *(1,) * (7 - len(shape)))
    struct.pack_into("<hh", header, 70, 16, 32)
    struct.pack_into("<9f", header, 76, *(1.0,) * 8, 352.0)
    header[344:348] = b"n+1\0"
    content = bytes(header) + bytes(3_000_000)
    return gzip.compress(content, 1) if compress else content


def _nan(rng: np.random.Generator) -> bytes:
    values = rng.random((20, 20)).astype(np.float32)
    values[3, 4] = rng.choice([np.nan, np.inf, -np.inf])
    return _tiff(values)


REFUSED: dict[str, tuple[str, Make, str]] = {  # kind: suffix, content, words of the sentence
    "cut JPEG": (".jpg", lambda rng: _cut(_jpeg(rng), rng), "decoded"),
    "cut PNG": (".png", lambda rng: _cut(_saved(Image.fromarray(_pixels(rng, 64, 64))), rng), "decoded"),
    "cut TIFF": (".tif", lambda rng: _cut(_tiff(_pixels(rng, 64, 64)), rng), "decoded"),
    "empty": (".png", lambda rng: b"", "not a PNG or JPEG"),
    "text": (".png", lambda rng: b"hello " * int(rng.integers(1, 99)), "not a PNG or JPEG"),
    "noise": (".jpg", lambda rng: rng.bytes(500), "not a PNG or JPEG"),
    "EPS called PNG": (".png", _eps, "not a PNG or JPEG"),
    "GIF": (".png", lambda rng: _saved(Image.fromarray(_pixels(rng)), "GIF"), "not a PNG or JPEG"),
    "several frames": (".png", _frames, "frames"),
    "several pages": (".tif", lambda rng: _tiff(_pixels(rng, 3, 20, 20), photometric="minisblack"), "pages"),
    "tiny": (".png", lambda rng: _saved(Image.fromarray(_pixels(rng, 1, int(rng.integers(1, 8))))), "too small"),
    "bomb": (".png", _bomb, "million pixels"),
    "not finite": (".tif", _nan, "not finite"),
    "npy of objects": (".npy", lambda rng: _npy(np.full((9, 9), {"a": 1}, object)), "decoded"),
    "npy of three hundred channels": (".npy", lambda rng: _npy(np.zeros((300, 8, 8), np.uint8)), "channels"),
    "volume": (".nii", lambda rng: _nifti((32000, 32000, 1), False), ""),
    "zipped volume": (".nii.gz", lambda rng: _nifti((32000, 32000, 900), True), ""),
    "DICOM by its name in the head alone": (".dcm", lambda rng: bytes(128) + b"DICM" + rng.bytes(60), ""),
}  # fmt: skip
TAKEN: dict[str, tuple[str, Make]] = {
    "PNG": (".png", _png),
    "JPEG called PNG": (".png", _jpeg),
    "16 bits": (".png", lambda rng: _saved(Image.fromarray(rng.integers(0, 60000, (20, 20)).astype(np.uint16)))),
    "float TIFF": (".tif", lambda rng: _tiff((60000 * rng.random((20, 20))).astype(np.float32))),
    "palette": (".png", lambda rng: _saved(Image.fromarray(_pixels(rng)).convert("P"))),
    "CMYK": (".jpg", lambda rng: _saved(Image.fromarray(_pixels(rng, 20, 20, 4), "CMYK"), "JPEG")),
    "grey with alpha": (".png", lambda rng: _saved(Image.fromarray(_pixels(rng, 20, 20, 2), "LA"))),
    "colour with alpha": (".png", lambda rng: _saved(Image.fromarray(_pixels(rng, 20, 20, 4), "RGBA"))),
    "black and white": (".png", lambda rng: _saved(Image.fromarray(_pixels(rng) > 99))),
    "constant": (".png", lambda rng: _saved(Image.fromarray(np.full((20, 20), rng.integers(256), np.uint8)))),
    "narrow": (".png", lambda rng: _saved(Image.fromarray(_pixels(rng, 8, 900)))),
}
NAMES = ("plain", "with space", "ünïcödé-日本", "emoji-🧠", "new\nline", "a" * 240, "%s{0}", "-o", "<script>", "'\"")


def outcome(path: Path, content: bytes, words: str | None) -> str:
    """What becomes of a file: expected, or what was not; `words` are of the sentence that refuses it, None takes it."""
    path.write_bytes(content)
    try:
        image = read_image(path, DECLARED)
    except DataError as error:
        said = str(error)
        expected = words is not None and words in said and said.startswith(str(path))
        return "expected" if expected else f"said: {said}"
    except Exception as error:  # whatever it is, it is the finding
        return f"traceback: {type(error).__name__}: {error}"
    finally:
        unchanged = path.read_bytes() == content
        path.unlink()
    sound = unchanged and image.dtype == np.float32 and np.abs(image).max() <= 1
    return "expected" if words is None and sound else "taken"


def outcomes(folder: Path, each: int, seed: int = 0) -> Counter[tuple[str, str]]:
    """(kind, outcome) of so many files of each kind, whatever their names."""
    rng, counts = np.random.default_rng(seed), Counter[tuple[str, str]]()
    kinds = {**{k: (s, m, w) for k, (s, m, w) in REFUSED.items()}, **{k: (s, m, None) for k, (s, m) in TAKEN.items()}}
    for kind, (suffix, make, words) in kinds.items():
        for number in range(each):
            name = NAMES[number % len(NAMES)] + suffix
            counts[kind, outcome(folder / name, make(rng), words)] += 1
    return counts


def peak() -> int:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 if sys.platform == "darwin" else 1024)


def main(each: int = 20) -> None:
    with TemporaryDirectory() as folder:
        outcome(Path(folder) / "first.png", _png(np.random.default_rng(0)), None)
        before = peak()
        counts = outcomes(Path(folder), each)
    for (kind, result), number in counts.items():
        print(f"{number:4} {kind}: {result}")
    unexpected = sum(number for (_, result), number in counts.items() if result != "expected")
    print(f"{unexpected} of {counts.total()} unexpected; peak memory {peak() - before} MB above idle ({os.name})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
