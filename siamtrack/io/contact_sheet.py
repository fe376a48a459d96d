"""A sheet of small pictures with captions, to look at many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import UsageError
from siamtrack.io.images import letterbox, to_bgr8

BACKGROUND = (32, 32, 32)
TEXT = (235, 235, 235)
GAP = 6
"""Pixels between tiles and around the sheet."""
CAPTION_HEIGHT = 22
FONT = cv2.FONT_HERSHEY_SIMPLEX
FONT_SCALE = 0.45


def contact_sheet(
    images: Sequence[NDArray[Any]],
    columns: int,
    tile_size: tuple[int, int],
    captions: Sequence[str] | None = None,
) -> NDArray[np.uint8]:
    """Lay images out in rows, left to right and top to bottom.

    Args:
        images: at least one image of any size, uint8 BGR or what `to_bgr8` takes; they are not changed.
        columns: tiles in a row; a sheet of fewer images has fewer columns.
        tile_size: width and height of a tile in pixels; images are letterboxed into it.
        captions: a line under each image, cut where it is wider than the tile; None leaves no room for any.

    Returns:
        `(H, W, 3)` uint8 BGR.

    Raises:
        UsageError: when there is no image, no column or an empty tile, or when captions and images differ in number.
    """
    width, height = tile_size
    if not images or columns < 1 or width < 1 or height < 1:
        raise UsageError(f"no contact sheet of {len(images)} images, {columns} columns and tiles of {width}x{height}")
    if captions is not None and len(captions) != len(images):
        raise UsageError(f"{len(captions)} captions for {len(images)} images: give one for each")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    step_x, step_y = width + GAP, height + GAP + (0 if captions is None else CAPTION_HEIGHT)
    sheet = np.full((rows * step_y + GAP, columns * step_x + GAP, 3), BACKGROUND, np.uint8)
    for position, image in enumerate(images):
        row, column = divmod(position, columns)
        left, top = GAP + column * step_x, GAP + row * step_y
        sheet[top : top + height, left : left + width] = letterbox(to_bgr8(image), width, height)
        if captions is not None:
            text = _shortened(captions[position], width)
            origin = left + 2, top + height + CAPTION_HEIGHT - 7
            cv2.putText(sheet, text, origin, FONT, FONT_SCALE, TEXT, 1, cv2.LINE_AA)
    return sheet


def _shortened(text: str, width: int) -> str:
    if cv2.getTextSize(text, FONT, FONT_SCALE, 1)[0][0] <= width - 4:
        return text
    while text and cv2.getTextSize(text + "...", FONT, FONT_SCALE, 1)[0][0] > width - 4:
        text = text[:-1]
    return text + "..." if text else ""
