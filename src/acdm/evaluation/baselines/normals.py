"""A detector that has seen the negative class alone: how far is a patch from the nearest one of a memory bank?

PatchCore's idea (Roth et al. 2022) without its pretrained features, which would have to be downloaded: patches at two
scales, whitened by their principal components.
"""

import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from acdm.evaluation.baselines.interface import Fitted, Images

PATCH = 5  # pixels, at full size and at half
STRIDE = 2  # between patches that are asked for
COMPONENTS = 24
BANK = 10_000  # patches that are remembered
NEIGHBOURS = 3


def fit_normals(images: Images, minutes: float, seed: int) -> Fitted:
    """Remember patches of the negative class's training images."""
    x, y = images.train
    chosen = torch.randperm(int((y == 0).sum()), generator=torch.Generator().manual_seed(seed))[:300]
    patches = _patches(x[y == 0][chosen])  # (n, D, rows, columns)
    pooled = patches.movedim(1, -1).flatten(0, 2)
    bank = pooled[torch.randperm(len(pooled), generator=torch.Generator().manual_seed(seed))[:BANK]].numpy()
    pca = PCA(min(COMPONENTS, bank.shape[1]), whiten=True, random_state=seed).fit(bank)
    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS, algorithm="brute").fit(pca.transform(bank))

    def distance(part: Tensor) -> Tensor:
        features = _patches(part)
        n, _, rows, columns = features.shape
        found, _ = nearest.kneighbors(pca.transform(features.movedim(1, -1).flatten(0, 2).numpy()))
        coarse = torch.from_numpy(found.mean(axis=1)).float().view(n, 1, rows, columns)
        return F.interpolate(coarse, part.shape[-2:], mode="bilinear")

    return Fitted({"memory of the other class": lambda whole: torch.cat([distance(p) for p in whole.split(32)])})


def _patches(x: Tensor) -> Tensor:
    """(n, C, S, S) -> (n, D, S / 2, S / 2): every second pixel's surroundings, at full size and at half."""
    fine = _unfolded(x)[..., ::STRIDE, ::STRIDE]
    coarse = _unfolded(F.avg_pool2d(x, STRIDE))
    return torch.cat([fine, coarse], dim=1)


def _unfolded(x: Tensor) -> Tensor:
    edge = PATCH // 2
    padded = F.pad(x, (edge, edge, edge, edge), mode="reflect")
    return F.unfold(padded, PATCH).unflatten(-1, x.shape[-2:])
