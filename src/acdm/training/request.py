"""From what a user asked for to a training: which data, which configuration, which folder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from shlex import quote

from acdm.core.config import GIVEN, PRESETS, TAUGHT, Config
from acdm.core.options import Layer, overlay, with_new_names
from acdm.core.processes import is_first_process
from acdm.core.progress import QUIET, Progress
from acdm.core.run import FINDINGS, Run, next_folder, require_free
from acdm.core.tensors import checkpoints
from acdm.data.corrections import Correction, find_corrections
from acdm.data.dataset import Dataset
from acdm.data.findings import Findings, find_several
from acdm.data.folder import load_dataset
from acdm.errors import ConfigError, RunError
from acdm.maps.backbone import Backbone, load_backbone
from acdm.maps.calibration import load_calibration
from acdm.maps.segmenter import is_segmenter
from acdm.training.defaults import FEWEST_WITHOUT, choose, resolve
from acdm.training.launch import launched, require_named

CHANGEABLE = {"steps", "minutes", "device", "precision", "accumulate", "segmenter", "features"}  # with --resume
DECIDED = ("half_size_steps", "begin_as_one")  # by images and minutes when a run is begun, whatever is asked for


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a training.

    Attributes:
        folders: one data folder or CSV, or two class folders.
        out: run folder; None takes a new one under runs/.
        preset: a name in `PRESETS`; None takes the one of the images' size.
        options: nested, as in config.yaml.
        positive: the class that carries the object; None takes the one with masks or boxes, else the second.
        reference: with more than two classes, the one that the others are findings beside.
        resume: whether to go on with the run in `out`.
        masks: folder of a few training images' masks, which the segmenter is taught by, too.
        command: as it was typed; stored in env.json.
    """

    folders: Sequence[Path]
    out: Path | None = None
    preset: str | None = None
    options: Layer = field(default_factory=dict)
    positive: str | None = None
    reference: str | None = None
    resume: bool = False
    masks: Path | None = None
    command: str = "acdm.train(...)"


@dataclass(frozen=True)
class Prepared:
    """A request, resolved.

    Attributes:
        dataset: with its splits; with several findings, in two classes, without and with any.
        config: everything decided.
        path: of the run folder.
        trains_on: whether steps or minutes were asked for, so that even a finished run is trained on.
        corrections: masks of training images.
        backbone: features of a file, where the segmenter is taught on such.
        findings: several in an image, where there are such.
        again: options that are to be given again where the training goes on, as they are typed.
    """

    dataset: Dataset
    config: Config
    path: Path
    trains_on: bool
    corrections: Sequence[Correction] = ()
    backbone: Backbone | None = None
    findings: Findings | None = None
    again: str = ""


def prepare(request: Request, progress: Progress = QUIET) -> Prepared:
    """Check everything that can be checked before images are decoded.

    Raises:
        ConfigError, DataError, RunError, RunLockedError: a sentence that says what is wrong, where, and what to do.
    """
    given = (("masks", request.masks), ("features", file_of_features(request.options)))
    again = "".join(f" --{name} {quote(str(file))}" for name, file in given if file)
    request, backbone = _with_backbone(request)
    known = Config.of({key: request.options.get(key) for key in ("seed", "batch")})
    seed = known.seed
    if request.preset is not None and request.preset not in PRESETS:
        raise ConfigError(f"preset: no '{request.preset}'; there are {', '.join(PRESETS)}")
    positive, begun = request.positive, _begun(request)
    if begun is not None:
        seed, positive = begun.config().seed, begun.read_data().positive
        if request.reference not in (None, begun.read_data().reference):
            raise ConfigError(f"--reference {request.reference}: cannot change with --resume; begin a new run")
        if request.positive not in (None, positive):
            raise ConfigError(f"--positive {request.positive}: cannot change with --resume (this run has '{positive}')")
    reference = begun.read_data().reference if begun else request.reference
    findings = _findings(request.folders, positive, seed, reference, begun)
    if findings and known.batch % 2:
        raise ConfigError(f"batch: of several findings images come in pairs; give an even number, not {known.batch}")
    dataset = findings.any() if findings else load_dataset(request.folders, positive, seed, reference)
    path = request.out or next_folder(dataset.root.resolve().name)
    if begun is None:
        _require_apart(path, request.folders)
    if begun is not None:
        config = _continued(begun.config(), request, path)
        for name in DECIDED:
            asked, stays = request.options.get(name), getattr(config, name)
            if asked not in (None, stays):
                progress.say(f"{name}: stays {stays}, as this run began")
        dataset = replace(dataset, reading=config.images)
    else:
        dataset, outlook = choose(dataset, request.preset, request.options, findings)
        config = outlook.config
        progress.say(outlook.sentence())
        if request.options.get("begin_as_one") and not config.begin_as_one:
            progress.say(
                "--begin-as-one: left out; it needs several findings,"
                f" at least {FEWEST_WITHOUT} training images without any, and a validation image"
            )
    counted = (findings or dataset).counts()["train"]
    counts = " · ".join(f"{name} {number}" for name, number in counted.items())
    meant = "each finding has a branch" if findings else f"the class with the object is '{dataset.positive}'"
    progress.say(f"training images: {counts}; {meant}")
    for one, other, share in findings.never_alone() if findings else ():
        progress.say(f"⚠ {share:.0%} of the images with '{one}' have '{other}', too: nothing tells the two apart")
    if dataset.unused:
        progress.say(f"not used: {dataset.unused_in_words()}")
    if dataset.ignored:
        progress.say(f"ignored under test/: {', '.join(dataset.ignored)}")
    if begun is None and (ranges := config.images.range):
        values = ", ".join(f"{low:g} to {high:g}" for low, high in ranges)
        progress.say(f"values of {values} become -1 to 1, here and wherever this run is used")
    if config.features == GIVEN and config.segmenter and backbone is None:
        raise ConfigError("features: this run's segmenter is taught on those of a file; give --features PATH again")
    if findings and request.masks:
        raise ConfigError(
            f"--masks: are of one finding; go on with -o {path}/findings/NAME --resume --masks {request.masks}"
        )
    corrections = _corrections(request.masks, dataset, config, progress) if request.masks else ()
    progress.say(f"results → {path}")
    trains_on = bool({"steps", "minutes"} & request.options.keys())
    if begun is not None and begun.networks != begun and (trains_on or not has_networks(begun)):
        raise ConfigError(
            f"{path}: is one of several findings, which are trained together; go on with -o {begun.networks.path}"
        )
    return Prepared(dataset, config, path, trains_on, corrections, backbone, findings, again)


def _require_apart(path: Path, folders: Sequence[Path]) -> None:
    """Raise ConfigError for a run folder among the images, for which it and its pictures would be taken."""
    out = path.resolve()
    for folder in (each.resolve() for each in folders if each.is_dir()):
        images = [folder / "train", folder / "test"] if (folder / "train").is_dir() else [folder]
        if any(out.is_relative_to(place) for place in images):
            raise ConfigError(f"{path}: lies in the folder of the images, {folder}; name a place beside it with -o")


def _findings(
    folders: Sequence[Path], positive: str | None, seed: int, reference: str | None, begun: Run | None
) -> Findings | None:
    """Several findings in an image, where none of them is named; raises ConfigError where a run has others."""
    if begun is None:
        return find_several(folders, seed, positive, reference)
    known = begun.findings()
    found = find_several(folders, seed, reference=reference) if known else None
    if known and (found is None or found.names != known):
        raise ConfigError(f"--resume: this run has the findings {', '.join(known)}, which this data has not")
    return found


def _with_backbone(request: Request) -> tuple[Request, Backbone | None]:
    """The request without a path among its options, and the features of the file it named."""
    file = file_of_features(request.options)
    if file is None:
        return request, None
    return replace(request, options={**request.options, "features": GIVEN}), load_backbone(file)


def file_of_features(options: Mapping[str, object]) -> Path | None:
    """The path that `features` of some options names; None where it names none."""
    named = options.get("features")
    return None if named in (None, "auto", "off", GIVEN) else Path(str(named))


def _corrections(folder: Path, dataset: Dataset, config: Config, progress: Progress) -> Sequence[Correction]:
    """The masks that were given; raises ConfigError where no segmenter is to be taught by them."""
    if not config.segmenter:
        raise ConfigError("--masks: teach the segmenter, which --no-segmenter leaves out; give --segmenter")
    found, passed_over = find_corrections(folder, dataset)
    progress.say(f"masks of {len(found)} training images teach the segmenter, too")
    if passed_over:
        progress.say(
            f"{len(passed_over)} masks are of validation or test images, which teach nothing: {passed_over[0]}"
            f"{', …' if len(passed_over) > 1 else ''}"
        )
    return found


def _begun(request: Request) -> Run | None:
    """The run that is gone on with; None for a new one, whose folder is free."""
    if request.resume:
        if request.out is None:
            raise ConfigError("--resume: name the run folder with -o")
        return Run.open(request.out)
    if launched():
        require_named(request.out)
    if request.out is not None and is_first_process():
        require_free(request.out)
    return None


def _continued(begun: Config, request: Request, path: Path) -> Config:
    """The configuration a run began with, under the options given now; what its weights hang on must stay."""
    preset = next((layer for name, layer in PRESETS.items() if name == request.preset), {})
    given, kept = with_new_names(overlay(preset, request.options)), begun.model_dump()
    given = {name: value for name, value in given.items() if name not in DECIDED}
    if "minutes" in given and "steps" not in given and is_finished(Run(path)):
        kept["steps"] = None  # as many more as fit into the minutes
    config = Config.of(kept, given)
    for name, value in _leaves(given):
        was, now = (reduce(dict.__getitem__, name, options) for options in (kept, config.model_dump()))
        if name[0] not in CHANGEABLE and was != now:
            key = ".".join(name)
            raise ConfigError(f"{key}: cannot change with --resume (this run has {was}, not {value}); begin a new run")
    return resolve(config)


def _leaves(layer: Layer, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every option of nested ones that is given, with its place."""
    for key, value in layer.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, key))
        elif value is not None:
            yield (*above, key), value


def is_finished(run: Run, segmenter: bool | None = None) -> bool:
    """Whether a run has all that a training leaves: networks, check classifier, segmenter, calibration of every map.

    Args:
        run: what is asked about.
        segmenter: whether it is to have one; None takes what it was trained with.
    """
    try:
        if names := run.findings():
            return all(is_finished(Run(run.path / FINDINGS / name), segmenter) for name in names)
        taught = is_segmenter(run.segmenter) and TAUGHT in load_calibration(run)
        return has_networks(run) and (taught or not (run.config().segmenter if segmenter is None else segmenter))
    except RunError:
        return False


def has_networks(run: Run) -> bool:
    """Whether a run's branches are trained to their end, by its check classifier and the calibration of their maps."""
    try:
        return run.judge.is_file() and bool(load_calibration(run)) and bool(checkpoints(run.networks.checkpoints))
    except RunError:
        return False
