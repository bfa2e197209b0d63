"""Maps and masks of many images: a folder an image, archives, Dask, and masks, from start-up to the last file.

    python benchmarks/speed/mapping.py RUN [COUNT] [SHARD] [--only object]

COUNT images of noise, of the run's size, are mapped by one process into folders, segmented, mapped into archives, and
into archives by Dask with one worker and with two, one thread each; the networks alone are timed beside them.  With
`--only object` the segmenter draws, without the branches.  Prints seconds, images a second, and bytes and files an
image.
"""

import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image

from acdm.core.device import flush_denormals
from acdm.core.memory import keep_memory
from acdm.maps.jobs.folders import map_folder
from acdm.maps.jobs.masks import Recipe, segment_folder
from acdm.maps.jobs.on_dask import shards_on_dask
from acdm.maps.jobs.shards import map_shards
from acdm.maps.jobs.worklist import MapOptions, find_images
from acdm.maps.loading import load


def timed(name: str, count: int, out: Path | None, call: Callable[[], Iterable[Any]]) -> None:
    began = time.perf_counter()
    for _ in call():
        pass
    seconds = time.perf_counter() - began
    files = [path for path in out.rglob("*") if path.is_file()] if out else []
    size = sum(path.stat().st_size for path in files) / count
    print(
        f"| {name} | {seconds:.1f} | {count / seconds:.0f} | {size / 1024:.0f} kB, {len(files) / count:.2f} files |",
        flush=True,
    )


def main(run: Path, count: int, size: int, alone: bool) -> None:
    keep_memory()
    flush_denormals()
    decomposer = load(run, alone=alone)
    label = decomposer.classes[1]
    rng = np.random.default_rng(0)
    side, channels = decomposer.size, decomposer.branches.channels
    x, y = torch.rand(32, channels, side, side) * 2 - 1, torch.arange(32) % 2
    decomposer.maps(x, y)  # the first call takes longer
    with TemporaryDirectory() as folder:
        images = Path(folder) / "images"
        images.mkdir()
        for number in range(count):
            pixels = rng.integers(0, 256, (side, side, channels), np.uint8)
            Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels).save(images / f"{number:06d}.png")
        files, one = find_images(images), find_images(images / "000000.png")
        outs = [Path(folder) / name for name in ("a", "b", "c", "d")]
        masks = Path(folder) / "masks"
        print(f"{torch.get_num_threads()} threads, {count} images of {side} px")
        print("| | seconds | images a second | an image |\n| --- | --- | --- | --- |")
        timed(
            "the networks alone",
            count,
            None,
            lambda: (decomposer.maps(x, y) for _ in range(count // 32)),
        )
        timed(
            "folders, one process",
            count,
            outs[0],
            lambda: map_folder(decomposer, files, outs[0], MapOptions(label=label)),
        )
        timed(
            "masks, one process",
            count,
            masks,
            lambda: segment_folder(decomposer, files, masks, MapOptions(label=label), Recipe()),
        )
        timed("archives, one process", count, outs[1], lambda: map_shards(decomposer, files, outs[1], label, size))
        for workers in (1, 2):
            out = outs[1 + workers]
            call = lambda w=workers, o=out: shards_on_dask(run, files, o, label, size // 4, w, alone=alone)  # noqa: E731
            timed(f"archives, Dask, {workers} of one thread", count, out, call)
            least = Path(folder) / f"one-{workers}"
            call = lambda w=workers, o=least: shards_on_dask(run, one, o, label, 1, w, alone=alone)  # noqa: E731
            timed(f"… its start-up: one image, {workers} workers", 1, least, call)


if __name__ == "__main__":
    parser = ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("count", type=int, nargs="?", default=1024)
    parser.add_argument("size", type=int, nargs="?", default=256)
    parser.add_argument("--only", choices=["object"])
    given = parser.parse_args()
    main(given.run, given.count, given.size, alone=given.only is not None)
