"""Classes of strokes that are made up: any number of them, written again and again by an unsteady hand.

A few real classes can be learnt by heart. Of these no class comes twice, so that only what makes two drawings of one
shape alike can be learnt from them (as from the characters of many alphabets, Lake et al. 2015, without any data).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.data.classes import ClassSet
from siamtrack.data.patches import to_patch

CANVAS = 32
"""Side that is drawn on, in pixels."""
COARSE = 8
"""Side that a drawing is reduced to, as that of the digits of scikit-learn was."""
POINTS = (3, 8)
"""Least number of points of a stroke, and the first that is too many."""
UNSTEADY = 0.06
"""Standard deviation of a point from one drawing to the next, in sides."""
SLANT = 0.15
"""Standard deviation of the shear of a drawing."""
WIDTHS = (0.3, 0.9)
"""Narrowest and widest shape, as a share of its height, to which all are drawn."""
ROUNDS = 3
"""Of cutting the corners of a stroke."""


def draw_scribbles(classes: int, each: int, size: int, channels: int, rng: np.random.Generator) -> ClassSet:
    """New classes of white strokes on black.

    Args:
        classes: how many.
        each: drawings of each.
        size: side of the patches in pixels.
        channels: 1 for gray, 3 for RGB.
        rng: makes them up.
    """
    patches = []
    for _ in range(classes):
        strokes = [rng.uniform(0, 1, (rng.integers(*POINTS), 2)) for _ in range(rng.integers(1, 3))]
        closed, width = rng.random() < 0.3, rng.uniform(*WIDTHS)
        patches += [_draw(strokes, closed, width, size, channels, rng) for _ in range(each)]
    names = tuple(f"scribble {number}" for number in range(classes))
    return ClassSet(names, np.stack(patches), np.repeat(np.arange(classes), each))


def _draw(
    strokes: list[NDArray[np.float64]], closed: bool, width: float, size: int, channels: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """One drawing of a shape, as high as the canvas and in its middle."""
    hand = np.array([[1.0, rng.normal(0, SLANT)], [0.0, 1.0]])
    drawn = [smooth(stroke + rng.normal(0, UNSTEADY, stroke.shape), closed) @ hand.T for stroke in strokes]
    every = np.concatenate(drawn)
    low, span = every.min(axis=0), np.maximum(np.ptp(every, axis=0), 1e-6)
    share = np.array([np.clip(width * rng.normal(1, 0.15), *WIDTHS), 1.0])
    thickness = int(rng.integers(3, 6))
    room = CANVAS - thickness - 1
    canvas = np.zeros((CANVAS, CANVAS), np.uint8)
    placed = [(((points - low) / span - 0.5) * share + 0.5) * room + thickness / 2 for points in drawn]
    lines = [np.rint(points).astype(np.int32) for points in placed]
    cv2.polylines(canvas, lines, closed, 255, thickness)
    coarse = cv2.resize(canvas, (COARSE, COARSE), interpolation=cv2.INTER_AREA)
    return to_patch(np.repeat(np.asarray(coarse, np.uint8)[:, :, None], 3, axis=2), size, channels)


def smooth(points: NDArray[np.float64], closed: bool) -> NDArray[np.float64]:
    """Cut the corners of a line of points `(N, 2)` again and again (Chaikin 1974); an open line keeps its ends."""
    for _ in range(ROUNDS):
        following = np.roll(points, -1, axis=0) if closed else points[1:]
        here = points if closed else points[:-1]
        cut = np.stack([0.75 * here + 0.25 * following, 0.25 * here + 0.75 * following], axis=1).reshape(-1, 2)
        points = cut if closed else np.concatenate([points[:1], cut, points[-1:]])
    return points
