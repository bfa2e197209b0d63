"""What a map teaches, and what the segmenter makes of it."""

from dataclasses import replace
from math import inf, log
from time import perf_counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import average_precision_score

from acdm.core.config import Config
from acdm.errors import DataError
from acdm.training.findings import lessons_of
from acdm.training.segmenter import (
    MOST,
    MOST_UNWEIGHED,
    Lessons,
    Teacher,
    _members,
    choose_teacher,
    image_auroc,
    lessons,
    loss_of,
    state_loss,
    steps_within_reach,
    targets_of,
    teach,
    with_masks,
)

STILL = {"degrees": 0, "translate": 0, "scale": 0}


def test_negatives_hold_nothing_and_the_threshold_stands_at_a_half():
    scores = torch.tensor([[[0.0, 2.0, 9.0]], [[0.0, 2.0, 9.0]]])
    targets = targets_of(scores, torch.tensor([1, 0]), threshold=2.0)
    assert targets.squeeze().tolist() == [[0.0, 0.5, 1.0], [0.0, 0.0, 0.0]]


def test_the_loss_of_even_odds_by_hand():
    """Of 4 pixels one is the object and one is unsure (.3, which weighs .2); each costs log 2."""
    targets = torch.tensor([1.0, 0.3, 0.0, 0.0]).view(1, 1, 2, 2)
    pixels = log(2) * (1 + 0.2 + 1 + 1) / 4
    dice = 1 - (2 * 0.5 * 1.3 + 1) / (4 * 0.5 + 1.3 + 1)
    expected = pixels + 0.3 * dice + 0.1 * log(2)
    assert loss_of(torch.zeros(1, 1, 2, 2), targets, torch.tensor([1])).item() == pytest.approx(expected)


def scenes(count=128, side=32):
    """Noise, and in every other image a bright square: images, classes, squares, places where there is nothing."""
    g = torch.Generator().manual_seed(0)
    x, y = 0.1 * torch.randn(count, 1, side, side, generator=g), torch.arange(count) % 2
    squares, elsewhere = torch.zeros(2, count, side, side)
    for i in range(1, count, 2):
        for place, top in ((squares, 2), (elsewhere, 20)):
            left = int(torch.randint(2, side - 10, (), generator=g))
            place[i, top : top + 8, left : left + 8] = 1
        if torch.rand((), generator=g) < 0.5:
            squares[i], elsewhere[i] = elsewhere[i].clone(), squares[i].clone()
    x[:, 0] += 0.8 * squares
    return x, y, squares, elsewhere


def test_what_a_map_errs_in_by_chance_is_unlearned():
    """The map is blind to every other pixel of the squares, and marks as much elsewhere, where there is nothing."""
    x, y, squares, elsewhere = scenes()
    blind = torch.rand(squares.shape, generator=torch.Generator().manual_seed(1)) < 0.5
    scores = torch.where(blind, 0.0, squares + elsewhere)
    taught = Lessons(x[:120], y[:120], targets_of(scores, y, threshold=0.5)[:120])
    segmenter = teach(taught, Config.of({"augment": STILL, "device": "cpu"}), None, steps=100)
    truth = squares[120:].flatten().numpy()
    assert average_precision_score(truth, scores[120:].flatten().numpy()) < 0.4
    assert average_precision_score(truth, segmenter.probabilities(x[120:]).flatten().numpy()) > 0.9


def bright_and_dark():
    """Images with a bright square, a dark one, both or none: images, which are there, and where, (n, 2, S, S)."""
    x, _, bright, dark = scenes(160)
    present = torch.tensor([[i // 2 & 1, i // 4 & 1] for i in range(160)]) * (torch.arange(160) % 2)[:, None]
    places = torch.stack([bright, dark], dim=1) * present[:, :, None, None]
    x[:, 0] += 0.8 * (places[:, 0] - bright - places[:, 1])
    return x, present, places


def test_a_map_of_any_finding_and_labels_teach_where_each_is():
    """The map marks bright squares and dark ones alike; which is which, images with one of them alone tell."""
    x, present, places = bright_and_dark()
    taught = Lessons(x[:120], present[:120], places[:120].amax(dim=1, keepdim=True))
    drawn = teach(taught, Config.of({"augment": STILL, "device": "cpu"}), None, steps=150).probabilities(x[120:])
    for k in (0, 1):
        assert average_precision_score(places[120:, k].flatten().numpy(), drawn[:, k].flatten().numpy()) > 0.95


def test_what_a_map_of_any_finding_costs_by_hand():
    """Of two findings at even odds one is there: it is what the map marks, and the other one costs log 2."""
    targets = torch.tensor([1.0, 0.3, 0.0, 0.0]).view(1, 1, 2, 2).repeat(2, 1, 4, 4)
    states = torch.tensor([[1, 0], [1, 0]])
    logits = torch.zeros(2, 2, 8, 8)
    of_it = loss_of(logits[:, :1], targets, states[:, :1])
    assert loss_of(logits, targets, states).item() == pytest.approx(of_it.item() + log(2), rel=1e-4)


def test_labels_alone_teach_where_each_of_two_findings_is():
    """Nothing says where the squares are."""
    x, present, places = bright_and_dark()
    taught = Lessons(x[:120], present[:120], None)
    drawn = teach(taught, Config.of({"augment": STILL, "device": "cpu"}), None, steps=150).probabilities(x[120:])
    for k in (0, 1):
        having = present[120:, k] == 1
        loudest = drawn[having, k].flatten(1).argmax(dim=1, keepdim=True)
        assert places[120:][having, k].flatten(1).gather(1, loudest).mean() > 0.9


BY_FIRST_CHANNEL = Teacher("evidence", lambda images: images[:, 0].numpy(), 1.0)


def test_classes_that_lie_one_after_the_other_all_teach():
    """Three classes of 5,000 images; in whatever part there is time for, each is there and absent."""
    states = torch.eye(3, dtype=torch.long).repeat_interleave(5_000, dim=0)
    taught = states[lessons_of(states, seed=0)]
    for part in (taught, taught[:64]):
        assert ((part.sum(dim=0) > 0) & (part.sum(dim=0) < len(part))).all()
    assert (taught.sum(dim=0) >= 800).all()


def test_images_without_any_finding_teach_though_they_come_last():
    states = torch.eye(3, dtype=torch.long)[:, :2].repeat_interleave(5_000, dim=0)
    taught = states[lessons_of(states, seed=0)]
    assert (taught.sum(dim=1) == 0).sum() >= 800


@pytest.mark.parametrize(
    ("evidence", "attributions", "taught_by"),
    [
        ([0.1, 0.9, 0.8, 0.2], [0.1, 0.2, 0.8, 0.9], "attributions"),
        ([0.1, 0.2, 0.8, 0.9], [0.1, 0.9, 0.8, 0.2], "evidence"),
        ([0.1, 0.2, 0.8, 0.9], [0.3, 0.4, 0.5, 0.6], "evidence"),
        ([0.9, 0.8, 0.2, 0.1], [0.1, 0.7, 0.6, 0.8], "evidence"),
    ],
)
def test_the_map_that_tells_unseen_images_apart_better_teaches(evidence, attributions, taught_by, monkeypatch):
    """Of four validation images the last two are positive; evidence where both are right, or attributions unsure."""
    x = torch.tensor([evidence, attributions]).T[:, :, None, None].expand(-1, -1, 8, 8)
    for channel, name in enumerate(("evidence", "attributions")):
        teacher = Teacher(name, lambda images, channel=channel: images[:, channel].numpy(), 1.0)
        monkeypatch.setattr(f"acdm.training.segmenter._{name}", lambda *_, teacher=teacher: teacher)
    unseen = x, torch.tensor([0, 0, 1, 1])
    teacher, auroc = choose_teacher(SimpleNamespace(judge=object()), None, unseen, unseen, seed=0)
    assert teacher.name == taught_by
    assert auroc == image_auroc(x[:, 0].numpy(), unseen[1]), "of evidence, whatever teaches"


def by_channel(judge=None):
    """A decomposer whose evidence is the first channel of the images, with a threshold of 1."""
    known = SimpleNamespace(scores=lambda signed: signed.numpy(), threshold=1.0)

    def draw(x, _):
        return SimpleNamespace(maps={"evidence": x[:, 0]})

    return SimpleNamespace(judge=judge, calibration={"evidence": known}, draw=draw)


def test_a_probe_that_knows_what_evidence_does_not_weighs_it(monkeypatch):
    """Evidence is loudest in an image without the object; the second channel is the probe's probability."""
    probe = SimpleNamespace(probabilities=lambda x: x[:, 1:])
    monkeypatch.setattr("acdm.training.segmenter.fit_probe", lambda *_: probe)
    x = torch.tensor([[0.9, 0.01], [0.1, 0.01], [0.8, 0.81], [0.2, 0.81]])[:, :, None, None].expand(-1, -1, 8, 8)
    unseen = x, torch.tensor([0, 0, 1, 1])
    teacher, auroc = choose_teacher(by_channel(), object(), unseen, unseen, seed=0)
    assert auroc == 0.5, "of evidence alone"
    assert (teacher.threshold, teacher.most) == (None, MOST)
    np.testing.assert_allclose(teacher.scores(x)[:, 0, 0], [0.09, 0.01, 0.72, 0.18], rtol=1e-6)


def test_where_the_minutes_are_over_evidence_teaches_unasked(monkeypatch):
    """Attributions and the probe would both be better, and neither is asked."""
    asked = []
    for name in ("_attributions", "fit_probe"):
        monkeypatch.setattr(f"acdm.training.segmenter.{name}", lambda *_, name=name: asked.append(name))
    unseen = torch.rand(8, 1, 8, 8), torch.tensor([0, 1] * 4)
    teacher, _ = choose_teacher(by_channel(judge=object()), object(), unseen, unseen, seed=0, end=perf_counter())
    assert teacher.name == "evidence"
    assert asked == []


@pytest.mark.parametrize(("features", "most"), [(None, MOST), (object(), MOST_UNWEIGHED)])
def test_evidence_teaches_longer_where_pixels_are_all_that_is_seen(features, most, monkeypatch):
    """The probe says the same of every pixel, and so gains nothing."""
    probe = SimpleNamespace(probabilities=lambda x: torch.full((len(x), 1, 8, 8), 0.25))
    monkeypatch.setattr("acdm.training.segmenter.fit_probe", lambda *_: probe)
    unseen = torch.rand(8, 1, 8, 8), torch.tensor([0, 1] * 4)
    teacher, _ = choose_teacher(by_channel(), features, unseen, unseen, seed=0)
    assert (teacher.name, teacher.most) == ("evidence", most)


def test_maps_are_drawn_until_each_finding_is_there_though_the_time_is_over():
    """Some image alone has the second finding, and maps are drawn of sixteen at a time."""
    drawn = set()
    for rare in range(0, 50, 7):
        states = torch.zeros(100, 2, dtype=torch.long)
        states[:50, 0], states[rare, 1] = 1, 1
        taught = lessons(BY_FIRST_CHANNEL, torch.rand(100, 1, 8, 8), states, end=0.0)
        assert taught.targets is not None
        assert len(taught.targets) == len(taught.y) == len(taught.places)
        assert taught.y[:, 1].sum() == 1
        drawn.add(int(taught.y[:, 0].sum()))
    assert drawn <= {16, 32, 48, 50}
    assert len(drawn) > 1


def test_where_the_time_is_over_images_of_all_places_teach():
    """Of a hundred places with four images each, one after the other, not the first ones alone."""
    x = torch.arange(400.0)[:, None, None, None].expand(-1, 1, 8, 8) / 400
    taught = lessons(BY_FIRST_CHANNEL, x, torch.ones(400, dtype=torch.long), end=0.0)
    assert len(taught.x) == 16
    assert len((taught.places // 4).unique()) > 12
    assert (taught.places // 100).unique().tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(taught.targets, taught.x / 2)


def test_of_many_images_those_that_teach_are_spread_over_all_of_them():
    y = torch.arange(400) % 2
    taught = lessons(BY_FIRST_CHANNEL, torch.rand(400, 1, 8, 8), y, most=50)
    for k in (0, 1):
        own = taught.places[taught.y == k]
        assert len(own.unique()) == 50
        assert (own.sort().values.diff() >= 6).all(), "two hundred of each class, every fourth"


def test_what_labels_cost_by_hand():
    """Of two images one has the finding: at even odds each costs log 2, whatever there is more of."""
    states = torch.tensor([[1], [0], [0], [0]])
    assert state_loss(torch.zeros(4, 1, 8, 8), states).item() == pytest.approx(log(2))
    sure = torch.full((4, 1, 8, 8), -20.0)
    assert state_loss(sure, states).item() == pytest.approx(-log(1e-4) / 2, rel=1e-2)


def test_the_same_seed_teaches_the_same_and_leaves_torch_s_own_randomness():
    x, y, squares, _ = scenes(12)
    taught = Lessons(x, y, targets_of(squares, y, 0.5))
    state = torch.get_rng_state()
    one, two = (teach(taught, Config(seed=5, device="cpu"), None, steps=3).network.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert torch.equal(state, torch.get_rng_state())


def test_masks_are_half_of_what_a_class_is_taught_by():
    """Of 20 positive images two have masks, and of 6 in a batch three are theirs; without masks none is told apart."""
    y = torch.tensor([0] * 10 + [1] * 20)
    corrected = torch.zeros(30, dtype=torch.bool)
    corrected[[12, 20]] = True
    nothing = torch.zeros(30, 1, 8, 8)
    taught = Lessons(nothing, y, nothing, corrected)
    for step in range(5):
        chosen = _members(taught, 1, step, seed=0)
        assert len(chosen) == 6
        assert corrected[chosen].sum() == 3
        assert not corrected[_members(taught, 0, step, seed=0)].any()


def test_a_thin_object_stays_one_and_weighs_in_full():
    """A line that fills three tenths of the network's pixels; half of it would be unsure in a map."""
    line = torch.zeros(1, 8, 8)
    line[0, 4] = 0.3
    x, y = torch.rand(2, 1, 8, 8), torch.tensor([0, 1])
    taught = with_masks(Lessons(x, y, torch.zeros(2, 1, 8, 8), places=torch.arange(2)), x, {1: line})
    assert taught.y.tolist() == [0, 1]
    logits = torch.full((1, 1, 8, 8), -2.0)
    by_map, by_mask = (loss_of(logits, line[None], torch.tensor([1]), torch.tensor([known])) for known in (False, True))
    pixel = F.binary_cross_entropy_with_logits(torch.tensor(-2.0), torch.tensor(0.3)).item()
    assert (by_mask - by_map).item() == pytest.approx((1 - 0.2) * pixel / 8, rel=1e-4), "one row of eight"


@pytest.mark.parametrize("drawn", [0.0, 1.0])
def test_masks_that_leave_one_class_alone_are_a_sentence(drawn):
    x, y = torch.rand(4, 1, 8, 8), torch.tensor([0, 0, 1, 1])
    known = Lessons(x, y, torch.zeros(4, 1, 8, 8), places=torch.arange(4))
    with pytest.raises(DataError, match="all zero where there is nothing"):
        with_masks(known, x, {k: torch.full((1, 8, 8), drawn) for k in range(4)})


def test_what_a_mask_says_is_the_class_and_the_target():
    """Of four positive images, the second has an empty mask and the third a full one."""
    x, y, targets = torch.rand(4, 1, 8, 8), torch.ones(4, dtype=torch.long), torch.full((4, 1, 8, 8), 0.7)
    masks = {1: torch.zeros(1, 8, 8), 2: torch.ones(1, 8, 8)}
    taught = with_masks(Lessons(x, y, targets, places=torch.arange(4)), x, masks)
    assert taught.corrected is not None
    assert taught.corrected.tolist() == [False, False, True, True]
    assert taught.y.tolist() == [1, 1, 0, 1]
    assert torch.equal(taught.targets[2:], torch.stack([masks[1], masks[2]]))
    assert torch.equal(taught.x[2:], x[1:3])


def test_without_a_clock_steps_are_a_share_of_the_branches_own():
    x, y, squares, _ = scenes(12)
    taught = Lessons(x, y, targets_of(squares, y, 0.5))
    for steps, expected in ((3, 1), (100, 20), (1_000_000, MOST)):
        assert steps_within_reach(taught, Config(steps=steps, device="cpu"), None, inf) == expected
    assert steps_within_reach(taught, Config(steps=3000, device="cpu"), None, 0.0) == 1, "the time is over"
    assert steps_within_reach(replace(taught, most=7), Config(steps=3000, device="cpu"), None, inf) == 7
