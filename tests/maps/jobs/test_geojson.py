import json

import numpy as np
import pytest
from extras import installed

from acdm.data.images.grid import GeoGrid
from acdm.maps.jobs.annotations import Detections
from acdm.maps.jobs.geojson import geojson, square_metres
from acdm.maps.regions import regions_of

rasterio = installed("rasterio")
pytestmark = pytest.mark.skipif(rasterio is None, reason="the geo extra is not installed")


def grid(epsg, *transform):
    return GeoGrid(transform, rasterio.CRS.from_epsg(epsg).to_wkt())


def detections(mask, place):
    return Detections(
        file="a.tif",
        height=mask.shape[0],
        width=mask.shape[1],
        regions=regions_of([(0, mask, mask.astype(float))]),
        grid=place,
    )


@pytest.fixture
def block():
    mask = np.zeros((100, 100), bool)
    mask[40:60, 30:60] = True
    return mask


def test_areas_are_those_of_the_ellipsoid(block):
    """On the equator a degree of longitude is 111,319.5 m and one of latitude 110,574.3 m (WGS 84)."""
    degrees = grid(4326, 1e-4, 0, 9.0, 0, -1e-4, 0.005)
    (region,) = detections(block, degrees).regions
    assert square_metres(region, degrees) == pytest.approx(600 * 11.13195 * 11.05743, rel=1e-5)


def test_a_map_that_stretches_does_not_stretch_areas(block):
    """Web Mercator stretches lengths by 1 / cos(latitude), at 60 degrees twice, areas four times."""
    x, y = rasterio.warp.transform("EPSG:4326", "EPSG:3857", [9.0], [60.0])
    mercator = grid(3857, 1.0, 0, x[0] - 45, 0, -1.0, y[0] + 50)
    (region,) = detections(block, mercator).regions
    assert square_metres(region, mercator) == pytest.approx(600 / 4, rel=0.01)
    utm = grid(32632, 0.5, 0, 500_000, 0, -0.5, 6_650_000)  # on its central meridian scale is .9996
    assert square_metres(region, utm) == pytest.approx(600 * 0.25 / 0.9996**2, rel=1e-4)


def test_outlines_lie_where_the_pixels_are_and_turn_as_the_rfc_asks(block):
    block[45:50, 40:45] = False  # a hole
    block[60, 60] = True  # joined by a corner
    place = grid(4326, 0.01, 0, 9.0, 0, -0.01, 50.0)
    written = json.loads(json.dumps(geojson([detections(block, place)], "car")))
    (feature,) = written["features"]
    assert feature["properties"]["category"] == "car"
    assert feature["properties"]["area_px"] == 600 - 25 + 1
    assert feature["geometry"]["type"] == "MultiPolygon"
    lone, large = sorted(feature["geometry"]["coordinates"], key=len)
    assert sorted(map(tuple, lone[0][:-1])) == [(9.6, 49.39), (9.6, 49.4), (9.61, 49.39), (9.61, 49.4)]
    outer, hole = (np.array(ring) for ring in large)
    np.testing.assert_allclose([outer.min(0), outer.max(0)], [(9.3, 49.4), (9.6, 49.6)], atol=1e-7)
    np.testing.assert_allclose([hole.min(0), hole.max(0)], [(9.4, 49.5), (9.45, 49.55)], atol=1e-7)
    assert turn(outer) > 0 > turn(hole)


def turn(ring):
    x, y = ring.T
    return (x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2


def test_images_that_lie_nowhere_have_no_feature(block):
    assert geojson([detections(block, None)], "car")["features"] == []
