"""Decoding a stranger's image in a process of its own, with limits on memory and time.

The process reads a file in a folder of ours and writes (C, H, W) as .npy to its standard output; nothing that it says
is ever unpickled, and nothing that it leaves stays.
"""

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from acdm.core.config import Reading
from acdm.data.images.arrays import Array
from acdm.errors import DataError

SECONDS = 10
REFUSED = 2  # exit code
GZIP = b"\x1f\x8b"  # the first bytes of what it has packed, as NIfTI files often are
MEMORY = 2 << 30  # bytes of address space
MAX_PIXELS = 4_000_000  # a page shows 128 pixels a side; more belongs to `acdm map`


def decode(content: bytes, reading: Reading) -> Array:
    """Decode the image that a file of that content holds: (C, H, W) in [-1, 1].

    Raises:
        DataError: when it holds none, or one too large, or decoding takes too much time or memory.
    """
    with TemporaryDirectory(prefix="acdm-") as folder:  # of this process, which stays when the other one is stopped
        file = Path(folder) / ("image.gz" if content.startswith(GZIP) else "image")
        file.write_bytes(content)
        command = [sys.executable, "-m", "acdm.web.sandbox", str(file), reading.model_dump_json()]
        environment = {**os.environ, "TMPDIR": folder}
        try:
            done = subprocess.run(command, capture_output=True, timeout=2 * SECONDS, env=environment)
        except subprocess.TimeoutExpired:
            raise DataError("the image takes too long to decode") from None
    if done.returncode == REFUSED:
        raise DataError(done.stderr.decode("utf-8", "replace").strip())
    if done.returncode < 0 or b"MemoryError" in done.stderr:
        raise DataError("the image takes too much time or memory to decode")
    if done.returncode:
        raise DataError("the image cannot be decoded; it is damaged, or not what it says")
    return np.asarray(np.load(BytesIO(done.stdout), allow_pickle=False))


def main(file: Path, options: str) -> None:
    """Decode a file to standard output; runs in a process of its own, which sets its limits first."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from acdm.data.images.read import read_image

    try:
        image = read_image(file, Reading.model_validate_json(options))
        if image.shape[1] * image.shape[2] > MAX_PIXELS:
            raise DataError(f"it has more than {MAX_PIXELS // 10**6} million pixels: use 'acdm map'")
    except DataError as error:
        print(str(error).removeprefix(f"{file}: "), file=sys.stderr)
        sys.exit(REFUSED)
    np.save(sys.stdout.buffer, image, allow_pickle=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
