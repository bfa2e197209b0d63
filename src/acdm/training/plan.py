"""What a training would do by default, and how long it would take here."""

from typing import Any

from acdm.core.memory import resident
from acdm.core.options import Layer
from acdm.data.checkup import Checkup
from acdm.training.defaults import choose


def make_plan(found: Checkup, preset: str | None, options: Layer) -> dict[str, Any]:
    """What training would do by default, timed on a few steps.

    Args:
        found: a checkup without problems.
        preset, options: as `acdm.training.request.Request` has them.
    """
    dataset, outlook = choose(found.dataset, preset, options, found.findings)
    config = outlook.config
    held = len(dataset.items) * len(found.samples[0]) * config.size**2 * 4 / 2**20
    return {
        "size": config.size,
        "branches": config.all_branches(outlook.findings),
        "batch": config.batch,
        "parts": config.parts,
        "device": config.device,
        "precision": config.precision,
        "steps": outlook.steps,
        "seconds_a_step": round(outlook.seconds, 4),
        "minutes": round(outlook.minutes, 1),
        "memory_mib": round(resident() + held),
    }
