"""A run of several findings, ready to decompose images: each finding's maps of one image."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from PIL.Image import Image, fromarray
from torch import Tensor

from acdm.core.config import MapName
from acdm.core.device import autocast
from acdm.data.findings import require_finding
from acdm.data.images.frame import squares
from acdm.data.images.memory import AnyImage
from acdm.data.images.read import Picture
from acdm.maps.decomposer import Decomposer, Drawn
from acdm.maps.decomposition import Decomposition
from acdm.maps.pictures import in_colours
from acdm.maps.segmentation import segment
from acdm.maps.segmenter import Segmenter, joined, mirrored
from acdm.method.findings import OneFinding


@dataclass(frozen=True)
class FindingsDecomposition:
    """One image, decomposed for every finding.

    Attributes:
        labels: by finding; `d.labels["spur"].evidence` is the evidence of that one.
    """

    labels: Mapping[str, Decomposition]

    @property
    def present(self) -> tuple[str, ...]:
        """The findings that the image was taken to have."""
        return tuple(name for name, d in self.labels.items() if d.positive)

    def plot(self) -> Image:
        """The image with the outline of each finding's mask, in that finding's colour; notebooks show it."""
        masks = [segment(d.maps()[d.default_map]).mask for d in self.labels.values()]
        return fromarray(in_colours(next(iter(self.labels.values())).image, masks))

    def __repr__(self) -> str:
        there = ", ".join(self.present) or "none"
        return f"FindingsDecomposition({', '.join(self.labels)}; present: {there})"


@dataclass(frozen=True)
class FindingsDecomposer:
    """A trained run of several findings.

    Attributes:
        of_each: by finding, what decomposes images in two classes, without and with it.
    """

    of_each: Mapping[str, Decomposer]

    @cached_property
    def _segmenters(self) -> list[Segmenter]:
        """What draws `object` of all findings; empty where one has none."""
        each = [one.segmenter for one in self.of_each.values()]
        return joined([segmenter for segmenter in each if segmenter]) if all(each) else []

    def _objects(self, x: Tensor) -> list[Tensor | None]:
        """The map `object` of each finding, (B, 1, S, S) of images (B, C, S, S); None where each draws its own."""
        if not self._segmenters:
            return [None] * len(self.of_each)
        found = torch.cat([mirrored(segmenter, x, self._first.mirrors) for segmenter in self._segmenters], dim=1)
        return list(found.split(1, dim=1))

    @torch.no_grad()
    def maps(
        self, x: Tensor, states: Tensor, after_each: Callable[[], None] = lambda: None
    ) -> dict[str, dict[MapName, Tensor]]:
        """Every map of every finding, by passes of the branches that all findings share.

        Args:
            x: (n, C, S, S), images.
            states: (n, K), 1 where a finding is present, else 0; findings are in the order of `of_each`.
            after_each: called after every image.

        Returns:
            By finding, maps (n, C, S, S).
        """
        parts: dict[str, list[Mapping[MapName, Tensor]]] = {name: [] for name in self.of_each}
        count = self._first.at_once(x)
        for images, present in zip(x.split(count), states.split(count), strict=True):
            of_all = zip(
                self.of_each.items(), present.T, self._branches_of(images, present), self._objects(images), strict=True
            )
            for (name, one), y, both, found in of_all:
                parts[name].append(one.drawn(images, y, *one.of_views(y, *both), found).maps)
            for _ in images:
                after_each()
        return {
            name: {key: torch.cat([maps[key] for maps in of_one]) for key in of_one[0]}
            for name, of_one in parts.items()
        }

    @torch.no_grad()
    def draw_each(self, x: Tensor, y: Mapping[str, Tensor]) -> dict[str, Drawn]:
        """What `Decomposer.draw` of each finding gives, by passes of the branches that all findings share.

        Each is drawn under its own states, and the other findings in the states that they are told to be in.

        Args:
            x: (B, C, S, S), images.
            y: by finding (B,), 1 where it is present, else 0.

        Returns:
            By finding.
        """
        parts: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in self.of_each}
        for places in torch.arange(len(x)).split(self._first.at_once(x)):
            views = self._first.views(x[places])
            told = self._shared.told(views)
            for (name, one), told_of_one, both in zip(
                self.of_each.items(), told.T, self._branches(views, told), strict=True
            ):
                present = y[name][places]
                as_told = told_of_one == present.to(told.device).repeat(len(one.mirrors))
                own, other = (torch.where(as_told[:, None, None, None, None], *pair) for pair in (both, both[::-1]))
                parts[name].append(one.of_views(present, own, other))
        drawn = {}
        for (name, one), found in zip(self.of_each.items(), self._objects(x), strict=True):
            own, other = (torch.cat(some) for some in zip(*parts[name], strict=True))
            drawn[name] = one.drawn(x, y[name], own, other, found)
        return drawn

    @property
    def _first(self) -> Decomposer:
        return next(iter(self.of_each.values()))

    @property
    def _shared(self) -> OneFinding:
        """The branches of all findings, and what tells their states."""
        branches = self._first.branches
        assert isinstance(branches, OneFinding)
        return branches

    def _branches(self, views: Tensor, states: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Branches of the views of images, in states (V, K), as each finding sees them."""
        with autocast(views.device, self._first.precision):
            return list(self._shared.shared.under_each(views, states.to(views.device)))

    def _branches_of(self, x: Tensor, states: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Branches of the views of images (B, C, S, S) in states (B, K), as each finding sees them."""
        return self._branches(self._first.views(x), states.repeat(len(self._first.mirrors), 1))

    def decompose(
        self, image: AnyImage | Path | str | Picture, present: Collection[str] | None = None
    ) -> FindingsDecomposition:
        """Decompose one image for every finding, at its own size.

        Args:
            image: as for `Decomposer.decompose`.
            present: the findings that it has; None lets the check classifiers decide.

        Raises:
            DataError: for a finding that there is not, or as `Decomposer.decompose`.
        """
        for name in present or ():
            require_finding(name, tuple(self.of_each))
        picture = self._first.pictured(image)
        x = squares([picture.pixels], self._first.size)
        objects = self._objects(x)
        if present is None:
            told = [one.classify(x, found)[0] for one, found in zip(self.of_each.values(), objects, strict=True)]
            states = torch.tensor([told])
        else:
            states = torch.tensor([[int(name in present) for name in self.of_each]])
        with torch.no_grad():
            of_all = zip(self.of_each.items(), states.T, self._branches_of(x, states), objects, strict=True)
            labels = {
                name: one.decomposition(picture, x[0], one.drawn(x, y, *one.of_views(y, *both), found), 0)
                for (name, one), y, both, found in of_all
            }
        return FindingsDecomposition(labels)


def decomposers_of(decomposer: Decomposer | FindingsDecomposer) -> Mapping[str, Decomposer]:
    """Find what decomposes images for each finding; by "" with two classes."""
    return decomposer.of_each if isinstance(decomposer, FindingsDecomposer) else {"": decomposer}
