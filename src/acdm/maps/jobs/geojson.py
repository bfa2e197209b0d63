"""Regions on the earth: GeoJSON (RFC 7946) and areas in square metres."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from acdm.core.extras import extra
from acdm.data.images.arrays import Floats
from acdm.data.images.grid import GeoGrid
from acdm.maps.jobs.annotations import Detections
from acdm.maps.regions import Region

DEGREES = "EPSG:4326"  # RFC 7946 knows longitude and latitude alone
DIGITS = 8  # of a degree: a millimetre


def geojson(found: Sequence[Detections], category: str) -> dict[str, Any]:
    """A feature a region, its outline along pixel borders, of all images that say where on the earth they lie.

    Raises:
        DataError: when the geo extra is not installed.
    """
    features = [_feature(region, d.file, grid, category) for d in found if (grid := d.on_earth) for region in d.regions]
    return {"type": "FeatureCollection", "features": [feature for feature in features if feature]}


def square_metres(region: Region, grid: GeoGrid) -> float | None:
    """Area of a region: its pixels, as large as in the middle of its box; None where that is nowhere on the earth.

    The middle is projected with equal area around itself, so that neither degrees nor a map's scale distort it.
    """
    warp = extra("rasterio.warp", "geo", "measuring areas on the earth")
    top, left, bottom, right = region.box
    x, y = _world(grid, (top + bottom) / 2, (left + right) / 2)
    middle = to_degrees(grid, np.array([x]), np.array([y]))
    if middle is None:
        return None
    flat = f"+proj=laea +lat_0={middle[1][0]} +lon_0={middle[0][0]} +datum=WGS84 +units=m"
    a, b, _, d, e, _ = grid.transform
    xs, ys = warp.transform(grid.crs, flat, [x, x + a, x + b], [y, y + d, y + e])
    across, down = (xs[1] - xs[0], ys[1] - ys[0]), (xs[2] - xs[0], ys[2] - ys[0])
    area = region.area * abs(across[0] * down[1] - across[1] * down[0])
    return area if np.isfinite(area) else None


def to_degrees(grid: GeoGrid, x: Floats, y: Floats) -> tuple[Floats, Floats] | None:
    """Longitudes and latitudes of points of a grid; None for local coordinates, and for places outside a projection."""
    warp = extra("rasterio.warp", "geo", "finding places on the earth")
    try:
        longitude, latitude = (np.array(v) for v in warp.transform(grid.crs, DEGREES, x.ravel(), y.ravel()))
    except Exception:  # an engineering or unknown system: rasterio and GDAL raise several kinds
        return None
    if not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
        return None
    return longitude.reshape(x.shape), latitude.reshape(x.shape)


def _feature(region: Region, file: str, grid: GeoGrid, category: str) -> dict[str, Any] | None:
    """A region as a feature; None where it does not lie on the earth."""
    polygons = [polygon for half in _halves(region, grid) for polygon in _outline(half, grid)]
    if not polygons:
        return None
    about = {
        "file": file,
        "category": category,
        "score": region.score,
        "area_px": region.area,
        "area_m2": square_metres(region, grid),
    }
    return {"type": "Feature", "geometry": {"type": "MultiPolygon", "coordinates": polygons}, "properties": about}


def _halves(region: Region, grid: GeoGrid) -> list[Region]:
    """The parts of a region on either side of the 180th meridian; the region itself where its box lies on one side.

    Longitudes are counted on from the first pixel's, so that they have no jump (RFC 7946, 3.1.9).
    """
    top, left, bottom, right = region.box
    down, across = np.arange(top, bottom + 1), np.arange(left, right + 1)
    border = [(down, left), (down, right), (top, across), (bottom, across)]
    sides = [to_degrees(grid, *np.broadcast_arrays(*_world(grid, *side))) for side in border]
    longitudes = [side[0] for side in sides if side is not None]
    if len(longitudes) == len(sides):
        west, east = (float(end(np.concatenate(longitudes))) for end in (np.min, np.max))
        if west >= -180 and east <= 180 and east - west < 180:  # no jump anywhere: no need to look at every pixel
            return [region]
    rows, columns = np.mgrid[top:bottom, left:right] + 0.5
    found = to_degrees(grid, *_world(grid, rows, columns))
    if found is None:
        return []
    start = (found[0][0, 0] + 180) % 360 - 180
    longitude = (found[0] - start + 180) % 360 - 180 + start
    turns = np.floor((longitude + 180) / 360).astype(int)
    return [replace(region, mask=region.mask & (turns == k)) for k in np.unique(turns[region.mask]).tolist()]


def _outline(region: Region, grid: GeoGrid) -> list[list[list[list[float]]]]:
    """Polygons of a region on one side of the 180th meridian.

    Parts joined by a corner alone are polygons of their own, for no ring may touch itself.
    """
    features = extra("rasterio.features", "geo", "writing GeoJSON")
    rasterio = extra("rasterio", "geo", "writing GeoJSON")
    (a, b, _, d, e, _), (c, f) = grid.transform, _world(grid, *region.box[:2])
    place = rasterio.Affine(a, b, c, d, e, f)
    shapes = features.shapes(region.mask.astype(np.uint8), mask=region.mask, connectivity=4, transform=place)
    polygons = []
    for shape, _ in shapes:
        rings = [_in_degrees(np.array(ring), grid) for ring in shape["coordinates"]]
        if any(ring is None for ring in rings):
            return []
        polygons.append(_right_handed([ring for ring in rings if ring is not None]))
    return polygons


def _in_degrees(ring: Floats, grid: GeoGrid) -> list[tuple[float, float]] | None:
    """A ring (n, 2) as longitudes within 180 degrees and latitudes; None where it leaves the projection."""
    found = to_degrees(grid, ring[:, 0], ring[:, 1])
    if found is None:
        return None
    middle = np.angle(np.exp(1j * np.radians(found[0])).mean(), deg=True)  # of the ring, on the circle
    longitude = np.clip((found[0] - middle + 180) % 360 - 180 + middle, -180, 180)
    return [(round(float(x), DIGITS), round(float(y), DIGITS)) for x, y in zip(longitude, found[1], strict=True)]


def _right_handed(rings: Sequence[Sequence[tuple[float, float]]]) -> list[list[list[float]]]:
    """The outer ring counter-clockwise, holes clockwise (RFC 7946, 3.1.6)."""
    turned = []
    for number, ring in enumerate(rings):
        x, y = np.array(ring).T
        counter_clockwise = float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum()) > 0
        points = [[float(px), float(py)] for px, py in ring]
        turned.append(points if counter_clockwise == (number == 0) else points[::-1])
    return turned


def _world(grid: GeoGrid, row: Any, column: Any) -> tuple[Any, Any]:
    """x and y of places between pixels."""
    a, b, c, d, e, f = grid.transform
    return a * column + b * row + c, d * column + e * row + f
