"""Maps of very many images on an existing engine: Dask's distributed scheduler, on this machine or on a cluster.

Parts of the list go to workers that hold the networks; a worker that dies has its part done again by another.  Files
are written whole or not at all, and the journal by this process alone, so that the same command goes on where it was
cut off, with this engine or without.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from acdm.core.extras import extra
from acdm.core.memory import keep_memory
from acdm.errors import AcdmError
from acdm.maps.decomposer import Decomposer, load
from acdm.maps.jobs.folders import job_of, request_of
from acdm.maps.jobs.shards import Plan, Shard, write_shard
from acdm.maps.jobs.worklist import Outcome, Sweep, attempt

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
    """The same as `acdm.maps.jobs.folders.map_folder`, by several processes.

    Args:
        run: folder that every worker can read.
        images, out: folders that every worker can read and write by the same paths.
        label, axis, tile: as there.
        workers: processes on this machine, where no scheduler is named.
        scheduler: address of a running one.

    Raises:
        DataError: as there, and when the scale extra is missing.
    """
    run, images, out = (path.resolve() for path in (run, images, out))
    _dask()
    decomposer = load(run)
    decomposer.insist_ready(label)
    swept = Sweep(images, out, "maps.csv", request_of(decomposer, label, axis, tile))
    yield from swept.done
    todo = list(swept.todo.items())
    parts = [todo[first : first + PART] for first in range(0, len(todo), PART)]
    options = {"run": run, "origin": decomposer.origin, "out": out, "label": label, "axis": axis, "tile": tile}
    for outcomes in _spread(_map_part, parts, parts, workers, scheduler, **options):
        for outcome in outcomes:
            swept.add(outcome)
            yield outcome
    swept.finish()


def shards_on_dask(
    run: Path, images: Path, out: Path, label: str | None, size: int, workers: int = 2, scheduler: str | None = None
) -> Iterator[Outcome]:
    """The same as `acdm.maps.jobs.shards.map_shards`, by several processes; arguments as for `map_on_dask`."""
    run, images, out = (path.resolve() for path in (run, images, out))
    _dask()  # missing, it is told of before anything is looked at or removed
    plan = Plan.of(images, out, label, size, load(run))
    options = {"run": run, "out": out, "label": label, "request": plan.request}
    files = [shard.files for shard in plan.todo]
    return plan.follow(_spread(_write_shard, plan.todo, files, workers, scheduler, **options))


def _spread(
    call: Callable[..., list[Outcome]],
    parts: Sequence[Any],
    files: Sequence[Sequence[tuple[str, Path]]],
    workers: int,
    scheduler: str | None,
    **options: Any,
) -> Iterator[list[Outcome]]:
    """`call(part, **options)` on workers, as they come; `files` are each part's images by name."""
    distributed = _dask()
    here = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}  # any free port
    with distributed.Client(scheduler) if scheduler else distributed.Client(**here) as client:
        futures = client.map(call, parts, pure=False, **options)
        files_of = dict(zip(futures, files, strict=True))
        for future in distributed.as_completed(futures):
            yield _outcomes(future, files_of[future])


def _dask() -> ModuleType:
    """Raises DataError where it is not installed."""
    return extra("distributed", "scale", "mapping on Dask")


def _outcomes(future: Any, files: Sequence[tuple[str, Path]]) -> list[Outcome]:
    """What a worker says; where the engine gave the part up, why."""
    error = future.exception()
    if error is None:
        told: list[Outcome] = future.result()
        return told
    if isinstance(error, AcdmError):  # a full disk, say: what would end one process
        raise error
    return [
        Outcome(name, "", f"{path}: given up by the engine ({type(error).__name__}: {error})") for name, path in files
    ]


def _write_shard(shard: Shard, run: Path, out: Path, label: str | None, request: dict[str, object]) -> list[Outcome]:
    """On a worker."""
    return write_shard(shard, _loaded(run, str(request["run"])), out, label, request)


def _map_part(
    part: Sequence[tuple[str, Path]], run: Path, origin: str, out: Path, label: str | None, axis: int, tile: int | None
) -> list[Outcome]:
    """On a worker."""
    job = job_of(_loaded(run, origin), out, label, axis, tile, lambda facts: None)
    return [attempt(job, path, name, out) for name, path in part]


@lru_cache(maxsize=1)
def _loaded(run: Path, origin: str) -> Decomposer:
    """Once a worker, as long as the run's weights are those of the checksum `origin`."""
    keep_memory()
    return load(run)
