"""Boxes between key frames, with a tracker that the test plays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import Box
from siamtrack.errors import BoxError
from siamtrack.labelling.key_frames import KeyFrame, KeyFrames
from siamtrack.labelling.propagation import (
    TrackRange,
    confirmed_runs,
    count_checked,
    fill_boxes,
    interpolate,
    labelled_range,
    mix_boxes,
    track_and_check,
    track_both_ways,
)

BOX = Box(100.0, 100.0, 20.0, 20.0)
ELSEWHERE = Box(300.0, 100.0, 20.0, 20.0)


def at(frame: int) -> Box:
    """Return the target, which moves two pixels to the right in each frame."""
    return BOX._replace(x=BOX.x + 2 * frame)


def wrong_in(forward: Mapping[int, Box | None], backward: Mapping[int, Box | None]) -> TrackRange:
    """Return a tracker that is right in all frames but these."""

    def track_range(order: range, box: Box) -> Iterator[Box | None]:
        wrong = forward if order.step > 0 else backward
        yield from (wrong.get(frame, at(frame)) for frame in order[1:])

    return track_range


def test_interpolate_is_exact_for_steady_motion_and_growth() -> None:
    truth = [Box.from_center(50 + 3 * index, 80 - 2 * index, 20 * 1.1**index, 30 * 0.95**index) for index in range(11)]
    boxes = fill_boxes(KeyFrames.of([KeyFrame(0, truth[0]), KeyFrame(10, truth[10])]), 11, interpolate)
    assert boxes == pytest.approx(np.array(truth), abs=1e-9)


def test_interpolate_needs_boxes_on_both_sides() -> None:
    boxes = fill_boxes(KeyFrames.of([KeyFrame(2, at(2)), KeyFrame(5, at(5)), KeyFrame(8, None)]), 12, interpolate)
    assert np.flatnonzero(np.isfinite(boxes[:, 0])).tolist() == [2, 3, 4, 5]
    assert boxes[2:6] == pytest.approx(np.array([at(frame) for frame in range(2, 6)]))


@given(st.floats(0, 1))
def test_mix_boxes_lies_between_them(share: float) -> None:
    mixed = mix_boxes(np.array(BOX), np.array(Box(120, 60, 80, 5)), np.array([[share]]))[0]
    assert 20 * 4**share == pytest.approx(mixed[2])
    assert 20 * 0.25**share == pytest.approx(mixed[3])
    assert [110 + 50 * share, 110 - 47.5 * share] == pytest.approx(mixed[:2] + mixed[2:] / 2)


def test_track_both_ways_mixes_by_the_distance_to_the_key_frames() -> None:
    track_range = wrong_in({1: at(1)._replace(y=104), 2: at(2)._replace(y=104)}, {1: at(1)._replace(y=98), 2: at(2)})
    boxes = fill_boxes(KeyFrames.of([KeyFrame(0, at(0)), KeyFrame(3, at(3))]), 4, track_both_ways(track_range))
    assert boxes[:, 0] == pytest.approx([100, 102, 104, 106])
    assert boxes[:, 1] == pytest.approx([100, 102, 100 + 4 / 3, 100])  # 2/3 of 104 and 1/3 of 98; 1/3 of 104


def test_track_both_ways_takes_the_nearer_key_frame_where_the_boxes_are_apart() -> None:
    away = dict.fromkeys(range(4, 8), ELSEWHERE)
    keys = KeyFrames.of([KeyFrame(0, at(0)), KeyFrame(8, at(8))])
    boxes = fill_boxes(keys, 9, track_both_ways(wrong_in(away, {})))
    assert boxes == pytest.approx(np.array([at(frame) for frame in range(9)]))
    boxes = fill_boxes(keys, 9, track_both_ways(wrong_in({}, away)))
    assert np.flatnonzero(boxes[:, 0] == ELSEWHERE.x).tolist() == [4, 5, 6, 7]


def test_track_both_ways_takes_the_other_box_where_one_is_lost() -> None:
    boxes = fill_boxes(
        KeyFrames.of([KeyFrame(0, at(0)), KeyFrame(4, at(4))]),
        5,
        track_both_ways(wrong_in({1: None, 2: None}, {2: None, 3: None})),
    )
    assert boxes[[0, 1, 3, 4]] == pytest.approx(np.array([at(0), at(1), at(3), at(4)]))
    assert np.isnan(boxes[2]).all()


def test_track_both_ways_fills_between_key_frames_only() -> None:
    keys = KeyFrames.of([KeyFrame(2, at(2)), KeyFrame(4, at(4)), KeyFrame(7, None), KeyFrame(10, at(10))])
    boxes = fill_boxes(keys, 12, track_both_ways(wrong_in({}, {})))
    assert np.flatnonzero(np.isfinite(boxes[:, 0])).tolist() == [2, 3, 4, 5, 6, 10]


def test_track_and_check_keeps_frames_where_both_ways_agree() -> None:
    near, far = at(3)._replace(x=at(3).x + 2), at(5)._replace(x=at(5).x + 8)  # overlap 18/22 and 12/28
    track_range = wrong_in({3: near, 5: far, 6: None}, {})
    boxes = fill_boxes(KeyFrames.of([KeyFrame(0, at(0)), KeyFrame(8, at(8))]), 9, track_and_check(track_range, 0.65))
    assert np.flatnonzero(np.isfinite(boxes[:, 0])).tolist() == [0, 1, 2, 3, 4, 7, 8]
    assert boxes[3, 0] == pytest.approx(at(3).x + 2 * 5 / 8)


@pytest.mark.parametrize("key", [0, 40, 15])
def test_track_and_check_from_one_key_frame_needs_the_way_back_to_it(key: int) -> None:
    keys = KeyFrames.of([KeyFrame(key, at(key))])
    assert np.isfinite(fill_boxes(keys, 41, track_and_check(wrong_in({}, {}), 0.65))).all()
    lost = dict.fromkeys((20, 21))
    kept = np.flatnonzero(np.isfinite(fill_boxes(keys, 41, track_and_check(wrong_in(lost, lost), 0.65))[:, 0]))
    assert kept.tolist() == [frame for frame in range(41) if frame not in lost]


def test_track_and_check_does_not_confirm_a_jump_to_another_object() -> None:
    def track_range(order: range, box: Box) -> Iterator[Box | None]:
        """Jump in frame 22 when tracking forwards; stay on the given box when tracking backwards."""
        for frame in order[1:]:
            yield ELSEWHERE if box == ELSEWHERE or (order.step > 0 and frame >= 22) else at(frame)

    boxes = fill_boxes(KeyFrames.of([KeyFrame(0, at(0))]), 41, track_and_check(track_range, 0.65))
    kept = np.flatnonzero(np.isfinite(boxes[:, 0]))
    assert kept.tolist() == list(range(21))  # half of the way is the last return point before the jump
    assert boxes[kept] == pytest.approx(np.array([at(frame) for frame in kept]))


def test_track_and_check_keeps_the_key_frame_of_a_target_that_is_lost_at_once() -> None:
    everywhere: dict[int, Box | None] = dict.fromkeys(range(20), None)
    boxes = fill_boxes(KeyFrames.of([KeyFrame(5, at(5))]), 20, track_and_check(wrong_in(everywhere, everywhere), 0.65))
    assert np.flatnonzero(np.isfinite(boxes[:, 0])).tolist() == [5]


def test_track_and_check_drops_boxes_that_cannot_be_tracked_back() -> None:
    def track_range(order: range, box: Box) -> Iterator[Box | None]:
        if order.step < 0:
            raise BoxError("box is larger than the frame")
        yield from map(at, order[1:])

    boxes = fill_boxes(KeyFrames.of([KeyFrame(0, at(0))]), 20, track_and_check(track_range, 0.65))
    assert np.flatnonzero(np.isfinite(boxes[:, 0])).tolist() == [0]


def test_count_checked_leaves_out_frames_with_a_hidden_target() -> None:
    assert count_checked(KeyFrames.of([KeyFrame(0, at(0))]), 30) == 30
    assert count_checked(KeyFrames.of([KeyFrame(0, at(0)), KeyFrame(10, None), KeyFrame(20, None)]), 30) == 10
    assert count_checked(KeyFrames.of([KeyFrame(0, at(0)), KeyFrame(10, None), KeyFrame(20, at(20))]), 30) == 20


def with_boxes_at(*frames: range) -> np.ndarray:
    boxes = np.full((30, 4), np.nan)
    for each in frames:
        boxes[each.start : each.stop] = BOX
    return boxes


def test_confirmed_runs_are_the_longest_ranges_with_boxes() -> None:
    boxes = with_boxes_at(range(3), range(5, 15), range(16, 25), range(27, 30))
    assert confirmed_runs(boxes) == [range(5, 15)]
    assert confirmed_runs(boxes, 3) == [range(3), range(5, 15), range(16, 25), range(27, 30)]
    assert confirmed_runs(with_boxes_at(range(30))) == [range(30)]
    assert confirmed_runs(with_boxes_at()) == []


def test_labelled_range_is_from_the_first_box_to_the_last() -> None:
    assert labelled_range(with_boxes_at(range(3, 5), range(9, 12))) == [range(3, 12)]
    assert labelled_range(with_boxes_at()) == []
