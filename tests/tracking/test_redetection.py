"""Where a lost target is looked for: nearest first, everywhere in the end, and a bounded number a frame."""

from math import ceil, dist, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import Box
from siamtrack.tracking.redetection import search_centers, select_candidate

SIZE = (426, 240)


def sweep(
    last: tuple[float, float], reach: float, count: int, size: tuple[int, int] = SIZE
) -> list[tuple[float, float]]:
    """All places, in the order in which they are looked at."""
    total = ceil(size[0] / reach) * ceil(size[1] / reach)
    seen = [place for step in range(ceil(total / count)) for place in search_centers(size, last, reach, step, count)]
    return seen[:total]


def test_the_nearest_place_comes_first() -> None:
    seen = sweep((400, 20), 100, 3)
    distances = [dist(place, (400, 20)) for place in seen]
    assert distances == sorted(distances)
    assert len(set(seen)) == 15


@given(
    st.integers(8, 900), st.integers(8, 900), st.floats(0, 1), st.floats(0, 1), st.floats(60, 400), st.integers(1, 5)
)
def test_every_point_of_the_frame_is_within_reach_of_a_place(
    width: int, height: int, x: float, y: float, reach: float, count: int
) -> None:
    seen = sweep((width / 2, height / 2), reach, count, (width, height))
    point = x * width, y * height
    nearest = min(max(abs(place[axis] - point[axis]) for axis in (0, 1)) for place in seen)
    assert nearest <= reach / 2 + 1e-6
    assert all(0 <= place[0] <= width and 0 <= place[1] <= height for place in seen)


def test_after_the_whole_frame_it_begins_again() -> None:
    assert search_centers(SIZE, (0, 0), 100, 5, 3) == search_centers(SIZE, (0, 0), 100, 0, 3)  # 15 places, 3 a frame


@pytest.mark.parametrize("count", [1, 3, 64])
def test_no_place_twice_in_a_frame_and_no_more_than_asked_for(count: int) -> None:
    seen = search_centers(SIZE, (50, 50), 100, 4, count)
    assert len(seen) == len(set(seen)) == min(count, 15)


def test_a_search_crop_that_sees_the_whole_frame_looks_once() -> None:
    assert search_centers(SIZE, (50, 50), 2000, 7, 3) == [(213, 120)]
    assert search_centers(SIZE, (50, 50), inf, 7, 3) == [(213, 120)]


@pytest.mark.parametrize(
    ("sure", "there", "index"),
    [
        ([0.2], [False], 0),
        ([0.2, 0.9, 0.75], [False, False, False], 0),  # however sure
        ([0.2, 0.9, 0.95, 0.85], [False, True, True, True], 2),
        ([0.2, 0.9, 0.95, 0.85], [False, True, False, True], 1),
        ([0.99, 0.85], [False, True], 1),
        ([0.9, 0.85], [True, True], 0),
        ([0.9, 0.9], [True, True], 0),  # as sure: it stays where it is
    ],
)
def test_a_target_is_at_the_surest_place_where_it_may_be(sure: list[float], there: list[bool], index: int) -> None:
    apart = [Box(100.0 * number, 50, 40, 30) for number in range(len(sure))]
    assert select_candidate(sure, there, apart) == index


@pytest.mark.parametrize(("there", "shift", "index"), [(True, 4, 0), (True, 30, 1), (False, 4, 1)])
def test_the_same_box_seen_in_another_crop_is_no_other_place(there: bool, shift: float, index: int) -> None:
    boxes = [Box(60, 50, 40, 30), Box(60 + shift, 50, 40, 30)]
    assert select_candidate([0.85, 0.95], [there, True], boxes) == index
