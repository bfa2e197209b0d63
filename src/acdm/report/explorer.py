"""Images of the gallery as the page's script reads them: base64 of 16-bit integers, channel after channel."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acdm.run import Run

SCALE = 8192  # integers to 1; values beyond 4 are clipped


def encoded(run: Run, gallery: Sequence[dict[str, Any]], default_map: str) -> dict[str, Any]:
    """What `explorer.js` calls GALLERY.

    Args:
        run: evaluated.
        gallery: entries of gallery.json; each has an .npz beside its picture.
        default_map: which map is shown first.
    """
    images = []
    for entry in gallery:
        with np.load((run.gallery / entry["picture"]).with_suffix(".npz"), allow_pickle=False) as arrays:
            channels, height, width = arrays["image"].shape
            maps = {
                name.removeprefix("scores_"): {
                    "values": _integers(arrays[name]),
                    "threshold": float(arrays[name.replace("scores_", "threshold_")]),
                }
                for name in arrays.files
                if name.startswith("scores_")
            }
            images.append(
                {
                    **{key: entry[key] for key in ("why", "file", "label")},
                    **{"height": height, "width": width, "channels": channels, "maps": maps},
                    **{name: _integers(arrays[name]) for name in ("image", "common", "psi1")},
                    "truth": _base64(arrays["truth"].astype(np.uint8)) if arrays["truth"].any() else None,
                }
            )
    return {"scale": SCALE, "map": default_map, "images": images}


def _integers(values: NDArray[np.floating]) -> str:
    limit = 2**15 - 1
    return _base64(np.clip(np.round(values.astype(np.float32) * SCALE), -limit, limit).astype("<i2"))


def _base64(values: NDArray[Any]) -> str:
    return b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
