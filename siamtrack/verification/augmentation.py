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


class PatchAugmentation(Frozen):
    """Ranges of random changes that keep the class of a patch; values are uniform and symmetric about no change."""

    shift: float = Field(0.0, ge=0, le=0.5)
    """Largest shift along each axis, in sides of the patch."""
    rotation: float = Field(0.0, ge=0, le=180)
    """Largest rotation in degrees."""
    scale: float = Field(0.0, ge=0, le=1)
    """Largest change of the logarithm of the size."""
    aspect_ratio: float = Field(0.0, ge=0, le=1)
    """Largest change of the logarithm of the aspect ratio."""
    shear: float = Field(0.0, ge=0, le=1)
    """Largest slant: columns to the side for each row."""
    brightness: float = Field(0.0, ge=0, le=1)
    """Largest change of brightness, in shares of white."""
    contrast: float = Field(0.0, ge=0, lt=1)
    """Largest relative change of contrast."""
    flip: bool = False
    """Flip a patch horizontally with probability 1/2."""


def augment_patches(patches: Patches, augmentation: PatchAugmentation, rng: np.random.Generator) -> Patches:
    """Return randomly changed patches; pixels from outside a patch repeat its border.

    Args:
        patches: `(N, C, S, S)` uint8, stays as it is.
        augmentation: ranges of the changes.
        rng: draws the same number of values whatever the patches are.
    """
    count, channels, size, _ = patches.shape
    draws = rng.uniform(-1, 1, (count, 9))
    changed = np.empty_like(patches)
    for patch, draw, out in zip(patches, draws, changed, strict=True):
        moved = cv2.warpAffine(
            patch.transpose(1, 2, 0),
            _affine_matrix(draw, augmentation, size),
            (size, size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        ).reshape(size, size, channels)
        gain, offset = 1 + augmentation.contrast * draw[6], 255 * augmentation.brightness * draw[7]
        lit = moved if gain == 1 and offset == 0 else np.clip((moved - 127.5) * gain + 127.5 + offset, 0, 255)
        out[:] = np.rint(lit).transpose(2, 0, 1)
    return changed


def _affine_matrix(draw: NDArray[np.float64], augmentation: PatchAugmentation, size: int) -> NDArray[np.float64]:
    """Return the 2 x 3 matrix that takes a pixel of the patch to its new place, around the middle of the patch."""
    angle = math.radians(augmentation.rotation * draw[0])
    size_factor, stretch = math.exp(augmentation.scale * draw[1]), math.exp(augmentation.aspect_ratio * draw[2] / 2)
    turned = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    slanted = np.array([[1.0, augmentation.shear * draw[3]], [0.0, 1.0]])
    side = -1.0 if augmentation.flip and draw[8] < 0 else 1.0
    linear = turned @ slanted @ np.diag([side * size_factor * stretch, size_factor / stretch])
    middle = np.full(2, (size - 1) / 2)  # OpenCV puts the center of the first pixel at 0
    shift = middle - linear @ middle + augmentation.shift * size * draw[4:6]
    return np.column_stack([linear, shift])
