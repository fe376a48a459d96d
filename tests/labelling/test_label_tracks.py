"""Boxes between key frames, with a tracker that is played by the test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import Box
from siamtrack.errors import BoxError
from siamtrack.labelling.annotations import Annotations, Key
from siamtrack.labelling.tracks import (
    Follow,
    checked,
    fill,
    from_first_to_last,
    interpolated,
    mix_boxes,
    runs,
    sought,
    tracked,
)

BOX = Box(100.0, 100.0, 20.0, 20.0)
ELSEWHERE = Box(300.0, 100.0, 20.0, 20.0)


def at(frame: int) -> Box:
    """The target: two pixels a frame to the right."""
    return BOX._replace(x=BOX.x + 2 * frame)


def sees(forwards: Mapping[int, Box | None], backwards: Mapping[int, Box | None]) -> Follow:
    """A tracker that is right in all frames but these."""

    def follow(order: range, box: Box) -> Iterator[Box | None]:
        wrong = forwards if order.step > 0 else backwards
        yield from (wrong.get(frame, at(frame)) for frame in order[1:])

    return follow


def test_a_target_that_moves_and_grows_steadily_is_interpolated_exactly() -> None:
    truth = [Box.from_center(50 + 3 * index, 80 - 2 * index, 20 * 1.1**index, 30 * 0.95**index) for index in range(11)]
    boxes = fill(Annotations.of([Key(0, truth[0]), Key(10, truth[10])]), 11, interpolated)
    assert boxes == pytest.approx(np.array(truth), abs=1e-9)


def test_interpolation_needs_boxes_on_both_sides() -> None:
    boxes = fill(Annotations.of([Key(2, at(2)), Key(5, at(5)), Key(8, None)]), 12, interpolated)
    assert np.flatnonzero(np.isfinite(boxes[:, 0])).tolist() == [2, 3, 4, 5]
    assert boxes[2:6] == pytest.approx(np.array([at(frame) for frame in range(2, 6)]))


@given(st.floats(0, 1))
def test_a_mean_of_two_boxes_lies_between_them(share: float) -> None:
    mixed = mix_boxes(np.array(BOX), np.array(Box(120, 60, 80, 5)), np.array([[share]]))[0]
    assert 20 * 4**share == pytest.approx(mixed[2])
    assert 20 * 0.25**share == pytest.approx(mixed[3])
    assert [110 + 50 * share, 110 - 47.5 * share] == pytest.approx(mixed[:2] + mixed[2:] / 2)


def test_both_ways_are_mixed_by_the_distance_to_the_key_frames() -> None:
    follow = sees({1: at(1)._replace(y=104), 2: at(2)._replace(y=104)}, {1: at(1)._replace(y=98), 2: at(2)})
    boxes = fill(Annotations.of([Key(0, at(0)), Key(3, at(3))]), 4, tracked(follow))
    assert boxes[:, 0] == pytest.approx([100, 102, 104, 106])
    assert boxes[:, 1] == pytest.approx([100, 102, 100 + 4 / 3, 100])  # 2/3 of 104 and 1/3 of 98; 1/3 of 104


def test_where_both_ways_are_apart_the_nearer_key_frame_is_believed_and_no_mean_is_made() -> None:
    away = dict.fromkeys(range(4, 8), ELSEWHERE)
    keys = Annotations.of([Key(0, at(0)), Key(8, at(8))])
    boxes = fill(keys, 9, tracked(sees(away, {})))
    assert boxes == pytest.approx(np.array([at(frame) for frame in range(9)]))
    boxes = fill(keys, 9, tracked(sees({}, away)))
    assert np.flatnonzero(boxes[:, 0] == ELSEWHERE.x).tolist() == [4, 5, 6, 7]


def test_a_frame_that_one_way_lost_has_the_box_of_the_other_and_one_that_both_lost_has_none() -> None:
    boxes = fill(
        Annotations.of([Key(0, at(0)), Key(4, at(4))]), 5, tracked(sees({1: None, 2: None}, {2: None, 3: None}))
    )
    assert boxes[[0, 1, 3, 4]] == pytest.approx(np.array([at(0), at(1), at(3), at(4)]))
    assert np.isnan(boxes[2]).all()


def test_what_is_tracked_lies_between_key_frames_only() -> None:
    keys = Annotations.of([Key(2, at(2)), Key(4, at(4)), Key(7, None), Key(10, at(10))])
    boxes = fill(keys, 12, tracked(sees({}, {})))
    assert np.flatnonzero(np.isfinite(boxes[:, 0])).tolist() == [2, 3, 4, 5, 6, 10]


def test_between_key_frames_frames_are_kept_where_both_ways_agree() -> None:
    near, far = at(3)._replace(x=at(3).x + 2), at(5)._replace(x=at(5).x + 8)  # overlap 18/22 and 12/28
    follow = sees({3: near, 5: far, 6: None}, {})
    boxes = fill(Annotations.of([Key(0, at(0)), Key(8, at(8))]), 9, checked(follow, 0.65))
    assert np.flatnonzero(np.isfinite(boxes[:, 0])).tolist() == [0, 1, 2, 3, 4, 7, 8]
    assert boxes[3, 0] == pytest.approx(at(3).x + 2 * 5 / 8)


@pytest.mark.parametrize("key", [0, 40, 15])
def test_from_a_single_key_frame_the_way_back_must_lead_to_it(key: int) -> None:
    keys = Annotations.of([Key(key, at(key))])
    assert np.isfinite(fill(keys, 41, checked(sees({}, {}), 0.65))).all()
    lost = dict.fromkeys((20, 21))
    kept = np.flatnonzero(np.isfinite(fill(keys, 41, checked(sees(lost, lost), 0.65))[:, 0]))
    assert kept.tolist() == [frame for frame in range(41) if frame not in lost]


def test_a_jump_to_something_else_is_not_confirmed_by_the_way_back_from_there() -> None:
    def follow(order: range, box: Box) -> Iterator[Box | None]:
        """Forwards it jumps in frame 22; backwards it stays with what it was given."""
        for frame in order[1:]:
            yield ELSEWHERE if box == ELSEWHERE or (order.step > 0 and frame >= 22) else at(frame)

    boxes = fill(Annotations.of([Key(0, at(0))]), 41, checked(follow, 0.65))
    kept = np.flatnonzero(np.isfinite(boxes[:, 0]))
    assert kept.tolist() == list(range(21))  # half of the way is the last turn before the jump
    assert boxes[kept] == pytest.approx(np.array([at(frame) for frame in kept]))


def test_a_target_that_is_never_found_again_leaves_its_key_frame() -> None:
    everywhere: dict[int, Box | None] = dict.fromkeys(range(20), None)
    boxes = fill(Annotations.of([Key(5, at(5))]), 20, checked(sees(everywhere, everywhere), 0.65))
    assert np.flatnonzero(np.isfinite(boxes[:, 0])).tolist() == [5]


def test_what_cannot_be_followed_back_is_not_kept() -> None:
    def follow(order: range, box: Box) -> Iterator[Box | None]:
        if order.step < 0:
            raise BoxError("box is larger than the frame")
        yield from map(at, order[1:])

    boxes = fill(Annotations.of([Key(0, at(0))]), 20, checked(follow, 0.65))
    assert np.flatnonzero(np.isfinite(boxes[:, 0])).tolist() == [0]


def test_frames_are_sought_where_a_key_frame_says_that_the_target_is_about() -> None:
    assert sought(Annotations.of([Key(0, at(0))]), 30) == 30
    assert sought(Annotations.of([Key(0, at(0)), Key(10, None), Key(20, None)]), 30) == 10
    assert sought(Annotations.of([Key(0, at(0)), Key(10, None), Key(20, at(20))]), 30) == 20


def with_boxes_at(*frames: range) -> np.ndarray:
    boxes = np.full((30, 4), np.nan)
    for each in frames:
        boxes[each.start : each.stop] = BOX
    return boxes


def test_runs_are_the_longest_ranges_with_boxes_that_are_long_enough() -> None:
    boxes = with_boxes_at(range(3), range(5, 15), range(16, 25), range(27, 30))
    assert runs(boxes) == [range(5, 15)]
    assert runs(boxes, 3) == [range(3), range(5, 15), range(16, 25), range(27, 30)]
    assert runs(with_boxes_at(range(30))) == [range(30)]
    assert runs(with_boxes_at()) == []


def test_without_a_check_all_from_the_first_box_to_the_last_is_one_sequence() -> None:
    assert from_first_to_last(with_boxes_at(range(3, 5), range(9, 12))) == [range(3, 12)]
    assert from_first_to_last(with_boxes_at()) == []
