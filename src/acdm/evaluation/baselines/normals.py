"""Detectors that have seen the negative class alone: how far is a patch from the nearest one of a memory bank?

PatchCore's idea (Roth et al. 2022), twice: on pixels, patches at two scales, whitened by their principal components;
and on frozen features, as users of anomaly detectors run it, with a bank drawn by chance in place of a core set.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from acdm.evaluation.baselines.interface import Fitted, Images, Maps
from acdm.evaluation.baselines.probe import installed_features

PATCH = 5  # pixels, at full size and at half
STRIDE = 2  # between patches that are asked for
COMPONENTS = 24
BANK = 10_000  # patches that are remembered
NEIGHBOURS = 3
IMAGES = 300  # of the negative class
LEVELS = slice(2, 4)  # of the features, of strides 8 and 16
TOGETHER = 32  # images

Patches = Callable[[Tensor], Tensor]
"""(n, C, S, S) to (n, D, rows, columns)."""


def fit_normals(images: Images, minutes: float, seed: int) -> Fitted:
    """Remember patches of the negative class's training images."""
    return Fitted({"memory of the other class": _memory(_patches, COMPONENTS, images, seed)})


def fit_patch_memory(images: Images, minutes: float, seed: int) -> Fitted:
    """Remember features of the negative class's training images; raises DataError where they are not installed."""
    features = installed_features()

    @torch.no_grad()
    def patches(x: Tensor) -> Tensor:
        fine, coarse = features(x)[LEVELS]
        around = [F.avg_pool2d(level, 3, stride=1, padding=1) for level in (fine, coarse)]
        return torch.cat([around[0], F.interpolate(around[1], fine.shape[-2:], mode="bilinear")], dim=1)

    return Fitted({"memory of features": _memory(patches, None, images, seed)})


def _memory(patches: Patches, components: int | None, images: Images, seed: int) -> Maps:
    """Distances to the nearest patches of the negative class, of so many principal components, or of all."""
    x, y = images.train
    chosen = torch.randperm(int((y == 0).sum()), generator=torch.Generator().manual_seed(seed))[:IMAGES]
    seen = [patches(part).movedim(1, -1).flatten(0, 2) for part in x[y == 0][chosen].split(TOGETHER)]
    pooled = torch.cat(seen)
    bank = pooled[torch.randperm(len(pooled), generator=torch.Generator().manual_seed(seed))[:BANK]].numpy()
    pca = PCA(components and min(components, bank.shape[1]), whiten=components is not None, random_state=seed).fit(bank)
    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS, algorithm="brute").fit(pca.transform(bank))

    def distance(part: Tensor) -> Tensor:
        found = patches(part)
        n, _, rows, columns = found.shape
        away, _ = nearest.kneighbors(pca.transform(found.movedim(1, -1).flatten(0, 2).numpy()))
        coarse = torch.from_numpy(away.mean(axis=1)).float().view(n, 1, rows, columns)
        return F.interpolate(coarse, part.shape[-2:], mode="bilinear")

    return lambda whole: torch.cat([distance(part) for part in whole.split(TOGETHER)])


def _patches(x: Tensor) -> Tensor:
    """(n, C, S, S) -> (n, D, S / 2, S / 2): every second pixel's surroundings, at full size and at half."""
    fine = _unfolded(x)[..., ::STRIDE, ::STRIDE]
    coarse = _unfolded(F.avg_pool2d(x, STRIDE))
    return torch.cat([fine, coarse], dim=1)


def _unfolded(x: Tensor) -> Tensor:
    edge = PATCH // 2
    padded = F.pad(x, (edge, edge, edge, edge), mode="reflect")
    return F.unfold(padded, PATCH).unflatten(-1, x.shape[-2:])
