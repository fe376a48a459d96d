"""Image patches of one size: how they are made from pictures, and how they are changed to see more of them."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from siamtrack.config import Frozen

Patches = NDArray[np.uint8]
"""`(N, C, S, S)`; C is 1 (gray) or 3 (RGB)."""


class PatchChanges(Frozen):
    """Ranges of the changes of a patch that keep its class; all are drawn evenly from both directions."""

    shift: float = Field(0.0, ge=0, le=0.5)
    """Largest shift along each axis, in sides of the patch."""
    turn: float = Field(0.0, ge=0, le=180)
    """Largest rotation in degrees."""
    scale: float = Field(0.0, ge=0, le=1)
    """Largest change of the logarithm of the size."""
    stretch: float = Field(0.0, ge=0, le=1)
    """Largest change of the logarithm of the aspect ratio."""
    shear: float = Field(0.0, ge=0, le=1)
    """Largest slant: columns to the side for each row."""
    brightness: float = Field(0.0, ge=0, le=1)
    """Largest change of brightness, in shares of white."""
    contrast: float = Field(0.0, ge=0, lt=1)
    """Largest relative change of contrast."""
    mirror: bool = False
    """A mirrored patch is of the same class; every second patch is mirrored then."""


def to_patch(image: NDArray[np.uint8], size: int, channels: int) -> NDArray[np.uint8]:
    """Bring a picture to the form that a network for patches takes; its aspect ratio is not kept.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        size: side of the patch in pixels.
        channels: 1 for gray, 3 for RGB. A gray picture has three equal channels then, a colored one loses its color.

    Returns:
        `(channels, size, size)` uint8.
    """
    shrinks = min(image.shape[:2]) > size
    resized = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    if channels == 1:
        return np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2GRAY), np.uint8)[None]
    return np.ascontiguousarray(resized[:, :, ::-1].transpose(2, 0, 1))


def change_patches(patches: Patches, changes: PatchChanges, rng: np.random.Generator) -> Patches:
    """Return each patch as it might have been seen as well; what moves in from outside repeats the rim.

    Args:
        patches: `(N, C, S, S)` uint8, stays as it is.
        changes: how far they may go.
        rng: draws the same number of values whatever the patches are.
    """
    count, channels, size, _ = patches.shape
    draws = rng.uniform(-1, 1, (count, 9))
    changed = np.empty_like(patches)
    for patch, draw, out in zip(patches, draws, changed, strict=True):
        moved = cv2.warpAffine(
            patch.transpose(1, 2, 0),
            _movement(draw, changes, size),
            (size, size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ).reshape(size, size, channels)
        gain, offset = 1 + changes.contrast * draw[6], 255 * changes.brightness * draw[7]
        lit = moved if gain == 1 and offset == 0 else np.clip((moved - 127.5) * gain + 127.5 + offset, 0, 255)
        out[:] = np.rint(lit).transpose(2, 0, 1)
    return changed


def _movement(draw: NDArray[np.float64], changes: PatchChanges, size: int) -> NDArray[np.float64]:
    """Return the 2 x 3 matrix that takes a pixel of the patch to its new place, around the middle of the patch."""
    angle = math.radians(changes.turn * draw[0])
    size_factor, stretch = math.exp(changes.scale * draw[1]), math.exp(changes.stretch * draw[2] / 2)
    turned = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    slanted = np.array([[1.0, changes.shear * draw[3]], [0.0, 1.0]])
    side = -1.0 if changes.mirror and draw[8] < 0 else 1.0
    linear = turned @ slanted @ np.diag([side * size_factor * stretch, size_factor / stretch])
    middle = np.full(2, (size - 1) / 2)  # OpenCV puts the center of the first pixel at 0
    shift = middle - linear @ middle + changes.shift * size * draw[4:6]
    return np.column_stack([linear, shift])
