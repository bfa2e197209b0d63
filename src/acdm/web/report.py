"""One offline folder of HTML out of a run: verdict, figures, curves, gallery, and the command that made it."""

from json import dumps
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from acdm.core.files import write_bytes, write_text
from acdm.core.results import GalleryImage, Results
from acdm.core.run import Run
from acdm.core.tables import read_rows
from acdm.maps.preview import SCALE, as_text
from acdm.web.pages import script, template
from acdm.web.verdict import conclude

LOOK_FIRST = 10  # images that are named
CURVES = ("rec", "sparse", "adv", "discriminator")


def build_report(run: Run) -> Path:
    """Write report/index.html beside the run's results; returns its path.

    Raises:
        RunError: when the run has not been evaluated.
    """
    results = run.read_results()
    gallery = run.read_gallery().images
    for entry in gallery:
        write_bytes(run.report / entry.picture, (run.gallery / entry.picture).read_bytes())
    samples = sorted(run.samples.glob("step-*.png"), key=lambda p: int(p.stem.split("-")[1]))
    if samples:
        write_bytes(run.report / "sheet.png", samples[-1].read_bytes())
    write_text(run.report / "plotly.min.js", get_plotlyjs())
    write_bytes(run.report / "explorer.js", script("explorer.js"))
    shown = {"scale": SCALE, "map": results.default_map, "images": [_image(run, entry) for entry in gallery]}
    begin = 'Plotly.newPlot("curves", CURVES.data, CURVES.layout, {displaylogo: false, responsive: true});'
    write_text(
        run.report / "data.js", f"const CURVES = {_curves(run)};\n{begin}\nexplore({dumps(shown, allow_nan=False)});\n"
    )
    page = template("index.html").render(
        nonce=token_urlsafe(16),
        results=results,
        conclusion=conclude(results, run.read_data()),
        verdict=verdict(results),
        gallery=gallery,
        has_sheet=bool(samples),
        look_first=read_rows(run.look_first)[:LOOK_FIRST],
        env=run.read_environment(),
        config=(run.path / "config.yaml").read_text(encoding="utf-8"),
        data=run.read_data(),
    )
    write_text(run.report / "index.html", page)
    return run.report / "index.html"


def _image(run: Run, entry: GalleryImage) -> dict[str, Any]:
    """An image of the gallery as the page's script reads it."""
    with np.load((run.gallery / entry.picture).with_suffix(".npz"), allow_pickle=False) as arrays:
        return {**entry.model_dump(include={"why", "file", "label"}), **as_text(arrays)}


def verdict(results: Results) -> list[str]:
    """Plain sentences, each with the number behind it."""
    sentences = [_on_reconstruction(results), _on_counterfactuals(results), _on_maps(results)]
    return [sentence for sentence in sentences if sentence]


def _on_reconstruction(results: Results) -> str:
    psnr = results.reconstruction.psnr_mean
    if psnr is None:
        return ""
    word = "hardly a visible difference." if psnr >= 30 else "blurred; fine detail is not to be trusted."
    return f"Images are rebuilt at {psnr:.1f} dB: {word}"


def _on_counterfactuals(results: Results) -> str:
    share, real = results.classes.swap_accuracy, results.classes.judge_accuracy
    if share is None or real is None:
        return ""
    word = "change the class" if share >= 0.8 else "change the class only sometimes" if share >= 0.5 else "fail"
    return (
        f"Counterfactuals {word}: a check classifier, trained apart, takes {share:.0%} of them for the other class"
        f" (it is right about {real:.0%} of the real images)."
        + ("" if share >= 0.5 else " Branch 1 may have died: a run with --loss.keep 1 may bring it to life.")
    )


def _on_maps(results: Results) -> str:
    shown = results.default_map
    found = results.maps[shown].auprc
    if found is None:
        return "No masks or boxes were given, so how well the maps find the object was not measured."
    trivial, value = max(results.trivial.items(), key=lambda pair: pair[1] or 0)
    return (
        f"The default map, {shown}, finds the pixels of '{results.positive}' with AUPRC {found:.2f};"
        f" {trivial.replace('_', ' ')} alone, without learning, has {value or 0:.2f}."
    )


def _curves(run: Run) -> str:
    """The curves of the training as Plotly reads them, in JSON."""
    rows = run.metric_rows()
    steps = [int(row["step"]) for row in rows]
    figure = make_subplots(rows=1, cols=2, subplot_titles=("losses, unweighted", "validation PSNR, dB"))
    for name in CURVES:
        figure.add_scatter(x=steps, y=[float(row[name]) for row in rows], name=name, row=1, col=1)
    known = [(s, float(row["psnr"])) for s, row in zip(steps, rows, strict=True) if row["psnr"]]
    figure.add_scatter(x=[s for s, _ in known], y=[v for _, v in known], name="PSNR", row=1, col=2)
    figure.update_yaxes(type="log", row=1, col=1)
    figure.update_layout(height=360, margin={"l": 40, "r": 20, "t": 40, "b": 40}, template=go.layout.Template())
    return str(figure.to_json())
