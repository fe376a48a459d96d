"""Synthetic scenes: cut-out objects pasted on photographs, with exact boxes.

Targets, distractors and occluders are pasted by the same function with the same soft edge, so that the edge itself says
nothing about which of them is the target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from siamtrack.boxes import Box, Image


@dataclass(frozen=True)
class Pose:
    """Position, size and angle of a pasted object."""

    center: tuple[float, float]
    """Center `(x, y)` in the picture, pixels, continuous."""
    size: float
    """Geometric mean of width and height in pixels, before stretching and turning."""
    angle: float = 0.0
    """Radians, clockwise on the screen."""
    stretch: float = 1.0
    """Factor of the width; the height is divided by it."""


def paste(image: Image, patch: Image, pose: Pose) -> tuple[Image, Box]:
    """Paste an object into a picture.

    Args:
        image: `(H, W, 3)` uint8 BGR, left as it is.
        patch: `(h, w, 4)` uint8 BGRA.
        pose: place, size, angle and stretch.

    Returns:
        The new picture, and the box of the object's opaque part (it may hang over the border).
    """
    height, width = patch.shape[:2]
    scale = pose.size / math.sqrt(height * width)
    across, down = scale * pose.stretch, scale / pose.stretch
    cos, sin = math.cos(pose.angle), math.sin(pose.angle)
    linear = np.array([[cos * across, -sin * down], [sin * across, cos * down]])
    corners = np.array([[-width, -height], [width, -height], [width, height], [-width, height]]) / 2 @ linear.T
    reach = np.abs(corners).max(axis=0) + 2
    left, top = (math.floor(pose.center[0] - reach[0]), math.floor(pose.center[1] - reach[1]))
    right, bottom = (math.ceil(pose.center[0] + reach[0]), math.ceil(pose.center[1] + reach[1]))
    # Shrinking samples too sparsely: reduce the object first.
    if scale < 0.5:
        reduced = (max(round(width * scale), 1), max(round(height * scale), 1))
        patch = np.asarray(cv2.resize(patch, reduced, interpolation=cv2.INTER_AREA), np.uint8)
        linear = linear @ np.diag([width / reduced[0], height / reduced[1]])
        height, width = patch.shape[:2]
    middle = np.array([width, height]) / 2 - 0.5
    target = np.array([pose.center[0] - left - 0.5, pose.center[1] - top - 0.5])
    matrix = np.column_stack([linear, target - linear @ middle])
    layer = cv2.warpAffine(patch, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
    alpha = cv2.GaussianBlur(layer[:, :, 3], (3, 3), 0)

    opaque_columns, opaque_rows = np.flatnonzero((alpha > 127).any(axis=0)), np.flatnonzero((alpha > 127).any(axis=1))
    if opaque_columns.size and opaque_rows.size:
        first_x, first_y = int(opaque_columns[0]), int(opaque_rows[0])
        box = Box(
            float(left + first_x),
            float(top + first_y),
            float(opaque_columns[-1] + 1 - first_x),
            float(opaque_rows[-1] + 1 - first_y),
        )
    else:
        box = Box.from_center(*pose.center, 1.0, 1.0)

    result = image.copy()
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, image.shape[1]), min(bottom, image.shape[0])
    if x0 < x1 and y0 < y1:
        window = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
        weight = alpha[window].astype(np.float32)[:, :, None] / 255
        area = result[y0:y1, x0:x1]
        area[:] = np.rint(area + (layer[window][:, :, :3] - area.astype(np.float32)) * weight).astype(np.uint8)
    return result, box


def shift_tone(patch: Image, rng: np.random.Generator, strength: float) -> Image:
    """Another light on an object: `(h, w, 4)` uint8 BGRA, alpha unchanged."""
    gain = rng.uniform(1 - strength, 1 + strength)
    offset = 60 * rng.uniform(-strength, strength)
    result = patch.copy()
    result[:, :, :3] = cv2.convertScaleAbs(patch[:, :, :3], alpha=gain, beta=offset)
    return result
