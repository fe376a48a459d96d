"""What is plotted is what scores say."""

from __future__ import annotations

import math
from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import BAD, GOOD, NO_FIGURES, Speed, success_of, tracker_score

from siamtrack.evaluation.report.palette import make_styles
from siamtrack.evaluation.report.plots import MOST_POINTS, curve_plots, figure_text, speed_plot, thin, time_plot

STYLES = make_styles(["good", "bad", "none"])
SCORES = [tracker_score("bad", {"one": BAD}), tracker_score("good", {"one": GOOD})]


def speed(fps: float) -> Speed:
    return Speed(fps, fps, 1000 / fps, 1000 / fps)


def test_curves_have_the_values_of_the_scores() -> None:
    success, precision, norm_precision = curve_plots(SCORES, STYLES)
    assert [line.name for line in success.lines] == ["good", "bad"]  # the best first
    np.testing.assert_array_equal(success.lines[0].y, success_of(GOOD))
    np.testing.assert_allclose(success.lines[0].x, np.arange(21) / 20)
    np.testing.assert_allclose(precision.lines[0].x, np.arange(51))
    np.testing.assert_allclose(norm_precision.lines[0].x, np.arange(51) / 100)
    assert success.lines[0].figure == f"{SCORES[1].figures.auc:.3f}"
    assert precision.lines[0].figure == f"{SCORES[1].figures.precision:.3f}"


def test_a_tracker_without_figures_comes_last() -> None:
    nothing = tracker_score("none", {"one": [nan]}, figures=NO_FIGURES)
    success, *_ = curve_plots([nothing, *SCORES], STYLES)
    assert [(line.name, line.figure) for line in success.lines][-1] == ("none", "\N{EN DASH}")


def test_speed_is_drawn_in_decades() -> None:
    scores = [tracker_score("good", {"one": GOOD}, speed(100)), tracker_score("bad", {"one": BAD}, speed(12))]
    plot = speed_plot(scores, STYLES)
    assert plot is not None
    assert [(dot.name, dot.x, dot.y) for dot in plot.dots] == [
        ("good", pytest.approx(2), pytest.approx(0.85)),
        ("bad", pytest.approx(math.log10(12)), pytest.approx(0.35)),
    ]
    assert (plot.dots[0].low, plot.dots[0].high) == (pytest.approx(0.8), pytest.approx(0.89))
    assert [text for _, text in plot.x.ticks] == ["10", "20", "50", "100", "200"]
    assert all(
        plot.x.low <= dot.x <= plot.x.high and plot.y.low <= dot.low <= dot.high <= plot.y.high for dot in plot.dots
    )


def test_trackers_without_times_are_not_in_the_plot_of_speed() -> None:
    assert speed_plot([tracker_score("good", {"one": GOOD}, None)], STYLES) is None


@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=4))
def test_every_speed_is_inside_its_axis(fps: list[float]) -> None:
    names = [f"t{number}" for number in range(len(fps))]
    plot = speed_plot(
        [tracker_score(n, {"one": GOOD}, speed(f)) for n, f in zip(names, fps, strict=True)], make_styles(names)
    )
    assert plot is not None
    assert 1 <= len(plot.x.ticks) <= 10
    assert all(plot.x.low <= x <= plot.x.high for x in [*(dot.x for dot in plot.dots), *(x for x, _ in plot.x.ticks)])


def test_overlap_over_time() -> None:
    plot = time_plot([(score.tracker, score.sequences[0]) for score in SCORES], STYLES, [0, 3])
    assert (plot.title, plot.x.low, plot.x.high, plot.marks) == ("one", 0, 3, (0, 3))
    np.testing.assert_allclose(plot.lines[0].y, BAD, atol=1e-7)
    np.testing.assert_array_equal(plot.lines[0].x, [0, 1, 2, 3])


@pytest.mark.parametrize("length", [1, 2, 11, 99, 5000])
def test_ticks_of_time_are_few_and_inside(length: int) -> None:
    score = tracker_score("good", {"one": [0.5] * length}).sequences[0]
    plot = time_plot([("good", score)], STYLES)
    assert plot.x.high > plot.x.low
    assert 1 <= len(plot.x.ticks) <= 11
    assert all(0 <= tick <= plot.x.high for tick, _ in plot.x.ticks)
    assert len(plot.lines[0].x) <= MOST_POINTS


def test_thinning_keeps_the_extremes() -> None:
    values = np.full(1000, 0.5)
    values[[123, 777]] = 0.0, 1.0
    values[300:400] = nan
    kept = thin(values, 100)
    assert {123, 777} <= set(kept.tolist())
    assert np.isnan(values[kept]).any()  # the gap is still one


@given(st.integers(0, 300), st.integers(4, 50))
def test_thinning_gives_at_most_so_many_in_order(count: int, most: int) -> None:
    kept = thin(np.random.default_rng(0).random(count), most)
    assert len(kept) <= max(most, 0)
    assert (np.diff(kept) > 0).all()
    assert len(kept) == count or count > most


def test_texts_of_figures() -> None:
    assert (figure_text(0.12345), figure_text(0.5, sign="+")) == ("0.123", "+0.500")
    assert figure_text(-0.5) == "\N{MINUS SIGN}0.500"
    assert figure_text(nan) == "\N{EN DASH}"
