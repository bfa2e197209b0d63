"""What a report concludes, of runs of each kind."""

import pytest

from acdm.core.records import DataRecord, Shortcut
from acdm.core.results import BranchFigures, ClassFigures, Intervals, MapFigures, Reconstruction, Results
from acdm.web.verdict import conclude


def figures(**known):
    blank = dict.fromkeys(MapFigures.model_fields)
    return MapFigures(
        **{
            **blank,
            "rule": "otsu",
            "polarity": "positive",
            "ci": Intervals(auprc=(None, None), dice=(None, None)),
            **known,
        }
    )


INTERVALS = Intervals(auprc=(0.1, 0.2), dice=(0.6, 0.8))


def run(
    steps=3000,
    right=0.95,
    balanced=None,
    convinced=0.9,
    psnr=31.0,
    shortcuts=(),
    shown="object",
    masks=0,
    scored=None,
    **known,
):
    results = Results(
        run="r", data="d", split="all", seed=0, steps=steps, n={"a": 5, "b": 5}, scored=scored, positive="b",
        masks=masks, reconstruction=Reconstruction(psnr_mean=psnr, psnr_std=1, ssim_mean=0.9),
        branches=BranchFigures(common_gap=0, energy_share=(0.1, 0.9), dominance=0.9),
        maps={"psi1": figures(dice=0.1), shown: figures(**known)}, default_map=shown, trivial={},
        classes=ClassFigures(swap_accuracy=convinced, judge_accuracy=right, judge_balanced_accuracy=balanced),
    )  # fmt: skip
    data = DataRecord.model_construct(shortcuts=tuple(Shortcut(trait=t, auroc=a) for t, a in shortcuts))
    return conclude(results, data)


@pytest.mark.parametrize(
    ("of", "light", "words"),
    [
        ({"steps": 150, "dice": 0.9}, "red", "trained for 150 steps"),
        ({"right": 0.52, "dice": 0.9}, "red", "is right about 52%"),
        ({"right": 0.9, "balanced": 0.5, "dice": 0.9}, "red", "is right about 50%"),
        ({"dice": 0.72, "scored": 4}, "amber", "of 4 images by 0.72"),
        ({"dice": 0.72, "scored": 40, "ci": INTERVALS}, "green", "95 %: 0.60 to 0.80"),
        ({"convinced": 0.23, "dice": 0.9, "shown": "evidence"}, "red", "23% of the counterfactuals"),
        ({"convinced": 0.23, "dice": 0.9}, "green", "masks cut from object"),
        ({"convinced": 0.23, "image_auroc": 0.97}, "green", "branches are behind: 23%"),
        ({"shortcuts": [("brightness", 0.93), ("size", 0.5)], "dice": 0.9}, "amber", "brightness alone"),
        ({"psnr": 21.0, "dice": 0.9, "shown": "evidence"}, "amber", "21.0 dB"),
        ({"dice": 0.72}, "green", "Usable for pre-annotation: masks cut from object"),
        ({"dice": 0.72, "masks": 1}, "green", "taught by 1 mask of training images and by no test mask, agree"),
        ({"dice": 0.72, "masks": 9, "shown": "evidence"}, "green", "evidence, for which no test mask was seen"),
        ({"dice": 0.5}, "amber", "agree with the true ones by 0.50"),
        ({"dice": 0.2}, "red", "finds too little"),
        ({"image_auroc": 0.97}, "green", "no masks were given"),
        ({"image_auroc": 0.8}, "amber", "AUROC 0.80"),
        ({}, "amber", "no masks were given"),
    ],
)  # fmt: skip
def test_each_kind_of_run_has_its_light_and_its_number(of, light, words):
    verdict = run(**of)
    assert verdict.light == light
    assert words in verdict.sentence
    assert verdict.next_step.endswith(".")


def test_a_trait_that_does_not_warn_is_no_shortcut():
    assert run(shortcuts=[("texture", 0.79)], dice=0.7).light == "green"
