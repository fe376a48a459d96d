"""Boxes: overlaps worked out by hand and by counting pixels, and every reason to refuse a box."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from siamtrack.boxes import MIN_SIDE, Box, iou, parse_box, validate_box
from siamtrack.errors import BoxError

Numbers = tuple[float, float, float, float]

FRAME = (160, 120)
CANVAS = 24
PLACES = st.floats(-2000, 2000)
SIDES = st.floats(MIN_SIDE, 2000)
ANY_BOX = st.tuples(PLACES, PLACES, SIDES, SIDES)
PIXEL_BOX = st.tuples(*[st.integers(0, CANVAS // 2)] * 4)
"""Inside the canvas; a side of 0 is an empty box."""


def rasterised_iou(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """The slow way: paint both boxes and count pixels."""

    def paint(box: tuple[int, ...]) -> NDArray[np.bool_]:
        x, y, width, height = box
        return np.array([[x <= i < x + width and y <= j < y + height for i in range(CANVAS)] for j in range(CANVAS)])

    first, second = paint(a), paint(b)
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 0.0


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        pytest.param((0, 0, 10, 10), (20, 30, 10, 10), 0, id="disjoint"),
        pytest.param((0, 0, 10, 10), (0, 30, 10, 10), 0, id="disjoint along one axis only"),
        pytest.param((0, 0, 10, 10), (10, 0, 10, 10), 0, id="touching at an edge"),
        pytest.param((0, 0, 10, 10), (10, 10, 10, 10), 0, id="touching at a corner"),
        pytest.param((3, 4, 10, 20), (3, 4, 10, 20), 1, id="the same"),
        pytest.param((0, 0, 10, 10), (2, 3, 5, 5), 25 / 100, id="contained"),
        pytest.param((0, 0, 10, 10), (5, 0, 10, 10), 50 / 150, id="half of each"),
        pytest.param((0, 0, 10, 10), (5, 5, 10, 10), 25 / 175, id="a quarter of each"),
        pytest.param((0, 0, 10, 10), (-2, 4, 14, 2), 20 / (100 + 28 - 20), id="a cross"),
        pytest.param((-7.5, -3, 5, 2), (-5, -3, 5, 2), 5 / 15, id="left of the frame, between pixels"),
        pytest.param((5, 5, 0, 0), (5, 5, 0, 0), 0, id="both empty"),
        pytest.param((0, 0, 10, 10), (5, 5, 0, 0), 0, id="an empty one inside"),
        pytest.param((0, 0, 10, 10), (5, 5, 0, 3), 0, id="a line inside"),
    ],
)
def test_overlaps_worked_out_by_hand(a: Numbers, b: Numbers, expected: float) -> None:
    assert float(iou(np.array(a), np.array(b))) == pytest.approx(expected, abs=1e-15)


@settings(deadline=None)
@given(PIXEL_BOX, PIXEL_BOX)
def test_overlaps_of_whole_pixels_are_what_counting_gives(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    assert float(iou(np.array(a), np.array(b))) == rasterised_iou(a, b)


@settings(deadline=None)
@given(ANY_BOX, ANY_BOX)
def test_overlap_is_symmetric_and_between_0_and_1(a: Numbers, b: Numbers) -> None:
    overlap = float(iou(np.array(a), np.array(b)))
    assert overlap == float(iou(np.array(b), np.array(a)))
    assert 0 <= overlap <= 1 + 1e-12  # x + width - x is not width to the last bit


@settings(deadline=None)
@given(ANY_BOX, st.floats(-1, 1), st.floats(-1, 1))
def test_a_shifted_box_overlaps_as_much_as_the_shift_leaves(box: Numbers, right: float, down: float) -> None:
    x, y, width, height = box
    moved = (x + right * width, y + down * height, width, height)
    kept = (1 - abs(right)) * (1 - abs(down))
    assert float(iou(np.array(box), np.array(moved))) == pytest.approx(kept / (2 - kept), abs=1e-9)


def test_every_box_can_be_compared_with_every_other() -> None:
    a = np.array([(0, 0, 10, 10), (5, 0, 10, 10), (100, 100, 4, 4)])
    b = np.array([(0, 0, 10, 10), (10, 0, 10, 10)])
    np.testing.assert_allclose(iou(a[:, None], b[None]), [[1, 0], [1 / 3, 1 / 3], [0, 0]], atol=1e-15)
    np.testing.assert_allclose(iou(a, b[0]), [1, 1 / 3, 0], atol=1e-15)
    assert iou(a[:0], b[0]).shape == (0,)


def test_rows_are_compared_one_by_one() -> None:
    a = np.array([(0, 0, 10, 10), (0, 0, 10, 10)])
    b = np.array([(5, 0, 10, 10), (0, 0, 5, 5)])
    np.testing.assert_allclose(iou(a, b), [1 / 3, 1 / 4])


def test_center_and_area_of_a_box() -> None:
    box = Box(10, 20, 5, 8)
    assert box.center == (12.5, 24)
    assert box.area == 40
    assert Box(0, 0, 1, 1).center == (0.5, 0.5)  # of the first pixel


def test_a_box_around_a_center() -> None:
    assert Box.from_center(12.5, 24, 5, 8) == Box(10, 20, 5, 8)


@settings(deadline=None)
@given(ANY_BOX)
def test_the_box_around_its_own_center_is_the_same_box(numbers: Numbers) -> None:
    box = Box(*numbers)
    assert Box.from_center(*box.center, box.width, box.height) == pytest.approx(box, abs=1e-9)


def test_files_count_the_first_pixel_as_1() -> None:
    assert Box.from_one_based(1, 1, 30, 40) == Box(0, 0, 30, 40)
    assert Box(119.5, 79, 64, 48).to_one_based() == (120.5, 80, 64, 48)


@settings(deadline=None)
@given(ANY_BOX)
def test_there_and_back_between_files_and_boxes(numbers: Numbers) -> None:
    assert Box.from_one_based(*Box(*numbers).to_one_based()) == pytest.approx(numbers, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("120,80,64,48", Box(120, 80, 64, 48)),
        (" 120, 80 ,64, 48 ", Box(120, 80, 64, 48)),
        ("-3.5,0,1e2,.25", Box(-3.5, 0, 100, 0.25)),
    ],
)
def test_a_typed_box_is_read(text: str, expected: Box) -> None:
    assert parse_box(text) == expected


@settings(deadline=None)
@given(st.tuples(*[st.floats(allow_nan=False)] * 4))
def test_every_printed_box_can_be_typed(numbers: Numbers) -> None:
    assert parse_box(",".join(map(repr, numbers))) == numbers


@pytest.mark.parametrize(("text", "count"), [("", 1), ("120 80 64 48", 1), ("120,80,64", 3), ("1,2,3,4,5", 5)])
def test_a_typed_box_needs_four_numbers(text: str, count: int) -> None:
    with pytest.raises(BoxError, match=rf"^box '{text}' has {count} numbers, 4 are needed: X,Y,W,H"):
        parse_box(text)


@pytest.mark.parametrize("text", ["a,b,c,d", "1,2,3,", "1,2,3,4px", "1;2,3,4,5", ",,,"])
def test_a_typed_box_needs_numbers(text: str) -> None:
    with pytest.raises(BoxError, match=rf"^box '{text}' is not four numbers X,Y,W,H"):
        parse_box(text)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        pytest.param((1, 2, 30), "has 3 numbers, 4 are needed", id="three numbers"),
        pytest.param((1, 2, 30, 40, 5), "has 5 numbers, 4 are needed", id="five numbers"),
        *[
            pytest.param(tuple(bad if i == place else 20 for i in range(4)), "is not finite", id=f"{bad} at {place}")
            for bad in (math.nan, math.inf, -math.inf)
            for place in range(4)
        ],
        pytest.param((10, 20, 0, 40), "is empty", id="no width"),
        pytest.param((10, 20, 30, 0), "is empty", id="no height"),
        pytest.param((50, 60, -30, -40), "is empty", id="corners in the wrong order"),
        pytest.param((10, 20, 1.99, 40), "is too small to track: each side needs at least 2 pixels", id="narrow"),
        pytest.param((10, 20, 30, 1), "is too small to track", id="flat"),
        pytest.param((0, 0, 161, 40), "is larger than the frame (160x120)", id="wider than the frame"),
        pytest.param((0, 0, 30, 121), "is larger than the frame (160x120)", id="higher than the frame"),
        pytest.param((160, 20, 30, 40), "lies outside the frame (160x120)", id="right of it"),
        pytest.param((10, 120, 30, 40), "lies outside the frame (160x120)", id="below it"),
        pytest.param((-30, 20, 30, 40), "lies outside the frame (160x120)", id="left of it"),
        pytest.param((10, -40, 30, 40), "lies outside the frame (160x120)", id="above it"),
    ],
)
def test_a_box_that_cannot_be_tracked_is_refused(box: Numbers, message: str) -> None:
    with pytest.raises(BoxError) as caught:
        validate_box(box, *FRAME)
    assert message in str(caught.value)
    assert caught.value.exit_code == 2  # as a wrong option


def test_the_refusal_shows_the_box_as_it_was_typed() -> None:
    with pytest.raises(BoxError, match=r"^box 200,20\.5,30,40 lies outside the frame \(160x120\)"):
        validate_box(parse_box("200,20.5,30,40"), *FRAME)


@pytest.mark.parametrize(
    "box",
    [
        pytest.param((10, 20, 30, 40), id="inside"),
        pytest.param((0, 0, 160, 120), id="the whole frame"),
        pytest.param((10, 20, MIN_SIDE, MIN_SIDE), id="the smallest"),
        pytest.param((-29, 20, 30, 40), id="over the left border"),
        pytest.param((159, 20, 30, 40), id="over the right border"),
        pytest.param((10, -39, 30, 40), id="over the upper border"),
        pytest.param((10, 119, 30, 40), id="over the lower border"),
        pytest.param((-80, -60, 160, 120), id="over a corner"),
    ],
)
def test_a_box_that_can_be_tracked_stays_as_it_is(box: Numbers) -> None:
    checked = validate_box(box, *FRAME)
    assert checked == box
    assert isinstance(checked, Box)
    assert all(type(value) is float for value in checked)


def test_an_array_is_a_box_too() -> None:
    checked = validate_box(np.array([10, 20, 30, 40], np.float32), *FRAME)  # type: ignore[arg-type]
    assert checked == Box(10, 20, 30, 40)
    assert all(type(value) is float for value in checked)


@settings(deadline=None)
@given(st.tuples(*[st.integers(-200, 200)] * 2, *[st.integers(2, 120)] * 2))
def test_a_box_is_accepted_exactly_when_some_of_it_is_in_the_frame(box: tuple[int, int, int, int]) -> None:
    x, y, width, height = box
    columns, rows = range(max(x, 0), min(x + width, 160)), range(max(y, 0), min(y + height, 120))
    if columns and rows:
        assert validate_box(box, *FRAME) == box
    else:
        with pytest.raises(BoxError, match="lies outside"):
            validate_box(box, *FRAME)


def test_box_has_corners_and_is_an_array() -> None:
    box = Box(10, 20, 30, 40)
    assert box.xywh == (10, 20, 30, 40)
    assert box.xyxy == (10, 20, 40, 60)
    assert np.asarray(box).tolist() == [10, 20, 30, 40]


@given(PLACES, PLACES, SIDES, SIDES)
def test_box_from_its_corners_and_from_its_center_is_the_box(x: float, y: float, width: float, height: float) -> None:
    box = Box(x, y, width, height)
    assert Box.from_xyxy(*box.xyxy) == pytest.approx(box, abs=1e-9)
    assert Box.from_center(*box.center, width, height) == pytest.approx(box, abs=1e-9)


@pytest.mark.parametrize("corners", [(10, 20, 10, 60), (10, 20, 40, 20), (40, 60, 10, 20), (0, 0, math.nan, 1)])
def test_box_from_corners_in_the_wrong_order_is_refused(corners: Numbers) -> None:
    with pytest.raises(BoxError, match="right must exceed left"):
        Box.from_xyxy(*corners)
