from dataclasses import replace

import pytest
import torch
from torch import nn

from acdm.errors import CheckpointError
from acdm.maps.features import Features
from acdm.maps.segmenter import Segmenter, UNet, joined, load_segmenter, of_finding, save_segmenter


def some(channels=1, features=None):
    """A segmenter that says something and has seen something, in evaluation mode."""
    torch.manual_seed(0)
    network = UNet(channels, features.channels if features else ())
    nn.init.normal_(network.head.weight)
    for norm in (part for part in network.modules() if isinstance(part, nn.BatchNorm2d)):
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    return Segmenter(network.eval(), features)


@pytest.mark.parametrize("size", [(16, 16), (17, 30), (24, 9)])
def test_probabilities_have_the_size_of_the_image(size):
    found = some(3).probabilities(torch.rand(2, 3, *size))
    assert found.shape == (2, 1, *size)
    assert 0 <= found.min() <= found.max() <= 1


def test_what_is_saved_is_read_and_knows_its_run_and_its_features(tmp_path):
    x, path = torch.rand(1, 1, 32, 32), tmp_path / "segmenter.safetensors"
    taught = some(features=Features.installed())
    save_segmenter(path, taught, "run-a")
    again = load_segmenter(path, 1, run="run-a")
    torch.testing.assert_close(again.probabilities(x), taught.probabilities(x))
    with pytest.raises(CheckpointError, match="another run"):
        load_segmenter(path, 1, run="run-b")
    with pytest.raises(CheckpointError, match="does not fit"):
        load_segmenter(path, 3)


def test_without_the_features_it_was_taught_on_there_is_no_segmenter(tmp_path, monkeypatch):
    save_segmenter(tmp_path / "on-features", some(features=Features.installed()))
    save_segmenter(tmp_path / "on-pixels", some())
    monkeypatch.setattr(Features, "installed", lambda: None)
    assert load_segmenter(tmp_path / "on-features", 1) is None
    assert load_segmenter(tmp_path / "on-pixels", 1) is not None


def test_a_findings_segmenter_is_its_output_of_that_of_all():
    torch.manual_seed(0)
    network = UNet(1, findings=3)
    nn.init.normal_(network.head.weight)
    whole, x = Segmenter(network.eval(), None), torch.rand(2, 1, 32, 32)
    for k, drawn in enumerate(whole.probabilities(x).split(1, dim=1)):
        assert torch.equal(of_finding(whole, k).probabilities(x), drawn)


def test_segmenters_of_the_same_layers_are_one_again_and_others_stay():
    whole = Segmenter(UNet(1, findings=3).eval(), None)
    each = [of_finding(whole, k) for k in range(3)]
    x = torch.rand(2, 1, 32, 32) * 2 - 1
    (one,) = joined(each)
    assert torch.equal(one.probabilities(x), whole.probabilities(x))
    for network in (UNet(1), UNet(1, (16, 24, 40, 112))):  # of other weights; on features
        other = Segmenter(network.eval(), None)
        assert joined([*each[:2], other]) == [*each[:2], other]
        assert joined([other, *each[:2]]) == [other, *each[:2]]
    assert joined([]) == []


def test_of_other_features_it_is_refused(tmp_path, monkeypatch):
    from acdm.maps import segmenter
    from acdm.maps.features import PACKAGE, Origin

    taught = some(features=Features.installed())
    monkeypatch.setattr(taught.features, "origin", Origin(PACKAGE, "1", "0"))
    save_segmenter(tmp_path / "of-another", taught)
    with pytest.raises(CheckpointError, match="other features"):
        segmenter.load_segmenter(tmp_path / "of-another", 1)


def test_what_cannot_tell_unseen_images_apart_or_worse_than_evidence_is_not_trusted(tmp_path):
    path = tmp_path / "segmenter.safetensors"
    for auroc, teacher, mistaken, trusted in (
        (0.98, 0.9, 0.0, True),
        (0.974, 0.975, 0.05, True),
        (0.975, 0.99, 0.0, True),
        (0.96, 0.99, 0.0, False),
        (0.94, 0.9, 0.0, False),
        (1.0, 1.0, 0.0, False),
        (0.91, 0.82, 0.0, True),
        (0.74, 0.53, 0.0, True),
        (0.64, 0.5, 0.0, False),  # chance, in some thirty images of each class
        (0.56, 0.5, 0.0, False),
        (1.0, 0.9, 1.0, False),  # it marks all of every image, the object most
    ):
        save_segmenter(path, replace(some(), auroc=auroc, evidence_auroc=teacher, mistaken=mistaken))
        assert load_segmenter(path, 1).trusted is trusted


@pytest.mark.parametrize(
    ("auroc", "taught_by", "features", "masks", "trusted"),
    [
        (0.96, "evidence", False, 0, False),
        (0.96, "evidence", True, 0, True),
        (0.96, "attributions", False, 0, True),
        (0.96, "evidence", False, 5, True),  # a person has shown it the object
        (1.0, "evidence", False, 0, True),  # much better than evidence
    ],
)
def test_what_evidence_taught_on_pixels_alone_has_to_be_much_better(
    auroc, taught_by, features, masks, trusted, tmp_path
):
    seen = Features.installed() if features else None
    taught = replace(some(features=seen), auroc=auroc, evidence_auroc=0.95, taught_by=taught_by, masks=masks)
    save_segmenter(tmp_path / "segmenter.safetensors", taught)
    assert load_segmenter(tmp_path / "segmenter.safetensors", 1).trusted is trusted


@pytest.mark.parametrize(
    ("auroc", "mistaken", "trusted"), [(0.96, 0.05, True), (0.94, 0.05, False), (0.96, 0.2, False)]
)
def test_what_masks_have_taught_is_trusted_though_evidence_never_errs(auroc, mistaken, trusted):
    taught = replace(some(), auroc=auroc, evidence_auroc=1.0, mistaken=mistaken)
    assert not taught.trusted
    assert replace(taught, masks=5).trusted is trusted
