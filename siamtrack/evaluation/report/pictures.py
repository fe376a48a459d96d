"""Small pictures for the report: the part of a frame in which all boxes are, with the boxes drawn into it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, Image
from siamtrack.datasets.evaluation_sequences import EvaluationSequence
from siamtrack.errors import DataError
from siamtrack.evaluation.report.contents import Picture
from siamtrack.evaluation.report.palette import Style
from siamtrack.io.draw import WHITE, draw_box
from siamtrack.io.images import read_image

WIDTH, HEIGHT = 320, 240
"""Pixels of a picture, at most; a phone shows one across."""
QUALITY = 78
"""Quality of JPEG: about 12 kB a picture."""
MARGIN = 0.6
"""Room around the boxes, in mean sides of them."""
LEAST_WIDTH = 96.0
"""Pixels of the frame in a picture, where it has as many: a larger zoom shows nothing more."""


class Window(NamedTuple):
    """A part of a frame, in whole pixels of it."""

    left: int
    top: int
    width: int
    height: int


class FrameBoxes(NamedTuple):
    """Picture with the boxes that are drawn into it."""

    truth: NDArray[np.float64]
    """`(4,)`, NaN where there is none."""
    boxes: Mapping[str, NDArray[np.float64]]
    """`(4,)` of each tracker."""


def find_window(boxes: NDArray[np.float64], frame_width: int, frame_height: int) -> Window:
    """Return the part of a frame that shows some boxes with room around them, in the shape of a picture if the frame
    has it.

    Args:
        boxes: `(N, 4)` boxes `x, y, width, height`, finite; those outside the frame are left out.
        frame_width: in pixels.
        frame_height: in pixels.

    Returns:
        The whole frame where no box is inside.
    """
    low = np.clip(boxes[:, :2], 0, [frame_width, frame_height])
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, [frame_width, frame_height])
    seen = (high > low).all(axis=1)
    if not seen.any():
        return Window(0, 0, frame_width, frame_height)
    low, high = low[seen], high[seen]
    room = MARGIN * float(np.sqrt(np.prod(high - low, axis=1)).mean())
    (left, top), (right, bottom) = low.min(axis=0) - room, high.max(axis=0) + room
    wanted = max(right - left, (bottom - top) * WIDTH / HEIGHT, LEAST_WIDTH)
    width, height = min(round(wanted), frame_width), min(round(wanted * HEIGHT / WIDTH), frame_height)
    return Window(
        min(max(round((left + right - width) / 2), 0), frame_width - width),
        min(max(round((top + bottom - height) / 2), 0), frame_height - height),
        width,
        height,
    )


def take_picture(number: int, frame: Image, drawn: FrameBoxes, styles: Mapping[str, Style]) -> Picture:
    """Draw the boxes of a frame into a part of it: trackers in their colors, the truth in dashed white on top.

    Args:
        number: of the frame.
        frame: `(H, W, 3)` uint8 BGR; it is not changed.
        drawn: the boxes, 0-based, in pixels of the frame.
        styles: by tracker.
    """
    found = {name: box for name, box in drawn.boxes.items() if np.isfinite(box).all()}
    known = [drawn.truth] if np.isfinite(drawn.truth).all() else []
    window = find_window(np.array([*known, *found.values()]).reshape(-1, 4), frame.shape[1], frame.shape[0])
    scale = min(WIDTH / window.width, HEIGHT / window.height)
    size = max(round(window.width * scale), 1), max(round(window.height * scale), 1)
    part = frame[window.top : window.top + window.height, window.left : window.left + window.width]
    shrinks = scale < 1
    canvas: Image = np.ascontiguousarray(
        cv2.resize(part, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC), np.uint8
    )
    for name, box in found.items():
        draw_box(canvas, _placed(box, window, scale), styles[name].bgr, 2)
    for box in known:
        draw_box(canvas, _placed(box, window, scale), WHITE, 1, dashed=True)
    _, data = cv2.imencode(".jpg", canvas, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return Picture(number, *size, data.tobytes())


def _placed(box: NDArray[np.float64], window: Window, scale: float) -> Box:
    x, y, width, height = box.tolist()
    return Box((x - window.left) * scale, (y - window.top) * scale, width * scale, height * scale)


def read_frames(sequence: EvaluationSequence, wanted: Collection[int]) -> Iterator[tuple[int, Image]]:
    """Yield some frames of a sequence in rising order; of image files only these are decoded.

    Args:
        sequence: whose frames.
        wanted: their numbers, from 0.

    Yields:
        Number and frame, `(H, W, 3)` uint8 BGR.

    Raises:
        DataError: when a frame cannot be read, naming it.
    """
    paths = sequence.frames.paths()
    if paths is None:
        last = max(wanted, default=-1)
        for number, frame in zip(range(last + 1), sequence.frames, strict=False):
            if number in wanted:
                yield number, frame
        return
    for number in sorted(wanted):
        try:
            image = read_image(paths[number])
        except OSError as error:
            raise DataError(f"sequence {sequence.name}: {paths[number]} cannot be read: {error.strerror}") from error
        if image is None:
            raise DataError(f"sequence {sequence.name}: {paths[number]} is no picture; unpack it again")
        yield number, image


def spread(length: int, count: int) -> tuple[int, ...]:
    """Return the numbers of up to `count` frames of a sequence, evenly spread from the first to the last."""
    return tuple(np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int)).tolist())
