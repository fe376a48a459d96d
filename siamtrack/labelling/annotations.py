"""What a person said about a video: the target's box in some frames, the key frames."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Self

from siamtrack.boxes import Box


class Key(NamedTuple):
    """A key frame."""

    frame: int
    """Index of the frame in the video, 0-based."""
    box: Box | None
    """The target, in pixels, 0-based and continuous; None: it is out of sight from here to the next key frame."""


@dataclass(frozen=True, slots=True)
class Span:
    """The frames between two neighboring key frames, or between one and an end of the video."""

    frames: range
    """Without the key frames; never empty."""
    before: Box | None
    """The box in the key frame before; None where the target is out of sight, or there is no such key frame."""
    after: Box | None
    """The box in the key frame after; None where the target is out of sight there or in these frames, or there is no
    such key frame."""
    closed: bool
    """Whether there are key frames on both sides."""


@dataclass(frozen=True, slots=True)
class Annotations:
    """The key frames of a video, in order, one a frame at most; a value, every change gives another."""

    keys: tuple[Key, ...] = ()

    @classmethod
    def of(cls, keys: Iterable[Key]) -> Self:
        """From key frames in any order; of several in one frame, the last counts."""
        by_frame = {key.frame: key for key in keys}
        return cls(tuple(by_frame[frame] for frame in sorted(by_frame)))

    def __len__(self) -> int:
        return len(self.keys)

    def at(self, frame: int) -> Key | None:
        """The key frame at a frame, if it is one."""
        place = bisect_left(self.keys, frame, key=_frame)
        return self.keys[place] if place < len(self.keys) and self.keys[place].frame == frame else None

    def before(self, frame: int) -> Key | None:
        """The last key frame before a frame."""
        place = bisect_left(self.keys, frame, key=_frame)
        return self.keys[place - 1] if place else None

    def after(self, frame: int) -> Key | None:
        """The first key frame after a frame."""
        place = bisect_right(self.keys, frame, key=_frame)
        return self.keys[place] if place < len(self.keys) else None

    def with_key(self, key: Key) -> Self:
        """The same with one key frame more, or another box in it."""
        return self.of((*self.keys, key))

    def without(self, frame: int) -> Self:
        """The same without the key frame at a frame."""
        return type(self)(tuple(key for key in self.keys if key.frame != frame))

    def spans(self, count: int) -> Iterator[Span]:
        """What lies between the key frames of a video, in order, with the frames before the first and after the last.

        Args:
            count: number of frames of the video.
        """
        ends = (Key(-1, None), *self.keys, Key(count, None))
        for number, (before, after) in enumerate(pairwise(ends)):
            frames = range(before.frame + 1, after.frame)
            if frames:
                hidden = number > 0 and before.box is None
                yield Span(frames, before.box, None if hidden else after.box, closed=0 < number < len(self.keys))


def _frame(key: Key) -> int:
    return key.frame
