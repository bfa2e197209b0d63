"""A classifier and three ways to ask it where it looked: Grad-CAM, integrated gradients, occlusion (Captum).

The classifier is the judge's small ResNet with its early stopping (`acdm.maps.judge`), given more steps.
"""

import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from acdm.core.device import automatic_device
from acdm.core.extras import extra
from acdm.evaluation.baselines.interface import Fitted, Images, Maps
from acdm.maps.judge import Judge, train_judge

STEPS = 2400  # at most; early stopping ends it sooner
PATIENCE = 12  # rounds
POINTS = 32  # of the path that gradients are integrated along
PATCH, STRIDE = 1 / 8, 1 / 32  # shares of the side, of what occlusion covers


def fit_classifier(images: Images, minutes: float, seed: int) -> Fitted:
    """Fit the classifier and give the maps that explain it; raises DataError where Captum is not installed."""
    attr = extra("captum.attr", "xai", "explaining a classifier")
    until = time.perf_counter() + 60 * minutes
    augment = images.config.augment
    device = automatic_device()
    judge = train_judge(images.train, images.validation, augment, seed, STEPS, PATIENCE, until=until, device=device)
    x, y = images.validation
    accuracy = float((judge.probabilities(x).argmax(dim=1) == y).float().mean())
    evidence = _Evidence(judge).eval()
    integrated, occlusion = attr.IntegratedGradients(evidence), attr.Occlusion(evidence)
    mean = images.train[0].mean(dim=(0, 2, 3), keepdim=True).to(device)  # (1, C, 1, 1), what nothing looks like

    def grad_cam(layer: nn.Module) -> Maps:
        cam = attr.LayerGradCam(evidence, layer)

        def draw(part: Tensor) -> Tensor:
            coarse = cam.attribute(part, relu_attributions=True).detach()
            return F.interpolate(coarse, part.shape[-2:], mode="bilinear")

        return _in_parts(draw, device)

    def covered(part: Tensor) -> Tensor:
        side = part.shape[-1]
        window, stride = max(2, round(PATCH * side)), max(1, round(STRIDE * side))
        shape = (part.shape[1], window, window)
        told: Tensor = occlusion.attribute(
            part, shape, (part.shape[1], stride, stride), baselines=mean.expand(1, *part.shape[1:])
        )
        return told.detach()

    def integrate(part: Tensor) -> Tensor:
        told: Tensor = integrated.attribute(part, mean.expand_as(part), n_steps=POINTS, internal_batch_size=64)
        return told.detach()

    return Fitted(
        {
            "Grad-CAM": grad_cam(judge.network.layer4),  # the last layer, 4 x 4 places of 64 or 128 pixels
            "Grad-CAM, layer 3": grad_cam(judge.network.layer3),
            "integrated gradients": _in_parts(integrate, device),
            "occlusion": _in_parts(covered, device),
        },
        {"validation_accuracy": accuracy, "validation_auroc": judge.auroc},
    )


class _Evidence(nn.Module):
    """The classifier as one number: by how much the positive class's logit is above the other's."""

    def __init__(self, judge: Judge) -> None:
        super().__init__()
        self.network = judge.network

    def forward(self, x: Tensor) -> Tensor:  # (B, C, S, S) -> (B,)
        logits: Tensor = self.network(x)
        return logits[:, 1] - logits[:, 0]


def _in_parts(maps: Maps, device: str) -> Maps:
    """Maps of a few images at a time, drawn on a device and given back where the images are."""
    return lambda x: torch.cat([maps(part.to(device)).float().to(x.device) for part in x.split(32)])
