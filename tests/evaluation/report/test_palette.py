"""Colors that can be told apart, on both pages."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from siamtrack.evaluation.report.palette import CIVIDIS, COLORS, UNKNOWN, contrast, heat, make_styles, text_color_on

PAPERS = {"light": "#ffffff", "dark": "#191d24"}


@pytest.mark.parametrize("paper", PAPERS.values(), ids=PAPERS)
@pytest.mark.parametrize("color", COLORS)
def test_lines_are_seen_on_light_and_on_dark(color: str, paper: str) -> None:
    assert contrast(color, paper) > 3


def test_contrast() -> None:
    assert contrast("#000000", "#ffffff") == contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # the gray that just fails WCAG's AA


def test_a_tracker_keeps_its_style_when_others_are_better() -> None:
    assert make_styles(["b", "a", "c"]) == make_styles(["c", "b", "a"])


def test_up_to_twenty_four_trackers_look_different() -> None:
    styles = make_styles(f"tracker {number:02d}" for number in range(24))
    assert len({(style.color, style.dash) for style in styles.values()}) == 24


def test_bgr() -> None:
    assert make_styles(["a"])["a"].bgr == (0xD6, 0x7F, 0x1F)


def test_heat_grows_lighter() -> None:
    colors = [heat(step / 20) for step in range(21)]
    assert (colors[0], colors[-1]) == (CIVIDIS[0], CIVIDIS[-1])
    lights = [contrast(color, "#000000") for color in colors]
    assert all(after > before for before, after in pairwise(lights))


def test_heat_outside_and_without_a_figure() -> None:
    assert (heat(-1), heat(2)) == (CIVIDIS[0], CIVIDIS[-1])
    assert heat(math.nan) == UNKNOWN
    assert text_color_on(UNKNOWN) == "inherit"


@pytest.mark.parametrize("step", range(21))
def test_figures_are_read_on_every_heat(step: int) -> None:
    color = heat(step / 20)
    assert contrast(text_color_on(color), color) >= 4.5
