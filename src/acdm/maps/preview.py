"""A decomposition as pages show it: small arrays, and their text for a script."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from acdm.core.config import MAPS, MapName
from acdm.maps.decomposition import Decomposition
from acdm.maps.kinds import KINDS

LONGEST = 128  # pixels of a side; larger images are shown smaller
LEVELS = 255  # of a byte
ZERO = 127  # the byte of a score of zero
HEAT = ((5, 20, 80), (60, 100, 190), (128, 128, 128), (235, 140, 50), (255, 240, 130))  # of -1 to 1; ever lighter
TOP = 4.0  # thresholds, beyond which a score is clipped

Arrays = Mapping[str, NDArray[Any]]


def preview(d: Decomposition, mask: NDArray[np.bool_] | None = None) -> dict[str, NDArray[Any]]:
    """Arrays of a decomposition, at most `LONGEST` pixels a side.

    Args:
        d: of an image (C, H, W).
        mask: (H, W), the truth, where it is known.

    Returns:
        `image`, and `own` and `other`, the image as it is rebuilt under its class and under the other, (C, h, w);
        `scores_<map>` (1, h, w), below zero where the map is dark, and `threshold_<map>` of each map; `truth` (h, w).
    """
    arrays = {"image": d.image, "own": d.reconstruction, "other": d.counterfactual}
    thresholds: dict[str, NDArray[Any]] = {}
    signs: dict[str, Tensor] = {}
    for name, signed in d.maps().items():
        known = signed.calibration
        assert known is not None  # the run is ready
        arrays[f"scores_{name}"] = torch.from_numpy(known.scores(signed))[None]
        signs[f"scores_{name}"] = torch.from_numpy(known.signs(signed))[None]
        thresholds[f"threshold_{name}"] = np.asarray(known.threshold)
    height, width = d.image.shape[1:]
    factor = min(1.0, LONGEST / max(height, width))
    size = (max(1, round(factor * height)), max(1, round(factor * width)))
    small = {name: interpolate(a[None].float(), size, mode="bilinear", antialias=True)[0] for name, a in arrays.items()}
    for scores, sign in signs.items():
        small[scores] *= interpolate(sign[None].float(), size, mode="nearest")[0]
    truth = torch.zeros(height, width) if mask is None else torch.from_numpy(mask).float()
    known_truth = interpolate(truth[None, None], size, mode="nearest")[0, 0] > 0
    return {
        **{name: a.numpy().astype(np.float16) for name, a in small.items()},
        **thresholds,
        "truth": known_truth.numpy(),
    }


def gallery(shown: MapName, images: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `explorer.js` reads: the map that is shown first, the colours of maps, and images by `as_text`."""
    return {"map": shown, "colours": HEAT, "images": list(images)}


def as_text(arrays: Arrays) -> dict[str, Any]:
    """What `explorer.js` reads of an image: base64 of bytes, channel after channel."""
    channels, height, width = arrays["image"].shape
    maps = {
        name: _scores(arrays[f"scores_{name}"].astype(np.float32), float(arrays[f"threshold_{name}"]))
        for name in MAPS
        if f"scores_{name}" in arrays  # fewer maps where an earlier version drew the gallery
    }
    return {
        **{"height": height, "width": width, "channels": channels, "maps": maps},
        **{name: _pixels(values) for name, values in {"image": arrays["image"], **_rebuilt(arrays)}.items()},
        "truth": _base64(arrays["truth"].astype(np.uint8)) if arrays["truth"].any() else None,
    }


def full_scale(threshold: float, name: MapName) -> float:
    """The end of a map's scale: 1 for a probability, else twice the threshold; the same for all images."""
    return 1.0 if KINDS[name].probability or not np.isfinite(threshold) or threshold <= 0 else 2 * threshold


def _rebuilt(arrays: Arrays) -> Arrays:
    """The image under its class and under the other; an earlier version kept branch 1 and the sum of the others.

    There the other class is guessed: branch 1 takes away what it adds.
    """
    if "own" in arrays:
        return {name: arrays[name] for name in ("own", "other")}
    return {"own": arrays["common"] + arrays["psi1"], "other": arrays["common"] - arrays["psi1"]}


def _scores(scores: NDArray[np.float32], threshold: float) -> dict[str, Any]:
    """Scores as bytes about `ZERO`, the largest one's size, and the threshold; None where the map claims nothing."""
    known = np.isfinite(threshold) and threshold > 0
    top = TOP * threshold if known else max(float(np.abs(scores).max()), 1e-6)
    share = np.clip(scores / top, -1, 1)
    return {
        "values": _base64(np.round((share + 1) * ZERO).astype(np.uint8)),
        "top": top,
        "threshold": threshold if np.isfinite(threshold) else None,  # JSON has no infinity
    }


def _pixels(values: NDArray[np.floating]) -> str:
    """Pixels in [-1, 1] as bytes; what is beyond is clipped."""
    return _base64(np.round((np.clip(values.astype(np.float32), -1, 1) + 1) / 2 * LEVELS).astype(np.uint8))


def _base64(values: NDArray[Any]) -> str:
    return b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
