import pytest
import torch
from small import small_config

from acdm.core.tensors import checkpoints, newest_checkpoint, read_tensors, write_tensors
from acdm.data.batches import Batches
from acdm.errors import CheckpointError
from acdm.method.players import assemble
from acdm.training.checkpoints import load_players, save_players
from acdm.training.loop import train_steps

CONFIG = small_config({"steps": 8, "optimiser": {"warmup": 2, "r1_every": 2}})
CPU = torch.device("cpu")


@pytest.fixture
def batches():
    images = torch.randn(12, 1, 16, 16, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    return Batches(images, torch.tensor([0, 1] * 6), CONFIG.batch, CONFIG.augment, CONFIG.seed)


def run(players, batches, start, stop):
    losses = []
    for record in train_steps(players, batches, CONFIG, 8, start):
        losses.append(record.losses)
        if record.step == stop:
            break
    return losses


@pytest.mark.parametrize("cut", [1, 3, 6])
def test_resumed_equals_uninterrupted_bit_for_bit(tmp_path, batches, cut):
    whole = assemble(CONFIG, 1, 2, CPU)
    losses = run(whole, batches, 0, 8)
    first = assemble(CONFIG, 1, 2, CPU)
    run(first, batches, 0, cut)
    path = save_players(tmp_path, first, cut)
    torch.manual_seed(99)
    second = assemble(CONFIG.with_(seed=5), 1, 2, CPU)  # what is loaded, not what is built, counts
    assert load_players(newest_checkpoint(path.parent), second) == cut
    assert run(second, batches, cut, 8) == losses[cut:]
    for part in ("branches", "discriminator", "average"):
        one, two = getattr(whole, part).state_dict(), getattr(second, part).state_dict()
        assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("omitted", ["average.", "generator_optimiser.", "discriminator_optimiser.", "discriminator."])
def test_nothing_of_the_state_is_superfluous(tmp_path, batches, omitted):
    players = assemble(CONFIG, 1, 2, CPU)
    run(players, batches, 0, 2)
    tensors, about = read_tensors(save_players(tmp_path, players, 2), "training")
    rest = {name: t for name, t in tensors.items() if not name.startswith(omitted)}
    assert len(rest) < len(tensors)
    write_tensors(tmp_path / "step-3.safetensors", rest, about)
    other = assemble(CONFIG, 1, 2, CPU)
    try:
        load_players(newest_checkpoint(tmp_path), other)
    except CheckpointError:
        return
    assert run(other, batches, 2, 4) != run(players, batches, 2, 4)


def test_a_checkpoint_of_an_earlier_version_is_loaded_whole(tmp_path, batches):
    """Its discriminator's optimiser was called the critic's."""
    players = assemble(CONFIG, 1, 2, CPU)
    run(players, batches, 0, 2)
    tensors, about = read_tensors(save_players(tmp_path, players, 2), "training")
    old = {name.replace("discriminator_optimiser.", "critic_optimiser."): t for name, t in tensors.items()}
    write_tensors(tmp_path / "step-3.safetensors", old, about)
    other = assemble(CONFIG, 1, 2, CPU)
    load_players(newest_checkpoint(tmp_path), other)
    assert run(other, batches, 2, 4) == run(players, batches, 2, 4)


def test_two_checkpoints_are_kept_in_order_of_their_numbers(tmp_path):
    players = assemble(CONFIG, 1, 2, CPU)
    for step in (9, 10, 100):
        save_players(tmp_path, players, step)
    assert [p.name for p in checkpoints(tmp_path)] == ["step-10.safetensors", "step-100.safetensors"]


@pytest.mark.parametrize("place", [0, 50, 2000, -5])
def test_a_damaged_checkpoint_is_passed_over_audibly(tmp_path, place):
    players = assemble(CONFIG, 1, 2, CPU)
    for step in (1, 2):
        save_players(tmp_path, players, step)
    path = tmp_path / "step-2.safetensors"
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    found = newest_checkpoint(tmp_path)
    assert found.path.name == "step-1.safetensors"
    assert "step-2.safetensors" in found.complaints[0]


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 64, b"\x80\x04\x95."])
def test_what_is_no_checkpoint_is_said(tmp_path, content):
    (tmp_path / "step-1.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"step-1\.safetensors: not an acdm checkpoint"):
        newest_checkpoint(tmp_path)


def test_an_empty_folder_holds_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        newest_checkpoint(tmp_path)
