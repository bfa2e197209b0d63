"""Curves of a training as a picture within a page: SVG, without a library or a script."""

from collections.abc import Mapping, Sequence
from math import floor, isfinite, log10

import numpy as np
from markupsafe import Markup

from acdm.web.pages import template

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 430, 34, 250  # of the plot; names of the curves stand right of it
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # Okabe and Ito, told apart by colour-blind eyes, too
MOST_POINTS = 400
TICKS = 5

Points = Sequence[tuple[float, float]]


def chart(
    title: str, curves: Mapping[str, Points], *, mark: tuple[float, str] | None = None, log: bool = False
) -> Markup:
    """Curves over training steps.

    Args:
        title: what the vertical axis shows, with its unit.
        curves: points (step, value) by name; values that are not finite are left out, and with `log` those below 0.
        mark: a step and what is to be said of it.
        log: whether the vertical axis is logarithmic.
    """
    shown = {name: _thinned(points, log) for name, points in curves.items()}
    everything = [point for points in shown.values() for point in points] or [(0.0, 1.0)]
    steps, values = zip(*everything, strict=True)
    low_x, high_x = 0.0, max(max(steps), 1.0)
    low_y, high_y, ticks = _decades(values) if log else _linear(values)

    def x(step: float) -> float:
        return round(LEFT + (RIGHT - LEFT) * (step - low_x) / (high_x - low_x), 1)

    def y(value: float) -> float:
        place = log10(value) if log else value
        return round(BOTTOM - (BOTTOM - TOP) * (place - low_y) / (high_y - low_y), 1)

    lines = [
        {"name": name, "colour": colour, "points": " ".join(f"{x(step)},{y(value)}" for step, value in points)}
        for (name, points), colour in zip(shown.items(), COLOURS, strict=False)
    ]
    page = template("chart.svg").render(
        title=title,
        x_title="step",
        lines=lines,
        xs=[{"place": x(step), "words": f"{step:,.0f}"} for step in _nice(low_x, high_x)],
        ys=[{"place": y(value), "words": f"{value:g}"} for value in ticks],
        mark={"place": x(mark[0]), "words": mark[1]} if mark and mark[0] <= high_x else None,
        **{"width": WIDTH, "height": HEIGHT, "left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
    )
    return Markup(page)


def _thinned(points: Points, log: bool) -> Points:
    """At most `MOST_POINTS` of those that can be shown, the last among them."""
    kept = [(step, value) for step, value in points if isfinite(value) and (value > 0 or not log)]
    if len(kept) <= MOST_POINTS:
        return kept
    return [kept[i] for i in np.linspace(0, len(kept) - 1, MOST_POINTS).astype(int)]


def _linear(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """Ends of a linear axis that holds the values, and its ticks."""
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 1, high + 1
    return low, high, _nice(low, high)


def _decades(values: Sequence[float]) -> tuple[float, float, list[float]]:
    """Ends of a logarithmic axis, as powers of ten, and its ticks."""
    low, high = floor(log10(min(values))), floor(log10(max(values))) + 1
    return low, high, [10.0**power for power in range(low, high + 1)]


def _nice(low: float, high: float) -> list[float]:
    """About `TICKS` round numbers between two.

    >>> _nice(0, 6400)
    [0, 2000, 4000, 6000]
    """
    size = 10 ** floor(log10((high - low) / TICKS))
    step = next(size * factor for factor in (1, 2, 5, 10) if (high - low) / (size * factor) <= TICKS)
    first = int(np.ceil(low / step - 1e-9))
    return [round(k * step, 10) for k in range(first, int(np.floor(high / step + 1e-9)) + 1)]
