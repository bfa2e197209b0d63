"""Hold names' explanations to their rules: every option has a sentence of help, no docstring is a fragment.

`scripts/check` calls it; it prints what breaks a rule and ends with 1.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from cyclopts import App

from acdm.cli.app import app

ROOT = Path(__file__).parent.parent
FRAGMENT = re.compile(  # how the rest of a sentence begins; a whole one names its subject or begins with a verb
    r"^(Of|For|By|With|Without|In|On|As|Where|Wherever|Until|From|Its|Their|Both|Twice|The same|Same|Nothing|"
    r"None|Or|And|But|So|Because|Since)\b(?!.*\b(is|are|has|have|can|was)\b)"
)
SENTENCE_WORDS = 3


def options_without_help(commands: App, path: str = "acdm") -> Iterator[str]:
    """Options of every command whose help is no sentence."""
    for name in commands:
        if name.startswith("-"):
            continue
        command = commands[name]
        if command.default_command is None:
            yield from options_without_help(command, f"{path} {name}")
            continue
        for argument in command.assemble_argument_collection(parse_docstring=True):
            if argument.show and argument.parse:
                words = (argument.parameter.help or "").split()
                if len(words) < SENTENCE_WORDS:
                    yield f"{path} {name} {argument.name}: its help is '{' '.join(words)}'"


def fragments(root: Path) -> Iterator[str]:
    """Docstrings that begin as the rest of a sentence does, or end without a full stop."""
    for path in sorted(root.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and (text := ast.get_docstring(node)):
                first = text.split("\n\n")[0].replace("\n", " ")
                if FRAGMENT.match(first) or not first.endswith((".", ":", "?", "!")):
                    yield f"{path.relative_to(root.parent)}: {node.name}: {first[:90]}"


def main() -> int:
    broken = [*options_without_help(app), *fragments(ROOT / "src")]
    print("\n".join(broken), end="\n" if broken else "")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
