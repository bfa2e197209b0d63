"""A decomposed image and its maps.

Axes: N branches, C channels, H rows, W columns; pixels in [-1, 1].
"""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from acdm.core.config import DEFAULT_MAP, MAPS, TAUGHT, MapName
from acdm.data.images.arrays import Mask
from acdm.data.images.grid import Grid
from acdm.errors import RunError
from acdm.maps.calibration import Calibration
from acdm.maps.kinds import KINDS
from acdm.method.compose import compose, distinction

if TYPE_CHECKING:
    from PIL.Image import Image

NO_SEGMENTER = (
    "this run draws no map 'object': it has no segmenter (add one with 'acdm train DATA -o RUN --resume --segmenter'),"
    " or the features it was taught on are not here (pip install 'acdm[features]', or --features PATH for a file of"
    " your own)"
)
OF_BRANCHES = ("psi1", "contrast")  # maps that branches alone give


class SignedMap(Tensor):
    """A map (C, H, W) that knows its calibration; a cut of it, such as `d.evidence[:, :64]`, knows it, too.

    What arithmetic makes of it is a plain tensor, for its values are no longer those that were calibrated.

    Attributes:
        calibration: how it becomes scores and a mask; None where the run has none yet.
    """

    calibration: Calibration | None = None

    @classmethod
    def of(cls, signed: Tensor, calibration: Calibration | None) -> "SignedMap":
        """A tensor as a map with this calibration; they share their memory."""
        made: SignedMap = signed.as_subclass(cls)
        made.calibration = calibration
        return made

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Sequence[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        cut = func is Tensor.__getitem__ and isinstance(args[0], cls)
        return cls.of(result, args[0].calibration) if cut else result


@dataclass(frozen=True, kw_only=True, repr=False)
class Decomposition:
    """One image, decomposed under its own class and under another one.

    Attributes:
        image: (C, H, W) in [-1, 1], as the network saw it, on the image's own grid.
        psi: (N, C, H, W), branches under the own class; none where the segmenter worked alone.
        psi_other: (N, C, H, W), branches under the other class.
        drawn: the maps that branches alone do not give: residual and evidence, (C, H, W) each, and object, (1, H, W),
            where the run has a segmenter.
        label, other: names of the two classes.
        positive: whether the own class is the one with the object.
        default_map: the map that masks are cut from where nothing else is asked for.
        calibration: of each map; empty where the run has none yet.
        valid: (H, W), false where the file has no data, and maps are 0; None where all pixels count.
        grid: where the pixels lie in the world, if the file says.
    """

    image: Tensor
    psi: Tensor
    psi_other: Tensor
    drawn: Mapping[MapName, Tensor]
    label: str
    other: str
    positive: bool = True
    default_map: MapName = DEFAULT_MAP
    calibration: Mapping[MapName, Calibration] = field(default_factory=dict)
    valid: Mask | None = None
    grid: Grid | None = None

    @property
    def branched(self) -> bool:
        """Whether there are branches; without them, `object` is the only map."""
        return len(self.psi) > 0

    @property
    def psi1(self) -> SignedMap:
        """The paper's map: branch 1 under the image's own class.  (C, H, W), signed."""
        return self._map("psi1", distinction(self.psi[None])[0])

    @property
    def contrast(self) -> SignedMap:
        """Branch 1 under the own class less branch 1 under the other: free of what both share.  (C, H, W), signed."""
        return self._map("contrast", distinction(self.psi[None])[0] - distinction(self.psi_other[None])[0])

    @property
    def reconstruction(self) -> Tensor:
        """x_hat under the own class, (C, H, W)."""
        return compose(self.psi[None])[0]

    @property
    def counterfactual(self) -> Tensor:
        """x_hat under the other class, (C, H, W)."""
        return compose(self.psi_other[None])[0]

    @property
    def residual(self) -> SignedMap:
        """image - x_hat under the negative class: what must go to leave the positive class.  (C, H, W), signed."""
        return self._map("residual", self.drawn["residual"])

    @property
    def evidence(self) -> SignedMap:
        """The residual, weighed by how much the check classifier hangs on a place.  (C, H, W), signed."""
        return self._map("evidence", self.drawn["evidence"])

    @property
    def object(self) -> SignedMap:
        """The segmenter's probability of the object, (1, H, W) in [0, 1].

        Raises:
            RunError: when the run has no segmenter, or its features are not here.
        """
        if TAUGHT not in self.drawn:
            raise RunError(NO_SEGMENTER)
        return self._map(TAUGHT, self.drawn[TAUGHT])

    def plot(self) -> "Image":
        """The image, map, mask and counterfactual, branches and other maps; a picture that notebooks show."""
        from PIL.Image import fromarray

        from acdm.maps.pictures import strip

        return fromarray(strip(self))

    def save(self, folder: Path | str) -> None:
        """Write everything that `acdm map` writes of one image; raises WriteError when the disk refuses."""
        from acdm.maps.jobs.folders import write_decomposition

        write_decomposition(Path(folder), self)

    def __repr__(self) -> str:
        c, h, w = self.image.shape
        maps = ", ".join(self.maps())
        return f"<Decomposition: {w} x {h} pixels, {c} channels, class {self.label}, {len(self.psi)} branches, {maps}>"

    def _repr_html_(self) -> str:
        buffer = BytesIO()
        self.plot().save(buffer, "PNG")
        picture, words = b64encode(buffer.getvalue()).decode("ascii"), escape(repr(self))
        return f'<figure><img src="data:image/png;base64,{picture}" alt=""><figcaption>{words}</figcaption></figure>'

    def maps(self) -> dict[MapName, SignedMap]:
        """Every map by its name, (C, H, W) or (1, H, W) each."""
        there = (*self.drawn, *(OF_BRANCHES if self.branched else ()))
        return {name: getattr(self, name) for name in MAPS if name in there}

    def _map(self, name: MapName, signed: Tensor) -> SignedMap:
        """The map, 0 where there is no data; on a negative image it may claim nothing (`MapKind`)."""
        known = self.calibration.get(name)
        if known and not self.positive and not KINDS[name].claims_on_negatives:
            known = known.claiming_nothing()
        if self.valid is not None:
            signed = signed * torch.from_numpy(self.valid)
        return SignedMap.of(signed, known)
