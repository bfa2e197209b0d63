"""How easily README and docs read: Flesch reading ease, and the words of the median sentence, page by page.

    python scripts/readability.py [--strict]

Code, tables, headings, pictures and addresses are left out.  With --strict it ends with 1 where a page falls short of
`EASE`, or its median sentence is longer than `WORDS`.  Pages that are written by a program, and those that are lists of
figures, are not measured.
"""

import re
import sys
from pathlib import Path
from statistics import median

import textstat

ROOT = Path(__file__).parent.parent
EASE, WORDS = 55.0, 18
NOT_PROSE = {"docs/reference/commands.md", "docs/reference/python.md"}  # scripts/reference.py writes them
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def prose_of(page: str) -> str:
    """The sentences of a Markdown page.

    >>> prose_of("# Title\\n\\nTake `acdm go`, see [the docs](a.md).\\n\\n| a | b |\\n- One more\\n")
    'Take it, see the docs. One more.'
    """
    text = re.sub(r"```.*?```|<!--.*?-->|\$\$.*?\$\$", "", page, flags=re.DOTALL)
    text = re.sub(r"!\[[^\]]*\]\([^)]*\)|<[^>]+>", "", text)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]*`", "it", text)
    blocks: list[list[str]] = [[]]
    for line in text.splitlines():
        if re.match(r"\s*([-*]|\d+\.)\s", line) or not line.strip():
            blocks.append([])
        if line.strip() and not line.lstrip().startswith(("|", "#", "    ")):
            blocks[-1].append(re.sub(r"^\s*([-*>]|\d+\.)\s+", "", line).strip())
    paragraphs = [" ".join(lines).replace("**", "").replace("*", "") for lines in blocks if lines]
    return " ".join(p if p.endswith((".", "!", "?", ":")) else f"{p}." for p in paragraphs)


def sentences(prose: str) -> list[str]:
    """The sentences of a text, none of them empty; a colon or semicolon ends none."""
    return [part for part in re.split(r"(?<=[.!?])\s+(?=[A-Z‘“(])", prose) if re.search(r"\w", part)]


def main(strict: bool) -> int:
    short = 0
    print("| page | Flesch reading ease | words of the median sentence |\n| --- | --- | --- |")
    for path in PAGES:
        name = path.relative_to(ROOT).as_posix()
        prose = prose_of(path.read_text(encoding="utf-8"))
        if name in NOT_PROSE or not prose:
            continue
        ease = textstat.flesch_reading_ease(prose)
        words = median(len(sentence.split()) for sentence in sentences(prose))
        fails = ease < EASE or words > WORDS
        short += fails
        print(f"| {name}{' ✗' if fails else ''} | {ease:.0f} | {words:.0f} |")
    return int(strict and short > 0)


if __name__ == "__main__":
    sys.exit(main("--strict" in sys.argv[1:]))
