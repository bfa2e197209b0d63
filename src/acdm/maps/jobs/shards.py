"""Maps of very many images in few files: tar archives of so many images each, as WebDataset reads them.

OUT/shard-00000.tar   of its k-th usable image <k>.json (file, class) and <k>.psi1.npy and so on for every map
OUT/shard-00000.json  what was asked, and what became of each image; written last and removed first, so that what it
                      stands for is whole
"""

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from acdm.core.files import drop_parts, parse_json, write_bytes, write_text
from acdm.data.images.read import Picture, read_picture
from acdm.data.images.write import npy
from acdm.errors import DataError
from acdm.maps.decomposer import Decomposer
from acdm.maps.decomposition import Decomposition
from acdm.maps.jobs.folders import mapping_request
from acdm.maps.jobs.volumes import is_volume
from acdm.maps.jobs.windows import side_of_windows
from acdm.maps.jobs.worklist import ImageFiles, ImageOutcome, MapOptions, alone_in, failures, identity, write_table

TOGETHER = 32 * 256**2  # values of images that are decomposed at once; at least one image


@dataclass(frozen=True)
class Shard:
    """One archive: its number, and its images' paths by name."""

    number: int
    files: Sequence[tuple[str, Path]]

    def place(self, out: Path, ending: str) -> Path:
        return out / f"shard-{self.number:05d}.{ending}"


@dataclass(frozen=True)
class Plan:
    """All shards of a folder of images, in the order of the images' names.

    Attributes:
        request: what makes maps the same.
        done: outcomes of shards that are there already, asked for alike and of the same files.
        todo: the others.
    """

    out: Path
    request: Mapping[str, object]
    done: list[ImageOutcome]
    todo: list[Shard]

    @classmethod
    def of(cls, files: ImageFiles, out: Path, label: str | None, size: int, decomposer: Decomposer) -> "Plan":
        """Look at what there is.

        Raises:
            DataError: when there is no such class.
        """
        decomposer.require_ready(label)
        drop_parts(out)
        named = list(files.paths.items())
        shards = [Shard(n, named[n * size : (n + 1) * size]) for n in range(-(-len(named) // size))]
        plan = cls(out, {**mapping_request(decomposer, files, MapOptions(label=label, axis=0)), "shard": size}, [], [])
        stale = {
            path for told in out.glob("shard-*.json") if _is_ours(told) for path in (told, told.with_suffix(".tar"))
        }
        for shard in shards:
            known = _told(shard, plan, decomposer)
            if known is None:
                plan.todo.append(shard)
            else:
                plan.done.extend(known)
                stale -= {shard.place(out, "tar"), shard.place(out, "json")}
        for path in sorted(stale):  # .json before .tar
            path.unlink(missing_ok=True)
        return plan

    def follow(self, written: Iterable[list[ImageOutcome]]) -> Iterator[ImageOutcome]:
        """Outcomes of what is done and of what gets written, shard by shard; then maps.csv.

        Raises:
            DataError: at the end, when every image failed.
        """
        yield from self.done
        outcomes = list(self.done)
        for told in written:
            outcomes += told
            yield from told
        write_table(self.out / "maps.csv", sorted(outcomes, key=lambda outcome: outcome.file))


def map_shards(
    decomposer: Decomposer, files: ImageFiles, out: Path, label: str | None, size: int
) -> Iterator[ImageOutcome]:
    """Decompose every flat image into archives of `size` images each; tells of each.

    A shard that is there is not done again, unless the run, the class or one of its files is another one.

    Raises:
        DataError: as `Plan.of`, and when `out` lies among the images or every image failed.
        RunLockedError: when another command writes to `out`.
    """
    with alone_in(files, out):
        plan = Plan.of(files, out, label, size, decomposer)
        yield from plan.follow(write_shard(shard, decomposer, out, label, plan.request) for shard in plan.todo)


def write_shard(
    shard: Shard, decomposer: Decomposer, out: Path, label: str | None, request: Mapping[str, object]
) -> list[ImageOutcome]:
    """Map a shard's images and write its two files; what cannot be used is told of and left out."""
    which: dict[str, str] = {}
    labels: dict[str, str] = {}
    reasons: dict[str, str] = {}
    waiting: dict[str, Picture] = {}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:

        def decompose_waiting() -> None:
            if waiting:
                for name, d in _decomposed(decomposer, waiting, label, reasons):
                    _add(archive, f"{len(labels):06d}", name, d)
                    labels[name] = d.label
                waiting.clear()

        for name, path in shard.files:
            picture = None
            with failures(path) as found:
                which[name] = identity(path)
                picture = _flat(path, decomposer)
            if picture is None:
                reasons[name] = found[0]
                continue
            if sum(held.pixels.size for held in waiting.values()) + picture.pixels.size > TOGETHER:
                decompose_waiting()
            waiting[name] = picture
        decompose_waiting()
    outcomes = [ImageOutcome(name, labels.get(name, ""), reasons.get(name, "")) for name, _ in shard.files]
    write_bytes(shard.place(out, "tar"), buffer.getvalue())
    told = [[*vars(outcome).values(), which.get(outcome.file, "")] for outcome in outcomes]
    write_text(shard.place(out, "json"), json.dumps({"request": request, "files": told}))
    return outcomes


def _decomposed(
    decomposer: Decomposer, pictures: Mapping[str, Picture], label: str | None, reasons: dict[str, str]
) -> Iterator[tuple[str, Decomposition]]:
    """Images decomposed together; where that fails, one by one, so that one image's trouble is its own."""
    with failures(Path("images")) as found:
        yield from zip(pictures, decomposer.decompose_all(list(pictures.values()), label), strict=True)
    for name, picture in pictures.items() if found else ():
        with failures(Path(name)) as alone:
            yield name, decomposer.decompose(picture, label, name)
        reasons |= {name: alone[0]} if alone else {}


def _flat(path: Path, decomposer: Decomposer) -> Picture:
    if is_volume(path):
        raise DataError(f"{path}: a volume, which has no place in a shard; map it without --shard")
    if side_of_windows(decomposer, path):
        raise DataError(
            f"{path}: so large that it is mapped in windows, which has no place in a shard; map it without --shard"
        )
    picture = read_picture(path, decomposer.reading)
    decomposer.require_channels(picture.pixels, path)
    decomposer.require_depth(picture.depth, path)
    return picture


def _add(archive: tarfile.TarFile, key: str, name: str, d: Decomposition) -> None:
    """Add the maps in float16: half the size, a thousandth of their value off."""
    members = {f"{map_name}.npy": npy(signed.numpy().astype(np.float16)) for map_name, signed in d.maps().items()}
    members["json"] = json.dumps({"file": name, "label": d.label}).encode()
    for ending, content in members.items():
        member = tarfile.TarInfo(f"{key}.{ending}")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


def _told(shard: Shard, plan: Plan, decomposer: Decomposer) -> list[ImageOutcome] | None:
    """What a shard that is there says became of its images; None where it is to be done."""
    try:
        said = parse_json(shard.place(plan.out, "json").read_text(encoding="utf-8"))
        told = [ImageOutcome(*about[:3]) for about in said["files"]]
        which = [about[3] for about in said["files"]]
        same = said["request"] == plan.request and which == [identity(path) for _, path in shard.files]
    except (OSError, ValueError, TypeError, KeyError, IndexError):
        return None
    whole = same and [outcome.file for outcome in told] == [name for name, _ in shard.files]
    if not whole or not shard.place(plan.out, "tar").is_file():
        return None
    failed = [path for outcome, (_, path) in zip(told, shard.files, strict=True) if outcome.reason]
    return None if any(_usable(path, decomposer) for path in failed) else told


def _is_ours(told: Path) -> bool:
    """Whether a file of this folder says what became of a shard's images."""
    try:
        return {"request", "files"} <= parse_json(told.read_text(encoding="utf-8")).keys()
    except (OSError, ValueError, AttributeError):
        return False


def _usable(path: Path, decomposer: Decomposer) -> bool:
    with failures(path) as found:
        _flat(path, decomposer)
    return not found
