"""Results of a live run: a table and a video of a constant rate, both of the frames with their final rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path

from siamtrack.boxes import Image
from siamtrack.io.draw import draw_targets
from siamtrack.io.frames import SourceInfo
from siamtrack.io.results import CsvWriter, ResultFiles, Row
from siamtrack.io.video.annotated import AnnotatedVideo, ConstantRateClock
from siamtrack.io.video.encoder import VideoEncoder


class LiveResults:
    """Receiver of frames and their rows, where the rows of the last frame may still change; see `open_results`.

    Args:
        files: receive final rows and pictures.
        clock: places of the frames in the video; None: there is no video.
    """

    def __init__(self, files: ResultFiles, clock: ConstantRateClock | None) -> None:
        self._files = files
        self._clock = clock
        self._image: Image | None = None
        self._rows: Sequence[Row] = ()
        self._draw: Callable[[], Image] | None = None

    @property
    def is_recording(self) -> bool:
        """True when a video is written."""
        return self._clock is not None

    def begin(self, time: float, image: Image, rows: Sequence[Row]) -> None:
        """Begin another frame; the rows of the one before it are final.

        Args:
            time: of the frame in the source, in seconds.
            image: `(H, W, 3)` uint8 BGR.
            rows: one a target.

        Raises:
            OutputError: when something cannot be written.
        """
        self._write_rows()
        self._image, self._rows = image, rows
        if self._clock is not None:
            self._show(self._clock.begin(time))
        self._draw = cache(partial(draw_targets, image, rows, None))  # shown in parts, it is drawn once

    def replace_rows(self, rows: Sequence[Row]) -> None:
        """Replace the rows of the last frame; the part of its picture that is written already stays."""
        self._rows = rows
        if self._image is not None:
            self._draw = cache(partial(draw_targets, self._image, rows, None))

    def wait(self, time: float) -> None:
        """Keep the last picture, because no frame came up to this time of the source, in seconds.

        Raises:
            OutputError: when something cannot be written.
        """
        if self._clock is not None:
            self._show(self._clock.wait(time))

    def end(self) -> None:
        """Write the last frame.

        Raises:
            OutputError: when something cannot be written.
        """
        try:
            self._write_rows()
        finally:
            if self._clock is not None:
                self._show(self._clock.end())

    def _write_rows(self) -> None:
        rows, self._rows = self._rows, ()
        self._files.write_rows(rows)

    def _show(self, places: int) -> None:
        if self._draw is not None and places:
            self._files.show(self._draw, places)


@contextmanager
def open_results(video: Path | None, table: Path | None, info: SourceInfo) -> Iterator[LiveResults]:
    """Open the files that are wanted; whatever ends the block, they hold everything up to there.

    Args:
        video: to record, at the rate of the source; None: none.
        table: CSV to write; None: none.
        info: of the source.

    Raises:
        UsageError: for a video without a video's extension.
        OutputError: when a file cannot be written.
    """
    with ExitStack() as stack:
        pictures = None
        if video is not None:  # first: an error in it is known before a table is emptied
            encoder = stack.enter_context(VideoEncoder(video, info.width, info.height, info.rate))
            pictures = stack.enter_context(AnnotatedVideo(encoder))
        tables = () if table is None else (stack.enter_context(CsvWriter(table)),)
        results = LiveResults(ResultFiles(tables, pictures), None if video is None else ConstantRateClock(info.rate))
        try:
            yield results
        finally:
            results.end()
