"""Where to look for a target that is lost: further and further from where it was last seen, to the whole frame.

Every frame looks at a few places more, so that a lost target costs as much in each of them however large the frame is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from siamtrack.boxes import Box, iou

Place = tuple[float, float]

SAME = 0.5
"""Boxes that overlap by more show the same target."""


def places(size: tuple[int, int], last: Place, reach: float, step: int, count: int) -> list[Place]:
    """Centers of the search crops of a frame.

    The frame is laid out with squares that a search crop finds a target in; they are looked at in the order of their
    distance from where the target was seen last, and then from the first one again.

    Args:
        size: width and height of the frame in pixels.
        last: center `(x, y)` of the target when it was seen last.
        reach: side in pixels of the square around its center in which a search crop finds a target.
        step: frames since the target was lost, 0 in the first one that looks elsewhere.
        count: how many places a frame.

    Returns:
        At most `count` of them, in pixels, inside the frame.
    """
    order = _from_near_to_far(size, last, reach)
    return [order[(step * count + each) % len(order)] for each in range(min(count, len(order)))]


@lru_cache(
    maxsize=64
)  # the same in every frame until the target is found: a small target in a large frame has thousands
def _from_near_to_far(size: tuple[int, int], last: Place, reach: float) -> tuple[Place, ...]:
    """The middles of all squares."""
    columns, rows = (max(math.ceil(side / reach), 1) for side in size)
    middles = [
        ((column + 0.5) * size[0] / columns, (row + 0.5) * size[1] / rows)
        for row in range(rows)
        for column in range(columns)
    ]
    return tuple(sorted(middles, key=lambda place: math.dist(place, last)))


def select_candidate(sure: Sequence[float], there: Sequence[bool], boxes: Sequence[Box]) -> int:
    """Which of several places a target is at.

    Args:
        sure: confidence at the place where it is followed to, and at all the others.
        there: whether it may be at each of them.
        boxes: what it would be, in pixels.

    Returns:
        The index of the surest place where it may be; 0 where there is none, or none surer than the first, or where the
        surest box is that of the first place, seen in another crop.
    """
    best = max(range(len(sure)), key=lambda index: (there[index], sure[index]) if there[index] else (False, -index))
    if there[0] and iou(np.array(boxes[best]), np.array(boxes[0])) > SAME:
        return 0
    return best
