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
from acdm.core.progress import QUIET
from acdm.errors import AcdmError
from acdm.maps.decomposer import Decomposer
from acdm.maps.jobs.folders import mapping_job, mapping_request
from acdm.maps.jobs.shards import Plan, Shard, write_shard
from acdm.maps.jobs.worklist import ImageFiles, ImageOutcome, MapOptions, Worklist, alone_in, attempt
from acdm.maps.loading import load

How = tuple[bool, Path | None]
"""How a worker loads the run: `alone` and `features` of `acdm.maps.loading.load`."""

PART = 16  # images that a worker is given at once


def map_on_dask(
    run: Path,
    files: ImageFiles,
    out: Path,
    options: MapOptions,
    workers: int = 2,
    scheduler: str | None = None,
    alone: bool = False,
    features: Path | None = None,
) -> Iterator[ImageOutcome]:
    """Map images as `acdm.maps.jobs.folders.map_folder` does, by several processes.

    Args:
        run: folder that every worker can read.
        files: images that every worker can read by the same paths.
        out: folder that every worker can write to by the same path.
        options: as for `map_folder`.
        workers: processes on this machine, where no scheduler is named.
        scheduler: address of a running one.
        alone, features: as for `acdm.maps.loading.load`.

    Raises:
        DataError: as `map_folder`, and when the scale extra is missing.
    """
    run, out = run.resolve(), out.resolve()
    _dask()
    decomposer = load(run, alone, features)
    decomposer.require_ready(options.label)
    with alone_in(files, out):
        worklist = Worklist(files, out, "maps.csv", mapping_request(decomposer, files, options))
        yield from worklist.done
        todo = [(name, path.resolve()) for name, path in worklist.todo.items()]
        parts = [todo[first : first + PART] for first in range(0, len(todo), PART)]
        shared = {"run": run, "origin": decomposer.origin, "how": (alone, features), "out": out, "options": options}
        for outcomes in _spread(_map_part, parts, parts, workers, scheduler, **shared):
            for outcome in outcomes:
                worklist.add(outcome)
                yield outcome
        worklist.finish()


def shards_on_dask(
    run: Path,
    files: ImageFiles,
    out: Path,
    label: str | None,
    size: int,
    workers: int = 2,
    scheduler: str | None = None,
    alone: bool = False,
    features: Path | None = None,
) -> Iterator[ImageOutcome]:
    """Map images into archives as `acdm.maps.jobs.shards.map_shards` does; other arguments as for `map_on_dask`."""
    run, out = run.resolve(), out.resolve()
    _dask()  # missing, it is told of before anything is looked at or removed
    absolute = ImageFiles(files.source.resolve(), {name: path.resolve() for name, path in files.paths.items()})
    with alone_in(files, out):
        plan = Plan.of(absolute, out, label, size, load(run, alone, features))
        shared = {"run": run, "how": (alone, features), "out": out, "label": label, "request": plan.request}
        images = [shard.files for shard in plan.todo]
        yield from plan.follow(_spread(_write_shard, plan.todo, images, workers, scheduler, **shared))


def _spread(
    call: Callable[..., list[ImageOutcome]],
    parts: Sequence[Any],
    files: Sequence[Sequence[tuple[str, Path]]],
    workers: int,
    scheduler: str | None,
    **options: Any,
) -> Iterator[list[ImageOutcome]]:
    """Results of `call(part, **options)` on workers, as they come; `files` are each part's images by name."""
    distributed = _dask()
    here = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}  # any free port
    with distributed.Client(scheduler) if scheduler else distributed.Client(**here) as client:
        futures = client.map(call, parts, pure=False, **options)
        files_of = dict(zip(futures, files, strict=True))
        for future in distributed.as_completed(futures):
            yield _outcomes(future, files_of[future])


def _dask() -> ModuleType:
    """Import the engine; raises DataError where it is not installed."""
    return extra("distributed", "scale", "mapping on Dask")


def _outcomes(future: Any, files: Sequence[tuple[str, Path]]) -> list[ImageOutcome]:
    """The outcomes that a worker returned; where the engine gave the part up, why."""
    error = future.exception()
    if error is None:
        told: list[ImageOutcome] = future.result()
        return told
    if isinstance(error, AcdmError):  # a full disk, say: what would end one process
        raise error
    return [
        ImageOutcome(name, "", f"{path}: given up by the engine ({type(error).__name__}: {error})")
        for name, path in files
    ]


def _write_shard(
    shard: Shard, run: Path, how: How, out: Path, label: str | None, request: dict[str, object]
) -> list[ImageOutcome]:
    """Map one shard; runs on a Dask worker."""
    return write_shard(shard, _loaded(run, str(request["run"]), *how), out, label, request)


def _map_part(
    part: Sequence[tuple[str, Path]], run: Path, origin: str, how: How, out: Path, options: MapOptions
) -> list[ImageOutcome]:
    """Map one part of the list; runs on a Dask worker."""
    job = mapping_job(_loaded(run, origin, *how), out, options, QUIET)
    return [attempt(job, path, name, out) for name, path in part]


@lru_cache(maxsize=1)
def _loaded(run: Path, origin: str, alone: bool, features: Path | None) -> Decomposer:
    """Load the networks once a worker, as long as the run's weights are those of the checksum `origin`."""
    keep_memory()
    return load(run, alone, features)
