"""The public face of `VideoEncoder`: a video whose size is that of its first frame, or of a source."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import OutputError, UsageError
from siamtrack.io.frames import DEFAULT_RATE, Source
from siamtrack.io.images import to_bgr8
from siamtrack.io.live.base import LiveSource
from siamtrack.io.results import close_after, refuse_inputs
from siamtrack.io.video.encoder import VideoEncoder, checked_video


class VideoWriter:
    """An H.264 video that plays everywhere, at an exact frame rate; a context manager.

    >>> with siamtrack.open_source("clip.mp4") as source, siamtrack.VideoWriter("out.mp4", like=source) as video:
    ...     for frame in source:
    ...         video.write(frame.image)
    >>> siamtrack.open_source("out.mp4").info.count
    10

    The first frame gives the size, where `like` does not; frames of another size are letterboxed. Frames are written as
    they are seen, and the video says nothing about turning them: it is upright where they are. On an error or Ctrl-C
    inside the `with` block the video is closed with what was written and plays.

    Args:
        path: file to write; its extension, .mp4 .mkv .mov or .avi, chooses the container. What is there is overwritten.
        rate: frames per second; None takes that of `like`, or 30.
        like: a source to take size and rate from.

    Raises:
        UsageError: for another extension, a rate that cannot be, or a path that `like` reads.
        OutputError: when the file cannot be written. Without `like`, it is opened with the first frame.
    """

    def __init__(
        self, path: str | Path, rate: float | Fraction | None = None, *, like: Source | LiveSource | None = None
    ) -> None:
        self.path = checked_video(path)
        self._rate = _exact(rate, DEFAULT_RATE if like is None else like.info.rate)
        self._closed = False
        self._sink: VideoEncoder | None = None
        if like is not None:
            refuse_inputs(self.path, like.info.files)
            self._sink = self._open(like.info.width, like.info.height)

    def _open(self, width: int, height: int) -> VideoEncoder:
        return VideoEncoder(self.path, width, height, self._rate)

    def write(self, image: NDArray[Any]) -> None:
        """Append a frame.

        Args:
            image: `(H, W, 3)` uint8 BGR, or what `siamtrack.io.to_bgr8` takes; it is not changed.

        Raises:
            UsageError: for an array that is no picture.
            OutputError: when it cannot be written, for example because the disk is full.
        """
        if self._sink is None:
            if self._closed:
                raise OutputError(f"output '{self.path}' is closed: no frame can be added")
            height, width = to_bgr8(image).shape[:2]
            self._sink = self._open(width, height)
        self._sink.write(image)

    def close(self) -> None:
        """Finish the video.

        Raises:
            OutputError: when no frame was written, or the file does not hold all of them.
        """
        if self._sink is not None:
            self._sink.close()
        elif not self._closed:
            self._closed = True
            raise OutputError(f"no frame was written to '{self.path}': there is no video")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        close_after(self.close, error)


def _exact(rate: float | Fraction | None, otherwise: Fraction) -> Fraction:
    if rate is None:
        return otherwise
    if not np.isfinite(float(rate)) or rate <= 0:
        raise UsageError(f"frame rate {rate} cannot be written: give a positive number, for example 30")
    return Fraction(rate)
