"""What the documentation says exists: commands with their options, files behind links, tests that are named."""

import re
import shlex
from contextlib import suppress
from functools import reduce
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from acdm.cli.app import app

PAGES = [Path("README.md"), Path("CONTRIBUTING.md"), Path("SECURITY.md"), *sorted(Path("docs").rglob("*.md"))]


def commands(page):
    """Lines `acdm …` of shell blocks that are meant to be typed as they stand."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["acdm"]:
                yield words[1:]


ALL = [(page, words) for page in PAGES for words in commands(page)]


@pytest.mark.parametrize(("page", "words"), ALL, ids=[f"{p.stem}: {' '.join(w)}" for p, w in ALL])
def test_every_command_can_be_typed(page, words):
    command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert callable(command)
    assert bound.arguments or words[0] in ("env", "demo", "runs")


def test_every_command_is_shown_somewhere():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES if page.name != "commands.md")
    assert {name for name in app if not name.startswith("-") and f"acdm {name}" not in pages} == set()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_stand_where_tests_look(page):
    assert not re.search(r"```(bash|shell)\b", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http", "mailto")):
            assert (page.parent / target).exists(), target


def test_every_test_that_the_paper_page_names_is_there():
    tests = "\n".join(path.read_text(encoding="utf-8") for path in Path("tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", Path("docs/paper.md").read_text(encoding="utf-8")))
    assert len(named) > 10
    assert {name for name in named if f"def {name}(" not in tests} == set()


def test_every_function_that_the_paper_page_names_is_there():
    page = Path("docs/paper.md").read_text(encoding="utf-8")
    rows = [line.split("|")[2] for line in page.splitlines() if line.startswith("| ")][2:]
    named = {name for cell in rows for name in re.findall(r"`([\w.]+)`", cell)}
    assert len(named) > 20
    for name in named:
        parts, thing = f"acdm.{name}".split("."), None
        for length in range(len(parts), 1, -1):
            with suppress(ModuleNotFoundError):
                thing = reduce(getattr, parts[length:], import_module(".".join(parts[:length])))
                break
        assert thing is not None, name


def test_the_reference_says_what_the_code_says(monkeypatch):
    """`scripts/fix` writes it anew."""
    monkeypatch.setattr("sys.argv", ["acdm"])
    spec = spec_from_file_location("reference", "scripts/reference.py")
    reference = module_from_spec(spec)
    spec.loader.exec_module(reference)
    for name in ("commands", "python"):
        written = Path(f"docs/reference/{name}.md").read_text(encoding="utf-8")
        assert written == getattr(reference, name)(), name
