"""BraTS from its original layout: a folder a case with one NIfTI a modality and one of the tumour's parts.

Names of all years are known: <case>_flair.nii.gz (2012-2021), <case>-t2f.nii.gz (from 2023 on), and so on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acdm.core.progress import QUIET, Progress
from acdm.data.images.nifti import open_nifti
from acdm.data.images.read import stem
from acdm.data.images.write import tiff
from acdm.data.sets.layout import DataFolder, empty_folder, parts_of
from acdm.errors import DataError

MODALITIES = {
    "flair": ("flair", "t2f"), "t1": ("t1", "t1n"), "t1ce": ("t1ce", "t1gd", "t1c"), "t2": ("t2", "t2w"),
}  # fmt: skip
SEGMENTED = ("seg", "segm")  # ends of the names of segmentations
CLASSES = ("healthy", "tumour")
TUMOUR = 0.01  # share of the brain's pixels from which a slice shows a tumour; below, and not 0, it is skipped
BRAIN = 0.1  # share of the slice that the brain must cover
NEAR = 3  # slices above or below that count as the same level
PERCENTILE = 99.5  # of the brain's values in a case, which becomes white


@dataclass(frozen=True)
class _Slice:
    """Where a slice is and of which class."""

    case: Path
    level: int
    label: str

    @property
    def group(self) -> str:
        """The patient; from 2023 on the last part of a case's name is the visit."""
        name = self.case.name
        return name.rsplit("-", 1)[0] if name.startswith("BraTS-") else name


@dataclass(frozen=True)
class _Case:
    """A case in memory: images (slices, C, H, W) of 16 bits, and where the tumour is (slices, H, W)."""

    images: NDArray[np.uint16]
    truth: NDArray[np.bool_]


def write_brats(
    source: Path, out: Path, modalities: Sequence[str], every: int, seed: int, progress: Progress = QUIET
) -> DataFolder:
    """Slices with and without tumour as a data folder, split by patient.

    Intensities of MRI have no unit: each modality of a case is scaled so that the 99.5th percentile of its brain is
    white, the same for all slices of the case.  Each class keeps as many slices of a level as the other, so that the
    level does not tell the classes apart.

    Args:
        source: searched through for cases.
        out: must not exist.
        modalities: keys of `MODALITIES`, which become channels.
        every: take every n-th slice.
        seed: of the split and of what is left out in matching levels.
        progress: told after each case.

    Raises:
        DataError: when there is no case, or too few patients.
    """
    if unknown := set(modalities) - set(MODALITIES):
        raise DataError(f"--modalities {min(unknown)}: no such modality; there are {', '.join(MODALITIES)}")
    folder, rng = DataFolder(empty_folder(out)), np.random.default_rng(seed)
    found: list[_Slice] = []
    for case in find_cases(source):
        try:
            found += _classify(case, _read(case, modalities), every)
        except DataError as error:
            folder.skip(case.name, str(error))
        progress.advance()
    kept = _match_levels(found, rng)
    for label in CLASSES:
        if left_out := sum(cut.label == label for cut in found) - sum(cut.label == label for cut in kept):
            folder.skip(f"{left_out} slices of class '{label}'", "the other class has none left at their level")
    parts = parts_of([cut.group for cut in kept], seed)
    for case, cuts in groupby(sorted(kept, key=lambda cut: (cut.case, cut.level)), key=lambda cut: cut.case):
        whole = _read(case, modalities)
        for cut in cuts:
            name, part = f"{case.name}_z{cut.level:03d}", parts[cut.group]
            folder.add(part, cut.label, f"{name}.tif", tiff(whole.images[cut.level]), cut.group)
            if part != "train" and cut.label == "tumour":
                folder.add_mask(name, whole.truth[cut.level])
    folder.finish()
    return folder


def find_cases(source: Path) -> list[Path]:
    """Every folder with a segmentation in it.

    Raises:
        DataError: when there is none.
    """
    files = (p for p in source.rglob("*.nii*") if p.is_file() and not p.name.startswith("."))
    segmented = (path.parent for path in files if stem(path).lower().endswith(SEGMENTED))
    # some downloads have a folder a volume, named as the volume is
    folders = {folder.parent if stem(folder).lower().endswith(SEGMENTED) else folder for folder in segmented}
    cases = sorted(folders) if source.is_dir() else []
    if not cases:
        raise DataError(f"{source}: holds no BraTS case, a folder with <case>_seg.nii.gz and its modalities")
    return cases


def _read(case: Path, modalities: Sequence[str]) -> _Case:
    volumes = [_volume(_file(case, MODALITIES[name], name)) for name in modalities]
    truth = _volume(_file(case, SEGMENTED, "seg")) > 0
    if any(volume.shape != truth.shape for volume in volumes):
        raise DataError(f"{case}: its modalities differ in shape")
    brain = np.max(volumes, axis=0) > 0
    whites = [np.percentile(volume[brain], PERCENTILE) if brain.any() else 0 for volume in volumes]
    if not all(white > 0 for white in whites):
        raise DataError(f"{case}: a modality is empty")
    scaled = [np.clip(v / w, 0, 1) * 65535 for v, w in zip(volumes, whites, strict=True)]
    return _Case(np.stack(scaled, axis=1).round().astype(np.uint16), truth)


def _classify(case: Path, whole: _Case, every: int) -> list[_Slice]:
    """Slices that show enough brain, and a tumour or none at all."""
    found = []
    for level in range(0, len(whole.truth), every):
        brain, tumour = whole.images[level].max(axis=0) > 0, whole.truth[level].sum()
        if brain.mean() < BRAIN:
            continue
        if tumour >= TUMOUR * brain.sum():
            found.append(_Slice(case, level, "tumour"))
        elif not tumour:
            found.append(_Slice(case, level, "healthy"))
    return found


def _file(case: Path, endings: Sequence[str], name: str) -> Path:
    for path in sorted(case.rglob("*")):
        if (
            path.is_file()
            and path.name.lower().endswith((".nii", ".nii.gz"))
            and stem(path).lower().endswith(tuple(f"{mark}{ending}" for ending in endings for mark in "_-"))
        ):
            return path
    raise DataError(f"{case}: has no {name} file")


def _volume(path: Path) -> NDArray[np.float32]:
    """(slices, H, W)."""
    return np.stack([raw.values[0] for raw in open_nifti(path, axis=2)[1]])


def _match_levels(found: list[_Slice], rng: np.random.Generator) -> list[_Slice]:
    """Pairs of a slice of each class from about the same level, as many as there are; greedy, in random order."""
    few, many = sorted(([cut for cut in found if cut.label == label] for label in CLASSES), key=len)
    left = [many[i] for i in rng.permutation(len(many))]
    kept = []
    for i in rng.permutation(len(few)):
        near = [n for n, other in enumerate(left) if abs(other.level - few[i].level) <= NEAR]
        if near:
            best = min(near, key=lambda n: abs(left[n].level - few[i].level))
            kept += [few[i], left.pop(best)]
    return kept
