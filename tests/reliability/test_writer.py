"""The one writer under a disk that fails: the old file or the new one, whole, and never a silent success."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small import small_config

from acdm.core.files import write_bytes
from acdm.core.tensors import checkpoints, newest_checkpoint, read_tensors
from acdm.errors import WriteError
from acdm.method.players import assemble
from acdm.training.checkpoints import save_players

CALLS = (
    *((os, name) for name in ("fsync", "open", "close")),
    *((Path, name) for name in ("open", "replace", "mkdir", "unlink")),
)


@pytest.fixture
def players():
    return assemble(small_config(), 1, 2, torch.device("cpu"))


def failing(monkeypatch, nth):
    """Make the nth call to the system, of all kinds together, fail as a full or broken disk does."""
    count = [0]

    def wrap(call):
        def watched(*args, **kwargs):
            count[0] += 1
            if count[0] == nth:
                raise OSError(errno.ENOSPC if nth % 2 else errno.EIO, "No space left on device")
            return call(*args, **kwargs)

        return watched

    for owner, name in CALLS:
        monkeypatch.setattr(owner, name, wrap(getattr(owner, name)))
    return count


def test_whichever_call_fails_a_checkpoint_is_whole_or_not_there(tmp_path, players, monkeypatch):
    folder = tmp_path / "checkpoints"
    for step in (1, 2):
        save_players(folder, players, step)
    kept = {path.name: path.read_bytes() for path in checkpoints(folder)}
    outcomes = []
    for nth in range(1, 30):
        with monkeypatch.context() as patch:
            count = failing(patch, nth)
            try:
                save_players(folder, players, 3)
                done = True
            except OSError:
                done = None  # of dropping old ones: the new one is there
            except WriteError as error:
                done = str(folder / "step-3.safetensors") not in str(error)  # False: refused, and it says what
        if count[0] < nth:
            break
        outcomes.append(done)
        if done is False:
            assert {p.name: p.read_bytes() for p in checkpoints(folder) if p.name in kept} == kept
        for path in checkpoints(folder):
            read_tensors(path, "training")
        assert newest_checkpoint(folder).path.stem in ("step-2", "step-3")
        for path in folder.iterdir():
            path.unlink()
        for name, content in kept.items():
            (folder / name).write_bytes(content)
    assert outcomes.count(False) >= 4, outcomes


@pytest.mark.parametrize("limit", [0, 1, 4096, 99_999])
def test_a_limit_on_file_sizes_is_a_sentence_and_the_old_file_stays(tmp_path, limit):
    """In a process of its own, for the limit holds for all it writes."""
    (tmp_path / "kept").write_bytes(b"old")
    code = (
        "import resource, signal, sys; from pathlib import Path; from acdm.core.files import write_bytes\n"
        "from acdm.errors import WriteError\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "try: write_bytes(Path(sys.argv[1]), bytes(100_000))\n"
        "except WriteError as error: print(error); sys.exit(14)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "kept")], capture_output=True, text=True)
    assert (done.returncode, "free space" in done.stdout) == (14, True), done.stderr
    assert (tmp_path / "kept").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_what_is_read_back_otherwise_is_no_success(tmp_path, monkeypatch):
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read(self)[:-1])
    with pytest.raises(WriteError, match="read back differs"):
        write_bytes(tmp_path / "file", b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_training_on_a_full_disk_ends_with_14_and_keeps_what_it_had(tmp_path, monkeypatch, capsys):
    from acdm.cli.app import main
    from acdm.data.sets.synthetic import write_synthetic

    write_synthetic(tmp_path / "toy", "1", 16, train=40, test=8, seed=0)
    replace, run = Path.replace, tmp_path / "run"

    def full(self, target):
        if Path(target).name == "step-4.safetensors":
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    command = ["train", str(tmp_path / "toy"), "-o", str(run), "--size", "16", "--steps", "6", "--branches", "2"]
    assert main([*command, "--network.width", "4", "--save-every", "2"]) == 14
    assert "No space left on device" in capsys.readouterr().err
    assert [path.stem for path in checkpoints(run / "checkpoints")] == ["step-2"]
