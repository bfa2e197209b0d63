"""Would the judge's evidence make a better map?  An idea on trial (docs/results/choices.md).

    python benchmarks/evidence.py RUN DATA [all|dev|final]

The residual r = x - x_hat (negative class) is multiplied by how much the judge's decision hangs on a place: the mean of
|gradient of its logits' difference| on the straight path from the rebuilt negative image to the image (as in integrated
gradients, with the counterfactual as baseline), averaged over channels and over a window, to a power.  Every map is
calibrated on the same training images as the residual is.  Prints AUPRC, Dice and box recall of each.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import acdm
from acdm.calibrate import calibrate_like_residual, some_of_each
from acdm.data.folder import load_dataset
from acdm.decompose import Decomposer, squares
from acdm.decomposition import network_maps
from acdm.device import flush_denormals
from acdm.evaluate import map_figures, own_size
from acdm.intake import take_in
from acdm.judge import Judge
from acdm.memory import keep_memory
from acdm.truth import read_truth

POINTS = 8  # of the path
WINDOWS = (1 / 8, 1 / 4)  # shares of the side
POWERS = (0.5, 1.0)


def pull(judge: Judge, x: Tensor, start: Tensor) -> Tensor:
    """Mean size of the judge's gradient from `start` to `x`, both (n, C, S, S) -> (n, 1, S, S)."""
    parts = []
    for image, begin in zip(x.split(32), start.split(32), strict=True):
        total = torch.zeros_like(image)
        for k in range(POINTS):
            point = (begin + (k + 0.5) / POINTS * (image - begin)).requires_grad_(True)
            logits = judge.network(point)
            total += torch.autograd.grad((logits[:, 1] - logits[:, 0]).sum(), point)[0]
        parts.append((total / POINTS).abs().mean(dim=1, keepdim=True))
    return torch.cat(parts)


def maps(model: Decomposer, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    residual = network_maps(x, y, *model.split(x, y, 1 - y))["residual"]
    assert model.judge is not None
    weight = pull(model.judge, x, x - residual)
    drawn = {"residual": residual}
    for share in WINDOWS:
        window = round(share * x.shape[-1]) // 2 * 2 + 1
        blurred = F.avg_pool2d(weight, window, 1, window // 2, count_include_pad=False)
        drawn |= {f"window {window}, power {power}": residual * blurred**power for power in POWERS}
    return drawn


def main(run: Path, data: Path, split: str = "dev") -> None:
    keep_memory()
    flush_denormals()
    model, dataset = acdm.load(run), load_dataset([data])
    truth, (x, y) = read_truth(dataset, split), take_in(dataset, model.size).train
    chosen = some_of_each(y)
    known = maps(model, x[chosen], y[chosen])
    labels = torch.tensor([model.index(item.label) for item in truth.items])
    print("| map | AUPRC | best Dice | Dice | pointing | box recall |\n| --- | --- | --- | --- | --- | --- |")
    for name, drawn in maps(model, squares(truth.images, model.size), labels).items():
        calibration = calibrate_like_residual(known[name], y[chosen])
        signed = own_size({name: drawn}, truth, model.size)[name]
        f = map_figures(name, signed, truth, dataset, calibration)
        figures = (f[key] for key in ("auprc", "best_dice", "dice", "pointing_game", "box_recall"))
        print(f"| {name} |", " | ".join(f"{value:.3f}" for value in figures), "|", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
