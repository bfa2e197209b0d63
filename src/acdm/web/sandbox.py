"""Decoding a stranger's image in a process of its own, with limits on memory and time.

The process reads the file from its standard input and writes (C, H, W) as .npy to its standard output; nothing that it
says is ever unpickled.
"""

import subprocess
import sys
from io import BytesIO
from tempfile import NamedTemporaryFile

import numpy as np

from acdm.core.config import Reading
from acdm.data.images.arrays import Array
from acdm.errors import DataError

SECONDS = 10
MEMORY = 2 << 30  # bytes of address space
MAX_PIXELS = 4_000_000  # a page shows 128 pixels a side; more belongs to `acdm map`


def decode(content: bytes, reading: Reading) -> Array:
    """Decode the image that a file of that content holds: (C, H, W) in [-1, 1].

    Raises:
        DataError: when it holds none, or one too large, or decoding takes too much time or memory.
    """
    command = [sys.executable, "-m", "acdm.web.sandbox", reading.model_dump_json()]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=2 * SECONDS)
    except subprocess.TimeoutExpired:
        raise DataError("the image takes too long to decode") from None
    if done.returncode == 2:
        raise DataError(done.stderr.decode("utf-8", "replace").strip())
    if done.returncode:
        raise DataError("the image takes too much time or memory to decode")
    return np.asarray(np.load(BytesIO(done.stdout), allow_pickle=False))


def main(options: str) -> None:
    """Decode standard input; runs in a process of its own, which sets its limits first."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from pathlib import Path

    from acdm.data.images.read import read_image

    with NamedTemporaryFile() as file:
        file.write(sys.stdin.buffer.read())
        file.flush()
        try:
            image = read_image(Path(file.name), Reading.model_validate_json(options))
            if image.shape[1] * image.shape[2] > MAX_PIXELS:
                raise DataError(f"it has more than {MAX_PIXELS // 10**6} million pixels: use 'acdm map'")
        except DataError as error:
            print(str(error).removeprefix(f"{file.name}: "), file=sys.stderr)
            sys.exit(2)
    np.save(sys.stdout.buffer, image, allow_pickle=False)


if __name__ == "__main__":
    main(sys.argv[1])
