"""Regions on the earth: GeoJSON (RFC 7946) and areas in square metres."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from acdm.core.extras import extra
from acdm.data.images.grid import GeoGrid
from acdm.maps.jobs.annotations import Detections
from acdm.maps.regions import Region

DEGREES = "EPSG:4326"  # RFC 7946 knows longitude and latitude alone
DIGITS = 8  # of a degree: a millimetre


def geojson(found: Sequence[Detections], category: str) -> dict[str, Any]:
    """A feature a region, its outline along pixel borders, of all images that say where they lie.

    Raises:
        DataError: when the geo extra is not installed.
    """
    features = [_feature(region, d.file, grid, category) for d in found if (grid := d.on_earth) for region in d.regions]
    return {"type": "FeatureCollection", "features": features}


def square_metres(region: Region, grid: GeoGrid) -> float:
    """Area of a region: its pixels, as large as in the middle of its box.

    The middle is projected with equal area around itself, so that neither degrees nor a map's scale distort it.
    """
    warp = extra("rasterio.warp", "geo", "measuring areas on the earth")
    top, left, bottom, right = region.box
    x, y = _world(grid, (top + bottom) / 2, (left + right) / 2)
    (longitude,), (latitude,) = warp.transform(grid.crs, DEGREES, [x], [y])
    flat = f"+proj=laea +lat_0={latitude} +lon_0={longitude} +datum=WGS84 +units=m"
    a, b, _, d, e, _ = grid.transform
    xs, ys = warp.transform(grid.crs, flat, [x, x + a, x + b], [y, y + d, y + e])
    across, down = (xs[1] - xs[0], ys[1] - ys[0]), (xs[2] - xs[0], ys[2] - ys[0])
    return region.area * abs(across[0] * down[1] - across[1] * down[0])


def _feature(region: Region, file: str, grid: GeoGrid, category: str) -> dict[str, Any]:
    about = {
        "file": file,
        "category": category,
        "score": region.score,
        "area_px": region.area,
        "area_m2": square_metres(region, grid),
    }
    return {"type": "Feature", "geometry": _outline(region, grid), "properties": about}


def _outline(region: Region, grid: GeoGrid) -> dict[str, Any]:
    """Parts joined by a corner alone are polygons of their own, for no ring may touch itself."""
    features = extra("rasterio.features", "geo", "writing GeoJSON")
    warp = extra("rasterio.warp", "geo", "writing GeoJSON")
    rasterio = extra("rasterio", "geo", "writing GeoJSON")
    (a, b, _, d, e, _), (c, f) = grid.transform, _world(grid, *region.box[:2])
    place = rasterio.Affine(a, b, c, d, e, f)
    shapes = features.shapes(region.mask.astype(np.uint8), mask=region.mask, connectivity=4, transform=place)
    polygons = [warp.transform_geom(grid.crs, DEGREES, shape, precision=DIGITS) for shape, _ in shapes]
    return {"type": "MultiPolygon", "coordinates": [_right_handed(polygon["coordinates"]) for polygon in polygons]}


def _right_handed(rings: Sequence[Sequence[tuple[float, float]]]) -> list[list[list[float]]]:
    """The outer ring counter-clockwise, holes clockwise (RFC 7946, 3.1.6)."""
    turned = []
    for number, ring in enumerate(rings):
        x, y = np.array(ring).T
        counter_clockwise = float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) > 0
        points = [[float(px), float(py)] for px, py in ring]
        turned.append(points if counter_clockwise == (number == 0) else points[::-1])
    return turned


def _world(grid: GeoGrid, row: float, column: float) -> tuple[float, float]:
    a, b, c, d, e, f = grid.transform
    return a * column + b * row + c, d * column + e * row + f
