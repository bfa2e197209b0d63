"""An image taken apart, and its maps.

Axes: B images, N branches, C channels, H rows, W columns; pixels in [-1, 1].
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from acdm.core.config import MAPS
from acdm.data.images.arrays import Mask
from acdm.data.images.grid import Grid
from acdm.maps.calibration import Calibration
from acdm.method.compose import compose, distinction


@dataclass(frozen=True)
class Decomposition:
    """One image, taken apart under its own class and under another one.

    Attributes:
        image: (C, H, W) in [-1, 1], as the network saw it, on the image's own grid.
        psi: (N, C, H, W), branches under the own class.
        psi_other: (N, C, H, W), under the other class.
        drawn: residual and evidence, (C, H, W) each: maps that branches alone do not give.
        label, other: names of the two classes.
        positive: whether the own class is the one with the object.
        calibration: of each map; empty where the run has none yet.
        valid: (H, W), false where the file has no data, and maps are 0; None where all pixels count.
        grid: where the pixels lie in the world, if the file says.
    """

    image: Tensor
    psi: Tensor
    psi_other: Tensor
    drawn: Mapping[str, Tensor]
    label: str
    other: str
    positive: bool = True
    calibration: Mapping[str, Calibration] = field(default_factory=dict)
    valid: Mask | None = None
    grid: Grid | None = None

    @property
    def psi1(self) -> Tensor:
        """The paper's map: branch 1 under the image's own class.  (C, H, W), signed."""
        return self._told("psi1", distinction(self.psi[None])[0])

    @property
    def contrast(self) -> Tensor:
        """Branch 1 under the own class less branch 1 under the other: free of what both share.  (C, H, W), signed."""
        return self._told("contrast", self.psi1 - distinction(self.psi_other[None])[0])

    @property
    def reconstruction(self) -> Tensor:
        """x_hat under the own class, (C, H, W)."""
        return compose(self.psi[None])[0]

    @property
    def counterfactual(self) -> Tensor:
        """x_hat under the other class, (C, H, W)."""
        return compose(self.psi_other[None])[0]

    @property
    def residual(self) -> Tensor:
        """image - x_hat under the negative class: what must go to leave the positive class.  (C, H, W), signed."""
        return self._told("residual", self.drawn["residual"])

    @property
    def evidence(self) -> Tensor:
        """The residual, weighed by how much the judge hangs on a place.  (C, H, W), signed, no brightness."""
        return self._told("evidence", self.drawn["evidence"])

    def maps(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in MAPS}

    def _told(self, name: str, signed: Tensor) -> Tensor:
        """The map, 0 where there is no data, with its calibration as an attribute for `acdm.maps.segmentation`.

        Contrast of a negative image shows the object that the swap would add: there no named rule claims a pixel.
        """
        known = self.calibration.get(name)
        if known and name == "contrast" and not self.positive:
            known = known.silent()
        if self.valid is not None:
            signed = signed * torch.from_numpy(self.valid)
        signed.calibration = known  # type: ignore[attr-defined]
        return signed
