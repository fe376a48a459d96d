"""Redetection: where to search for a lost target, from the place where it was last seen to the whole frame.

Every frame searches a fixed number of additional places, so that the cost of a lost target does not depend on the size
of the frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from siamtrack.boxes import Box, iou

Point = tuple[float, float]

SAME_BOX_IOU = 0.5
"""Boxes with a larger overlap show the same target."""


def search_centers(size: tuple[int, int], last: Point, reach: float, step: int, count: int) -> list[Point]:
    """Return the centers of the additional search crops of a frame.

    A grid of squares covers the frame. In each of them a search crop around its center finds a target. They are
    searched in the order of their distance from the place where the target was last seen, and then from the first one
    again.

    Args:
        size: width and height of the frame in pixels.
        last: center `(x, y)` of the target where it was last seen.
        reach: side in pixels of the square around its center in which a search crop finds a target.
        step: frames since the target was lost, 0 in the first frame of redetection.
        count: number of places a frame.

    Returns:
        At most `count` centers `(x, y)` in pixels, inside the frame.
    """
    order = _grid_by_distance(size, last, reach)
    return [order[(step * count + each) % len(order)] for each in range(min(count, len(order)))]


# The grid is the same in every frame until the target is found; a small target in a large frame has thousands of cells.
@lru_cache(maxsize=64)
def _grid_by_distance(size: tuple[int, int], last: Point, reach: float) -> tuple[Point, ...]:
    """Return the centers of all squares of the grid, nearest to `last` first."""
    columns, rows = (max(math.ceil(side / reach), 1) for side in size)
    centers = [
        ((column + 0.5) * size[0] / columns, (row + 0.5) * size[1] / rows)
        for row in range(rows)
        for column in range(columns)
    ]
    return tuple(sorted(centers, key=lambda center: math.dist(center, last)))


def select_candidate(confidence: Sequence[float], present: Sequence[bool], boxes: Sequence[Box]) -> int:
    """Return the index of the candidate that shows the target.

    Args:
        confidence: of each candidate; the first one is the place where the target is followed.
        present: each candidate may show the target or not.
        boxes: box of each candidate, in pixels.

    Returns:
        The index of the most confident candidate that may show the target. It is 0 when none may, when none is more
        confident than the first, or when the best box is the box of the first candidate, seen in another crop.
    """
    best = max(
        range(len(confidence)),
        key=lambda index: (present[index], confidence[index]) if present[index] else (False, -index),
    )
    if present[0] and iou(np.array(boxes[best]), np.array(boxes[0])) > SAME_BOX_IOU:
        return 0
    return best
