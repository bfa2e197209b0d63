"""A run folder read back: its networks, and what decomposes images by them."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from acdm.core.config import GIVEN, Config, MapName
from acdm.core.device import automatic_device, flush_denormals
from acdm.core.run import Run
from acdm.core.tensors import AVERAGE, Checkpoint, checksum, load_module, newest_checkpoint, read_tensors
from acdm.errors import CheckpointError
from acdm.maps.backbone import Backbone, load_backbone
from acdm.maps.calibration import Calibration, load_calibration
from acdm.maps.decomposer import Decomposer, asks_object, marked
from acdm.maps.findings import FindingsDecomposer
from acdm.maps.judge import Judge, load_judge
from acdm.maps.segmenter import Segmenter, joined, load_segmenter
from acdm.method.branches import Branches
from acdm.method.findings import FindingBranches, OneFinding
from acdm.method.players import branches_of


def load(path: Path | str, alone: bool = False, features: Backbone | Path | str | None = None) -> Decomposer:
    """Load a run's averaged networks, on a GPU where there is one, and its check classifier.

    Args:
        path: of the run folder.
        alone: whether its segmenter works without the branches.
        features: of a file, or its path, where the run's segmenter was taught on such (`train --features PATH`).

    Raises:
        RunError, CheckpointError: when the folder or its checkpoints are not what they should be.
        ConfigError: when the file of the features is not one.
    """
    run = Run.open(Path(path))
    if run.findings():
        run.finding(None)  # raises, for it has no maps of its own
    whole = run.networks
    decomposer = _decomposer(_read(whole, features), "" if whole == run else run.path.absolute().name)
    return decomposer.with_the_segmenter_alone() if alone else decomposer


def load_findings(run: Run, features: Backbone | Path | str | None = None) -> FindingsDecomposer:
    """Load every finding of a run, whose networks are read once; raises as `load`."""
    networks = _read(run, features)
    return FindingsDecomposer({name: _decomposer(networks, name) for name in networks.runs})


def load_branches(run: Run) -> Decomposer:
    """Load a run in two classes without its segmenter, which is to be taught anew; raises as `load`."""
    return _decomposer(_read(run, None, segmenter=False), "")


@dataclass(frozen=True)
class _Networks:
    """What was read of a run: by finding where it has several, else by "".

    Attributes:
        config: of all of them.
        weights: of the branches, by their own names.
        branches: the averaged networks.
        runs: folders.
        judges: check classifiers; None where there is none yet.
        segmenters: None where there is none, or its features are not here.
    """

    config: Config
    weights: dict[str, Tensor]
    branches: Branches
    runs: Mapping[str, Run]
    judges: Mapping[str, Judge | None]
    segmenters: Mapping[str, Segmenter | None]


def _read(run: Run, features: Backbone | Path | str | None, segmenter: bool = True) -> _Networks:
    """Read all networks of a run, on a GPU where there is one; the segmenter is left out where it is not asked for."""
    backbone = load_backbone(Path(features)) if isinstance(features, (str, Path)) else features
    flush_denormals()
    _survive_forks()
    config, data, device, runs = run.config(), run.read_data(), automatic_device(), run.each()
    checkpoint = _drawing(run)
    with torch.device("meta"):  # nothing is allocated before the checkpoint has shown that it has such weights
        branches = branches_of(config, data.channels, len(data.classes), max(1, len(data.findings)))
    load_module(branches, checkpoint.tensors, checkpoint.path)
    branches.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    judges, segmenters = dict[str, Judge | None](), dict[str, Segmenter | None]()
    for name, one in runs.items():
        judges[name] = segmenters[name] = None
        if data.findings or one.judge.exists():
            judges[name] = load_judge(one.judge, data.channels, len(one.read_data().classes), device, one.id)
        if segmenter and one.segmenter.is_file():
            segmenters[name] = load_segmenter(one.segmenter, data.channels, device, one.id, backbone)
            if segmenters[name] is None:
                given = config.features == GIVEN
                remedy = "give --features PATH (export takes none)" if given else "pip install 'acdm[features]'"
                warnings.warn(
                    f"{one.path}: has a segmenter, whose features are not here: the map 'object' is left out, and"
                    f" evidence stands for it; {remedy}",
                    stacklevel=3,
                )
    return _Networks(config, checkpoint.tensors, branches, runs, judges, segmenters)


def _decomposer(networks: _Networks, name: str) -> Decomposer:
    """Make what decomposes images for one finding, or in two classes."""
    run, config, branches = networks.runs[name], networks.config, networks.branches
    judge, segmenter = networks.judges[name], networks.segmenters[name]
    data, calibration, findings = run.read_data(), load_calibration(run), tuple(networks.runs)
    view: Branches | OneFinding = branches
    if isinstance(branches, FindingBranches):
        view = OneFinding(branches, findings.index(name), _StatesTold(networks))
    return Decomposer(
        branches=view,
        judge=judge,
        segmenter=segmenter,
        classes=data.classes,
        size=config.size,
        mirrors=mirrors(config),
        precision=config.precision,  # as in training, or boxes would differ from machine to machine
        calibration=calibration,
        reading=config.images,
        side=data.side,
        depths=data.depths,
        origin=_origin(networks.weights, judge, segmenter, calibration),
        findings=findings if name else (),
    )


class _StatesTold:
    """Tell the states of all findings in images, as `Decomposer.classify` tells each; (B, C, S, S) -> (B, K)."""

    def __init__(self, networks: _Networks) -> None:
        self.judges = [judge for judge in networks.judges.values() if judge]
        asked = [asks_object(networks.judges[name], one) for name, one in networks.segmenters.items()]
        self.asked = torch.tensor(asked)
        self.segmenters = joined([s for s, ask in zip(networks.segmenters.values(), asked, strict=True) if s and ask])

    def __call__(self, x: Tensor) -> Tensor:
        states = torch.stack([judge.probabilities(x).argmax(dim=1) for judge in self.judges], dim=1)
        if self.segmenters:
            drawn = torch.cat([segmenter.probabilities(x) for segmenter in self.segmenters], dim=1)
            states[:, self.asked.to(x.device)] = marked(drawn).long()
        return states


@cache
def _survive_forks() -> None:
    """Let processes that fork from this one compute with one thread: they have none of the others."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def _origin(
    own: dict[str, Tensor],
    judge: Judge | None,
    segmenter: Segmenter | None,
    calibration: Mapping[MapName, Calibration],
) -> str:
    others = {name: part.network for name, part in (("judge", judge), ("segmenter", segmenter)) if part}
    asked = {
        f"{name}.{key}": value.cpu() for name, network in others.items() for key, value in network.state_dict().items()
    }
    return checksum({**own, **asked}, {name: vars(known) for name, known in calibration.items()})


def _drawing(run: Run) -> Checkpoint:
    """The averaged networks that draw the maps, by their own names: the chosen ones, or the newest."""
    complaints: tuple[str, ...] = ()
    if run.chosen.is_file():
        try:
            return Checkpoint(run.chosen, *read_tensors(run.chosen, "chosen", run.id))
        except CheckpointError as error:
            complaints = (str(error),)
    checkpoint = newest_checkpoint(run.checkpoints, run.id)
    for complaint in (*complaints, *checkpoint.complaints):
        warnings.warn(f"passed over: {complaint}", stacklevel=4)
    return Checkpoint(checkpoint.path, checkpoint.below(AVERAGE), checkpoint.about)


def mirrors(config: Config) -> tuple[tuple[int, ...], ...]:
    """The image itself, and one mirror image where training makes such; three bring no more than one."""
    flips = ((-1, config.augment.flip_horizontal), (-2, config.augment.flip_vertical))
    first = next((axis for axis, on in flips if on), None)
    return ((),) if first is None or not config.ablation.mirror else ((), (first,))
