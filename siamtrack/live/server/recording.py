"""Recording of a session: the annotated video and the table of boxes, of one source each."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

from siamtrack.boxes import Image
from siamtrack.errors import OutputError, UsageError
from siamtrack.io.draw import draw_targets
from siamtrack.io.frames import Frame
from siamtrack.io.results import CsvWriter, ResultFiles, Row, write_failure
from siamtrack.io.video.annotated import FrameClock
from siamtrack.io.video.concat import join_videos
from siamtrack.io.video.encoder import VideoEncoder


class VideoParts:
    """Video in parts that can be joined at any time; joining ends the part at hand.

    Args:
        folder: for the parts.
        rate: frames per second.
    """

    def __init__(self, folder: Path, rate: Fraction) -> None:
        self._folder = folder
        self._rate = rate
        self._parts: list[Path] = []
        self._encoder: VideoEncoder | None = None
        self._size: tuple[int, int] | None = None

    def put(self, draw: Callable[[], Image], places: int = 1) -> None:
        """Append a picture, see `PictureWriter`."""
        picture = draw()
        encoder = self._encoder or self._begin_part(picture)
        for _ in range(places):
            encoder.write(picture)

    def export(self, path: Path) -> None:
        """Write the video up to now to a file; see `PageRecording.export_video`."""
        self.close()
        if not self._parts:
            raise UsageError("there is no video yet: follow something first")
        join_videos(self._parts, path, self._rate)

    def close(self) -> None:
        """End the part at hand."""
        encoder, self._encoder = self._encoder, None
        if encoder is None:
            return
        try:
            encoder.close()
        except OutputError as error:
            encoder.path.unlink(missing_ok=True)
            raise OutputError(
                f"the last {float(encoder.written / self._rate):.1f} seconds of the video are lost: {error}"
            ) from error
        self._parts.append(encoder.path)

    def _begin_part(self, image: Image) -> VideoEncoder:
        self._size = self._size or (image.shape[1], image.shape[0])
        path = self._folder / f"part-{len(self._parts)}.mp4"
        # One thread: those of other sessions and of the tracker need the cores too.
        self._encoder = VideoEncoder(path, *self._size, self._rate, threads=1)
        return self._encoder


class PageRecording:
    """Frames and rows on the disk; called by one thread at a time.

    Both can be asked for at any time: the video is a row of parts, and asking for it ends the one at hand.

    Args:
        folder: where its files go; it is made.
        clock: of the source.

    Raises:
        OutputError: when its files cannot be made.
    """

    def __init__(self, folder: Path, clock: FrameClock) -> None:
        try:
            folder.mkdir()
        except OSError as error:
            raise write_failure(folder, error) from error
        self._folder = folder
        self._clock = clock
        self._csv = CsvWriter(folder / "boxes.csv")
        self._video = VideoParts(folder, clock.rate)
        self._files = ResultFiles((self._csv,), self._video)
        self._picture: Image | None = None

    def write(self, frame: Frame, rows: Sequence[Row]) -> None:
        """Add a frame; one that could not be decoded shows the picture before it.

        Raises:
            OutputError: when it cannot be written.
        """
        self._files.write_rows(rows)
        places = self._clock.places(frame.time)
        if frame.image is not None:
            self._picture = frame.image
        if self._picture is not None and places:
            self._files.show(partial(draw_targets, self._picture, rows, None), places)

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
        self._video.export(path)

    def close(self) -> None:
        """Let go of the files; they stay."""
        self._csv.close()
        self._video.close()
