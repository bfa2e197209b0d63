"""One offline folder of HTML out of a run: verdict, figures, curves, gallery, and the command that made it."""

from json import dumps
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

import numpy as np
from markupsafe import Markup

from acdm.core.files import write_bytes, write_text
from acdm.core.results import GalleryImage, Results
from acdm.core.run import Run
from acdm.core.tables import read_rows
from acdm.maps import preview
from acdm.web.pages import script, template, within
from acdm.web.training import curves, facts
from acdm.web.verdict import PLACES_OF_MASKS, conclude

LOOK_FIRST = 10  # images that are named


def build_report(run: Run, *, single_file: bool = False) -> Path:
    """Write report/index.html beside its pictures and scripts, or report/report.html, which holds all of them.

    Returns:
        The page's path.

    Raises:
        RunError: when the run has not been evaluated.
    """
    results = run.read_results()
    data, gallery = run.read_data(), run.read_gallery().images
    pictures = {entry.picture: (run.gallery / entry.picture).read_bytes() for entry in gallery}
    rows = run.networks.metric_rows()
    sheet = run.newest_sheet()  # none of one of several findings: that of all shows the first of them
    if sheet:
        pictures["sheet.png"] = sheet.read_bytes()
    shown = preview.gallery(results.default_map, [_image(run, entry) for entry in gallery])
    begin = f"explore({dumps(shown, allow_nan=False)});\n".replace("<", "\\u003c")  # no name ends the script
    scripts = {"explorer.js": script("explorer.js"), "data.js": begin.encode()}
    for name, content in () if single_file else {**pictures, **scripts}.items():
        write_bytes(run.report / name, content)
    page = template("index.html").render(
        nonce=token_urlsafe(16),
        results=results,
        conclusion=conclude(results, data),
        verdict=verdict(results),
        gallery=gallery,
        curves=curves(rows, results.step),
        facts=facts(run, rows),
        has_sheet=sheet is not None,
        places_of_masks=PLACES_OF_MASKS,
        look_first=read_rows(run.look_first)[:LOOK_FIRST],
        env=run.read_environment(),
        config=(run.path / "config.yaml").read_text(encoding="utf-8"),
        data=data,
        sources={name: within(content) if single_file else name for name, content in pictures.items()},
        scripts={name: Markup(content.decode()) if single_file else "" for name, content in scripts.items()},
    )
    path = run.report / ("report.html" if single_file else "index.html")
    write_text(path, page)
    return path


def gallery_images(run: Run) -> list[dict[str, Any]]:
    """The images of the gallery as pages' scripts read them.

    Raises:
        RunError: when the run has not been evaluated.
    """
    return [_image(run, entry) for entry in run.read_gallery().images]


def _image(run: Run, entry: GalleryImage) -> dict[str, Any]:
    """An image of the gallery as the page's script reads it."""
    with np.load((run.gallery / entry.picture).with_suffix(".npz"), allow_pickle=False) as arrays:
        return {**entry.model_dump(include={"why", "file", "label"}), **preview.as_text(arrays)}


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
