"""Evaluate a run and keep with it what its report shows: results.json and a gallery."""

import numpy as np

from acdm.core.config import DEFAULT_MAP
from acdm.core.files import write_bytes, write_json
from acdm.core.run import Run
from acdm.data.images.write import npz, png
from acdm.evaluation import metrics
from acdm.evaluation.truth import Truth
from acdm.maps.decomposer import load
from acdm.maps.pictures import strip
from acdm.maps.preview import explored

GALLERY = 4  # random images a class beside the best, the median and the worst


def _write_gallery(run: Run, truth: Truth) -> None:
    """Best, median and worst positive image by AUPRC of the default map, and random images of both classes."""
    decomposer = load(run.path)
    positive = truth.only(decomposer.classes[1])
    calibration = decomposer.calibration[DEFAULT_MAP]
    values = {}
    for i in positive:
        if truth.masks[i].any() and not truth.masks[i].all():  # else there is nothing to rank by
            d = decomposer.decompose(truth.images[i], decomposer.classes[1])
            values[i] = metrics.auprc(calibration.scores(getattr(d, DEFAULT_MAP)), truth.masks[i])
    ranked = sorted(values, key=lambda i: -values[i])
    chosen = [("best", ranked[0]), ("median", ranked[len(ranked) // 2]), ("worst", ranked[-1])] if ranked else []
    rng = np.random.default_rng(0)
    for label in decomposer.classes:
        members = truth.only(label)
        chosen += [("random", int(i)) for i in rng.permutation(members)[:GALLERY]]
    entries = []
    for number, (why, i) in enumerate(chosen):
        item = truth.items[i]
        d = decomposer.decompose(truth.images[i], item.label)
        write_bytes(run.gallery / f"{number}.png", png(strip(d)))
        write_bytes(run.gallery / f"{number}.npz", npz(explored(d, truth.masks[i])))
        entries.append(
            {
                "picture": f"{number}.png",
                "why": why,
                "label": item.label,
                "file": item.path.name,
                "auprc": values.get(i),
            }
        )
    write_json(run.gallery / "gallery.json", {"images": entries})
