"""A run's maps measured by Quantus (Hedstroem et al. 2023), as those of any other explanation; the judge is the model.

python examples/quantus_metrics.py RUN IMAGE...        images of the class that carries the object
"""

import sys
from pathlib import Path

import numpy as np
import quantus
import torch

import acdm
from acdm.data.images.frame import squares
from acdm.data.images.read import read_image

decomposer = acdm.load(sys.argv[1])
read = [read_image(Path(path), decomposer.reading) for path in sys.argv[2:]]
x = squares(read, decomposer.size).numpy()  # (B, C, S, S) in [-1, 1]
y = np.ones(len(x), int)  # class 1 carries the object
a = decomposer.attribute(torch.from_numpy(x), target=1).numpy()  # as Captum's attribute: shape of x


def again(model, inputs, targets, **_):
    """For metrics that change the image and want it explained anew."""
    targets = np.broadcast_to(targets, len(inputs))
    maps = [
        decomposer.attribute(torch.as_tensor(i)[None].float(), int(k)) for i, k in zip(inputs, targets, strict=True)
    ]
    return torch.cat(maps).numpy()


about = {"model": decomposer.judge.network, "x_batch": x, "y_batch": y, "a_batch": a, "device": "cpu"}
flipped = quantus.PixelFlipping(features_in_step=x[0].size // 16, disable_warnings=True)(**about)
for name, values in {
    "sparseness (Gini, 1 is one pixel)": quantus.Sparseness(disable_warnings=True)(**about),
    "largest change of the map under noise": quantus.MaxSensitivity(nr_samples=3, disable_warnings=True)(
        **{**about, "a_batch": None}, explain_func=again
    ),
    "probability after 1/16, 2/16, … of the pixels are blackened": np.mean(flipped, axis=0),
}.items():
    print(f"{name}: {np.round(values, 3).tolist()}")
