"""CSV as text."""

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
