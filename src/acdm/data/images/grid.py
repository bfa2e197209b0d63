"""Where pixels lie in the world, so that maps lie on their images: GeoTIFF and NIfTI geometry.

Only geometry is kept; nothing else of a header, least of all who the patient is, ever reaches an output.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class GeoGrid:
    """The place of a georeferenced raster on the earth.

    Attributes:
        transform: (a, b, c, d, e, f); x = a * column + b * row + c, y = d * column + e * row + f, of pixel corners.
        crs: coordinate reference system as WKT; "" where the file names none.
    """

    transform: tuple[float, float, float, float, float, float]
    crs: str

    @classmethod
    def of(cls, raster: Any) -> "GeoGrid":
        """Read the place of an open rasterio dataset."""
        a, b, c, d, e, f = tuple(raster.transform)[:6]
        return cls((a, b, c, d, e, f), raster.crs.to_wkt() if raster.crs else "")


@dataclass(frozen=True)
class VoxelGrid:
    """The place of a NIfTI volume in the patient.

    Attributes:
        affine: 4 x 4, from voxel indices to millimetres.
        axis: along which the slices are cut.
        shape: of the whole volume.
    """

    affine: tuple[tuple[float, ...], ...]
    axis: int
    shape: tuple[int, ...]

    def matrix(self) -> NDArray[np.float64]:
        return np.array(self.affine)


Grid = GeoGrid | VoxelGrid
