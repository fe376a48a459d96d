"""Key frames as values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from siamtrack.boxes import Box
from siamtrack.labelling.annotations import Annotations, Key, Span

A, B = Box(0, 0, 10, 10), Box(40, 0, 20, 20)


def test_keys_are_in_order_and_the_last_word_on_a_frame_counts() -> None:
    annotations = Annotations.of([Key(7, B), Key(2, A), Key(7, None)])
    assert annotations.keys == (Key(2, A), Key(7, None))
    assert annotations.with_key(Key(2, B)).keys == (Key(2, B), Key(7, None))
    assert annotations.without(2).keys == (Key(7, None),)
    assert annotations.without(3) == annotations
    assert annotations.keys == (Key(2, A), Key(7, None))  # a value


def test_neighbors_are_found_on_both_sides_of_a_frame() -> None:
    annotations = Annotations.of([Key(2, A), Key(7, B)])
    assert [annotations.at(frame) for frame in (1, 2, 7)] == [None, Key(2, A), Key(7, B)]
    assert [annotations.before(frame) for frame in (2, 3, 7, 9)] == [None, Key(2, A), Key(2, A), Key(7, B)]
    assert [annotations.after(frame) for frame in (0, 2, 6, 7)] == [Key(2, A), Key(7, B), Key(7, B), None]


def test_spans_say_what_is_known_at_both_ends() -> None:
    annotations = Annotations.of([Key(2, A), Key(3, B), Key(6, None)])
    assert list(annotations.spans(10)) == [
        Span(range(2), None, A, closed=False),
        Span(range(4, 6), B, None, closed=True),
        Span(range(7, 10), None, None, closed=False),
    ]
    hidden = Annotations.of([Key(0, A), Key(3, None), Key(7, B)])
    assert list(hidden.spans(8)) == [
        Span(range(1, 3), A, None, closed=True),
        Span(range(4, 7), None, None, closed=True),  # it comes back with the next key frame, not before
    ]
    assert list(Annotations().spans(4)) == [Span(range(4), None, None, closed=False)]


@given(st.sets(st.integers(0, 29)), st.just(30))
def test_keys_and_spans_are_all_frames_once(frames: set[int], count: int) -> None:
    annotations = Annotations.of(Key(frame, A) for frame in frames)
    covered = [frame for span in annotations.spans(count) for frame in span.frames]
    assert sorted([*covered, *frames]) == list(range(count))
