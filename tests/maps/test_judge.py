import numpy as np
import pytest
import torch

from acdm.core.config import Augment
from acdm.data.sets.toy import draw
from acdm.maps import judge as fitting
from acdm.maps.judge import Judge, load_judge, save_judge, small_resnet, train_judge, train_judges


@pytest.fixture(autouse=True)
def whole_rounds(monkeypatch):
    """As long as they are for users; elsewhere in the tests they are shorter."""
    monkeypatch.setattr(fitting, "ROUND_STEPS", 40)


def patches(n, seed):
    """Class 1 has a bright square somewhere."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 1, 16, 16, generator=generator) * 0.2
    y = torch.arange(n) % 2
    for i in range(1, n, 2):
        top, left = torch.randint(2, 9, (2,), generator=generator).tolist()
        x[i, :, top : top + 5, left : left + 5] += 1
    return x.clamp(-1, 1), y


def two_findings(n, seed):
    """A bright square where the first is present, a dark one where the second is."""
    generator = torch.Generator().manual_seed(seed)
    x, states = torch.randn(n, 1, 16, 16, generator=generator) * 0.2, torch.zeros(n, 2, dtype=torch.long)
    for i in range(n):
        states[i] = torch.tensor([i & 1, i >> 1 & 1])
        for light, present in zip((1, -1), states[i], strict=True):
            top, left = torch.randint(2, 9, (2,), generator=generator).tolist()
            x[i, :, top : top + 5, left : left + 5] += light * present
    return x.clamp(-1, 1), states


def test_one_network_tells_each_finding_whatever_the_other():
    judges = train_judges(two_findings(200, 0), two_findings(64, 1), Augment(), seed=0, steps=160)
    x, states = two_findings(200, 2)
    for k, judge in enumerate(judges):
        right = judge.probabilities(x).argmax(dim=1) == states[:, k]
        assert judge.auroc > 0.9
        assert all(right[states[:, 1 - k] == other].float().mean() > 0.85 for other in (0, 1))


def shapes(n, seed):
    """Toy set 2: a circle or a rectangle, of clean edges."""
    generator = np.random.default_rng(seed)
    drawn = [draw("2", number % 2, 32, generator).pixels for number in range(n)]
    return torch.from_numpy(np.stack(drawn))[:, None], torch.arange(n) % 2


def test_noise_does_not_change_the_judges_mind():
    judge = train_judge(shapes(400, 0), shapes(100, 1), Augment(), seed=0, steps=200)
    x, y = shapes(200, 2)
    noisy = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    assert (judge.probabilities(noisy).argmax(dim=1) == y).float().mean() > 0.9


def test_the_judge_learns_survives_the_disk_and_depends_on_the_seed_alone(tmp_path):
    judges = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        judges.append(train_judge(patches(64, 0), patches(32, 1), Augment(), seed=0, steps=80))
    x, y = patches(40, 2)
    probabilities = judges[0].probabilities(x)
    assert torch.equal(probabilities, judges[1].probabilities(x))
    assert (probabilities.argmax(dim=1) == y).float().mean() > 0.9
    save_judge(tmp_path / "judge.safetensors", judges[0])
    assert torch.equal(load_judge(tmp_path / "judge.safetensors", 1, 2).probabilities(x), probabilities)


def test_a_judge_of_large_images_comes_back_as_it_was(tmp_path):
    judge = Judge(small_resnet(1, 2, 2).eval(), 0.5)
    save_judge(tmp_path / "judge.safetensors", judge)
    x = torch.randn(2, 1, 128, 128)
    assert torch.equal(load_judge(tmp_path / "judge.safetensors", 1, 2).probabilities(x), judge.probabilities(x))
