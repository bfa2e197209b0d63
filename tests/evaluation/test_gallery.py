"""Which images a report shows, and why."""

from types import SimpleNamespace

from acdm.evaluation.gallery import chosen_images

LABELS = ["without", "with", "with", "without", "with", "without"]
HIGHEST = [0.1, 0.9, 0.5, 0.7, 0.2, 0.3]  # of the map, image by image
TRUTH = SimpleNamespace(only=lambda label: [i for i, own in enumerate(LABELS) if own == label])
CLASSES = ("without", "with")


def test_without_masks_the_map_itself_says_what_is_worth_a_look():
    assert chosen_images(TRUTH, CLASSES, {}, HIGHEST, []) == {
        1: ["strongest"],
        2: ["typical"],
        4: ["weakest"],
        3: ["strongest"],
        5: ["typical"],
        0: ["weakest"],
    }


def test_masks_come_first_and_an_image_is_shown_once_for_all_its_reasons():
    shown = chosen_images(TRUTH, CLASSES, {1: 0.3, 2: 0.8, 4: 0.5}, HIGHEST, [0.0, 0.1, 0.9, 0.2, 0.1, 0.8])
    assert list(shown)[:3] == [2, 4, 1]
    assert shown[2] == ["best", "typical", "most unsure"]
    assert shown[5] == ["typical", "most unsure"]
    assert sorted(shown) == list(range(6))
