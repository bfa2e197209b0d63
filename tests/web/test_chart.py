"""Curves as SVG, place by place."""

import re

import pytest

from acdm.web.chart import BOTTOM, LEFT, RIGHT, TOP, chart


def points(svg):
    return [tuple(map(float, point.split(","))) for point in re.search(r'points="([^"]*)"', svg)[1].split()]


def test_the_lowest_value_is_at_the_bottom_and_the_last_step_at_the_right():
    assert points(chart("PSNR, dB", {"PSNR": [(0, 10), (50, 30), (100, 20)]})) == [
        (LEFT, BOTTOM), ((LEFT + RIGHT) / 2, TOP), (RIGHT, (TOP + BOTTOM) / 2)
    ]  # fmt: skip


def test_a_logarithmic_axis_has_a_power_of_ten_at_each_tick():
    svg = chart("loss", {"rec": [(0, 0.1), (10, 1)], "adv": [(10, 0.01)]}, log=True)
    assert re.findall(r'text-anchor="end">([^<]*)<', svg)[:4] == ["0.01", "0.1", "1", "10"]
    assert points(svg)[0][1] == pytest.approx(BOTTOM - (BOTTOM - TOP) / 3, abs=0.1)


def test_what_is_no_number_is_left_out_and_nothing_at_all_is_an_empty_frame():
    assert len(points(chart("loss", {"rec": [(0, float("nan")), (1, 0.0), (2, 5.0)]}, log=True))) == 1
    assert "<svg" in chart("loss", {"rec": []})


def test_the_step_that_draws_the_maps_is_marked_and_names_are_words():
    svg = chart("<b>", {"<i>": [(0, 1), (100, 2)]}, mark=(50, "maps: step 50"))
    assert "maps: step 50" in svg
    assert "<b>" not in svg
    assert "<i>" not in svg
