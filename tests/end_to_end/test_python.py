"""The Python face, from two folders to a report, and what a notebook shows."""

import re
from base64 import b64decode
from io import BytesIO

from PIL import Image
from small import OPTIONS

import acdm


def test_from_folders_to_a_report(toy, tmp_path):
    checkup = acdm.check(toy)
    assert not checkup.problems
    assert "the class with the object is 'with'" in str(checkup)
    run = acdm.train(toy, out=tmp_path / "run", **OPTIONS, steps=4)
    results = acdm.evaluate(run, toy)
    assert results.maps.keys() >= {"psi1", "evidence", "object"}
    shown = results.maps[results.default_map]
    assert repr(results).startswith(f"<Results: run, 12 test images; {results.default_map} AUPRC {shown.auprc:.2f},")
    assert len(repr(results)) < 120
    assert acdm.report(run).name == "index.html"
    table = acdm.map(run, toy / "test", tmp_path / "maps", progress=False)
    assert len(table.read_text().splitlines()) == 1 + 12
    assert (tmp_path / "maps/with").is_dir()
    assert acdm.report(tmp_path / "run", single_file=True).name == "report.html"


def test_a_decomposition_shows_and_saves_itself(run, tmp_path):
    d = acdm.load(run).decompose(Image.new("L", (20, 10), 128), label="with")
    assert repr(d).startswith("<Decomposition: 20 x 10 pixels, 1 channels, class with, ")
    assert len(repr(d)) < 200
    picture = re.search(r"base64,([^\"]+)", d._repr_html_())
    assert picture is not None
    with Image.open(BytesIO(b64decode(picture[1]))) as shown:
        assert shown.size == d.plot().size
    d.save(tmp_path / "saved")
    assert {"psi1.npy", "strip.png", "counterfactual.png"} <= {path.name for path in (tmp_path / "saved").iterdir()}
