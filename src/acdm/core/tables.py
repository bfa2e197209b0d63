"""Tables as text: CSV and Markdown."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """Rows as CSV below a header; there is at least one, and all have the same keys."""
    text = StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file of ours, as far as they are whole; none where there is no such file."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").replace("\0", "").splitlines()
    rows = csv.DictReader(lines)
    return [row for row in rows if None not in row and None not in row.values()]


def cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula: a quote stands before words that begin like one.

    >>> [cell(value) for value in ("=1+1", "a.png", -0.5)]
    ["'=1+1", 'a.png', -0.5]
    """
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "@") else value


def number(value: float | None, digits: int = 3) -> str:
    """A number as people read it; a dash where it is undefined.

    >>> number(0.51249), number(None)
    ('0.512', '–')
    """
    return "–" if value is None else f"{value:.{digits}f}"


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows, as for `csv_text`, as a Markdown table whose columns are padded, so that it reads well in a terminal."""
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([text[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *text[1:]])
