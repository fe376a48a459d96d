"""Decoding that a video file and a stream share: the stream to decode, its rate, its colors, and its orientation."""

from __future__ import annotations

import logging
from fractions import Fraction
from typing import cast

import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from siamtrack.errors import SourceError

logger = logging.getLogger(__name__)

MAX_RATE = 1000
"""A stated rate above this (frames per second) is a damaged header or a bare clock, not a frame rate."""


def video_stream(name: str, container: InputContainer) -> VideoStream:
    """Return the first stream of pictures in a file or a network stream.

    Raises:
        SourceError: when there is none, or none that can be decoded; it speaks of `name`.
    """
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:  # the cover of a music file
            if stream.codec_context is None:
                raise SourceError(f"'{name}' has a video codec that cannot be decoded here: give it in H.264")
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise SourceError(f"'{name}' has no video in it (only {kinds}): give one with pictures")


def frame_rate(stream: VideoStream) -> Fraction | None:
    """Frames per second as the stream states them, exact; None when it states none that makes sense."""
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= MAX_RATE:
            return Fraction(rate)
    return None


def try_decode(stream: VideoStream, packet: Packet[VideoStream] | None) -> list[VideoFrame] | None:
    """Return the frames that come out at a packet (None flushes the decoder); None when there is an error."""
    try:
        return stream.decode(packet)
    except av.error.FFmpegError as error:
        logger.debug("decoding: %s", error)
        return None


class Upright:
    """BGR pixels of the frames of one video, turned and mirrored as its first frame says."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._matrix: NDArray[np.int32] | None = None
        self._known = False

    def __call__(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return the picture of a frame: `(H, W, 3)` uint8 BGR, contiguous."""
        if not self._known:
            self._matrix, self._known = _display_matrix(frame), True
        # Without ACCURATE_RND, which takes twice as long here and comes no closer: colors are at most 2 levels off.
        pixels = self._reformatter.reformat(frame, format="bgr24", interpolation=Interpolation.BILINEAR).to_ndarray()
        image = np.asarray(pixels, np.uint8)
        return np.ascontiguousarray(image if self._matrix is None else apply_display_matrix(image, self._matrix))


def _display_matrix(frame: VideoFrame) -> NDArray[np.int32] | None:
    """Return how a frame is to be turned; asked of one frame of a video only.

    A frame and its `side_data` hold each other, so that the picture's memory waits for the garbage collector.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return None if matrix is None else np.frombuffer(bytes(cast(SideData, matrix)), np.int32)


def apply_display_matrix(image: NDArray[np.uint8], matrix: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Turn and mirror an image by quarter turns.

    Args:
        image: `(H, W, C)`, any color order.
        matrix: the nine numbers `a b u c d v x y w` of ISO/IEC 14496-12, 8.3.2 (`x' = a x + c y`, `y' = b x + d y`).
            Other angles than quarter turns go to the nearest; the shift is without meaning for a single picture.

    Returns:
        A view of the image, `(H, W, C)` or `(W, H, C)`.
    """
    a, b, _, c, d = (int(value) for value in matrix[:5])
    if abs(a) >= abs(b):
        return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return image.transpose(1, 0, 2)[:: -1 if b < 0 else 1, :: -1 if c < 0 else 1]
