"""Key frames and the intervals between them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import Box
from siamtrack.labelling.key_frames import Interval, KeyFrame, KeyFrames

A, B = Box(0, 0, 10, 10), Box(40, 0, 20, 20)


def test_key_frames_are_in_order_and_the_last_one_for_a_frame_is_kept() -> None:
    key_frames = KeyFrames.of([KeyFrame(7, B), KeyFrame(2, A), KeyFrame(7, None)])
    assert key_frames.items == (KeyFrame(2, A), KeyFrame(7, None))
    assert key_frames.with_key_frame(KeyFrame(2, B)).items == (KeyFrame(2, B), KeyFrame(7, None))
    assert key_frames.without(2).items == (KeyFrame(7, None),)
    assert key_frames.without(3) == key_frames
    assert key_frames.items == (KeyFrame(2, A), KeyFrame(7, None))  # unchanged


def test_key_frames_have_neighbors_on_both_sides() -> None:
    key_frames = KeyFrames.of([KeyFrame(2, A), KeyFrame(7, B)])
    assert [key_frames.at(frame) for frame in (1, 2, 7)] == [None, KeyFrame(2, A), KeyFrame(7, B)]
    assert [key_frames.before(frame) for frame in (2, 3, 7, 9)] == [
        None,
        KeyFrame(2, A),
        KeyFrame(2, A),
        KeyFrame(7, B),
    ]
    assert [key_frames.after(frame) for frame in (0, 2, 6, 7)] == [KeyFrame(2, A), KeyFrame(7, B), KeyFrame(7, B), None]


def test_intervals_have_the_boxes_at_both_ends() -> None:
    key_frames = KeyFrames.of([KeyFrame(2, A), KeyFrame(3, B), KeyFrame(6, None)])
    assert list(key_frames.intervals(10)) == [
        Interval(range(2), None, A, closed=False),
        Interval(range(4, 6), B, None, closed=True),
        Interval(range(7, 10), None, None, closed=False),
    ]
    hidden = KeyFrames.of([KeyFrame(0, A), KeyFrame(3, None), KeyFrame(7, B)])
    assert list(hidden.intervals(8)) == [
        Interval(range(1, 3), A, None, closed=True),
        Interval(range(4, 7), None, None, closed=True),  # it comes back with the next key frame, not before
    ]
    assert list(KeyFrames().intervals(4)) == [Interval(range(4), None, None, closed=False)]


@given(st.sets(st.integers(0, 29)), st.just(30))
def test_key_frames_and_intervals_cover_every_frame_once(frames: set[int], count: int) -> None:
    key_frames = KeyFrames.of(KeyFrame(frame, A) for frame in frames)
    covered = [frame for interval in key_frames.intervals(count) for frame in interval.frames]
    assert sorted([*covered, *frames]) == list(range(count))
