"""Recording of a session: the annotated video and the table of boxes, of one source each."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import OutputError, UsageError
from siamtrack.io.draw import draw_targets
from siamtrack.io.frames import Frame
from siamtrack.io.results import CsvWriter, Row, write_failure
from siamtrack.io.video.concat import join_videos
from siamtrack.io.video.sink import VideoEncoder

LIVE_RATE = Fraction(20)
"""Frames per second of the video of a webcam or a camera, whose own come as they come."""
LONGEST_GAP = 1.0
"""Seconds without a frame, as in a pause, that the video shows at most."""


class Pace(Protocol):
    """Conversion of a source to a video of a constant rate."""

    rate: Fraction

    def copies(self, time: float) -> int:
        """Return how often the frame at this time, in seconds, is written."""


class EachOnce:
    """Every frame once: those of a video file."""

    def __init__(self, rate: Fraction) -> None:
        self.rate = rate

    def copies(self, time: float) -> int:
        """See `Pace`."""
        return 1


class ByTheClock:
    """As often as a frame is seen at `LIVE_RATE`, up to `LONGEST_GAP`: it takes as long as it took."""

    def __init__(self) -> None:
        self.rate = LIVE_RATE
        self._last: float | None = None
        self._shown = 0.0
        self._written = 0

    def copies(self, time: float) -> int:
        """See `Pace`; the frame stands for the time since the one before."""
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

    Raises:
        OutputError: when its files cannot be made.
    """

    def __init__(self, folder: Path, pace: Pace) -> None:
        try:
            folder.mkdir()
        except OSError as error:
            raise write_failure(folder, error) from error
        self._folder = folder
        self._pace = pace
        self._csv = CsvWriter(folder / "boxes.csv")
        self._parts: list[Path] = []
        self._sink: VideoEncoder | None = None
        self._size: tuple[int, int] | None = None
        self._picture: NDArray[np.uint8] | None = None

    def write(self, frame: Frame, rows: Sequence[Row]) -> None:
        """Add a frame; one that could not be decoded shows the picture before it.

        Raises:
            OutputError: when it cannot be written.
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

    def export_csv(self, path: Path) -> None:
        """Copy the table up to now to a file.

        Raises:
            OutputError: when it cannot be written; nothing is left of it then.
        """
        try:
            shutil.copyfile(self._csv.path, path)
        except OSError as error:
            path.unlink(missing_ok=True)
            raise write_failure(path, error) from error

    def export_video(self, path: Path) -> None:
        """Write the video up to now to a file.

        Raises:
            UsageError: when there is no frame yet.
            OutputError: when it cannot be written, or its last part could not be finished: that is told once, and the
                next video goes without.
        """
        self._end_part()
        if not self._parts:
            raise UsageError("there is no video yet: follow something first")
        join_videos(self._parts, path, self._pace.rate)

    def close(self) -> None:
        """Let go of the files; they stay."""
        self._csv.close()
        self._end_part()

    def _begin_part(self, image: NDArray[np.uint8]) -> VideoEncoder:
        self._size = self._size or (image.shape[1], image.shape[0])
        path = self._folder / f"part-{len(self._parts)}.mp4"
        # One thread: those of other sessions and of the tracker need the cores too.
        self._sink = VideoEncoder(path, *self._size, self._pace.rate, threads=1)
        return self._sink

    def _end_part(self) -> None:
        sink, self._sink = self._sink, None
        if sink is None:
            return
        try:
            sink.close()
        except OutputError as error:
            sink.path.unlink(missing_ok=True)
            raise OutputError(
                f"the last {float(sink.written / self._pace.rate):.1f} seconds of the video are lost: {error}"
            ) from error
        self._parts.append(sink.path)
