"""What a terminal of 80 columns shows of a training, frame by frame."""

import io
import re
import time

import pytest
from rich.console import Console
from rich.text import Text

from acdm.cli import terminal
from acdm.training.progress import CALIBRATION, CHECK, DRAWING, READING, SEGMENTER, STEPS, TrainingStatus


@pytest.fixture
def screen(monkeypatch):
    """What is written to a terminal of 80 columns."""
    written = io.StringIO()
    monkeypatch.setattr(
        terminal, "Console", lambda **_: Console(file=written, width=80, force_terminal=True, color_system=None)
    )
    return written


def frames(written):
    """Lines as they stood on the screen, without the codes that move the cursor."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.getvalue())
    return [line for line in re.split(r"[\r\n]", text) if line.strip()]


@pytest.mark.parametrize("phase", [READING, CHECK, STEPS, CALIBRATION, DRAWING, SEGMENTER])
def test_each_phase_has_its_count_its_bar_and_the_time_left_in_80_columns(screen, phase):
    longest = TrainingStatus(2.1, 31.2, 0.84).facts
    with terminal.showing() as progress:
        progress.begin(phase, 64000)
        for done in range(1, 6):
            progress.advance(longest, done=7000 * done, total=64000)
            time.sleep(0.15)
        progress.say("a sentence that stays")
    shown = [line for line in frames(screen) if line.startswith(phase)]
    assert all(Text(line).cell_len <= 80 for line in frames(screen))
    assert any(
        "35000/64000" in line and "━" in line and " left" in line and line.rstrip().endswith("84% convince")
        for line in shown
    )
    assert "a sentence that stays" in screen.getvalue()


def test_where_there_is_no_terminal_lines_say_the_same(monkeypatch, capsys):
    monkeypatch.setattr(terminal, "Console", lambda **_: Console(file=io.StringIO()))
    with terminal.showing() as progress:
        progress.begin(STEPS)
        progress.advance(TrainingStatus(2.0, None, None).facts, done=100)
        time.sleep(0.05)
        progress.advance(TrainingStatus(2.0, 31.2, 0.84).facts, done=200, total=400)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "step 100/? · 2.0 steps/s"
    assert re.fullmatch(r"step 200/400 · 0:00 left · 31\.2 dB · 84% convince", second)
