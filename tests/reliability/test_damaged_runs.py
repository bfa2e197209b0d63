"""A finished run with one file damaged: every command ends well, or with a sentence."""

from itertools import product

import pytest
from reliability.damaged_runs import COMMANDS, FILES, WAYS, damaged, make

QUICK = [command for command in COMMANDS if command not in ("compare", "export", "resume")]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    make(folder)
    return folder


@pytest.mark.parametrize(("number", "trial"), enumerate(product(FILES, WAYS)))
def test_a_damaged_file_is_a_sentence_at_most(runs, number, trial):
    """Each damage under one of the quick commands, in turn; the benchmark tries all of them under all commands."""
    assert damaged(runs, *trial, QUICK[number % len(QUICK)]) in ("well", "a sentence")
