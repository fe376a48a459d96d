"""One page: its targets, the frames that it sees, and what is recorded of them."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from stat import S_ISREG
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.errors import OutputError, SiamTrackError, UsageError
from siamtrack.io.frames import Frame
from siamtrack.io.results import Row, rows_of
from siamtrack.io.video.annotated import FrameClock
from siamtrack.live.server.limits import Limits
from siamtrack.live.server.protocol import HELD, Coordinates
from siamtrack.live.server.recording import PageRecording
from siamtrack.live.server.single_flight import SingleFlight
from siamtrack.live.server.worker import Worker
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.loop import track
from siamtrack.tracking.multi import MultiTracker
from siamtrack.tracking.tracker import Tracker

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

BEHIND = 4
"""Frames that wait to be recorded; with more, the session waits for its own disk and encoder, and nobody else does."""
WEIGHED = 50
"""Frames from one look at the size of the session's files to the next."""


@dataclass(slots=True, eq=False)
class _Held:
    """A frame that a box can still be drawn on."""

    frame: Frame
    rows: dict[int, Row]
    recorded: bool = False


class Session:
    """Follows the targets of one page; all calls come from the event loop.

    The tracker, which all sessions share, is called on the worker's thread only; drawing and encoding go on behind.

    Args:
        tracker: finds the targets.
        worker: whose thread it works on.
        limits: of the session.
        folder: for its files; it is made.
    """

    def __init__(self, tracker: Tracker, worker: Worker, limits: Limits, folder: Path) -> None:
        folder.mkdir()
        self.uploading = SingleFlight("a video is being uploaded already: wait for its end, or reload the page")
        """Lock of the uploaded video."""
        self.saving_table = SingleFlight("the table is being downloaded already: wait for its end")
        self.saving_video = SingleFlight("the video is being downloaded already: wait for its end")
        self.id = secrets.token_urlsafe(16)
        self.folder = folder
        self._tracker = tracker
        self._worker = worker
        self._limits = limits
        self._targets = MultiTracker(tracker)
        self._held: deque[_Held] = deque()
        self._behind: _RecordBehind | None = None
        self._downloads = folder / "downloads"
        self._downloads.mkdir()
        self._downloaded = 0
        self._begun = 0
        self._seen = 0

    async def begin(self, clock: FrameClock) -> None:
        """Begin with another source: no targets, no frames, and a recording of its own; that of the last is removed.

        Raises:
            OutputError: when it cannot be recorded.
        """
        await self._end_recording()
        await asyncio.to_thread(shutil.rmtree, self._recorded, ignore_errors=True)
        self._targets = MultiTracker(self._tracker)
        self._held.clear()
        self._seen = 0
        self._begun += 1
        recording = await asyncio.to_thread(PageRecording, self._recorded, clock)
        self._behind = _RecordBehind(recording)

    async def see(self, frame: Frame) -> list[Row]:
        """Find the targets in the next frame.

        Args:
            frame: numbers and times grow; one without an image gives rows that say so.

        Returns:
            One row a target.

        Raises:
            UsageError: when the source is over its limits.
            OutputError: when it can no longer be recorded, once.
        """
        self._seen += 1
        self._limits.check_length(frame.time, self._seen)
        if self._seen % WEIGHED == 0:
            self._limits.check_disk(await asyncio.to_thread(self.disk_use))
        if frame.image is not None:
            self._limits.check_size(frame.image.shape[1], frame.image.shape[0])
        rows = await self._work(partial(_step, self._targets, frame))
        self._held.append(_Held(frame, {row.target: row for row in rows}))
        while len(self._held) > HELD:
            await self._record(self._held.popleft())
        return rows

    async def add(self, number: int, box: Coordinates) -> tuple[int, list[Row]]:
        """Follow another target, drawn on a frame that is still held.

        Returns:
            Its id, and the rows of that frame.

        Raises:
            UsageError: when there are too many targets, or the frame is gone.
            BoxError: when the box cannot be tracked.
        """
        held, image = self._find(number)
        if len(self._targets.ids) >= self._limits.targets:
            raise UsageError(
                f"{self._limits.targets} targets are followed, as many as this server allows: remove one first"
            )
        target = await self._work(partial(self._targets.add, image, box))
        return target, self._place(held, target, box)

    async def restart(self, target: int, number: int, box: Coordinates) -> list[Row]:
        """Show a target anew, on a frame that is still held; the rows of that frame.

        Raises:
            UsageError: when there is no such target, or the frame is gone.
            BoxError: when the box cannot be tracked.
        """
        held, image = self._find(number)
        await self._work(partial(self._targets.restart, target, image, box))
        return self._place(held, target, box)

    async def drop(self, target: int) -> tuple[int, list[Row]]:
        """Stop following a target; the number of the newest frame, and its rows of those that are left.

        Raises:
            UsageError: when there is no such target.
        """
        await self._work(partial(self._targets.remove, target))
        newest = self._held[-1]  # where there is a target, there was a frame
        return newest.frame.index, self._rows(newest)

    async def export_csv(self) -> Path:
        """Return the table of boxes up to now, a new file that the caller removes.

        Raises:
            UsageError: when nothing is recorded yet.
            OutputError: when it cannot be written.
        """
        return await self._export(PageRecording.export_csv, ".csv")

    async def export_video(self) -> Path:
        """Return the annotated video up to now, a new file that the caller removes.

        Raises:
            UsageError: when nothing is recorded yet.
            OutputError: when it cannot be written.
        """
        return await self._export(PageRecording.export_video, ".mp4")

    def disk_use(self) -> int:
        """Size in bytes of the session's files, as it is limited by `Limits.disk`; from any thread."""
        return _size(self.folder) + 2 * _size(self._recorded)

    async def close(self) -> None:
        """End the recording; the folder is left to whoever gave it."""
        await self._end_recording()
        self._held.clear()

    @property
    def _recorded(self) -> Path:
        return self.folder / f"recording-{self._begun}"

    async def _export(self, write: Callable[[PageRecording, Path], None], ending: str) -> Path:
        behind = await self._flushed()
        self._downloaded += 1
        path = self._downloads / f"{self._downloaded}{ending}"
        await behind.call(lambda recording: write(recording, path))
        return path

    async def _work(self, job: Callable[[], Result]) -> Result:
        return await asyncio.wrap_future(self._worker.submit(self.id, job))

    def _find(self, number: int) -> tuple[_Held, NDArray[np.uint8]]:
        for held in self._held:
            if held.frame.index == number and held.frame.image is not None:
                return held, held.frame.image
        raise UsageError(f"frame {number} is no longer here: draw the box on the picture that is shown")

    def _place(self, held: _Held, target: int, box: Coordinates) -> list[Row]:
        row = Row(held.frame.index, held.frame.time, target, Box(*box), 1.0, Status.TRACKED)
        held.rows = held.rows | {target: row}
        return self._rows(held)

    def _rows(self, held: _Held) -> list[Row]:
        known = set(self._targets.ids)
        return [row for target, row in held.rows.items() if target in known]

    async def _record(self, held: _Held) -> None:
        if self._behind is not None and not held.recorded:
            held.recorded = True
            await self._behind.put(held.frame, list(held.rows.values()))

    async def _flushed(self) -> _RecordBehind:
        for held in list(self._held):
            await self._record(held)
        if self._behind is None:
            raise UsageError("nothing is recorded yet: open a source first")
        return self._behind

    async def _end_recording(self) -> None:
        behind, self._behind = self._behind, None
        if behind is not None:
            await behind.close()


class _RecordBehind:
    """Writes a recording in other threads, one call after the other, behind whoever hands it the frames."""

    def __init__(self, recording: PageRecording) -> None:
        self._recording = recording
        self._turn = asyncio.Lock()
        self._room = asyncio.Semaphore(BEHIND)
        self._writing: set[asyncio.Task[None]] = set()
        self._error: SiamTrackError | None = None
        self._failed = False

    async def put(self, frame: Frame, rows: list[Row]) -> None:
        """Have a frame written; waits when `BEHIND` frames do.

        Raises:
            OutputError: what went wrong with an earlier one, once; nothing is written after it.
        """
        error, self._error = self._error, None
        if error is not None:
            raise OutputError(f"the recording has stopped: {error}")
        await self._room.acquire()
        task = asyncio.create_task(self._write(frame, rows))  # tasks begin, and get the lock, in their order
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def call(self, method: Callable[[PageRecording], Result]) -> Result:
        """Do something with the recording when all that was put is written."""
        await asyncio.gather(*self._writing)
        return await self._in_turn(method)

    async def close(self) -> None:
        """Write what waits and let go of the files."""
        try:
            await self.call(PageRecording.close)
        except OutputError as error:
            logger.debug("closing a recording: %s", error)

    async def _write(self, frame: Frame, rows: list[Row]) -> None:
        try:
            if not self._failed:
                await self._in_turn(lambda recording: recording.write(frame, rows))
        except SiamTrackError as error:
            self._failed, self._error = True, error
        finally:
            self._room.release()

    async def _in_turn(self, method: Callable[[PageRecording], Result]) -> Result:
        async with self._turn:
            return await asyncio.to_thread(method, self._recording)


def _size(folder: Path) -> int:
    """Size in bytes of the files in a folder, which come and go meanwhile; those in other folders in it not counted."""
    size = 0
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):
            status = path.stat()
            size += status.st_size if S_ISREG(status.st_mode) else 0
    return size


def _step(targets: MultiTracker, frame: Frame) -> list[Row]:
    ((_, results),) = track([frame], targets)
    return rows_of(frame, results, targets.ids)
