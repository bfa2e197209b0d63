"""What a GPU learns in minutes: the toy sets at the paper's size, and a set that brightness cannot find.

    benchmarks/gpu/run quality OUT

Each row is written to OUT/quality.md as it comes; runs, logs and sheets stay in OUT.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from table import Table

AMPLITUDE = Path(__file__).parents[1] / "quality/amplitude_in_box.py"


def acdm(log: Path, *arguments: str) -> None:
    """A command of acdm; what it says goes to a log."""
    with log.open("a") as file:
        subprocess.run([sys.executable, "-m", "acdm", *arguments], stdout=file, stderr=file, check=True)


def trained(out: Path, name: str, toy: list[str], options: list[str]) -> tuple[dict[str, dict[str, float]], float]:
    """The results of a toy set after a training, and the minutes that the training took."""
    data, run, log = str(out / name), str(out / f"{name}-run"), out / f"{name}.log"
    acdm(log, "toy", data, *toy)
    began = time.perf_counter()
    acdm(log, "train", data, "-o", run, *options)
    minutes = (time.perf_counter() - began) / 60
    acdm(log, "evaluate", run, data)
    return json.loads((Path(run) / "results.json").read_text()), minutes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rehearse", action="store_true", help="small enough for a processor")
    arguments = parser.parse_args()
    small, out = arguments.rehearse, arguments.out
    out.mkdir(parents=True, exist_ok=True)
    table = Table(out / "quality.md", "benchmarks/gpu/run " + ("rehearse" if small else "quality"))
    drawn = ["--size", "32", "--train", "60", "--test", "20"] if small else ["--size", "256", "--train", "3000"]
    paper = ["--steps", "20", "--preset", "64", "--size", "32"] if small else ["--preset", "paper", "--minutes", "3"]

    results, minutes = trained(out, "toy1", ["--set", "1", *drawn], paper)
    found = f"{results['reconstruction']['psnr_mean']:.1f} dB, {results['maps']['psi1']['best_iou']:.3f}"
    table.row(f"toy set 1: PSNR, psi1 best IoU ({minutes:.1f} minutes)", found, "≥ 30 dB, ≥ .9")

    results, minutes = trained(out, "toy2", ["--set", "2", *drawn], paper)
    box = subprocess.run([sys.executable, AMPLITUDE, out / "toy2-run", out / "toy2"], capture_output=True, text=True)
    shares = " ".join(box.stdout.split()) or box.stderr.strip().splitlines()[-1]
    found = f"{results['classes']['swap_accuracy']:.3f}; {shares}"
    table.row(f"toy set 2: swap accuracy; amplitude in the box ({minutes:.1f} minutes)", found, "≥ .9, ≥ .7")

    texture = ["--steps", "20", "--size", "32"] if small else ["--minutes", "1", "--preset", "128"]
    size = ["--size", "32", "--train", "60", "--test", "20"] if small else ["--size", "128"]
    results, minutes = trained(out, "texture", ["--set", "texture", *size], texture)
    found = f"{results['maps']['evidence']['auprc']:.3f} after {minutes:.1f} minutes"
    table.row("`texture`, 128 px: AUPRC of evidence", found, "that of 30 minutes of a processor core in ≤ 1 minute")


if __name__ == "__main__":
    main()
