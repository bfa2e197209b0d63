"""Does memory or the number of open files grow while training and mapping?

    python benchmarks/reliability/leaks.py [STEPS] [IMAGES]

Prints the slope of resident memory by least squares, after a tenth has passed, and the number of open descriptors then
and at the end.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

import acdm
from acdm.core.config import Config
from acdm.core.memory import keep_memory, resident
from acdm.data.batches import Batches
from acdm.data.sets.synthetic import write_synthetic
from acdm.maps.jobs.folders import map_folder
from acdm.maps.jobs.worklist import MapOptions, find_images
from acdm.method.players import assemble
from acdm.training.loop import train_steps

NETWORK = {"branches": 3, "width": 8, "max_width": 8, "discriminator_width": 8, "discriminator_max_width": 16}


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


class Watch:
    """Samples taken as something goes on."""

    def __init__(self, total: int) -> None:
        self.total, self.at, self.bytes, self.open = total, [], [], []

    def __call__(self, done: int) -> None:
        if done > self.total / 10 and done % 10 == 0:
            self.at.append(done)
            self.bytes.append(resident() * 2**20)
            self.open.append(descriptors())

    def __str__(self) -> str:
        slope = np.polyfit(self.at, self.bytes, 1)[0]
        files = f"{self.open[0]} descriptors, {self.open[-1]} at the end"
        return f"{slope:.0f} bytes a step; {files}; {self.bytes[-1] / 2**20:.0f} MB"


def main(steps: int = 10_000, images: int = 10_000) -> None:
    keep_memory()
    torch.set_flush_denormal(True)
    config = Config.of({"size": 32, "network": NETWORK})
    x = torch.rand(64, 1, 32, 32) * 2 - 1
    batches = Batches(x, torch.arange(64) % 2, config.drawn, config.augment, 0)
    watch = Watch(steps)
    for record in train_steps(assemble(config, 1, 2, torch.device("cpu")), batches, config, steps):
        watch(record.step)
    print(f"training, {steps} steps: {watch}")
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_synthetic(folder / "toy", "1", 32, train=80, test=images, seed=0)
        run = acdm.train(folder / "toy", out=folder / "run", size=32, steps=20, network=NETWORK)
        watch = Watch(images)
        for number, _ in enumerate(
            map_folder(acdm.load(run.path), find_images(folder / "toy/test"), folder / "maps", MapOptions()), start=1
        ):
            watch(number)
        print(f"mapping, {images} images: {watch}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
