"""Image files: their extensions and order, reading, writing and conversion to 8-bit BGR."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Image
from siamtrack.errors import OutputError, UsageError

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Extensions of image files in lower case; upper case is accepted too."""

_DIGITS = re.compile(r"(\d+)")


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """Return a sort key that orders numbers in a name by value: `frame2` before `frame10`, `Frame3` after `frame2`."""
    # The pieces alternate text, number, text, ..., so two keys never compare a text with a number.
    pieces = enumerate(_DIGITS.split(name))
    return tuple(int(piece) if position % 2 else piece.casefold() for position, piece in pieces), name


def is_image_file(path: Path) -> bool:
    """Return True for an existing visible file with one of `IMAGE_EXTENSIONS`."""
    return path.suffix.lower() in IMAGE_EXTENSIONS and not path.name.startswith(".") and path.is_file()


def to_bgr8(image: NDArray[Any]) -> Image:
    """Convert a decoded image to 8-bit BGR.

    Gray becomes three equal channels, alpha is dropped, 16-bit values are divided by 257 (65535 becomes 255; a 10- or
    12-bit image stored in 16 bits therefore stays dark) and rounded.

    Args:
        image: `(H, W)`, `(H, W, 1)` gray, `(H, W, 2)` gray + alpha, `(H, W, 3)` BGR or `(H, W, 4)` BGRA; uint8, uint16
            or bool.

    Returns:
        `(H, W, 3)` uint8 BGR, contiguous; the input itself when it has this form already.

    Raises:
        UsageError: for a value that is no array, another shape, an empty image or another type (a float image has no
            defined range).
    """
    if not isinstance(image, np.ndarray):
        raise UsageError(f"an image is a NumPy array, (height, width, 3) uint8 BGR; this is a {type(image).__name__}")
    channels = 1 if image.ndim == 2 else image.shape[-1] if image.ndim == 3 else 0
    if channels not in (1, 2, 3, 4) or image.size == 0:
        raise UsageError(f"image of shape {image.shape} cannot be read: give (H, W), (H, W, 1), (H, W, 3) or (H, W, 4)")
    if image.dtype == np.uint16:
        # 257 = 65535 / 255; integer arithmetic in 32 bits rounds to nearest.
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif image.dtype == np.bool_:
        image = image.astype(np.uint8) * np.uint8(255)
    elif image.dtype != np.uint8:
        raise UsageError(f"image of type {image.dtype} cannot be read: give uint8 (0..255) or uint16 (0..65535)")
    if image.ndim == 2:
        image = image[..., None]
    color = np.repeat(image[..., :1], 3, axis=2) if channels < 3 else image[..., :3]
    return np.ascontiguousarray(color, dtype=np.uint8)


def check_picture_name(path: Path) -> None:
    """Check that `write_image` can write a file with this extension.

    Raises:
        UsageError: when it cannot.
    """
    if path.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise UsageError(f"{path} is no picture by its name: call it .png or .jpg")


def write_image(path: Path, image: Image) -> None:
    """Write a picture in the format of the file extension.

    Args:
        path: a .png or .jpg file; an existing file is overwritten.
        image: `(H, W, 3)` uint8 BGR.

    Raises:
        UsageError: for another extension.
        OutputError: when it cannot be written.
    """
    check_picture_name(path)
    _, data = cv2.imencode(path.suffix, image)
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}") from error


def read_image(path: Path, *, allow_truncated: bool = False) -> Image | None:
    """Read one image file, turned upright by its EXIF orientation.

    Args:
        path: the file.
        allow_truncated: accept a JPEG file that ends too early; its missing rows are gray. Data sets hold such files.

    Returns:
        `(H, W, 3)` uint8 BGR, or None when the content cannot be decoded (empty, damaged, another format).

    Raises:
        OSError: when the file cannot be read at all.
    """
    # These flags keep the depth and turn by EXIF; IMREAD_UNCHANGED would not turn.
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR
    content = np.frombuffer(path.read_bytes(), np.uint8)
    if content.size == 0:
        return None
    try:
        image = cv2.imdecode(content, flags)
        if image is None and allow_truncated:
            image = cv2.imread(str(path), flags)  # unlike imdecode, it accepts truncated JPEG
        return None if image is None else to_bgr8(image)
    except (cv2.error, UsageError):
        return None


def letterbox(image: Image, width: int, height: int) -> Image:
    """Scale an image to fit into a size, with its aspect ratio kept, centered on black.

    Args:
        image: `(H, W, 3)` uint8, any color order.
        width: width of the result in pixels.
        height: height of the result in pixels.

    Returns:
        `(height, width, 3)` uint8; the input itself when it has that size.
    """
    rows, columns = image.shape[:2]
    if (columns, rows) == (width, height):
        return image
    scale = min(width / columns, height / rows)
    inner = max(1, min(width, round(columns * scale))), max(1, min(height, round(rows * scale)))
    resized = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    result = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    result[top : top + inner[1], left : left + inner[0]] = resized
    return result
