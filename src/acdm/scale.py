"""Maps of very many images on an existing engine: Dask's distributed scheduler, on this machine or on a cluster.

Parts of the list go to workers that hold the networks; a worker that dies has its part done again by another.  Files
are written whole or not at all, and the journal by this process alone, so that the same command goes on where it was
cut off, with this engine or without.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from acdm.decompose import Decomposer, load
from acdm.images.grid import extra
from acdm.maps import job_of, request_of
from acdm.sweep import Outcome, Sweep, attempt

PART = 16  # images that a worker is given at once


def map_on_dask(
    run: Path,
    images: Path,
    out: Path,
    label: str | None,
    axis: int = 2,
    tile: int | None = None,
    workers: int = 2,
    scheduler: str | None = None,
) -> Iterator[Outcome]:
    """The same as `acdm.maps.map_folder`, by several processes.

    Args:
        run: folder that every worker can read.
        images, out: folders that every worker can read and write by the same paths.
        label, axis, tile: as there.
        workers: processes on this machine, where no scheduler is named.
        scheduler: address of a running one.

    Raises:
        DataError: as there, and when the scale extra is missing.
    """
    distributed = extra("distributed", "scale", "mapping on Dask")
    run, images, out = (path.resolve() for path in (run, images, out))
    decomposer = load(run)
    decomposer.insist_ready(label)
    swept = Sweep(images, out, "maps.csv", request_of(decomposer, label, axis, tile))
    yield from swept.done
    todo = list(swept.todo.items())
    parts = [todo[first : first + PART] for first in range(0, len(todo), PART)]
    here = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(scheduler) if scheduler else distributed.Client(**here) as client:
        futures = client.map(_map_part, parts, run=run, out=out, label=label, axis=axis, tile=tile, pure=False)
        part_of = dict(zip(futures, parts, strict=True))
        for future in distributed.as_completed(futures):
            for outcome in _outcomes(future, part_of[future]):
                swept.add(outcome)
                yield outcome
    swept.finish()


def _outcomes(future: Any, part: Sequence[tuple[str, Path]]) -> list[Outcome]:
    """What a worker says; where the engine gave the part up, why."""
    error = future.exception()
    if error is None:
        told: list[Outcome] = future.result()
        return told
    return [
        Outcome(name, "", f"{path}: given up by the engine ({type(error).__name__}: {error})") for name, path in part
    ]


def _map_part(
    part: Sequence[tuple[str, Path]], run: Path, out: Path, label: str | None, axis: int, tile: int | None
) -> list[Outcome]:
    """On a worker."""
    job = job_of(_loaded(run), out, label, axis, tile, lambda facts: None)
    return [attempt(job, path, name, out) for name, path in part]


@lru_cache(maxsize=1)
def _loaded(run: Path) -> Decomposer:
    return load(run)
