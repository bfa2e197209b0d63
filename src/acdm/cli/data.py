"""acdm toy, acdm data brats|dota|celeba: data folders, drawn or taken from the paper's data sets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from acdm.cli.options import AtLeast0, AtLeast1

if TYPE_CHECKING:
    from acdm.data.sets.layout import DataFolder

Side = Annotated[int, Parameter(validator=Number(gte=8))]

data = App(name="data", help="Data folders from the paper's data sets, as they are downloaded.")


@data.command
def brats(source: Path, out: Path, *, modalities: str = "flair", every: AtLeast1 = 3, seed: AtLeast0 = 0) -> None:
    """BraTS slices with and without tumour, split by patient; needs the medical extra.

    Parameters
    ----------
    source
        Folder of the original download, searched through for cases.
    out
        Folder to write; must not exist.
    modalities
        Comma-separated: flair, t1, t1ce, t2; they become channels.
    every
        Take every n-th slice; 1 takes all.
    seed
        Seed of the split.
    """
    from acdm.cli.terminal import showing
    from acdm.data.sets.brats import find_cases, write_brats

    with showing("cases", len(find_cases(source))) as progress:
        made = write_brats(source, out, modalities.split(","), every, seed, progress)
    _tell(made)


@data.command
def dota(
    source: Path,
    out: Path,
    *,
    category: str = "small-vehicle",
    size: Side = 256,
    each: AtLeast1 = 8,
    seed: AtLeast0 = 0,
) -> None:
    """DOTA windows with and without objects of a category, split by source image.

    Parameters
    ----------
    source
        Folder of the original download, with images and labelTxt folders somewhere in it.
    out
        Folder to write; must not exist.
    category
        Category of the objects, as in the label files, such as small-vehicle or plane.
    size
        Side of the windows in pixels.
    each
        Most windows of each class from one source image.
    seed
        Seed of the split and of the windows.
    """
    from acdm.cli.terminal import showing
    from acdm.data.sets.dota import find_labelled, write_dota

    with showing("images", len(find_labelled(source))) as progress:
        made = write_dota(source, out, category, size, each, seed, progress)
    _tell(made)


@data.command
def celeba(source: Path, out: Path, *, attribute: str = "Male", each: AtLeast1 = 5000, seed: AtLeast0 = 0) -> None:
    """CelebA faces with and without an attribute, on the sides of its own partition.

    Parameters
    ----------
    source
        Folder of the original download.
    out
        Folder to write; must not exist.
    attribute
        Attribute as in list_attr_celeba.txt, such as Male or Eyeglasses.
    each
        Most training images of each class; a tenth of that in test.
    seed
        Seed of the images chosen.
    """
    from acdm.cli.terminal import showing
    from acdm.data.sets.celeba import write_celeba

    with showing("images", 2 * each + 2 * max(1, each // 10)) as progress:
        made = write_celeba(source, out, attribute, each, seed, progress)
    _tell(made)


def _tell(made: "DataFolder") -> None:
    print(" · ".join(f"{name} {number}" for name, number in made.counts().items()), f"in {made.root}")
    if made.skipped:
        what, reason = made.skipped[0]
        print(f"{len(made.skipped)} skipped, first {what}: {reason}; all are in {made.root}/skipped.csv")


def toy(
    out: Path,
    *,
    set: Literal["1", "2", "tint", "texture", "vagan", "three"] = "1",
    size: int | None = None,
    train: int | None = None,
    test: int | None = None,
    seed: int = 0,
) -> None:
    """Write the paper's toy images (section 4.1), or other synthetic ones, as a data folder.

    Parameters
    ----------
    out
        Folder to write; must not exist.
    set
        1: a white rectangle inside the dark shape or not; 2: the dark shape is a circle or a rectangle; tint: every
        pixel is tinted or not; texture: stripes in noise or not, which brightness can't find; vagan: the synthetic
        benchmark of VA-GAN; three: a rectangle, a disc and a stripe, each there or not (labels.csv).
    size
        Side in pixels; by default 64, for vagan 112.
    train
        Training images, both classes together; by default 6000, for vagan 8000, for three 4000.
    test
        Test images, both classes together; by default 400, for vagan 2000.
    seed
        Seed of everything drawn: the same seed, the same files.
    """
    from acdm.cli.terminal import showing
    from acdm.data.sets.synthetic import SCENES, write_synthetic
    from acdm.data.sets.three import SIZE, TEST, TRAIN, write_three

    usual = (SIZE, TRAIN, TEST) if set == "three" else (SCENES[set].size, SCENES[set].train, SCENES[set].test)
    size, train, test = (
        default if given is None else given for given, default in zip((size, train, test), usual, strict=True)
    )
    with showing("images", train + test) as progress:
        if set == "three":
            write_three(out, size, train, test, seed, progress)
        else:
            write_synthetic(out, set, size, train, test, seed, progress)
    print(f"{train} training and {test} test images in {out}")
