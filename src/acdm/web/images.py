"""One page of all images that were mapped or segmented: index.html beside their tables."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from acdm.core.files import write_text
from acdm.core.tables import read_rows
from acdm.core.words import counted
from acdm.web.pages import template

MOST = 2000  # images; a browser shows no more with ease


def write_index(out: Path, table: str, title: str, picture: Callable[[str], str], width: int) -> Path:
    """Write index.html; the images that the segmenter is least sure of come first, those that failed last.

    Args:
        out: folder of the tables and pictures.
        table: file of what became of each image: maps.csv or segment.csv.
        title: of the page.
        picture: from an image's name to its picture in `out`.
        width: least width of a picture on the page, in pixels.
    """
    rows = read_rows(out / table)
    regions = Counter(row["file"] for row in read_rows(out / "regions.csv"))
    doubts = {row["file"]: float(row["doubt"]) for row in reversed(read_rows(out / "look-first.csv"))}
    place = {file: number for number, file in enumerate(reversed(doubts))}
    rows.sort(key=lambda row: (bool(row["reason"]), place.get(row["file"], len(place)), row["file"]))
    labels = Counter(row["label"] for row in rows if row["label"])
    page = template("images.html").render(
        title=title,
        counts=" · ".join(f"{label}: {count}" for label, count in labels.most_common()),
        images=[_image(out, row, picture(row["file"]), regions, doubts) for row in rows[:MOST]],
        shown=min(MOST, len(rows)),
        total=len(rows),
        width=width,
    )
    write_text(out / "index.html", page)
    return out / "index.html"


def _image(
    out: Path, row: dict[str, str], picture: str, regions: Counter[str], doubts: dict[str, float]
) -> dict[str, str]:
    """What the page says of one image."""
    words = [row["reason"]] if row["reason"] else []
    if (out / "regions.csv").is_file() and not row["reason"]:
        words.append(counted(regions[row["file"]], "region"))
    if row["file"] in doubts:
        words.append(f"doubt {doubts[row['file']]:.2f}")
    there = (out / picture).is_file()
    return {"file": row["file"], "label": row["label"], "words": " · ".join(words), "picture": picture if there else ""}
