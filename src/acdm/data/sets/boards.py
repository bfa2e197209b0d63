"""Real images that come with the package: crops of circuit boards, with and without a flaw.

From DeepPCB (MIT, Copyright (c) 2018 tangsanli5201), 64 x 64 px, grey; `benchmarks/quality/boards_sample.py` cut them.
"""

from importlib import resources
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from acdm.core.files import write_bytes
from acdm.data.sets.layout import empty_folder

POSITIVE = "flaw"


def write_boards(out: Path) -> Path:
    """Write a data folder of some 430 training images a class, and of 137 test images of another board, with masks.

    Raises:
        DataError: when something is there already.
        WriteError: when the disk refuses.
    """
    folder = empty_folder(out)
    packed = (resources.files("acdm.data.sets") / "boards.zip").read_bytes()
    with ZipFile(BytesIO(packed)) as archive:
        for name in archive.namelist():
            write_bytes(folder / name, archive.read(name))
    return folder
