"""Checkpoints that are damaged, or meant to do harm."""

import json
import pickle
import struct
import time
import zipfile

import numpy as np
import pytest
import torch
from reliability.mutations import checkpoint, mutated, outcome

from acdm.core.tensors import read_tensors
from acdm.errors import CheckpointError


def test_no_damage_goes_unnoticed(tmp_path):
    path, rng = checkpoint(tmp_path), np.random.default_rng(1)
    content, (whole, _) = path.read_bytes(), read_tensors(path, "training")
    assert outcome(path, content, whole) == "the same"
    assert {outcome(path, mutated(content, rng), whole) for _ in range(400)} <= {"refused", "the same"}
    assert {outcome(path, content[:end], whole) for end in range(0, len(content), 8192)} == {"refused"}


class _Harmful:
    """Unpickled, it would write a file."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return open, (str(self.canary), "w")


def _header(**entries):
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text


def harmful_files(folder, canary):
    """By kind: files that run code, ask for all memory, or name places outside, where a reader is careless."""
    torch.save(_Harmful(canary), folder / "torch.pt")
    with zipfile.ZipFile(folder / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(50_000_000))
    huge = {"dtype": "F32", "shape": [2**31, 2**31], "data_offsets": [0, 2**62]}
    outside = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    about = json.dumps({"kind": "training", "step": {"__class__": "os.system", "args": ["touch canary"]}, "sha256": ""})
    return {
        "a pickle": pickle.dumps(_Harmful(canary)),
        "torch.save": (folder / "torch.pt").read_bytes(),
        "a zip bomb": (folder / "bomb.zip").read_bytes(),
        "a header of 2^63 bytes": struct.pack("<Q", 2**63) + b"{}",
        "a huge shape": _header(x=huge),
        "a name that climbs": _header(**{"../../canary": outside}) + b"\0" * 4,
        "metadata that calls": _header(__metadata__={"acdm": about}, x=outside) + b"\0" * 4,
        "deep metadata": _header(__metadata__={"acdm": "[" * 100_000}, x=outside) + b"\0" * 4,
    }


def test_harmful_files_run_nothing_and_are_refused_at_once(tmp_path):
    canary = tmp_path / "canary"
    for kind, content in harmful_files(tmp_path, canary).items():
        path = tmp_path / "step-1.safetensors"
        path.write_bytes(content)
        began = time.process_time()
        with pytest.raises(CheckpointError):
            read_tensors(path, "training")
        assert time.process_time() - began < 5, kind
        assert not canary.exists(), kind
    pickle.loads(pickle.dumps(_Harmful(canary))).close()  # noqa: S301 - shows that the files do harm where they can
    assert canary.exists()
