import os

import pytest

from acdm.core import files
from acdm.core.files import json_equals, write_json
from acdm.errors import WriteError


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    files.write_json(path, {"a": 1})
    before = path.read_bytes()

    def refuse(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(WriteError, match=r"x\.json: cannot be written \(No space left on device\)"):
        files.write_json(path, {"a": 2})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_folders_are_made_and_text_survives(tmp_path):
    files.write_text(tmp_path / "a" / "b" / "é.txt", "ψ₁\n")
    assert (tmp_path / "a/b/é.txt").read_text(encoding="utf-8") == "ψ₁\n"


def test_nan_never_reaches_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()


def test_a_tuple_is_the_list_that_json_makes_of_it(tmp_path):
    write_json(tmp_path / "x.json", {"bands": (1, 2)})
    assert json_equals(tmp_path / "x.json", {"bands": (1, 2)})
    assert not json_equals(tmp_path / "x.json", {"bands": (2, 1)})
