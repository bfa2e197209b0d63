"""What a terminal of 80 columns shows of a training, frame by frame."""

import io
import os
import re
import struct
import subprocess
import sys
import time

import pytest
from rich.console import Console
from rich.text import Text
from small import TINY

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
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
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
    shown = [line for line in frames(screen.getvalue()) if line.startswith(phase)]
    assert all(Text(line).cell_len <= 80 for line in frames(screen.getvalue()))
    assert any(
        "35000/64000" in line and "━" in line and " left" in line and line.rstrip().endswith("84% convince")
        for line in shown
    )
    assert "a sentence that stays" in screen.getvalue()


def recorded(arguments, columns=80):
    """What a command writes to a terminal of so many columns, from its first line to its last."""
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-m", "acdm", *arguments]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env={**environment, "TERM": "xterm"}) as process:
        os.close(theirs)
        written = bytearray()
        while chunk := _read(ours):
            written += chunk
    os.close(ours)
    assert process.returncode == 0, written.decode()
    return written.decode()


def _read(terminal):
    """What is there next; nothing once the command has ended."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_a_whole_training_is_told_in_80_columns(toy, tmp_path):
    """Each phase has its count, its bar and its time left in every one of its frames, and none is wider."""
    shown = frames(recorded(["train", str(toy), "-o", str(tmp_path / "run"), *TINY]))
    for phase in (READING, CHECK, STEPS, CALIBRATION, DRAWING, SEGMENTER):
        own = [line for line in shown if re.match(rf"{phase} \d+/", line)]
        assert own, f"nothing was shown of '{phase}'"
        assert all("━" in line or "╸" in line for line in own)
        assert all("left" in line for line in own)
        assert all(Text(line.rstrip()).cell_len <= 80 for line in own)


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
