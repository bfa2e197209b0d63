"""The commands as a user types them, each in a process of its own or through `main`."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import SMALL, TINY

import acdm
from acdm.cli.app import main
from acdm.core.options import read_yaml
from acdm.core.run import lock
from acdm.core.tensors import read_tensors

ACDM = [sys.executable, "-c", "import torch; torch.set_num_threads(1); from acdm.cli.app import entry; entry()"]

KEYS = {
    "reconstruction": {"psnr_mean", "psnr_std", "ssim_mean", "psnr_own_size", "psnr_resize_ceiling", "removal"},
    "branches": {"common_gap", "energy_share", "dominance"},
    "classes": {
        "swap_accuracy", "judge_accuracy", "label_accuracy", "image_auroc", "reconstruction_accuracy", "swap_distance",
        "reconstruction_distance",
    },
}  # fmt: skip
MAP_KEYS = {
    "auprc", "auroc", "best_iou", "best_dice", "iou", "dice", "threshold", "rule", "ncc_mean", "ncc_std", "pxap",
    "pointing_game", "relevance_mass", "maxboxacc", "box_recall", "negative_area", "polarity", "ci",
    "auprc_unsmoothed", "scale", "dice_by_group", "image_auroc",
}  # fmt: skip


def test_the_run_folder_holds_what_the_contract_says(run):
    for name in (
        "config.yaml", "data.json", "env.json", "metrics.csv", "log.txt", "checkpoints/step-12.safetensors",
        "judge.safetensors", "calibration.json", "samples/step-12.png", "results.json", "report/index.html",
    ):  # fmt: skip
        assert (run / name).is_file(), name


def test_results_have_every_key_of_the_contract(run):
    results = json.loads((run / "results.json").read_text())
    assert results["n"] == {"without": 6, "with": 6}
    assert results["positive"] == "with"
    for part, keys in KEYS.items():
        assert keys <= set(results[part])
    assert set(results["maps"]) == {"psi1", "contrast", "residual", "evidence", "object"}
    assert all(set(figures) >= MAP_KEYS for figures in results["maps"].values())
    assert {"schema", "run", "data", "split", "seed", "default_map", "trivial", "timing"} <= set(results)
    assert sum(results["branches"]["energy_share"]) == pytest.approx(1)
    assert results["maps"]["contrast"]["negative_area"] is None


def test_brightness_alone_finds_the_white_rectangle(run):
    assert json.loads((run / "results.json").read_text())["trivial"]["brightness"] > 0.95


def test_the_report_asks_nothing_of_the_network(run):
    page = (run / "report/index.html").read_text()
    assert "http://" not in page
    assert "https://" not in page
    assert (run / "report/index.html").stat().st_size < 2e6
    assert {path.name for path in (run / "report").glob("*.js")} == {"explorer.js", "data.js"}


def test_nothing_in_the_run_tells_where_it_was_made(run, toy):
    for path in run.rglob("*"):
        if path.suffix in (".json", ".yaml", ".html") and path.name != "env.json":
            assert str(toy.parent) not in path.read_text().replace(str(run), ""), path


def test_maps_come_back_at_their_own_size_and_sum_up(run, tmp_path):
    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (30, 50), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in" / "wide.png")
    assert main(["map", str(run), str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--label", "with"]) == 0
    folder = tmp_path / "out" / "wide.png"
    maps = {
        name: np.load(folder / f"{name}.npy") for name in ("psi1", "contrast", "residual", "evidence", "object", "psi")
    }
    assert maps["psi"].shape == (3, 1, 30, 50)
    assert all(maps[name].shape == (1, 30, 50) for name in ("psi1", "contrast", "residual", "evidence", "object"))
    assert maps["psi1"].dtype == np.float32
    rebuilt = np.asarray(Image.open(folder / "reconstruction.png"))[..., 0].astype(float)
    np.testing.assert_allclose(rebuilt, np.clip(maps["psi"].sum(axis=0)[0] * 127 + 128, 1, 255), atol=1)
    np.testing.assert_array_equal(maps["psi"][0], maps["psi1"])
    for name in ("overlay", "counterfactual", "reconstruction", "branch-1", "branch-3", "strip", "psi1"):
        assert (folder / f"{name}.png").is_file()
    shown = np.asarray(Image.open(folder / "psi1.png"))[..., 0].astype(float)
    np.testing.assert_allclose(shown, np.clip(np.round(maps["psi1"][0] * 127 + 128), 1, 255), atol=1)


def test_segment_writes_masks_at_the_images_size_and_files_for_other_tools(run, toy, tmp_path):
    images, out = tmp_path / "in", tmp_path / "out"
    images.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (30, 50), dtype=np.uint8)
    for name in ("wide.png", "wide.bmp.png", "same.jpg", "same.png"):
        Image.fromarray(pixels).save(images / name)
    (images / "broken.png").write_bytes(b"no image")
    options = ["--label", "with", "--map", "psi1", "--threshold", "0.0", "--to", "coco,yolo,label-studio,cvat"]
    assert main(["segment", str(run), str(images), "-o", str(out), *options]) == 3
    masks = sorted(p.name for p in (out / "masks").iterdir())
    assert masks == ["same.jpg.png", "same.png", "wide.bmp.png", "wide.png"]
    mask = np.asarray(Image.open(out / "masks" / "wide.png"))
    assert mask.shape == (30, 50)
    assert set(np.unique(mask)) <= {0, 255}
    coco = json.loads((out / "coco.json").read_text())
    assert coco["categories"] == [{"id": 1, "name": "with"}]
    assert sum(a["area"] for a in coco["annotations"] if a["image_id"] == 4) == (mask > 0).sum()
    others = ("label-studio.json", "label-studio-config.xml", "cvat.xml", "yolo/labels/wide.txt", "yolo/classes.txt")
    for name in others:
        assert (out / name).is_file(), name
    lines = (out / "segment.csv").read_text().splitlines()
    assert sum("broken.png" in line and "not a PNG" in line for line in lines) == 1
    assert (out / "outlines" / "wide.png").is_file()
    assert len((out / "regions.csv").read_text().splitlines()) == 1 + len(coco["annotations"])


def test_contrast_claims_nothing_on_images_of_the_class_without_the_object(run, toy, tmp_path):
    out, options = tmp_path / "out", ["--map", "contrast", "--label", "without"]
    assert main(["segment", str(run), str(toy / "test" / "without"), "-o", str(out), *options]) == 0
    assert all(not np.asarray(Image.open(path)).any() for path in (out / "masks").iterdir())


@pytest.mark.parametrize("options", [["--threshold", "mean"], ["--to", "voc"], ["--label", "nobody"]])
def test_segment_refuses_what_it_does_not_know(run, toy, tmp_path, options, capsys):
    assert main(["segment", str(run), str(toy / "test"), "-o", str(tmp_path / "out"), *options]) == 2
    assert options[1] in capsys.readouterr().err


def test_the_label_can_be_decided_and_is_told(run, toy, tmp_path):
    assert main(["map", str(run), str(toy / "test"), "-o", str(tmp_path / "out")]) == 0
    lines = (tmp_path / "out" / "maps.csv").read_text().splitlines()
    assert lines[0] == "file,label,reason"
    assert {line.split(",")[1] for line in lines[1:]} <= {"with", "without"}


def test_a_bad_file_is_listed_and_the_others_are_mapped(run, toy, tmp_path, capsys):
    shutil.copytree(toy / "test/with", tmp_path / "in")
    (tmp_path / "in" / "bad.png").write_text("no image")
    assert main(["map", str(run), str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--label", "with"]) == 3
    assert "bad.png" in capsys.readouterr().err
    assert len(list((tmp_path / "out").glob("*/psi1.npy"))) == 6


def test_where_no_image_can_be_mapped_nothing_is_written(run, tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.png").write_text("no image")
    code, text = fails(capsys, "map", run, tmp_path / "in", "-o", tmp_path / "out", "--label", "with")
    assert (code, "bad.png: not a PNG" in text) == (2, True)
    assert not (tmp_path / "out").exists()


def test_one_image_is_mapped_into_a_folder_beside_it(run, toy, tmp_path):
    image = next((toy / "test/with").iterdir())
    shutil.copy(image, tmp_path / "scan.png")
    assert main(["map", str(run), str(tmp_path / "scan.png"), "-o", str(tmp_path / "maps"), "--label", "with"]) == 0
    assert (tmp_path / "maps/scan.png/psi1.npy").is_file()


def test_killed_and_resumed_equals_uninterrupted(toy, run, tmp_path):
    """A real SIGKILL, at a moment of the machine's choosing."""
    folder = tmp_path / "killed"
    arguments = ["train", str(toy), "-o", str(folder), *TINY, "--config", str(tmp_path / "often.yaml")]
    (tmp_path / "often.yaml").write_text("save_every: 1\n")
    process = subprocess.Popen([*ACDM, *arguments], stderr=subprocess.DEVNULL)
    while process.poll() is None and len(list((folder / "checkpoints").glob("*.safetensors"))) < 2:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert main([*arguments, "--resume"]) == 0
    name = "checkpoints/step-12.safetensors"
    resumed, whole = (read_tensors(path / name, "training")[0] for path in (folder, run))
    assert resumed.keys() == whole.keys()
    assert all((resumed[key] == whole[key]).all() for key in whole)


def test_a_run_without_a_checkpoint_begins_again_on_resume(toy, run, tmp_path):
    shutil.copytree(run, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy/checkpoints")
    assert main(["train", str(toy), "-o", str(tmp_path / "copy"), *TINY, "--resume"]) == 0
    name = "checkpoints/step-12.safetensors"
    again, whole = (read_tensors(path / name, "training")[0] for path in (tmp_path / "copy", run))
    assert all((again[key] == whole[key]).all() for key in whole)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["--loss.rec", "-1"], "✗ loss.rec: Input should be greater than or equal to 0"),
        (["--network.stem", "3"], "✗ network.stem: must be 1, 2 or 4, got 3"),
        (["--images.range", "3", "1"], "✗ images.range: the lowest value must lie below the highest"),
        (["--loss.spares", "1"], "✗ Unknown option: --loss.spares"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(toy, capsys, typed, words):
    code, text = fails(capsys, "train", toy, *typed)
    assert code == 2
    assert text.startswith(words)
    assert text.count("\n") == 1


def test_a_run_in_use_is_left_alone(toy, run, capsys):
    with lock(run):
        code, text = fails(capsys, "train", toy, "-o", run, "--resume")
    assert (code, "in use by process" in text) == (13, True)


def test_minutes_become_a_step_count_that_is_kept(toy, tmp_path):
    assert main(["train", str(toy), "-o", str(tmp_path / "run"), *SMALL, "--minutes", "0.03"]) == 0
    config = read_yaml(tmp_path / "run/config.yaml")
    (checkpoint,) = (tmp_path / "run/checkpoints").iterdir()
    assert 30 < int(checkpoint.stem.removeprefix("step-")) <= config["steps"]


def test_python_users_get_the_same(run, toy, two_folders, tmp_path):
    network = {"branches": 3, "width": 4, "max_width": 8, "discriminator_width": 4, "discriminator_max_width": 8}
    made = acdm.train(*two_folders, out=tmp_path / "run", size=16, batch=4, steps=2, network=network)
    d = acdm.load(made.path).decompose(two_folders[0] / "00.png", label="bright")
    assert d.psi.shape == (3, 1, 40, 32)
    torch.testing.assert_close(d.contrast, d.psi1 - d.psi_other[0])
    torch.testing.assert_close(d.reconstruction, d.psi.sum(dim=0))
    x = torch.rand(2, 1, 16, 16)
    assert acdm.load(run).attribute(x, target=1).shape == x.shape


@pytest.mark.parametrize(
    ("number", "code", "length"),
    [
        (signal.SIGINT, 130, "--steps=100000"),
        (signal.SIGTERM, 143, "--minutes=5"),
        (signal.SIGHUP, 129, "--steps=100000"),
    ],
)
def test_a_signal_saves_and_says_so(toy, tmp_path, number, code, length):
    folder = tmp_path / "stopped"
    arguments = ["train", str(toy), "-o", str(folder), *SMALL, length]
    heard = partial(signal.signal, number, signal.SIG_DFL)  # whatever the tests themselves are let ignore
    process = subprocess.Popen([*ACDM, *arguments], stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    while process.poll() is None and not (folder / "metrics.csv").exists():
        time.sleep(0.01)
    process.send_signal(number)
    _, text = process.communicate(timeout=60)
    assert process.returncode == code
    assert "--resume" in text
    assert "Traceback" not in text
    assert len(list((folder / "checkpoints").glob("step-*.safetensors"))) == 1


def test_a_signal_that_is_to_be_ignored_stops_nothing(toy, tmp_path):
    """As nohup has it, when the one who typed it logs out."""
    folder = tmp_path / "left-alone"
    ignored = partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    process = subprocess.Popen([*ACDM, "train", str(toy), "-o", str(folder), *TINY], preexec_fn=ignored)
    while process.poll() is None and not (folder / "metrics.csv").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=120) == 0
    assert (folder / "calibration.json").is_file()


def test_training_goes_on_when_nobody_reads_what_it_says(toy, tmp_path):
    """As with `2>&1 | head`: the reader of its output leaves at once."""
    folder = tmp_path / "unheard"
    process = subprocess.Popen(
        [*ACDM, "train", str(toy), "-o", str(folder), *TINY], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    process.stdout.close()
    assert process.wait(timeout=120) == 0
    assert (folder / "checkpoints/step-12.safetensors").is_file()
    assert "calibrating" in (folder / "log.txt").read_text()


def test_a_terminal_in_latin_1_is_spoken_to(toy, run, tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    arguments = ["evaluate", str(run), str(toy), "--json", str(tmp_path / "results.json")]
    done = subprocess.run([*ACDM, *arguments], capture_output=True, env=environment)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr


def test_a_run_is_not_resumed_on_other_images(toy, run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "copy")
    shutil.copytree(toy, tmp_path / "toy")
    next((tmp_path / "toy/train/with").iterdir()).unlink()
    code, text = fails(capsys, "train", tmp_path / "toy", "-o", tmp_path / "copy", "--resume")
    assert (code, "not those this run began with" in text) == (2, True)


def test_the_demo_leaves_an_evaluated_run_with_its_report(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("acdm.cli.demo.SIZE", 16)
    monkeypatch.setattr("acdm.cli.demo.TRAIN", 60)
    monkeypatch.setattr("acdm.cli.demo.TEST", 8)
    assert main(["demo", "-o", str(tmp_path / "demo"), "--minutes", "0.02"]) == 0
    assert (tmp_path / "demo/run/report/index.html").is_file()
    assert json.loads((tmp_path / "demo/run/results.json").read_text())["n"] == {"without": 4, "with": 4}
    assert "psi1" in capsys.readouterr().out


def test_a_demo_that_cannot_be_draws_nothing(tmp_path, capsys):
    assert fails(capsys, "demo", "-o", tmp_path / "demo", "--minutes", "0")[0] == 2
    assert not (tmp_path / "demo").exists()
    (tmp_path / "file").write_text("keep")
    code, text = fails(capsys, "demo", "-o", tmp_path / "file")
    assert (code, "already exists" in text) == (2, True)


def fails(capsys, *arguments):
    code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.err + captured.out


def test_bad_input_gets_one_sentence_and_leaves_nothing(two_folders, tmp_path, capsys):
    a, b = two_folders
    bad = tmp_path / "bad"
    shutil.copytree(a, bad)
    (bad / "00.png").write_text("no image")
    copied = tmp_path / "copied"
    shutil.copytree(a, copied)
    shutil.copy(b / "00.png", copied / "twin.png")
    cases = [
        ([tmp_path / "nowhere"], "no such folder"),
        ([a, tmp_path / "nowhere"], "no such folder"),
        ([a, a], "given twice"),
        ([bad, b], "00.png: not a PNG"),
        ([a, b, "--size", "50"], "size"),
        ([a, b, "--branches", "0"], "branches"),
        ([a, b, "--positive", "zebra"], "zebra"),
        ([a, b, "--device", "cuda"], "cuda"),
        ([a, b, "--seed", "-1"], "seed"),
        ([copied, b], "two classes"),
    ]
    for arguments, message in cases:
        code, text = fails(capsys, "train", *arguments, "-o", tmp_path / "run", "--steps", "1")
        assert code == 2, (arguments, text)
        assert message in text
        left = [p for p in (tmp_path / "run").rglob("*") if p.name != ".lock"] if (tmp_path / "run").exists() else []
        assert left == [], arguments


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("loss: {spares: 1}", "loss.spares: no such option"),
        ("batch: 1", "batch"),
        ("- a", "key: value"),
        ("a: [", "YAML"),
        ("size: !!python/object/apply:os.system ['touch canary']", "YAML"),
    ],
)
def test_a_wrong_config_names_the_key(two_folders, tmp_path, capsys, line, message):
    (tmp_path / "c.yaml").write_text(line)
    code, text = fails(capsys, "train", *two_folders, "-o", tmp_path / "run", "--config", tmp_path / "c.yaml")
    assert code == 2
    assert message in text


def test_a_run_folder_is_never_laid_over_something(two_folders, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("keep")
    code, text = fails(capsys, "train", *two_folders, "-o", tmp_path / "run", "--steps", "1")
    assert (code, "already exists" in text) == (2, True)
    assert (tmp_path / "run" / "thesis.txt").read_text() == "keep"


def test_what_is_no_run_is_said(two_folders, run, tmp_path, capsys):
    assert fails(capsys, "evaluate", tmp_path, two_folders[0])[0] == 2
    shutil.copytree(run, tmp_path / "broken")
    for path in (tmp_path / "broken/checkpoints").iterdir():
        path.write_bytes(b"not one")
    (tmp_path / "broken/chosen.safetensors").unlink(missing_ok=True)
    code, text = fails(capsys, "map", tmp_path / "broken", two_folders[0], "-o", tmp_path / "out")
    assert code == 2
    assert "not an acdm checkpoint" in text


def test_a_label_that_does_not_exist_is_refused(run, two_folders, tmp_path, capsys):
    code, text = fails(capsys, "map", run, two_folders[0], "-o", tmp_path / "out", "--label", "zebra")
    assert code == 2
    assert "its classes are without, with" in text


def test_maps_are_never_written_among_the_images(run, two_folders, capsys):
    code, text = fails(capsys, "map", run, two_folders[0], "-o", two_folders[0] / "maps", "--label", "with")
    assert (code, "lies within" in text) == (2, True)


def test_a_report_before_an_evaluation_says_what_is_missing(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "copy")
    (tmp_path / "copy" / "results.json").unlink()
    code, text = fails(capsys, "report", tmp_path / "copy")
    assert (code, "acdm evaluate" in text) == (2, True)


def test_images_that_were_trained_on_are_never_test_images(two_folders, tmp_path):
    a, b = (
        shutil.move(folder, tmp_path / number / folder.name) for folder, number in zip(two_folders, "12", strict=True)
    )
    assert main(["train", str(a), str(b), "-o", str(tmp_path / "run"), "--positive", "dark", *TINY]) == 0
    (a / "05.png").unlink()  # the split would now fall elsewhere
    assert main(["evaluate", str(tmp_path / "run"), str(b), str(a)]) == 0
    about = json.loads((tmp_path / "run/data.json").read_text())
    results = json.loads((tmp_path / "run/results.json").read_text())
    test = {(line["label"], Path(line["path"]).name) for line in about["files"]["test"]} - {("bright", "05.png")}
    assert sum(results["n"].values()) == len(test)


def test_what_a_run_hangs_on_cannot_change_on_resume(toy, run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "copy")
    code, text = fails(capsys, "train", toy, "-o", tmp_path / "copy", "--resume", "--branches", "4")
    assert (code, "network.branches: cannot change" in text) == (2, True)


def test_a_misspelled_command_is_guessed(capsys):
    code, text = fails(capsys, "trian", "x")
    assert code == 2
    assert "train" in text


def test_help_needs_no_torch():
    code = "import sys; from acdm.cli.app import main; main(['--help']); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


def test_torchvision_is_absent():
    """It installs silently beside a CPU torch, fails at import, and takes torchmetrics with it."""
    import importlib.util

    assert importlib.util.find_spec("torchvision") is None


def test_deep_images_are_scaled_by_the_training_images_and_ever_after(tmp_path, rng, capsys):
    """Floats of two classes, several values on one option, and the range that is kept with the run."""
    for label, level in (("a", 0), ("b", 50)):
        (tmp_path / label).mkdir()
        for number in range(12):
            values = 1000 + level + 10 * rng.standard_normal((2, 20, 20))
            np.save(tmp_path / label / f"{number}.npy", values.astype(np.float32))
    folders = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert main(["train", *folders, "-o", str(tmp_path / "run"), *TINY]) == 0
    assert "become -1 to 1" in capsys.readouterr().err
    ranges = read_yaml(tmp_path / "run" / "config.yaml")["images"]["range"]
    assert len(ranges) == 2
    assert all(900 < low < 1000 < high < 1150 for low, high in ranges)
    assert main(["evaluate", str(tmp_path / "run"), *folders]) == 0
    options = ["--images.range", "0", "2000", "--images.bands", "2"]
    assert main(["train", *folders, "-o", str(tmp_path / "other"), *TINY, *options]) == 0
    images = read_yaml(tmp_path / "other" / "config.yaml")["images"]
    assert (images["range"], images["bands"]) == ([[0.0, 2000.0]], [2])


def test_go_does_it_all_and_runs_lists_what_there_is(toy, tmp_path, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    run = tmp_path / "runs/mine"
    assert main(["go", str(toy), "-o", str(run), *TINY]) == 0
    assert opened == [(run / "report/index.html").resolve().as_uri()]
    assert "look at" in capsys.readouterr().out
    (tmp_path / "runs/begun").mkdir()
    shutil.copy(run / "config.yaml", tmp_path / "runs/begun")
    (tmp_path / "runs/broken").mkdir()
    shutil.copy(run / "config.yaml", tmp_path / "runs/broken")
    (tmp_path / "runs/broken/results.json").write_text("{")
    assert main(["runs", str(tmp_path / "runs")]) == 0
    listed = capsys.readouterr().out
    assert [row.split("|")[1].strip() for row in listed.splitlines()[2:]].count("mine") == 1
    assert "not evaluated" in listed
    assert main(["runs", str(toy)]) != 0
    assert "holds no run" in capsys.readouterr().err


def test_baselines_teach_the_segmenter_too(toy, run, tmp_path):
    command = ["compare", str(toy), str(run), "-o", str(tmp_path / "out"), "--baselines", "normals", "--teach"]
    assert main([*command, "--features", "off", "--minutes", "0.2"]) == 0
    with (tmp_path / "out/compare.csv").open(newline="") as file:
        maps = {row["map"] for row in csv.DictReader(file) if row["method"] == "normals"}
    assert maps == {"memory of the other class", "memory of the other class → object"}


def test_a_run_beside_baselines_has_the_figures_that_evaluate_gives(toy, run, tmp_path, capsys):
    def compare(out, *options):
        return main(["compare", str(toy), str(run), "-o", str(tmp_path / out), *options])

    assert compare("out", "--baselines", "trivial,normals") == 0
    with (tmp_path / "out/compare.csv").open(newline="") as file:
        rows = {(row["method"], row["map"]): row for row in csv.DictReader(file)}
    maps = json.loads((run / "results.json").read_text())["maps"]
    for name, figures in maps.items():
        assert float(rows["run", name]["auprc"]) == pytest.approx(figures["auprc"])
    assert {method for method, _ in rows} == {"run", "trivial", "normals"}
    with Image.open(tmp_path / "out/pictures.png") as picture:
        assert picture.size[1] > 8 * 128, "a row an image"
    assert "brightness" in capsys.readouterr().out

    assert main(["train", str(toy), "-o", str(tmp_path / "run"), *TINY, "--positive", "without"]) == 0
    other = ["compare", str(toy), str(tmp_path / "run"), "--baselines", "trivial", "-o", str(tmp_path / "other")]
    assert main(other) == 3
    assert "the positive one last" in capsys.readouterr().err

    measured = (tmp_path / "out/methods/trivial.json").stat().st_mtime_ns
    assert compare("out", "--baselines", "trivial") == 0
    assert (tmp_path / "out/methods/trivial.json").stat().st_mtime_ns == measured
    assert compare("out", "--seed", "1") == 2
    assert "another comparison" in capsys.readouterr().err
    assert compare("new", "--baselines", "trivials") == 2
    assert "one-branch" in capsys.readouterr().err


def test_a_run_says_what_it_is(run, tmp_path, capsys):
    assert main(["info", str(run)]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["step"], about["of"], about["ready"], about["classes"]) == (12, 12, True, ["without", "with"])
    assert about["parameters"]["generators"] > about["parameters"]["discriminator"] > 0
    results = json.loads((run / "results.json").read_text())
    assert about["figures"]["auprc"]["residual"] == results["maps"]["residual"]["auprc"]
    shutil.copytree(run, tmp_path / "copy")
    (tmp_path / "copy/checkpoints/step-12.safetensors").write_bytes(b"damaged")
    assert main(["info", str(tmp_path / "copy")]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["step"], len(about["complaints"])) == (0, 1)


def test_a_class_that_fills_its_images_is_evaluated_too(tmp_path):
    """Every pixel is the object: there is nothing to rank pixels by, and the area that is marked is all there is."""
    toy, run = tmp_path / "toy", tmp_path / "run"
    assert main(["toy", str(toy), "--set", "tint", "--size", "16", "--train", "40", "--test", "8"]) == 0
    assert main(["train", str(toy), "-o", str(run), *TINY]) == 0
    assert main(["evaluate", str(run), str(toy)]) == 0
    results = json.loads((run / "results.json").read_text())
    for figures in results["maps"].values():
        assert figures["auprc"] is None
        assert 0 <= figures["iou"] <= 1
    assert main(["report", str(run)]) == 0
