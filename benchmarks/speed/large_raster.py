"""Memory that mapping and segmenting a large GeoTIFF takes: a mosaic of the test images of a data folder.

    python benchmarks/speed/large_raster.py RUN DATA [--side 10000] [--tile 128]

Prints, for a raster of an eighth of the side and for the whole, seconds, windows a second and by how much the process
grew beyond what it held before.  RUN is a run on DATA, whose images are all of one size.
"""

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import rasterio

import acdm
from acdm.core.memory import keep_memory, resident
from acdm.data.folder import load_dataset
from acdm.data.images.read import read_image
from acdm.maps.jobs.folders import map_folder
from acdm.maps.jobs.masks import Recipe, segment_folder
from acdm.maps.jobs.worklist import MapOptions, find_images


class Peak(threading.Thread):
    """The most memory held while the block runs, in MiB beyond what was held before it."""

    def __enter__(self) -> "Peak":
        self.before = self.most = resident()
        self.over = threading.Event()
        self.start()
        return self

    def run(self) -> None:
        while not self.over.wait(0.05):
            self.most = max(self.most, resident())

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.join()

    @property
    def grown(self) -> float:
        return self.most - self.before


def mosaic(path: Path, data: Path, side: int) -> None:
    """Test images of the data set side by side, in an order drawn from seed 0, written row by row."""
    images = [read_image(item.path) for item in load_dataset([data]).test]
    channels, height, width = images[0].shape
    rng = np.random.default_rng(0)
    about = {"driver": "GTiff", "dtype": "uint8", "count": channels, "height": side, "width": side, "tiled": True}
    place = {"crs": "EPSG:32632", "transform": rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)}
    with rasterio.open(path, "w", **about, **place, compress="deflate") as raster:
        for top in range(0, side, height):
            drawn = [images[i] for i in rng.integers(len(images), size=-(-side // width))]
            row = np.concatenate(drawn, axis=2)[:, : side - top, :side]
            window = rasterio.windows.Window(0, top, side, row.shape[1])
            raster.write(np.round((row + 1) * 127.5).astype(np.uint8), window=window)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--side", type=int, default=10_000)
    parser.add_argument("--tile", type=int, default=None)
    given = parser.parse_args()
    keep_memory()
    model = acdm.load(given.run)
    tile = given.tile or model.side or model.size
    with tempfile.TemporaryDirectory() as folder:
        for side in (given.side // 8, given.side):
            raster, windows = Path(folder) / f"{side}.tif", (2 * side // tile) ** 2
            mosaic(raster, given.data, side)
            files, options = find_images(raster), MapOptions(tile=tile)
            for name, work in {
                "map": map_folder(model, files, Path(folder) / f"maps-{side}", options),
                "segment": segment_folder(
                    model, files, Path(folder) / f"masks-{side}", options, Recipe(formats=("coco", "geojson"))
                ),
            }.items():
                began = time.perf_counter()
                with Peak() as peak:
                    list(work)
                seconds = time.perf_counter() - began
                print(
                    f"{name} {side} x {side}: {seconds:.0f} s, {windows / seconds:.0f} windows a second,"
                    f" grew by {peak.grown:.0f} MiB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
