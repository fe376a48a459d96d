"""What a session leaves behind: the annotated video and the table of boxes, of one source each."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import UsageError
from siamtrack.io.draw import draw_targets
from siamtrack.io.frames import Frame
from siamtrack.io.joining import join_videos
from siamtrack.io.sinks import CsvSink, Row
from siamtrack.io.video_sink import VideoSink

LIVE_RATE = Fraction(20)
"""Frames per second of the video of a webcam or a camera, whose own come as they come."""
LONGEST_GAP = 1.0
"""Seconds without a frame, as in a pause, that the video shows at most."""


class Pace(Protocol):
    """How a source becomes a video of a constant rate."""

    rate: Fraction

    def copies(self, time: float) -> int:
        """How often the frame at this time, in seconds, is written."""


class EachOnce:
    """Every frame once: those of a video file."""

    def __init__(self, rate: Fraction) -> None:
        self.rate = rate

    def copies(self, time: float) -> int:
        """As of `Pace`."""
        return 1


class ByTheClock:
    """As often as a frame is seen at `LIVE_RATE`, up to `LONGEST_GAP`: it takes as long as it took."""

    def __init__(self) -> None:
        self.rate = LIVE_RATE
        self._last: float | None = None
        self._shown = 0.0
        self._written = 0

    def copies(self, time: float) -> int:
        """As of `Pace`; the frame stands for the time since the one before."""
        if self._last is not None:
            self._shown += min(max(time - self._last, 0.0), LONGEST_GAP)
        self._last = time
        due = int(self._shown * self.rate) + 1 - self._written
        self._written += due
        return due


class Recording:
    """Frames and rows on the disk; called by one thread at a time.

    Both can be asked for at any time: the video is a row of parts, and asking for it ends the one at hand.

    Args:
        folder: where its files go; it is made.
        pace: of the source.
    """

    def __init__(self, folder: Path, pace: Pace) -> None:
        folder.mkdir()
        self._folder = folder
        self._pace = pace
        self._csv = CsvSink(folder / "boxes.csv")
        self._parts: list[Path] = []
        self._sink: VideoSink | None = None
        self._size: tuple[int, int] | None = None
        self._picture: NDArray[np.uint8] | None = None
        self._exports = 0

    def write(self, frame: Frame, rows: Sequence[Row]) -> None:
        """Add a frame; one that could not be decoded shows the picture before it.

        Raises:
            SinkError: when it cannot be written.
        """
        for row in rows:
            self._csv.write(row)
        copies = self._pace.copies(frame.time)
        if frame.image is not None:
            self._picture = frame.image
        if self._picture is None or not copies:
            return
        drawn = draw_targets(self._picture, rows, None)
        sink = self._sink or self._begin_part(drawn)
        for _ in range(copies):
            sink.write(drawn)

    def export_csv(self) -> Path:
        """The table up to now, a new file that the caller removes."""
        path = self._new_file(".csv")
        shutil.copyfile(self._csv.path, path)
        return path

    def export_video(self) -> Path:
        """The video up to now, a new file that the caller removes.

        Raises:
            UsageError: when there is no frame yet.
            SinkError: when it cannot be written.
        """
        self._end_part()
        if not self._parts:
            raise UsageError("there is no video yet: follow something first")
        path = self._new_file(".mp4")
        join_videos(self._parts, path, self._pace.rate)
        return path

    def close(self) -> None:
        """Let go of the files; they stay."""
        self._csv.close()
        self._end_part()

    def _new_file(self, ending: str) -> Path:
        self._exports += 1
        return self._folder / f"export-{self._exports}{ending}"

    def _begin_part(self, image: NDArray[np.uint8]) -> VideoSink:
        self._size = self._size or (image.shape[1], image.shape[0])
        path = self._folder / f"part-{len(self._parts)}.mp4"
        # One thread: those of other sessions and of the tracker need the cores too.
        self._sink = VideoSink(path, *self._size, self._pace.rate, threads=1)
        self._parts.append(path)
        return self._sink

    def _end_part(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()
