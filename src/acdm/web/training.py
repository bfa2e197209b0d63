"""What pages show of a training: its curves, and a line that says when, how long and on what."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from markupsafe import Markup

from acdm.core.run import Run
from acdm.web.chart import Points, chart

LOSSES = ("rec", "sparse", "adv", "discriminator")


Rows = Sequence[Mapping[str, str]]
"""Lines of metrics.csv by column."""


def curves(rows: Rows, drawn: int | None = None) -> list[Markup]:
    """The curves of a training; the step whose networks draw the maps is marked, where it is known."""
    losses = {name: [(float(row["step"]), float(row[name])) for row in rows] for name in LOSSES}
    mark = None if drawn is None else (float(drawn), f"maps: step {drawn:,}")
    return [
        chart("losses, unweighted", losses, mark=mark, log=True),
        chart("PSNR of validation images, dB", {"PSNR": psnr_of(rows)}, mark=mark),
    ]


def psnr_of(rows: Rows) -> Points:
    """PSNR of validation images, (step, dB)."""
    return [(float(row["step"]), float(row["psnr"])) for row in rows if row["psnr"]]


def facts(run: Run, rows: Rows) -> str:
    """When a run began, its size, steps, time and device, and its training images, in a line."""
    config, env, data = run.config(), run.read_environment(), run.read_data()
    count = config.all_branches(len(run.networks.findings()))
    network = f"{config.size} px, {count} branch{'es' if count > 1 else ''}"
    device = env.gpu if config.device == "cuda" and env.gpu else f"CPU ({env.cores} cores)" if env.cores else "CPU"
    images = " + ".join(f"{count} {label}" for label, count in data.n["train"].items())
    trained = f"{int(rows[-1]['step']):,} steps in {duration(_seconds(rows))}" if rows else "no step yet"
    date = datetime.fromisoformat(env.date).strftime("%Y-%m-%d %H:%M UTC") if env.date else ""
    return " · ".join(part for part in (date, network, trained, f"{device}, {config.precision}", images) if part)


def _seconds(rows: Rows) -> float:
    """How long the steps took; each line of metrics.csv is the mean of the steps since the last."""
    ends = [int(row["step"]) for row in rows]
    return sum(float(row["seconds"]) * (end - begin) for row, begin, end in zip(rows, [0, *ends], ends, strict=False))


def duration(seconds: float) -> str:
    """A time that it took.

    >>> duration(48), duration(1290), duration(7500)
    ('48 s', '22 min', '2 h 5 min')
    """
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
