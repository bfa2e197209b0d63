"""Commands and Python of the documentation are run, page by page in their order: small images, few steps."""

import json
import re
import shlex
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from extras import installed
from PIL import Image
from small import TINY

import acdm
from acdm.cli.app import main
from acdm.data.sets.three import write_three
from acdm.maps.judge import train_judge

pytestmark = pytest.mark.slow
PAGES = [path for path in [Path("README.md"), *sorted(Path("docs").rglob("*.md"))] if "```" in path.read_text("utf-8")]
ELSEWHERE = "first.example"  # commands for machines that are not there are parsed (tests/test_docs.py), not run
CLASSES = {"without": ("healthy", "passed", "benign"), "with": ("tumour", "failed", "malignant")}  # folders of pages
NEEDS = {"scene.tif": "rasterio", "city.tif": "rasterio", "dask": "distributed", "onnx": "onnxscript"}
OPTIONS = {"width": 4, "max_width": 8, "discriminator_width": 4, "discriminator_max_width": 8}


@pytest.fixture
def place(toy, run, tmp_path, monkeypatch):
    """A folder with everything that the pages name and do not make."""
    for label, names in CLASSES.items():
        for name in names:
            shutil.copytree(toy / "train" / label, tmp_path / name)
    for name in ("new", "new-scans", "images", "line-3", "scans"):
        (tmp_path / name).mkdir()
        for path in sorted((toy / "test" / "with").glob("*.png"))[:2]:
            shutil.copy(path, tmp_path / name)
    (tmp_path / "corrected").mkdir()
    for image in (tmp_path / "tumour").glob("*.png"):
        Image.fromarray(np.eye(16, dtype=np.uint8)).save(tmp_path / "corrected" / image.name)
    shutil.copy(path, tmp_path / "scan.png")
    shutil.copytree(toy, tmp_path / "DATA")
    shutil.copytree(toy, tmp_path / "runs/demo-1/toy")
    flawed = tmp_path / "runs/demo-1/boards/test/flaw/92000000_377_316.png"
    flawed.parent.mkdir(parents=True)
    shutil.copy(path, flawed)
    write_kinds(tmp_path / "KINDS")
    shutil.copytree(run, tmp_path / "RUN")
    shutil.copytree(run, tmp_path / "runs/demo-1/run")
    shutil.copytree(run, tmp_path / "runs/streets")
    if rasterio := installed("rasterio"):
        about = {"driver": "GTiff", "count": 1, "height": 40, "width": 50, "dtype": "uint8", "crs": "EPSG:32632"}
        transform = rasterio.Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
        with rasterio.open(tmp_path / "scene.tif", "w", transform=transform, **about) as raster:
            raster.write(np.random.default_rng(0).integers(1, 255, (1, 40, 50), np.uint8))
        shutil.copy(tmp_path / "scene.tif", tmp_path / "city.tif")
    if nibabel := installed("nibabel"):
        volume = nibabel.Nifti1Image(np.random.default_rng(0).random((16, 16, 90), np.float32), np.eye(4))
        nibabel.save(volume, tmp_path / "patient-7.nii.gz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def few_images(monkeypatch):
    """What follows the branches sees few images and no features, in few steps: commands have to work, no more."""
    monkeypatch.setattr("acdm.maps.calibration.IMAGES", 8)
    monkeypatch.setattr("acdm.training.segmenter.MOST_IMAGES", 8)
    monkeypatch.setattr("acdm.training.train.train_judge", partial(train_judge, steps=40))
    monkeypatch.setattr("acdm.training.findings.JUDGE_STEPS", 40)
    monkeypatch.setattr("acdm.training.findings.CALIBRATED", 8)
    monkeypatch.setattr("acdm.maps.features.Features.installed", lambda: None)


def write_kinds(folder):
    """Images with two findings."""
    write_three(folder, 16, 32, 8, seed=0)
    table = (folder / "labels.csv").read_text().splitlines()
    rows = [row.rsplit(",", 1)[0] for row in table]
    (folder / "labels.csv").write_text("\n".join(["file,split,spur,open", *rows[1:]]) + "\n")


def small(words):
    """The same command, in seconds."""
    words = list(words)
    if "--minutes" in words:
        first = words.index("--minutes")
        del words[first : first + 2]
    if "--workers" in words:
        words[words.index("--workers") + 1] = "1"
    if words[0] == "demo":
        words += ["--minutes", "0.02"]
    return [*words, *TINY] if words[0] in ("train", "go") else words


def code(words):
    """The exit code; a training of several processes ends by SystemExit."""
    try:
        return main(words)
    except SystemExit as over:
        return over.code


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_a_page_does_what_it_says(path, place, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / path).read_text("utf-8")
    if path.name != "export.md":  # whose commands go on with the file
        monkeypatch.setattr("acdm.maps.export._program", lambda *of: b"a program")
    monkeypatch.setattr("webbrowser.open", lambda address: True)
    monkeypatch.setattr("acdm.web.server.serve", lambda page: page.server_close())
    train = acdm.train
    short = {"size": 16, "steps": 2, "network": OPTIONS, "precision": "fp32"}
    monkeypatch.setattr(acdm, "train", lambda *folders, minutes: train(*folders, **short))
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] != ["acdm"] or ELSEWHERE in line:
                continue
            if any(installed(library) is None for word, library in NEEDS.items() if word in words):
                continue
            typed = small(words[1:])
            monkeypatch.setattr("sys.argv", ["acdm", *typed])  # what further processes are started with
            assert code(typed) == 0, (line, capsys.readouterr().err)
    for block in blocks(page, "python"):
        if block.startswith("import") and installed(block.split()[1]):  # elsewhere they are signatures
            exec(block, {})


NOTEBOOKS = Path(__file__).parents[2] / "docs/notebooks"
BRAIN = Path(__file__).parents[3] / "shared/data/brain_lgg"


def run_notebook(name, monkeypatch):
    """Run its cells in their order, with a small training; the pictures in it are of a run of their own."""
    notebook = json.loads((NOTEBOOKS / name).read_text("utf-8"))
    train, known = acdm.train, {}
    short = {"size": 16, "steps": 2, "network": OPTIONS, "precision": "fp32", "features": "off"}
    monkeypatch.setattr(acdm, "train", lambda *folders, minutes, out: train(*folders, out=out, **short))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] or "print" not in "".join(cell["source"]), "was run before it was kept"
            exec("".join(cell["source"]), known)
    return known


def test_the_notebook_on_boards_does_what_it_says(place, monkeypatch):
    assert run_notebook("boards.ipynb", monkeypatch)["results"].n == {"sound": 78, "flaw": 59}


@pytest.mark.skipif(not BRAIN.is_dir(), reason="the set may not come with the repository")
def test_the_notebook_on_brains_does_what_it_says(place, monkeypatch):
    (place / "brain").symlink_to(BRAIN)
    results = run_notebook("brain.ipynb", monkeypatch)["results"]
    assert results.split == "final"
    assert results.positive == "A"
