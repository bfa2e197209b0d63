"""Where a map of VA-GAN's synthetic benchmark falls short of its mask: in the squares, or beside them.

    python benchmarks/quality/vagan_squares.py RUN DATA [COUNT]

DATA as `acdm toy DATA --set vagan` draws it.  For each map, means over COUNT positive test images: the mean score in
the square in the middle and in the other one; NCC of the score with the mask; and what NCC would be if the score were
zero outside the squares, if each square were of its own mean, and if both were so.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.ndimage import label

import acdm
from acdm.core.config import MAPS
from acdm.core.device import flush_denormals
from acdm.core.memory import keep_memory
from acdm.data.folder import load_dataset
from acdm.evaluation.metrics import ncc
from acdm.evaluation.truth import read_truth


def main(run: Path, data: Path, count: int = 60) -> None:
    keep_memory()
    flush_denormals()
    model, truth = acdm.load(run), read_truth(load_dataset([data]), "all")
    rows: dict[str, list[list[float]]] = {name: [] for name in MAPS}
    for i in truth.only(model.classes[1])[:count]:
        drawn = model.decompose(truth.images[i], model.classes[1])
        mask = truth.masks[i]
        parts, _ = label(mask)
        middle = parts == parts[tuple(side // 2 for side in mask.shape)]
        other = mask & ~middle
        for name, of in rows.items():
            score = model.calibration[name].scores(getattr(drawn, name))
            flat = score.copy()
            for square in (middle, other):
                flat[square] = score[square].mean()
            shown = (score, np.where(mask, score, 0), flat, np.where(mask, flat, 0))
            of.append([score[middle].mean(), score[other].mean(), *(ncc(s, mask.astype(float)) for s in shown)])
    print("| map | middle | other | NCC | nothing outside | flat inside | both |")
    print("|" + " --- |" * 7)
    for name, of in rows.items():
        print(f"| {name} |", " | ".join(f"{value:.3f}" for value in np.mean(of, axis=0)), "|")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:]))
