"""Results of a live run: a table and a video, both of the frames with their final rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from siamtrack.boxes import Image
from siamtrack.io.draw import draw_targets
from siamtrack.io.frames import SourceInfo
from siamtrack.io.results import CsvWriter, ResultWriter, Row
from siamtrack.live.recording import Recording, record


class Results:
    """Takes frames and their rows; those of the last frame may still change. Made by `open_results`."""

    def __init__(self, recording: Recording | None, table: ResultWriter | None) -> None:
        self._recording = recording
        self._table = table
        self._image: Image | None = None
        self._rows: Sequence[Row] = ()

    @property
    def records(self) -> bool:
        """Writes a video."""
        return self._recording is not None

    def begin(self, time: float, image: Image, rows: Sequence[Row]) -> None:
        """Another frame: what is known about the one before it is final.

        Args:
            time: of the frame in the source, in seconds.
            image: `(H, W, 3)` uint8 BGR.
            rows: one a target.

        Raises:
            OutputError: when something cannot be written.
        """
        self._settle()
        self._image, self._rows = image, rows
        if self._recording is not None:
            self._recording.show(time, partial(draw_targets, image, rows, None))

    def amend(self, rows: Sequence[Row]) -> None:
        """Say other things about the last frame."""
        self._rows = rows
        if self._recording is not None and self._image is not None:
            self._recording.amend(partial(draw_targets, self._image, rows, None))

    def reach(self, time: float) -> None:
        """Say that no frame came up to this time of the source, in seconds.

        Raises:
            OutputError: when something cannot be written.
        """
        if self._recording is not None:
            self._recording.reach(time)

    def end(self) -> None:
        """Make what is known about the last frame final.

        Raises:
            OutputError: when something cannot be written.
        """
        self._settle()

    def _settle(self) -> None:
        rows, self._rows = self._rows, ()
        if self._table is not None:
            for row in rows:
                self._table.write(row)


@contextmanager
def open_results(video: Path | None, table: Path | None, info: SourceInfo) -> Iterator[Results]:
    """Open the files that are wanted; whatever ends the block, they hold everything up to there.

    Args:
        video: to record, see `record`; None: none.
        table: CSV to write; None: none.
        info: of the source.

    Raises:
        UsageError: for a video without a video's extension.
        OutputError: when a file cannot be written.
    """
    with ExitStack() as stack:
        # First: what is wrong with it is known before a table is emptied.
        recording = None if video is None else stack.enter_context(record(video, info))
        results = Results(recording, None if table is None else stack.enter_context(CsvWriter(table)))
        try:
            yield results
        finally:
            results.end()
