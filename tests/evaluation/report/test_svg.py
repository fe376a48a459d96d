"""Plots as SVG: well-formed, and with points where they belong."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from math import nan

import numpy as np
import pytest
from made_up import BAD, GOOD, SPEED, tracker_score

from siamtrack.evaluation.report.palette import make_styles
from siamtrack.evaluation.report.plots import Axis, Dot, Line, Plot, curve_plots, speed_plot, time_plot
from siamtrack.evaluation.report.svg import BOTTOM, LEFT, RIGHT, TOP, draw_svg, path_of

NAMES = ["good", "bad", "<b>&\"'"]
STYLES = make_styles(NAMES)
STYLE = STYLES["good"]


def parse(plot: Plot, width: int = 400, height: int = 300) -> ET.Element:
    return ET.fromstring(draw_svg(plot, width, height))


def named(root: ET.Element, kind: str) -> list[ET.Element]:
    return [each for each in root.iter() if each.get("class") == kind]


def on_picture(root: ET.Element, x: float, y: float) -> tuple[float, float]:
    """Where a point in units of the axes is drawn."""
    (data,) = named(root, "data")
    matrix = re.fullmatch(r"matrix\((.*)\)", data.get("transform", ""))
    assert matrix
    a, b, c, d, e, f = map(float, matrix[1].split())
    return a * x + c * y + e, b * x + d * y + f


def plot_of(line: Line) -> Plot:
    axis = Axis("x", -1, 3, ((-1, "-1"), (3, "3")))
    return Plot("key", "title", axis, Axis("y", 0, 2, ((0, "0"), (2, "2"))), (line,))


def test_the_corners_of_the_axes_are_the_corners_of_the_area() -> None:
    root = parse(plot_of(Line("good", STYLE, np.array([-1.0, 3.0]), np.array([0.0, 2.0]), "1")))
    assert on_picture(root, -1, 0) == pytest.approx((LEFT, 300 - BOTTOM))
    assert on_picture(root, 3, 2) == pytest.approx((400 - RIGHT, TOP))
    (area,) = named(root, "area")
    assert float(area.get("x", "")) == LEFT
    assert float(area.get("y", "")) + float(area.get("height", "")) == pytest.approx(300 - BOTTOM)


def test_the_numbers_of_a_path_are_the_values() -> None:
    success, *_ = curve_plots([tracker_score("good", {"one": GOOD})], STYLES)
    (line,) = named(parse(success), "line")
    numbers = np.array([float(number) for number in re.findall(r"[\d.]+", line.get("d", ""))]).reshape(-1, 2)
    np.testing.assert_allclose(numbers[:, 0], success.lines[0].x, atol=1e-5)
    np.testing.assert_allclose(numbers[:, 1], success.lines[0].y, atol=1e-5)
    assert line.get("stroke") == STYLES["good"].color


def test_the_best_is_on_top() -> None:
    scores = [tracker_score("good", {"one": GOOD}), tracker_score("bad", {"one": BAD})]
    success, *_ = curve_plots(scores, STYLES)
    assert [line.get("data-name") for line in named(parse(success), "line")] == ["bad", "good"]


def test_a_path_is_broken_where_there_is_no_value() -> None:
    x = np.arange(6.0)
    assert path_of(x, np.array([0.5, 1.0, nan, 0.25, nan, nan])) == "M0 0.5L1 1M3 0.25L3 0.25"
    assert path_of(x, np.full(6, nan)) == ""


def test_ticks_are_at_their_places() -> None:
    root = parse(plot_of(Line("good", STYLE, np.array([0.0]), np.array([0.0]), "1")))
    ticks = {each.text: each for each in named(root, "tick")}
    assert float(ticks["3"].get("x", "")) == pytest.approx(400 - RIGHT)
    assert float(ticks["2"].get("y", "")) == pytest.approx(TOP + 4)


def test_marks_are_upright() -> None:
    score = tracker_score("good", {"one": GOOD}).sequences[0]
    root = parse(time_plot([("good", score)], STYLES, [0, 2]))
    assert [each.get("d") for each in named(root, "mark")] == ["M0 0V1", "M2 0V1"]


def test_dots_have_points_intervals_and_names() -> None:
    plot = speed_plot([tracker_score("good", {"one": GOOD}, SPEED)], STYLES)
    assert plot is not None
    root = parse(plot)
    (point,), (interval,), (name,) = named(root, "point"), named(root, "interval"), named(root, "name")
    assert point.get("d") == "M1.39794 0.85L1.39794 0.85"
    assert interval.get("d") == "M1.39794 0.8V0.89"
    assert name.text == "good"
    x, y = on_picture(root, plot.dots[0].x, plot.dots[0].y)
    assert abs(float(name.get("x", "")) - x) < 15
    assert abs(float(name.get("y", "")) - y) < 15


def test_names_of_near_dots_are_kept_apart() -> None:
    dots = tuple(Dot(f"tracker {number}", STYLE, 0.5, 0.5 + number / 100, 0.4, 0.6, "") for number in range(4))
    axis = Axis("", 0, 1, ())
    names = named(parse(Plot("key", "title", axis, axis, dots=dots)), "name")
    places = {(each.get("text-anchor"), each.get("y")) for each in names}
    assert len(places) == 4


def test_odd_names_are_escaped() -> None:
    odd = NAMES[2]
    scores = [tracker_score(odd, {"one": GOOD}, SPEED)]
    speed = speed_plot(scores, STYLES)
    assert speed is not None
    for plot in (*curve_plots(scores, STYLES), speed, time_plot([(odd, scores[0].sequences[0])], STYLES)):
        assert any(each.get("data-name") == odd for each in parse(plot).iter())
