"""Tables as text: CSV and Markdown."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO


def csv_text(rows: Sequence[Mapping[str, object]]) -> str:
    """A header and a line a row; `rows` are not empty and have the same keys."""
    text = StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def figure(value: float | None, digits: int = 3) -> str:
    """A figure as people read it; a dash where it is undefined."""
    return "–" if value is None else f"{value:.{digits}f}"


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """A table with columns of one width, as it reads well in a terminal, too; `rows` as for `csv_text`."""
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = ["| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([text[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *text[1:]])
