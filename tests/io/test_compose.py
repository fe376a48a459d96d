"""Pasting: the box is exact, and nothing outside it changes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import Image
from siamtrack.io.compose import Pose, paste


def white_patch(height: int, width: int) -> Image:
    return np.full((height, width, 4), 255, np.uint8)


def black(height: int = 120, width: int = 160) -> Image:
    return np.zeros((height, width, 3), np.uint8)


def test_a_rectangle_lands_where_it_is_sent() -> None:
    image, box = paste(black(), white_patch(20, 45), Pose((80, 60), 30))
    assert box == pytest.approx((57.5, 50, 45, 20), abs=1)
    assert image[60, 80].tolist() == [255, 255, 255]
    assert image[60, 50].tolist() == [0, 0, 0]


def test_turning_by_a_right_angle_swaps_width_and_height() -> None:
    _, box = paste(black(), white_patch(20, 45), Pose((80, 60), 30, angle=math.pi / 2))
    assert box == pytest.approx((70, 37.5, 20, 45), abs=1.5)


def test_stretching_keeps_the_area() -> None:
    _, box = paste(black(), white_patch(40, 40), Pose((80, 60), 40, stretch=1.25))
    assert box == pytest.approx((55, 44, 50, 32), abs=1)


@given(
    x=st.floats(-40, 200),
    y=st.floats(-40, 160),
    size=st.floats(4, 90),
    angle=st.floats(-3, 3),
    stretch=st.floats(0.8, 1.25),
)
def test_the_box_holds_everything_that_changed(x: float, y: float, size: float, angle: float, stretch: float) -> None:
    before = black()
    after, box = paste(before, white_patch(30, 40), Pose((x, y), size, angle, stretch))
    assert not before.any()  # the input is left as it is
    rows, columns = np.nonzero(after.max(axis=2) > 127)
    if rows.size:
        assert box.x <= columns.min()
        assert box.y <= rows.min()
        assert box.x + box.width >= columns.max() + 1
        assert box.y + box.height >= rows.max() + 1
    # Pasting is local: a soft edge of a pixel or two around the box.
    margin = 3
    outside = np.ones(after.shape[:2], bool)
    top, left = max(int(box.y) - margin, 0), max(int(box.x) - margin, 0)
    outside[top : max(int(box.y + box.height) + margin + 1, 0), left : max(int(box.x + box.width) + margin + 1, 0)] = (
        False
    )
    assert not after[outside].any()
