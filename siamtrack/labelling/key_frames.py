"""Key frames of a video: the frames in which a person gave the box of the target."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

from siamtrack.boxes import Box


class KeyFrame(NamedTuple):
    """Frame with a box that a person gave."""

    frame: int
    """Index of the frame in the video, 0-based."""
    box: Box | None
    """Target in pixels, 0-based and continuous; None: the target is out of sight from here to the next key frame."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Frames between two neighboring key frames, or between a key frame and an end of the video."""

    frames: range
    """Frames without the key frames; never empty."""
    before: Box | None
    """Box in the key frame before; None when the target is out of sight or there is no such key frame."""
    after: Box | None
    """Box in the key frame after; None when the target is out of sight there or in these frames, or there is no such
    key frame."""
    closed: bool
    """True with key frames on both sides."""


@dataclass(frozen=True, slots=True)
class KeyFrames:
    """Key frames of a video in order, at most one for each frame. It is immutable: every change returns a new value."""

    items: tuple[KeyFrame, ...] = ()

    @classmethod
    def of(cls, items: Iterable[KeyFrame]) -> Self:
        """Sort key frames; of several for one frame, the last is kept."""
        by_frame = {each.frame: each for each in items}
        return cls(tuple(by_frame[frame] for frame in sorted(by_frame)))

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[KeyFrame]:
        return iter(self.items)

    def at(self, frame: int) -> KeyFrame | None:
        """Return the key frame at this frame; None when it is not a key frame."""
        index = bisect_left(self.items, frame, key=_frame)
        return self.items[index] if index < len(self.items) and self.items[index].frame == frame else None

    def before(self, frame: int) -> KeyFrame | None:
        """Return the last key frame before a frame."""
        index = bisect_left(self.items, frame, key=_frame)
        return self.items[index - 1] if index else None

    def after(self, frame: int) -> KeyFrame | None:
        """Return the first key frame after a frame."""
        index = bisect_right(self.items, frame, key=_frame)
        return self.items[index] if index < len(self.items) else None

    def with_key_frame(self, item: KeyFrame) -> Self:
        """Return the key frames with this one, in place of any other for the same frame."""
        return self.of((*self.items, item))

    def without(self, frame: int) -> Self:
        """Return the key frames without the one at a frame."""
        return type(self)(tuple(each for each in self.items if each.frame != frame))

    def intervals(self, count: int) -> Iterator[Interval]:
        """Yield the intervals of a video in order, with those before the first and after the last key frame.

        Args:
            count: number of frames of the video.
        """
        ends = (KeyFrame(-1, None), *self.items, KeyFrame(count, None))
        for number, (before, after) in enumerate(pairwise(ends)):
            frames = range(before.frame + 1, after.frame)
            if frames:
                hidden = number > 0 and before.box is None
                yield Interval(frames, before.box, None if hidden else after.box, closed=0 < number < len(self.items))


def _frame(item: KeyFrame) -> int:
    return item.frame
