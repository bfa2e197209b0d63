"""A run of several findings, from the command line and from Python."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import TINY

import acdm
from acdm.cli.app import main
from acdm.core.run import Run
from acdm.errors import RunError
from acdm.evaluation.results import evaluate
from acdm.maps.loading import load


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    folder = tmp_path_factory.mktemp("three") / "data"
    assert main(["toy", str(folder), "--set", "three", "--size", "16", "--train", "208", "--test", "16"]) == 0
    return folder


@pytest.fixture(scope="module")
def run(three, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", str(three), "-o", str(folder), *TINY]) == 0
    assert main(["evaluate", str(folder), str(three)]) == 0
    return folder


FINDINGS = ("rectangle", "disc", "stripe")


def test_figures_stand_a_finding_and_as_a_mean(run):
    written = json.loads((run / "results.json").read_text())
    assert tuple(written["labels"]) == FINDINGS
    assert set(written["mean"]) == {"psi1", "contrast", "residual", "evidence", "object"}
    for name in FINDINGS:
        assert written["labels"][name]["positive"] == name
        assert set(written["confusion"]["evidence"][name]) == set(FINDINGS)
    own = [written["labels"][name]["maps"]["evidence"]["auprc"] for name in FINDINGS]
    assert written["mean"]["evidence"]["auprc"] == pytest.approx(sum(own) / 3)


def test_figures_of_all_findings_are_those_of_each_measured_alone(run, three, tmp_path):
    written = json.loads((run / "results.json").read_text())
    for name in FINDINGS:
        alone = evaluate(Run.open(run).finding(name), [three], out=tmp_path / "alone.json")
        of_it = written["labels"][name]
        for key in ("psi1", "evidence", "object"):
            assert of_it["maps"][key]["auprc"] == pytest.approx(alone.maps[key].auprc, abs=1e-4)
        assert of_it["reconstruction"]["psnr_mean"] == pytest.approx(alone.reconstruction.psnr_mean, abs=1e-3)
        assert of_it["classes"]["swap_accuracy"] == pytest.approx(alone.classes.swap_accuracy, abs=0.05)


def test_the_report_leads_to_one_of_each_finding(run):
    assert main(["report", str(run)]) == 0
    page = (run / "report/index.html").read_text()
    assert "&lt;svg" not in page, "the curves are drawn, not printed"
    for name in FINDINGS:
        assert f"../findings/{name}/report/index.html" in page
        assert (run / f"findings/{name}/report/index.html").is_file()
    assert "data:image/png" in page  # all findings in colours


def test_maps_and_masks_are_written_a_finding(run, three, tmp_path):
    images = three / "test/images"
    assert main(["segment", str(run), str(images), "-o", str(tmp_path / "masks")]) == 0
    coco = [json.loads((tmp_path / f"masks/{name}/coco.json").read_text()) for name in FINDINGS]
    assert [c["categories"][0]["name"] for c in coco] == list(FINDINGS)
    whole = json.loads((tmp_path / "masks/coco.json").read_text())
    assert [c["name"] for c in whole["categories"]] == list(FINDINGS)
    assert len(whole["annotations"]) == sum(len(c["annotations"]) for c in coco)
    assert len(whole["images"]) == len(list(images.iterdir()))
    assert main(["map", str(run), str(images), "-o", str(tmp_path / "maps"), "--finding", "disc"]) == 0
    assert (tmp_path / "maps/maps.csv").is_file()


def test_what_the_findings_began_with_marks_any_of_them(run, three, tmp_path):
    images = three / "test/images"
    assert main(["segment", str(run / "beginning"), str(images), "-o", str(tmp_path / "masks")]) == 0
    assert [c["name"] for c in json.loads((tmp_path / "masks/coco.json").read_text())["categories"]] == ["any"]


def test_findings_that_begin_apart_are_each_taught_by_what_tells_them(three, tmp_path):
    assert main(["train", str(three), "-o", str(tmp_path / "run"), *TINY, "--no-begin-as-one"]) == 0
    assert not (tmp_path / "run/beginning").exists()
    assert any("taught by labels in" in line for line in Run.open(tmp_path / "run").last_lines(9))
    assert all(load(tmp_path / f"run/findings/{name}").segmenter for name in FINDINGS)


def test_an_unknown_finding_is_a_sentence(run, three, capsys):
    assert main(["map", str(run), str(three / "test/images"), "-o", str(run / "x"), "--finding", "star"]) != 0
    assert "has no finding 'star'; its findings are rectangle, disc, stripe" in capsys.readouterr().err
    assert main(["ui", str(run), "--no-open", "--finding", "star"]) != 0
    assert "has no finding 'star'" in capsys.readouterr().err


def test_lists_know_of_findings(run, capsys):
    assert main(["info", str(run)]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["findings"] == list(FINDINGS)
    assert about["ready"]
    assert set(about["figures"]["mean"]) == {"psi1", "contrast", "residual", "evidence", "object"}
    assert main(["runs", str(run.parent)]) == 0
    assert "mean of 3" in capsys.readouterr().out


def test_a_resumed_run_that_is_finished_stays_as_it_is(run, three, capsys):
    before = {path: path.read_bytes() for path in run.rglob("*.safetensors")}
    assert main(["train", str(three), "-o", str(run), "--resume"]) == 0
    assert "is finished" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in run.rglob("*.safetensors")} == before


def test_what_was_cut_off_after_the_branches_is_made_up_for(run, three, tmp_path):
    """The branches stay; the finding that lost its calibration and segmenter gets the same ones again."""
    lost = Run(run).finding("disc")
    before = {path: path.read_bytes() for path in (lost.segmenter, lost.calibration)}
    for path in before:
        path.unlink()
    assert main(["train", str(three), "-o", str(run), "--resume"]) == 0
    assert {path: path.read_bytes() for path in before} == before


def test_python_knows_each_finding(run, three):
    d = acdm.load(run).decompose(three / "test/images/00003.png", present=["rectangle", "disc"])
    assert d.present == ("rectangle", "disc")
    assert d.plot().size == (16, 16)
    one, *others = [of_one.reconstruction for of_one in d.labels.values()]
    for other in others:
        torch.testing.assert_close(one, other)  # one image, one sum, whichever finding is asked for
    assert not torch.equal(d.labels["disc"].psi[0], d.labels["stripe"].psi[0])


def test_maps_of_all_findings_are_those_of_each(run, three):
    """One pass of the branches serves all of them."""
    whole = acdm.load(run)
    x = torch.from_numpy(np.stack([np.array(Image.open(three / f"test/images/{n:05d}.png")) for n in range(6)]))
    x = x[:, None].float() / 127.5 - 1
    states = torch.tensor([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(6)])
    together = whole.maps(x, states)
    assert tuple(together) == FINDINGS
    for k, (name, one) in enumerate(whole.of_each.items()):
        one.branches.told = lambda views: states.repeat(len(views) // len(states), 1)
        for kind, drawn in one.maps(x, states[:, k]).items():
            torch.testing.assert_close(together[name][kind], drawn, rtol=1e-3, atol=1e-3)


def test_states_of_others_are_told_by_who_knows_them(run, three, monkeypatch):
    """While one finding is drawn, the others' states come from the check classifiers, or from `object` where it knows
    more."""
    x = torch.from_numpy(np.stack([np.array(Image.open(three / f"test/images/{n:05d}.png")) for n in range(6)]))
    x = x[:, None].float() / 127.5 - 1
    monkeypatch.setattr("acdm.maps.loading.asks_object", lambda judge, segmenter: False)
    told = load(Run(run).finding("disc").path).branches.told(x)
    whole = acdm.load(run)
    assert told.T.tolist() == [one.judge.probabilities(x).argmax(dim=1).tolist() for one in whole.of_each.values()]
    monkeypatch.setattr("acdm.maps.loading.asks_object", lambda judge, segmenter: True)
    told = load(Run(run).finding("disc").path).branches.told(x)
    marks = [(one.segmenter.probabilities(x) >= 0.5).flatten(1).any(dim=1) for one in whole.of_each.values()]
    assert torch.equal(told.bool(), torch.stack(marks, dim=1))


def test_a_findings_branches_are_those_of_all(run):
    """The same networks, each finding's own branch first."""
    views = [load(Run(run).finding(name).path).branches for name in FINDINGS]
    assert [view.k for view in views] == [0, 1, 2]
    weights = [dict(view.shared.named_parameters()) for view in views]
    assert all((weights[0][name] == other[name]).all() for other in weights[1:] for name in weights[0])


def test_one_of_several_findings_is_trained_on_as_two_classes(three, tmp_path):
    folder = tmp_path / "disc"
    assert main(["train", str(three), "-o", str(folder), "--positive", "disc", "--no-segmenter", *TINY]) == 0
    assert json.loads((folder / "data.json").read_text())["classes"] == ["no disc", "disc"]


def test_one_finding_cannot_be_trained_on_alone(run, three, capsys):
    """Its networks are those of all; what is missing of it is made up for by the run of all."""
    assert main(["train", str(three), "-o", str(run / "findings/disc"), "--resume", "--steps", "20"]) != 0
    assert f"go on with -o {run}" in capsys.readouterr().err


def test_figures_that_go_elsewhere_leave_the_run_as_it_is(run, three, tmp_path):
    kept = {path: path.read_bytes() for path in run.rglob("*.json")}
    assert main(["evaluate", str(run), str(three), "--json", str(tmp_path / "figures.json")]) == 0
    assert {path: path.read_bytes() for path in run.rglob("*.json")} == kept
    assert set(json.loads((tmp_path / "figures.json").read_text())["labels"]) == set(FINDINGS)


def test_an_image_that_cannot_be_read_stops_no_finding(run, three, tmp_path):
    shutil.copytree(three / "test/images", tmp_path / "images")
    (tmp_path / "images/00000.png").write_text("no image")
    assert main(["segment", str(run), str(tmp_path / "images"), "-o", str(tmp_path / "masks")]) == 3
    assert [(tmp_path / f"masks/{name}/coco.json").is_file() for name in FINDINGS] == [True] * 3
    assert (tmp_path / "masks/coco.json").is_file()


def test_a_format_that_no_image_allows_stops_no_finding(run, three, tmp_path, capsys):
    to = ["--to", "coco,geojson"]
    assert main(["segment", str(run), str(three / "test/images"), "-o", str(tmp_path / "masks"), *to]) == 3
    assert "no image says where on the earth it lies" in capsys.readouterr().err
    assert [(tmp_path / f"masks/{name}/coco.json").is_file() for name in FINDINGS] == [True] * 3


def test_a_findings_report_knows_the_training_of_all(run):
    assert main(["report", str(run), "--finding", "disc"]) == 0
    page = (run / "findings/disc/report/index.html").read_text()
    assert "12 steps" in page
    assert "5 branches" in page  # three findings, and the two that are common


def test_classes_beside_a_reference(tmp_path):
    rng = np.random.default_rng(0)
    for at, name in enumerate(("field", "forest", "town")):
        for number in range(12):
            path = tmp_path / "land" / ("test" if number > 8 else "train") / name / f"{number:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(60 + 60 * at + 20 * rng.standard_normal((16, 16)), 0, 255).astype(np.uint8)).save(
                path
            )
    land, run = str(tmp_path / "land"), str(tmp_path / "run")
    assert main(["train", land, "-o", run, "--reference", "field", "--no-segmenter", *TINY]) == 0
    assert main(["evaluate", run, land]) == 0
    assert set(json.loads((tmp_path / "run/results.json").read_text())["labels"]) == {"forest", "town"}
    assert main(["train", land, "-o", run, "--resume"]) == 0  # the reference is remembered


def test_a_link_among_the_findings_is_refused(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run/findings/disc")
    (tmp_path / "run/findings/disc").symlink_to(run / "findings/disc")
    with pytest.raises(RunError, match="a link"):
        acdm.load(tmp_path / "run")


def test_a_run_whose_findings_lead_elsewhere_is_not_opened(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    about = tmp_path / "run/data.json"
    about.write_text(about.read_text().replace('"disc"', '"../../disc"'))
    with pytest.raises(RunError, match="findings"):
        acdm.load(tmp_path / "run")


def test_corrected_masks_teach_the_segmenter_of_one_finding(run, three, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    one = tmp_path / "run/findings/disc"
    Image.fromarray(np.eye(16, dtype=np.uint8)).save(tmp_path / "mask.png")
    (tmp_path / "corrected").mkdir()
    for name in json.loads((one / "data.json").read_text())["files"]["train"][:6]:
        shutil.copy(tmp_path / "mask.png", tmp_path / "corrected" / f"{Path(name['path']).stem}.png")
    assert main(["train", str(three), "-o", str(one), "--resume", "--masks", str(tmp_path / "corrected")]) == 0
    assert (one / "segmenter.safetensors").read_bytes() != (run / "findings/disc/segmenter.safetensors").read_bytes()
    assert "6 masks" in (one / "log.txt").read_text()
    assert main(["evaluate", str(one), str(three), "--json", str(tmp_path / "results.json")]) == 0
    assert json.loads((tmp_path / "results.json").read_text())["masks"] == 6

    assert main(["train", str(three), "-o", str(tmp_path / "run"), "--resume", "--steps", "14"]) == 0
    assert "6 masks taught this run's segmenter, and 0 are given now" in (tmp_path / "run/log.txt").read_text()
    assert (tmp_path / "run/findings/disc/segmenter.safetensors").is_file()
    kept = tmp_path / "run/findings-before"
    assert (kept / "stripe/results.json").is_file(), "what was there is set aside, not lost"
    assert (kept / "disc/before/results.json").is_file(), "of before the masks"


def test_a_class_named_for_all_findings_is_refused_before_any_is_mapped(run, three, tmp_path, capsys):
    for command in ("map", "segment"):
        options = [command, str(run), str(three / "test/images"), "-o", str(tmp_path / "out"), "--label", "disc"]
        assert main(options) != 0
        assert "name it with --finding" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_run_whose_findings_are_set_aside_says_what_to_do(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    Run.open(tmp_path / "run").forget_findings()
    with pytest.raises(RunError, match="has no maps of 'disc' yet; finish it"):
        acdm.load(tmp_path / "run", finding="disc")
