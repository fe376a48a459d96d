"""Boxes and their convention: `x, y, width, height` in pixels, float, 0-based and continuous.

The image spans `[0, W] x [0, H]`; pixel (0, 0) covers `[0, 1] x [0, 1]`, so its center is at (0.5, 0.5) and the center
of a box is `x + width / 2`. Files of OTB, GOT-10k and VOT count the first pixel as 1: readers and writers convert.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import BoxError

Image = NDArray[np.uint8]
"""A frame or a part of one: `(H, W, 3)` uint8 BGR, unless a signature names another color order."""


class PillowImage(Protocol):
    """An image of Pillow, in any mode."""

    def convert(self, mode: str, /) -> Any:
        """Return the image in another mode."""


ImageLike = NDArray[np.integer[Any] | np.floating[Any]] | PillowImage
"""A frame as a user has it: an array in the types that `cv2.imread` and `VideoCapture.read` declare, whose values must
be uint8, or an image of Pillow, which is RGB."""

MIN_SIDE = 2.0
"""Shortest side of a box that can be tracked, in pixels: a single pixel has no appearance."""


class Box(NamedTuple):
    """An axis-aligned box: left, top, width and height in pixels (float, 0-based, continuous)."""

    x: float
    y: float
    width: float
    height: float

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """Left, top, width and height in pixels."""
        return self.x, self.y, self.width, self.height

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom in pixels; right and bottom lie outside the box."""
        return self.x, self.y, self.x + self.width, self.y + self.height

    @property
    def center(self) -> tuple[float, float]:
        """Center `(x, y)` in pixels."""
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    @classmethod
    def from_xyxy(cls, left: float, top: float, right: float, bottom: float) -> Box:
        """Return the box with these corners, in pixels.

        Raises:
            BoxError: when the right or lower corner does not lie beyond the left or upper one.
        """
        if not (right > left and bottom > top):
            raise BoxError(
                f"the corners {left:g},{top:g},{right:g},{bottom:g} are not left,top,right,bottom of a box: "
                "right must exceed left, and bottom must exceed top"
            )
        return cls(left, top, right - left, bottom - top)

    @classmethod
    def from_center(cls, cx: float, cy: float, width: float, height: float) -> Box:
        """Return the box of this size around a center, in pixels."""
        return cls(cx - width / 2, cy - height / 2, width, height)

    @classmethod
    def from_one_based(cls, x: float, y: float, width: float, height: float) -> Box:
        """Convert from the convention of OTB, GOT-10k and VOT files, whose first pixel is 1."""
        return cls(x - 1, y - 1, width, height)

    def to_one_based(self) -> tuple[float, float, float, float]:
        """Convert to the convention of OTB, GOT-10k and VOT files, whose first pixel is 1."""
        return self.x + 1, self.y + 1, self.width, self.height


def parse_box(text: str) -> Box:
    """Read a box typed as `X,Y,W,H`.

    Raises:
        BoxError: when the text is not four numbers.
    """
    parts = text.split(",")
    if len(parts) != 4:
        raise BoxError(f"box '{text}' has {len(parts)} numbers, 4 are needed: X,Y,W,H (for example 120,80,64,48)")
    try:
        return Box(*(float(part) for part in parts))
    except ValueError as error:
        raise BoxError(f"box '{text}' is not four numbers X,Y,W,H (for example 120,80,64,48)") from error


def validate_box(box: tuple[float, float, float, float], frame_width: int, frame_height: int) -> Box:
    """Check that a box can be tracked in a frame; it may cross the border.

    Args:
        box: `x, y, width, height`, 0-based pixels.
        frame_width: width of the frame in pixels.
        frame_height: height of the frame in pixels.

    Raises:
        BoxError: when the box is not finite, is empty, has a side below `MIN_SIDE`, lies outside the frame, or is
            larger than the frame.
    """
    if len(box) != 4:
        raise BoxError(f"box {tuple(box)} has {len(box)} numbers, 4 are needed: x, y, width, height")
    x, y, width, height = (float(value) for value in box)
    shown = f"box {x:g},{y:g},{width:g},{height:g}"
    frame = f"{frame_width}x{frame_height}"
    if not all(math.isfinite(value) for value in (x, y, width, height)):
        raise BoxError(f"{shown} is not finite: give four ordinary numbers X,Y,W,H")
    if width <= 0 or height <= 0:
        raise BoxError(f"{shown} is empty: width and height must be positive (the order is X,Y,W,H)")
    if width < MIN_SIDE or height < MIN_SIDE:
        raise BoxError(f"{shown} is too small to track: each side needs at least {MIN_SIDE:g} pixels")
    if width > frame_width or height > frame_height:
        raise BoxError(f"{shown} is larger than the frame ({frame}): draw it around the object")
    if x >= frame_width or y >= frame_height or x + width <= 0 or y + height <= 0:
        raise BoxError(f"{shown} lies outside the frame ({frame}): X,Y is the top left corner, 0-based")
    return Box(x, y, width, height)


def trackable_box(box: Box, frame_width: int, frame_height: int) -> Box:
    """Return the box with sides that `validate_box` accepts, around the same center.

    One odd sequence must not end an experiment over hundreds.
    """
    width = min(max(box.width, MIN_SIDE), frame_width)
    return Box.from_center(*box.center, width, min(max(box.height, MIN_SIDE), frame_height))


def iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the intersection over union of two arrays of boxes, row by row.

    Args:
        a: `(..., 4)` boxes `x, y, width, height`; shapes broadcast.
        b: `(..., 4)` boxes.

    Returns:
        `(...)` overlaps in [0, 1]; 0 where both boxes are empty.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    # Column by column: sums and products over an axis of two take NumPy several times as long.
    shared = [
        np.minimum(a[..., i] + a[..., i + 2], b[..., i] + b[..., i + 2]) - np.maximum(a[..., i], b[..., i])
        for i in range(2)
    ]
    intersection = np.maximum(shared[0], 0) * np.maximum(shared[1], 0)
    union = a[..., 2] * a[..., 3] + b[..., 2] * b[..., 3] - intersection
    result: NDArray[np.float64] = np.where(union > 0, intersection / np.maximum(union, 1e-300), 0.0)
    return result
