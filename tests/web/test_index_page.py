"""The page of all images that were mapped or segmented."""

import os
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from acdm.cli.app import main
from acdm.core.tables import read_rows


class Pictures(HTMLParser):
    def __init__(self):
        super().__init__()
        self.sources = []

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.sources.append(dict(attributes)["src"])


def pictures(page):
    parser = Pictures()
    parser.feed(page.read_text(encoding="utf-8", errors="surrogateescape"))
    return parser.sources


@pytest.fixture
def images(tmp_path, rng):
    """Three pictures, one in a folder with a name of its own, and a file that is none."""
    for name in ("a.png", "b & c/ü #1.png", "b & c/a.png"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16), np.uint8)).save(tmp_path / "images" / name)
    (tmp_path / "images/broken.png").write_text("no image")
    return tmp_path / "images"


@pytest.mark.parametrize("command", [["map"], ["map", "--only", "object"], ["segment"], ["segment", "--map", "object"]])
def test_every_image_has_its_picture_and_what_failed_its_reason(forty, images, tmp_path, command, capsys):
    out = tmp_path / "out"
    verb, *options = command
    assert main([verb, str(forty / "run"), str(images), "-o", str(out), *options]) == 3
    assert f"look at {out / 'index.html'}" in capsys.readouterr().out
    from urllib.parse import unquote

    shown = pictures(out / "index.html")
    assert len(shown) == 3
    assert all((out / unquote(source)).is_file() for source in shown)
    assert "broken.png: " in (out / "index.html").read_text()


def test_the_doubtful_come_first(forty, images, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["segment", str(forty / "run"), str(images), "-o", str(out), "--map", "object"]) == 3
    order = [row["file"] for row in read_rows(out / "look-first.csv")]
    page = (out / "index.html").read_text()
    places = [page.index(f"<figcaption>{file.replace('&', '&amp;')}") for file in order]
    assert len(order) == 3
    assert places == sorted(places)
    assert f"look first at {order[0]}" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_no_utf_8_stops_nothing(forty, images, tmp_path):
    os.rename(images / "a.png", images / b"\xff.png".decode("utf-8", "surrogateescape"))
    for command in (["map"], ["segment", "--map", "object"]):
        assert (
            main([*command[:1], str(forty / "run"), str(images), "-o", str(tmp_path / command[0]), *command[1:]]) == 3
        )
        assert (tmp_path / command[0] / "index.html").is_file()
