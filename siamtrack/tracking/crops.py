"""Square crops around a target, also over and beyond the border of the frame, which is never copied."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import UsageError

Color = tuple[float, float, float]
"""Blue, green, red in 0..255."""


class Square(NamedTuple):
    """A square of whole pixels: first column and row, and number of columns and rows, at least 1."""

    left: int
    top: int
    side: int


PADDED_SIDE = 2048
"""Up to this many pixels a square that hangs over the border is padded before it is resized (12 MB); a larger one is
warped, so that memory does not grow with the target."""


def exemplar_side(width: float, height: float, context: float) -> float:
    """Side in pixels of the square around a target that is its exemplar.

    Args:
        width: width of the target in pixels.
        height: height of the target in pixels.
        context: share of `width + height` that is added to both sides; 0.5 in SiamFC (Bertinetto et al. 2016, 3.4).
    """
    padding = context * (width + height)
    return math.sqrt((width + padding) * (height + padding))


def mean_color(image: NDArray[np.uint8]) -> Color:
    """Mean color of a frame: `(H, W, 3)` uint8 BGR to blue, green, red."""
    blue, green, red, _ = cv2.mean(image)
    return blue, green, red


def crop(
    image: NDArray[np.uint8], center: tuple[float, float], side: float, size: int, border: Color
) -> NDArray[np.uint8]:
    """Cut a square out of a frame and resize it bilinearly; what lies outside the frame has the border color.

    Pixel `j` of the crop, whose center is `j + 0.5`, is the frame at `left + (j + 0.5) * side / size`.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        center: center `(x, y)` of the square in pixels, 0-based and continuous; it may lie outside the frame.
        side: side of the square in pixels of the frame.
        size: side of the crop in pixels.
        border: color outside the frame, blue, green, red.

    Returns:
        `(size, size, 3)` uint8 BGR.

    Raises:
        UsageError: when the square is empty or not finite.
    """
    if not (side > 0 and math.isfinite(side) and math.isfinite(center[0]) and math.isfinite(center[1])):
        raise UsageError(
            f"cannot crop a square of side {side:g} around {center[0]:g},{center[1]:g}: "
            "the side must be positive and all three finite"
        )
    out = np.empty((size, size, 3), np.uint8)
    _warp_into(out, image, center, side, border)
    return out


def crop_whole_pixels_into(out: NDArray[np.uint8], image: NDArray[np.uint8], square: Square, border: Color) -> None:
    """The crop of a square that lies on whole pixels, to the last bit as SiamFC's ports cut it.

    It differs from `crop` by one gray level here and there, because it resizes with OpenCV's fixed-point `resize`,
    and at the rim, where it repeats the square's own pixels instead of looking beyond
    them. Both are enough to make a tracker choose another scale now and then, so that paths part.

    Args:
        out: `(size, size, 3)` uint8, contiguous, is overwritten with the crop, BGR.
        image: `(H, W, 3)` uint8 BGR.
        square: what to cut; it may lie outside the frame.
        border: color outside the frame, blue, green, red.
    """
    left, top, side = square
    size = out.shape[0]
    height, width = image.shape[:2]
    before_x, before_y = max(0, -left), max(0, -top)
    after_x, after_y = max(0, left + side - width), max(0, top + side - height)
    if before_x + after_x + before_y + after_y == 0:
        cv2.resize(image[top : top + side, left : left + side], (size, size), dst=out)
    elif max(before_x + after_x, before_y + after_y) >= side:
        out[:] = np.rint(border)  # nothing of the frame: what the branches below do to the color, without a frame
    elif side > PADDED_SIDE:
        _warp_into(out, image, (left + side / 2, top + side / 2), side, border)
    else:
        inside = image[top + before_y : top + side - after_y, left + before_x : left + side - after_x]
        padded = cv2.copyMakeBorder(inside, before_y, after_y, before_x, after_x, cv2.BORDER_CONSTANT, value=border)
        cv2.resize(padded, (size, size), dst=out)


def crop_middle_into(
    out: NDArray[np.uint8], image: NDArray[np.uint8], square: Square, size: int, border: Color
) -> None:
    """The middle of the crop of `size` pixels that `crop_whole_pixels_into` cuts of a square, within a gray level.

    Args:
        out: `(s, s, 3)` uint8, contiguous, is overwritten, BGR; s is less than `size`, by an even number.
        image: `(H, W, 3)` uint8 BGR.
        square: what the whole crop shows.
        size: side of the whole crop.
        border: color outside the frame, blue, green, red.
    """
    left, top, side = square
    _warp_into(out, image, (left + side / 2, top + side / 2), side * out.shape[0] / size, border)


def _warp_into(
    out: NDArray[np.uint8], image: NDArray[np.uint8], center: tuple[float, float], side: float, border: Color
) -> None:
    size = out.shape[0]
    step = side / size
    # OpenCV puts the center of pixel 0 at 0, the continuous convention at 0.5: hence the halves.
    first_x = center[0] - side / 2 + step / 2 - 0.5
    first_y = center[1] - side / 2 + step / 2 - 0.5
    cv2.warpAffine(
        image,
        np.array([[step, 0.0, first_x], [0.0, step, first_y]]),
        (size, size),
        dst=out,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=border,
    )
