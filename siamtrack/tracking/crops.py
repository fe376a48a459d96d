"""Frames as the tracker takes them, and square crops of them, also across and beyond the border."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import cv2
import numpy as np

from siamtrack.boxes import Image, ImageLike
from siamtrack.errors import UsageError

ColorOrder = Literal["bgr", "rgb"]
"""Order of the channels of a frame."""
Color = tuple[float, float, float]
"""Blue, green, red in 0..255."""


class Square(NamedTuple):
    """Square of whole pixels: first column and row, and number of columns and rows, at least 1."""

    left: int
    top: int
    side: int


PADDED_SIDE = 2048
"""Largest side of a square across the border that is padded before it is resized (12 MB). A larger square is warped, so
that memory does not grow with the target."""


def as_bgr(frame: ImageLike, color: ColorOrder) -> Image:
    """Return a frame as `(H, W, 3)` uint8 BGR; an array in this order is returned itself.

    Args:
        frame: `(H, W, 3)` uint8, or an image of Pillow in any mode.
        color: color order of an array. An image of Pillow is RGB in any case.

    Raises:
        UsageError: when the frame is something else.
    """
    if not isinstance(frame, np.ndarray) and hasattr(frame, "convert"):
        frame, color = np.asarray(frame.convert("RGB")), "rgb"
    if not isinstance(frame, np.ndarray):
        raise UsageError(f"a frame is a NumPy array, (height, width, 3) uint8 BGR; this is a {type(frame).__name__}")
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or frame.size == 0:
        raise UsageError(
            f"a frame of shape {frame.shape} and type {frame.dtype} cannot be tracked: "
            "give (height, width, 3) uint8 BGR, siamtrack.io.to_bgr8 converts"
        )
    return np.asarray(frame if color == "bgr" else cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), np.uint8)


def clip_to_frame(point: tuple[float, float], frame: Image) -> tuple[float, float]:
    """Return the point `(x, y)` of a frame that is nearest to a point, in pixels, 0-based and continuous."""
    return min(max(point[0], 0.0), float(frame.shape[1])), min(max(point[1], 0.0), float(frame.shape[0]))


def exemplar_side(width: float, height: float, context: float) -> float:
    """Return the side in pixels of the exemplar square of a target.

    Args:
        width: width of the target in pixels.
        height: height of the target in pixels.
        context: fraction of `width + height` that is added to both sides; 0.5 in SiamFC (Bertinetto et al. 2016, 3.4).
    """
    padding = context * (width + height)
    return math.sqrt((width + padding) * (height + padding))


def mean_color(image: Image) -> Color:
    """Return the mean color of a frame `(H, W, 3)` uint8 BGR: blue, green, red."""
    blue, green, red, _ = cv2.mean(image)
    return blue, green, red


def crop(image: Image, center: tuple[float, float], side: float, size: int, border: Color) -> Image:
    """Cut a square out of a frame and resize it bilinearly; the part outside the frame has the border color.

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


def crop_whole_pixels_into(out: Image, image: Image, square: Square, border: Color) -> None:
    """Cut a square of whole pixels, to the last bit as SiamFC's ports cut it.

    The result differs from that of `crop` in two ways. OpenCV's fixed-point `resize` changes single pixels by one gray
    level. At the rim, the square's own pixels are repeated instead of those beyond it. Either difference can make a
    tracker choose another scale in a frame, so that its path changes.

    Args:
        out: `(size, size, 3)` uint8, contiguous; it is overwritten with the crop, BGR.
        image: `(H, W, 3)` uint8 BGR.
        square: square to cut; it may lie outside the frame.
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
        out[:] = np.rint(border)  # outside the frame: the color is rounded as in the branches below
    elif side > PADDED_SIDE:
        _warp_into(out, image, (left + side / 2, top + side / 2), side, border)
    else:
        inside = image[top + before_y : top + side - after_y, left + before_x : left + side - after_x]
        padded = cv2.copyMakeBorder(inside, before_y, after_y, before_x, after_x, cv2.BORDER_CONSTANT, value=border)
        cv2.resize(padded, (size, size), dst=out)


def crop_middle_into(out: Image, image: Image, square: Square, size: int, border: Color) -> None:
    """Cut the middle of the crop that `crop_whole_pixels_into` makes of a square, equal within one gray level.

    Args:
        out: `(s, s, 3)` uint8, contiguous; it is overwritten, BGR. s is less than `size`, by an even number.
        image: `(H, W, 3)` uint8 BGR.
        square: square of the whole crop.
        size: side of the whole crop.
        border: color outside the frame, blue, green, red.
    """
    left, top, side = square
    _warp_into(out, image, (left + side / 2, top + side / 2), side * out.shape[0] / size, border)


def _warp_into(out: Image, image: Image, center: tuple[float, float], side: float, border: Color) -> None:
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
