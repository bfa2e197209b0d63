"""The check classifier (the judge, as files and keys call it): trained apart on the training images, never the
discriminator.

It says whether a counterfactual has changed its class, and decides the class of an unlabelled image.
"""

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
import torch.nn.functional as F
from kornia.augmentation import RandomGaussianBlur
from monai.networks.nets.resnet import ResNet
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from acdm.core.config import Augment
from acdm.core.device import resident
from acdm.core.tensors import load_module, read_tensors, write_tensors
from acdm.data.batches import Batches, FindingBatches, balance
from acdm.errors import CheckpointError

STEPS = 600  # at most
BATCH = 32
ROUND_STEPS = 40  # between two looks at the validation images
SMOOTHING = 0.05  # of labels
NOISE = 0.2  # standard deviation, of pixels in [-1, 1]
PATIENCE = 4  # rounds without improvement
HALVED_FROM = 128  # side of images that the first convolution halves, which makes a step four times as cheap


_BLUR = RandomGaussianBlur((5, 5), (0.3, 1.0))


@dataclass(frozen=True)
class Judge:
    """MONAI's small ResNet with what it reached on validation images.

    Attributes:
        network: (B, C, H, W) to (B, K) logits.
        auroc: on validation images, class 1 against the rest.
    """

    network: ResNet
    auroc: float

    def probabilities(self, x: Tensor) -> Tensor:
        """(B, C, S, S) in [-1, 1] -> (B, K), on the images' device."""
        return _logits(self.network, x).softmax(dim=1)

    @property
    def device(self) -> torch.device:
        """The device that the network computes on."""
        return _device(self.network)


def train_judge(
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    augment: Augment,
    seed: int,
    steps: int = STEPS,
    patience: int = PATIENCE,
    until: float = math.inf,
    device: str = "cpu",
    after_each: Callable[[], None] = lambda: None,
) -> Judge:
    """Fit the check classifier, keeping the weights that did best on validation images.

    Args:
        train, validation: images (n, C, S, S) and classes (n,).
        augment: how images may be changed, as for the generators.
        seed: decides weights and batches.
        steps: most steps.
        patience: rounds without improvement before it stops.
        until: when it stops in any case, on the clock of `time.perf_counter`.
        device: "cpu" or "cuda", which it computes on, then and later.
        after_each: called after every step.
    """
    images, labels = train
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _fresh(images, int(labels.max()) + 1, device)
        batches = Batches(resident(images, device), labels, BATCH, augment, seed + 1)

        def loss(logits: Tensor, _: Tensor, y: Tensor) -> Tensor:
            return F.cross_entropy(logits, y, label_smoothing=SMOOTHING)

        best = _fit(network, batches, loss, lambda: _reached(network, *validation), steps, patience, until, after_each)
    return Judge(network.eval(), best[0])


def train_judges(
    train: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor],
    augment: Augment,
    seed: int,
    steps: int,
    until: float = math.inf,
    device: str = "cpu",
    after_each: Callable[[], None] = lambda: None,
) -> list[Judge]:
    """Fit one network to several findings, and return a check classifier of each: its layers, and two logits of it.

    Every image teaches every finding; of each, images with it weigh as much as images without.

    Args:
        train, validation: images (n, C, S, S) and states (n, K), 1 where a finding is present, else 0.
        augment, seed, steps, until, device, after_each: as of `train_judge`.
    """
    images, states = train
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _fresh(images, 2 * states.shape[1], device)
        batches = FindingBatches(resident(images, device), states, BATCH, augment, seed + 1)

        def loss(logits: Tensor, indices: Tensor, _: Tensor) -> Tensor:
            return balanced_cross_entropy(logits.unflatten(1, (-1, 2)), states[indices.cpu()].to(logits.device))

        def reached() -> tuple[float, float]:
            found = _of_findings(_logits(network, validation[0]), validation[1])
            return fmean(auroc for auroc, _ in found), -fmean(loss for _, loss in found)

        _fit(network, batches, loss, reached, steps, steps, until, after_each)
    aurocs = [auroc for auroc, _ in _of_findings(_logits(network, validation[0]), validation[1])]
    return [Judge(_two_logits(network, k).eval(), auroc) for k, auroc in enumerate(aurocs)]


def balanced_cross_entropy(logits: Tensor, states: Tensor) -> Tensor:
    """Cross-entropy of states (B, K) under logits (B, K, 2), smoothed; a finding's two states weigh the same.

    >>> import torch
    >>> logits = torch.tensor([[[9.0, -9.0]], [[9.0, -9.0]], [[9.0, -9.0]]])  # sure that it is absent
    >>> round(balanced_cross_entropy(logits, torch.tensor([[0], [0], [1]])).item(), 2)  # (0 + 18) / 2, smoothed
    9.0
    """
    loss = F.cross_entropy(logits.flatten(0, 1), states.flatten(), label_smoothing=SMOOTHING, reduction="none")
    return (loss.view(states.shape) * balance(states)).mean()


Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # of logits (B, K), indices (B,) and classes (B,)


def _fit(
    network: ResNet,
    batches: Batches,
    loss_of: Loss,
    reached_by: Callable[[], tuple[float, float]],
    steps: int,
    patience: int,
    until: float,
    after_each: Callable[[], None],
) -> tuple[float, float]:
    """Fit a network, and leave it with the weights that reached most; returns what they reached."""
    device = _device(network)
    on_gpu = device.type == "cuda"
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2, fused=on_gpu)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    best, kept, stale = (-1.0, -float("inf")), network.state_dict(), 0
    for step in range(steps):
        network.train()
        indices, x, y = batches.at(step)
        with torch.autocast(device.type, torch.bfloat16, enabled=on_gpu):
            logits = network(_roughen(x).to(device))
        loss = loss_of(logits.float(), indices, y.to(device))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        after_each()
        if (step + 1) % ROUND_STEPS == 0:
            reached = reached_by()
            if reached > best:
                best, stale = reached, 0
                kept = {name: value.clone() for name, value in network.state_dict().items()}
            else:
                stale += 1
            if stale == patience or time.perf_counter() > until:
                break
    network.load_state_dict(kept)
    return best


def _roughen(x: Tensor) -> Tensor:
    """Blur one image in two and add noise of up to `NOISE` to all.

    Without it, the classifier knows a class by the finest texture: on toy set 2 it is right about every real image, but
    only about seven or eight in ten of them with noise of .05, and of counterfactuals it tells the texture, not the
    shape.
    """
    strength = NOISE * torch.rand(len(x), 1, 1, 1, device=x.device)
    blurred: Tensor = _BLUR(x)
    return blurred + strength * torch.randn_like(x)


def save_judge(path: Path, judge: Judge, run: str = "") -> None:
    """Write judge.safetensors of the run with this id."""
    write_tensors(
        path,
        dict(judge.network.state_dict()),
        {
            "kind": "judge",
            "auroc": judge.auroc,
            "stride": judge.network.conv1.stride[0],
            **({"run": run} if run else {}),
        },
    )


def load_judge(path: Path, channels: int, classes: int, device: str = "cpu", run: str = "") -> Judge:
    """Read a check classifier; raises CheckpointError when the file is not one of such images."""
    tensors, about = read_tensors(path, "judge", run)
    try:
        stride, auroc = int(about.get("stride", 1)), float(about["auroc"])
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{path}: says nothing of its quality; the file is damaged") from None
    if stride not in (1, 2):
        raise CheckpointError(f"{path}: has a stride of {stride}, expected 1 or 2")
    network = small_resnet(channels, classes, stride)
    load_module(network, tensors, path)
    return Judge(network.eval().to(device), auroc)


def _reached(network: ResNet, x: Tensor, y: Tensor) -> tuple[float, float]:
    """AUROC on validation images, and minus the loss, which tells ties apart."""
    logits = _logits(network, x)
    return _auroc(logits, y), -float(F.cross_entropy(logits, y))


def _of_findings(logits: Tensor, states: Tensor) -> list[tuple[float, float]]:
    """AUROC and loss of each finding, by logits (n, 2K) of images in states (n, K)."""
    of_each = zip(logits.unflatten(1, (-1, 2)).unbind(dim=1), states.T, strict=True)
    return [(_auroc(own, y), float(F.cross_entropy(own, y))) for own, y in of_each]


def _auroc(logits: Tensor, y: Tensor) -> float:
    return float(roc_auc_score(y.numpy() == 1, logits.softmax(dim=1)[:, 1].numpy()))


def _two_logits(network: ResNet, k: int) -> ResNet:
    """A copy of a network of several findings that tells finding k alone."""
    own = deepcopy(network)
    own.fc = nn.Linear(network.fc.in_features, 2, device=network.fc.weight.device)
    own.fc.load_state_dict({name: value[2 * k : 2 * k + 2] for name, value in network.fc.state_dict().items()})
    return own


def _fresh(images: Tensor, outputs: int, device: str) -> ResNet:
    return small_resnet(images.shape[1], outputs, 2 if images.shape[-1] >= HALVED_FROM else 1).to(device)


@torch.no_grad()
def _logits(network: ResNet, x: Tensor) -> Tensor:
    """Logits (n, K) on the images' device, wherever the network is."""
    network.eval()
    return torch.cat([network(part.to(_device(network))) for part in x.split(64)]).to(x.device)


def _device(network: ResNet) -> torch.device:
    return next(network.parameters()).device


def small_resnet(channels: int, classes: int, stride: int = 1) -> ResNet:
    """MONAI's ResNet with one block a level, untrained; `stride` is that of its first convolution."""
    return ResNet(
        "basic",
        layers=[1, 1, 1, 1],
        block_inplanes=[16, 32, 64, 128],
        spatial_dims=2,
        n_input_channels=channels,
        conv1_t_size=3,
        conv1_t_stride=stride,
        num_classes=classes,
    )
