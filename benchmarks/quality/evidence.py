"""Ways to weigh the residual by what the judge sees (docs/results/choices.md); the default is `acdm.maps.evidence`.

    python benchmarks/quality/evidence.py RUN DATA [all|dev|final]

g is the judge's mean |gradient| between the rebuilt negative image and the image, averaged over a window of so large a
share of the side; f1 is the distance of the judge's features of the two images after its first layer, f the geometric
mean of the distances after the four next ones.  Every map is calibrated on the same training images as the residual is,
and has its sign.  Prints AUPRC, best Dice, Dice.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

import acdm
from acdm.core.device import flush_denormals
from acdm.core.memory import keep_memory
from acdm.data.folder import load_dataset
from acdm.data.images.frame import squares
from acdm.data.loading import load_images
from acdm.evaluation.looks import own_size
from acdm.evaluation.map_metrics import map_metrics
from acdm.evaluation.truth import read_truth
from acdm.maps.calibration import calibrate_like_residual, calibration_images, score
from acdm.maps.decomposer import Decomposer
from acdm.maps.evidence import gradients, nearby
from acdm.maps.judge import Judge

WINDOWS = {"1/8": 1 / 8, "1/4": 1 / 4}


def maps(model: Decomposer, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    residual = model.maps(x, y)["residual"]
    assert model.judge is not None
    weight = gradients(model.judge, x, residual)
    drawn = {"residual": residual}
    near = {name: nearby(weight, share) for name, share in WINDOWS.items()}
    for name, g in near.items():
        drawn |= {f"residual √g, {name}": residual * g.sqrt(), f"residual g, {name}": residual * g}
    first, *rest = _distances(model.judge, x, x - residual)
    mean = torch.stack(rest).prod(dim=0) ** (1 / len(rest))
    drawn["residual f1"] = residual * first
    drawn["residual √(g f1), 1/8"] = residual * (near["1/8"] * first).sqrt()
    drawn["residual f"] = residual * mean
    drawn["f alone"] = mean.expand_as(residual)
    return drawn


@torch.no_grad()
def _distances(judge: Judge, x: Tensor, rebuilt: Tensor) -> list[Tensor]:
    """Mean absolute difference of features, layer by layer, (n, 1, S, S) each."""
    found = []
    for part in zip(x.split(32), rebuilt.split(32), strict=True):
        pairs = zip(*(_features(judge, images) for images in part), strict=True)
        differences = [(a - b).abs().mean(dim=1, keepdim=True) for a, b in pairs]
        found.append([F.interpolate(d, x.shape[-2:], mode="bilinear") for d in differences])
    return [torch.cat(layer) for layer in zip(*found, strict=True)]


def _features(judge: Judge, x: Tensor) -> list[Tensor]:
    net = judge.network
    features = [net.maxpool(net.act(net.bn1(net.conv1(x))))]
    for layer in (net.layer1, net.layer2, net.layer3, net.layer4):
        features.append(layer(features[-1]))
    return features


def main(run: Path, data: Path, split: str = "dev") -> None:
    keep_memory()
    flush_denormals()
    model, dataset = acdm.load(run), load_dataset([data])
    truth, (x, y) = read_truth(dataset, split), calibration_images(*load_images(dataset, model.size).train)
    known = maps(model, x, y)
    polarity = calibrate_like_residual(known["residual"], y).polarity
    labels = torch.tensor([model.index(item.label) for item in truth.items])
    print("| map | AUPRC | best Dice | Dice |\n| --- | --- | --- | --- |")
    for name, drawn in maps(model, squares(truth.images, model.size), labels).items():
        calibration = calibrate_like_residual(known[name], y, "both" if name == "f alone" else polarity)
        raw = [score(m, calibration.polarity) for m in own_size(drawn, truth.images)]
        f = map_metrics(name, raw, truth, dataset, calibration)
        print(
            f"| {name} |",
            " | ".join(f"{getattr(f, key):.3f}" for key in ("auprc", "best_dice", "dice")),
            "|",
            flush=True,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
