"""What is in the folders, what is wrong, and what would separate the classes trivially."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from acdm.core.config import Reading
from acdm.core.progress import QUIET, Progress
from acdm.core.records import Shortcut
from acdm.data.dataset import Dataset
from acdm.data.duplicates import Duplicate, find_duplicates
from acdm.data.findings import Findings, find_several
from acdm.data.folder import load_dataset
from acdm.data.images.arrays import Array, Vector
from acdm.data.images.read import AS_IS, decode, digest, read_mask
from acdm.data.loading import require_one_depth, settle_reading
from acdm.data.shortcuts import WARN, shortcuts, traits
from acdm.errors import DataError

ADVISED = 300  # images a class; with fewer the discriminator soon knows every one of them
FEW_GROUPS = 10  # patients, boards or pictures a class, below which a split says little
SAMPLES = 12  # images that are kept for a few steps of training


@dataclass(repr=False)
class Checkup:
    """What the check found.

    Attributes:
        dataset: as it would be trained on.
        kinds: how many images there are of each file format and depth.
        shapes: (C, H, W) of every readable image.
        unreadable: file and reason of all others.
        duplicates: pairs of files with the same pixels.
        shortcuts: how well cheap traits alone tell the classes apart; training and validation images.
        samples: a few images (C, H, W), from the first ones.
        problems: sentences; training stops for any of them.
        warnings: sentences; training goes on.
        plan: what `train` would do, and how long it takes here; None where nobody has made a plan.
        findings: several in an image, where there are such; then classes are "none" and "any".
        shortcuts_to: how well cheap traits tell each of them.
    """

    dataset: Dataset
    kinds: Counter[str] = field(default_factory=Counter)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    shortcuts: list[Shortcut] = field(default_factory=list)
    samples: list[Array] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    plan: dict[str, Any] | None = None
    findings: Findings | None = None
    shortcuts_to: dict[str, list[Shortcut]] = field(default_factory=dict)

    def __str__(self) -> str:
        """The findings as text for people."""
        return summary(self)

    @property
    def groups(self) -> dict[str, int]:
        """Number of groups in each class."""
        items = self.dataset.items
        return {name: len({i.group for i in items if i.label == name}) for name in self.dataset.classes}

    def as_json(self) -> dict[str, Any]:
        """The findings as `acdm check --json` prints them."""
        shapes = np.array(self.shapes or [(0, 0, 0)])
        spread = {
            axis: [int(v) for v in (column.min(), np.median(column), column.max())]
            for axis, column in zip(("channels", "height", "width"), shapes.T, strict=True)
        }
        return {
            "data": str(self.dataset.root),
            "classes": list(self.dataset.classes),
            "positive": self.dataset.positive,
            "split_made": self.dataset.split_made,
            "ignored": list(self.dataset.ignored),
            "n": self.dataset.counts(),
            "groups": self.groups,
            "masks": sum(item.mask is not None for dataset in self.with_truth for item in dataset.test),
            "boxes": sum(len(boxes) for dataset in self.with_truth for boxes in dataset.boxes.values()),
            "kinds": dict(self.kinds),
            "min_median_max": spread,
            "unused": [{"file": str(u.path), "reason": u.reason} for u in self.dataset.unused],
            "unreadable": [{"file": file, "reason": reason} for file, reason in self.unreadable],
            "duplicates": [
                {"first": str(pair.first.path), "second": str(pair.second.path), "across": pair.kind}
                for pair in self.duplicates
            ],
            "shortcuts": [shortcut.model_dump() for shortcut in self.shortcuts],
            **self._of_findings(),
            "plan": self.plan,
            "problems": self.problems,
            "warnings": self.warnings,
            "ready": not self.problems,
        }

    @property
    def with_truth(self) -> list[Dataset]:
        """The data set, or as each of several findings sees it: those that know masks and boxes."""
        return [self.findings.of(name) for name in self.findings.names] if self.findings else [self.dataset]

    def _of_findings(self) -> dict[str, Any]:
        """What is known of several findings; nothing where there are classes."""
        if self.findings is None:
            return {}
        return {
            "findings": {
                name: {
                    "n": {part: counts[name] for part, counts in self.findings.counts().items()},
                    "shortcuts": [shortcut.model_dump() for shortcut in self.shortcuts_to[name]],
                }
                for name in self.findings.names
            },
            "never_alone": [
                {"finding": one, "with": other, "share": share} for one, other, share in self.findings.never_alone()
            ],
        }


def examine_folders(
    paths: Sequence[Path],
    progress: Progress = QUIET,
    positive: str | None = None,
    seed: int = 0,
    reference: str | None = None,
    reading: Reading = AS_IS,
) -> Checkup:
    """Find what folders hold, classes or several findings, and examine it; raises DataError as `load_dataset`."""
    findings = find_several(paths, seed, positive, reference)
    dataset = replace(findings.any() if findings else load_dataset(paths, positive, seed), reading=reading)
    progress.begin("looking at images", len(dataset.items))
    return examine(dataset, progress, findings)


def examine(dataset: Dataset, progress: Progress = QUIET, findings: Findings | None = None) -> Checkup:
    """Read every image as `train` would read it, and say what stands out.

    Args:
        dataset: in two classes; with findings, `Findings.any`.
        progress: told of every image.
        findings: several that the same images may have.
    """
    found, complaint = Checkup(dataset, findings=findings), None
    try:
        reading = settle_reading(dataset, dataset.reading).reading
    except DataError as error:
        reading, complaint = dataset.reading, str(error)
    digests: list[str] = []
    depths: dict[float | None, Path] = {}  # and the first image of each
    measured: list[dict[str, Vector] | None] = []
    masks: dict[Path, list[Path]] = {}
    for item in chain(*(known.items for known in found.with_truth)):
        if item.mask:
            masks.setdefault(item.path, []).append(item.mask)
    for item in dataset.items:
        try:
            raw = decode(item.path, reading)
            image = raw.scaled(item.path, reading.range)
        except DataError as error:
            found.unreadable.append((str(item.path), str(error).removeprefix(f"{item.path}: ")))
            digests.append(f"unreadable {item.path}")
            measured.append(None)
        else:
            for mask in masks.get(item.path, ()):
                try:
                    read_mask(mask, image.shape[1:])
                except DataError as error:
                    found.problems.append(str(error))
            found.kinds[raw.kind] += 1
            depths.setdefault(raw.depth, item.path)
            found.shapes.append(image.shape)
            digests.append(digest(image))
            measured.append(traits(image, item.path))
            if len(found.samples) < SAMPLES:
                found.samples.append(image)
        progress.advance()
    told = findings.together() if findings else dataset
    found.duplicates = find_duplicates((told.train, told.validation, told.test), digests)
    if findings is None:
        found.shortcuts = _shortcuts(dataset, measured)
    else:
        found.shortcuts_to = {name: _shortcuts(findings.of(name), measured) for name in findings.names}
    if complaint and not found.unreadable:
        found.problems.append(complaint)
    elif dataset.reading.range is None:
        try:
            require_one_depth(depths)
        except DataError as error:
            found.problems.append(str(error))
    _add_sentences(found)
    return found


def _shortcuts(dataset: Dataset, measured: list[dict[str, Vector] | None]) -> list[Shortcut]:
    """Shortcuts of the images that training sees; the test part stays unseen here, too."""
    seen = [*dataset.train, *dataset.validation]
    pairs = [(item, m) for item, m in zip(seen, measured, strict=False) if m is not None]
    colours = max(len(m) for _, m in pairs) if pairs else 0
    pairs = [(item, m) for item, m in pairs if len(m) == colours]
    labels = np.array([dataset.index(item.label) for item, _ in pairs])
    return shortcuts([m for _, m in pairs], labels, [item.group for item, _ in pairs])


def _add_sentences(found: Checkup) -> None:
    """Turn what was found into problems and warnings."""
    dataset, problems, warnings = found.dataset, found.problems, found.warnings
    if found.unreadable:
        file, reason = found.unreadable[0]
        problems.append(
            f"{len(found.unreadable)} of {len(dataset.items)} images cannot be used, first {file}: {reason}"
        )
    channels = Counter(shape[0] for shape in found.shapes)
    if len(channels) > 1:
        problems.append(f"images mix channels ({_listed(channels, 'with', 'channels')}); save all of them the same way")
    for kind, what in (("classes", "in both classes"), ("parts", "in two of training, validation and test")):
        pairs = [pair for pair in found.duplicates if pair.kind == kind]
        if pairs:
            first = f"{pairs[0].first.path} = {pairs[0].second.path}"
            problems.append(f"{len(pairs)} images are {what}, first {first}; remove one of each")
    within = [pair for pair in found.duplicates if pair.kind == "within"]
    if within:
        first = f"{within[0].first.path} = {within[0].second.path}"
        warnings.append(f"{len(within)} images repeat others of their class, first {first}; they count twice")
    counts = found.findings.counts()["train"] if found.findings else Counter(i.label for i in dataset.train)
    for name, number in counts.items():
        if number < ADVISED:
            kind = "finding" if found.findings else "class"
            warnings.append(f"{kind} '{name}' has {number} training images; {ADVISED} or more are advisable")
    for name, number in found.groups.items():
        if number < FEW_GROUPS:
            warnings.append(f"class '{name}' comes from {number} groups only; figures will say little of new ones")
    warnings.extend(s.sentence for s in found.shortcuts if s.auroc >= WARN)
    for finding, of_one in found.shortcuts_to.items():
        warnings.extend(f"'{finding}': {s.sentence}" for s in of_one if s.auroc >= WARN)
    for one, other, share in found.findings.never_alone() if found.findings else ():
        warnings.append(f"{share:.0%} of the images with '{one}' have '{other}', too: nothing tells the two apart")


def _listed(counts: Counter[int], before: str, after: str) -> str:
    return ", ".join(f"{number} {before} {value} {after}" for value, number in counts.most_common())


def summary(found: Checkup) -> str:
    """The findings as text for the terminal."""
    about = found.as_json()
    if found.findings:
        lines = [f"{about['data']}: {len(found.findings.names)} findings, {', '.join(found.findings.names)}"]
    else:
        lines = [f"{about['data']}: {', '.join(about['classes'])}; the class with the object is '{about['positive']}'"]
    for part, counts in (found.findings or found.dataset).counts().items():
        lines.append(f"  {part:<10} " + " · ".join(f"{name} {number}" for name, number in counts.items()))
    made = "made here, by group" if found.dataset.split_made else "as it lies on the disk; validation is cut from train"
    lines.append(f"  split {made}; groups: " + " · ".join(f"{k} {v}" for k, v in about["groups"].items()))
    lines.append("  files " + " · ".join(f"{number} {name}" for name, number in found.kinds.most_common()))
    (_, h, w) = (
        "–".join(str(v) for v in sorted({values[0], values[2]})) for values in about["min_median_max"].values()
    )
    lines.append(f"  height {h}, width {w} pixels; {about['masks']} masks, {about['boxes']} boxes in the test part")
    if found.dataset.unused:
        lines.append(f"  not used: {found.dataset.unused_in_words()}")
    if found.shortcuts:
        lines.append("what cheap traits alone tell of the class (AUROC, cross-validated; .5 is chance):")
        lines += [f"  {s.auroc:.2f} {s.trait}" + (f", {s.detail}" if s.detail else "") for s in found.shortcuts]
    if found.shortcuts_to:
        lines.append("the cheap trait that tells most of each finding (AUROC, cross-validated; .5 is chance):")
        lines += [
            f"  {loudest.auroc:.2f} {name}: {loudest.trait}"
            for name, of_one in found.shortcuts_to.items()
            if (loudest := max(of_one, key=lambda shortcut: shortcut.auroc, default=None))
        ]
    if found.plan:
        p = found.plan
        lines.append(
            f"plan: {p['size']} px, {p['branches']} branches, batches of {p['batch']}, {p['precision']} on the"
            f" {p['device']}; {p['steps']} steps of {p['seconds_a_step']:.2f} s, about {p['minutes']:.0f} minutes,"
            f" {p['memory_mib']} MiB of memory"
        )
    lines += [f"⚠ {sentence}" for sentence in found.warnings] + [f"✗ {sentence}" for sentence in found.problems]
    lines.append("ready to train" if not found.problems else "not ready: training would stop")
    return "\n".join(lines)
