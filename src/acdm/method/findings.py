"""One branch a finding: x_hat = psi_1 + ... + psi_K + common, each psi_k under "present" or "absent".

The paper's decomposition for several findings in an image (ours; the paper has two classes).  Branch k sees the state
of finding k alone, and branches K+1..N see none, so that what changes with a finding has no other place than its
branch.  Seen from one finding all is as with two classes, absent (0) and present (1): its branch holds the class, and
the others, which are the same under both, are what is common.  So every part that knows two classes takes a view.

Axes: B images, K findings, N branches, C channels, H rows, W columns; pixels in [-1, 1].
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call

from acdm.core.config import Network
from acdm.method.branches import Branches
from acdm.method.generator import Decoder


class FindingBranches(Branches):
    """Generators of K findings and of what is common; psi_k = G_k(x, M(k, state)).

    Args:
        network: widths and depth; `branches` are those that one finding sees, its own and the common ones.
        channels: C, of the images.
        findings: K.
        skips: as of `Branches`.
    """

    def __init__(self, network: Network, channels: int, findings: int, *, skips: bool = True) -> None:
        all_of_them = network.model_copy(update={"branches": findings + network.branches - 1})
        super().__init__(all_of_them, channels, 2 * findings + 1, skips=skips)
        self.findings = findings
        one = network.model_copy(update={"branches": 1, "recompute": False})
        with torch.device("meta"):
            self._one = (Decoder(one, channels, skips=skips),)  # in a tuple: its weights are slices of the decoder's

    def halve(self, on: bool) -> None:
        """See and draw images of half the size from now on, or of full size again."""
        super().halve(on)
        self._one[0].head.halved = on

    def under(self, x: Tensor, states: Tensor, k: Tensor, other: Tensor | None) -> tuple[Tensor, Tensor]:
        """Decompose images, and once more with one finding of each in another state; only its branch is decoded twice.

        Args:
            x: (B, C, H, W).
            states: (B, K), 1 where a finding is present, else 0.
            k: (B,), the finding of each image, from 0.
            other: (B,), its other states; None where only the first decomposition is wanted.

        Returns:
            Twice psi (B, N, C, H, W), branch k first, then the other findings' in their order, then the common ones.

        Raises:
            ValueError: as `Branches.forward`.
        """
        self.require_fitting(x)
        features = self.encoder(x)
        psi = self._decoded(features, states)
        own = psi.take_along_dim(self._own_first.to(k.device)[k][..., None, None, None], dim=1)
        if other is None:
            return own, own
        changed = self._changed(features, self.mapping(2 * k + other), k)
        return own, torch.cat([changed[:, None], own[:, 1:]], dim=1)

    def under_each(self, x: Tensor, states: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Decompose images for finding after finding, as `under` does; two passes of the decoder serve all of them.

        Args:
            x, states: as of `under`.
        """
        self.require_fitting(x)
        features = self.encoder(x)
        psi, changed = self._decoded(features, states), self._decoded(features, 1 - states)
        for k, order in enumerate(self._own_first):
            own = psi[:, order.to(psi.device)]
            yield own, torch.cat([changed[:, k : k + 1], own[:, 1:]], dim=1)

    @property
    def _own_first(self) -> Tensor:
        """(K, N), places of all branches as each finding sees them."""
        return torch.tensor([[k, *(j for j in range(self.branches) if j != k)] for k in range(self.findings)])

    def _decoded(self, features: list[Tensor], states: Tensor) -> Tensor:
        """(B, N, C, H, W) under states (B, K)."""
        decoded: Tensor = self.decoder(features, self._styles(states)).float()
        return decoded.unflatten(1, (self.branches, -1))

    def _changed(self, features: list[Tensor], styles: Tensor, k: Tensor) -> Tensor:
        """Branch k of each image under a style (B, style_dim) of its own: (B, C, H, W)."""
        rows, parts = [], []
        for finding in k.unique().tolist():
            of_it = torch.nonzero(k == finding).squeeze(1)
            own_features = [f.unflatten(1, (self.branches, -1))[of_it, finding] for f in features]
            weights = self._weights_of(finding)
            rows.append(of_it)
            parts.append(functional_call(self._one[0], weights, (own_features, styles[of_it, None])).float())
        return torch.cat(parts)[torch.cat(rows).argsort()]

    def _styles(self, states: Tensor) -> Tensor:
        """(B, K) states -> (B, N, style_dim)."""
        b, k = states.shape
        conditions = torch.full((b, self.branches), 2 * k, device=states.device)
        conditions[:, :k] = 2 * torch.arange(k, device=states.device) + states
        out: Tensor = self.mapping(conditions.flatten()).unflatten(0, (b, self.branches))
        return out

    def _weights_of(self, k: int) -> dict[str, Tensor]:
        """The decoder's weights that are branch k's."""

        def own(name: str, weight: Tensor) -> Tensor:
            if ".affine." in name:  # scales of all branches, then shifts of all branches
                return weight.unflatten(0, (2, self.branches, -1))[:, k].flatten(0, 1)
            return weight.unflatten(0, (self.branches, -1))[k]

        return {name: own(name, weight) for name, weight in self.decoder.named_parameters()}


class OneFinding(nn.Module):
    """Branches as one finding sees them, in the place of `Branches` with two classes.

    Args:
        shared: of all findings.
        k: of the finding, from 0; or (B,), the finding of each image.
        told: from images (B, C, H, W) to the states (B, K) of all findings; that of finding k is not used.
    """

    def __init__(self, shared: FindingBranches, k: int | Tensor, told: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.shared = shared
        self.k = k
        self.told = told
        self.channels, self.multiple, self.branches = shared.channels, shared.multiple, shared.branches

    def forward(self, x: Tensor, own: Tensor, other: Tensor | None = None) -> tuple[Tensor, ...]:
        """Decompose images with the finding in one state, or in two; (B, C, H, W) -> psi (B, N, C, H, W) each."""
        k = torch.as_tensor(self.k, device=own.device).expand(len(x))
        states = self.told(x).to(own.device).scatter(1, k[:, None], own[:, None])
        psi, psi_other = self.shared.under(x, states, k, other)
        return (psi,) if other is None else (psi, psi_other)
