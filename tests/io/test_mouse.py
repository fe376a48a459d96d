"""Boxes under the mouse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import Box
from siamtrack.io.mouse import box_between

points = st.tuples(st.integers(-50, 900), st.integers(-50, 900))


@pytest.mark.parametrize("end", [(40, 60), (40, 20), (10, 60)])
def test_a_box_is_the_same_from_every_corner(end: tuple[float, float]) -> None:
    begin = (50 - end[0], 80 - end[1])
    assert box_between(begin, end) == Box(10, 20, 30, 40)


@given(points, points)
def test_both_points_are_corners_of_the_box(one: tuple[int, int], other: tuple[int, int]) -> None:
    x, y, width, height = box_between(one, other)
    assert {one, other} <= {(x + dx, y + dy) for dx in (0, width) for dy in (0, height)}
    assert min(width, height) >= 0
