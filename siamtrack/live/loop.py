"""The loop before a camera: a frame, its targets, what the user does, and on to the next one."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from siamtrack.boxes import Box, Image
from siamtrack.errors import BoxError, OutputError, SourceError
from siamtrack.io.draw import draw_targets
from siamtrack.io.live.base import LiveFrame, LiveSource
from siamtrack.io.results import Row, rows_of
from siamtrack.live.meter import Meter
from siamtrack.live.overlay import Figures, Scene
from siamtrack.live.results import LiveResults
from siamtrack.live.session import (
    Add,
    Added,
    Answer,
    Drop,
    Event,
    Faded,
    Refused,
    Restart,
    Restarted,
    Saved,
    Session,
    TakePicture,
    Wish,
    advance,
)
from siamtrack.live.snapshots import save_snapshot
from siamtrack.system.progress import Progress, Report
from siamtrack.system.signals import StopSignal
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.loop import track

if TYPE_CHECKING:
    from siamtrack.tracking.multi import MultiTracker
    from siamtrack.tracking.state import TrackResult

WAIT = 0.02
"""Seconds that one of two, a frame and a key, is waited for before the other is looked for again."""
GLANCE = 0.001
"""Seconds that a key is waited for while frames come: the window needs them to paint itself."""
FADING = 4.0
"""Seconds that a note is shown for."""


class Viewer(Protocol):
    """Who sees the frames, and may do something about them."""

    def show(self, image: Image, scene: Scene) -> None:
        """See a scene over a frame, `(H, W, 3)` uint8 BGR."""

    def events(self, wait: float) -> list[Event]:
        """Return the events since the last call; wait up to this many seconds for one."""


class Counter:
    """A viewer that counts the frames and does nothing else.

    Args:
        report: called after every frame.
        total: number of frames, where it is known.
    """

    def __init__(self, report: Report, total: int | None) -> None:
        self._report, self._total = report, total
        self._frames = 0
        self._image: Image | None = None

    def show(self, image: Image, scene: Scene) -> None:
        """See `Viewer`."""
        if image is not self._image:
            self._image = image
            self._frames += 1
            self._report(Progress(self._frames, self._total, rate=scene.figures.fps or 0.0))

    def events(self, wait: float) -> list[Event]:
        """See `Viewer`: nothing, at once."""
        return []


@dataclass
class Summary:
    """Summary of a run."""

    frames: int = 0
    """Frames that the targets were looked for in, or that were shown."""
    dropped: int = 0
    """Frames that the source left out meanwhile, because there was no time for them."""
    targets: int = 0
    """Targets that there were."""
    seconds: float = 0.0
    """Seconds from the first frame to the end."""
    stopped_by: signal.Signals | None = None
    """The signal that ended the run."""
    files: list[Path] = field(default_factory=list)
    """Files that were written."""


class LiveLoop:
    """Brings together a source, targets, a viewer and results.

    Args:
        source: where the frames come from; a file stands still while the picture is frozen.
        targets: what is followed.
        viewer: sees everything.
        results: where it is kept.
        snapshots: folder of the pictures that the viewer saves.
    """

    def __init__(
        self, source: LiveSource, targets: MultiTracker, viewer: Viewer, results: LiveResults, snapshots: Path = Path()
    ) -> None:
        self._source, self._targets, self._viewer, self._results = source, targets, viewer, results
        self._snapshots = snapshots
        self._session = Session()
        self._boxes: Sequence[Box] = ()
        self._frame: LiveFrame | None = None
        self._rows: dict[int, Row] = {}
        self._over = False
        self._meter = Meter()
        self._noted = self._began = 0.0
        self._dropped_before = 0
        self._seen: tuple[LiveFrame, Session, str | None] | None = None
        self._summary = Summary()

    def run(self, session: Session, boxes: Sequence[Box], stop: StopSignal) -> Summary:
        """Go on until the source ends, the viewer leaves, or a signal comes.

        Args:
            session: where to begin.
            boxes: targets in the first frame.
            stop: the signal.

        Raises:
            BoxError: when one of the boxes cannot be tracked.
            SourceError: when the source has no frame.
            OutputError: when a result cannot be written.
        """
        self._session, self._boxes = session, boxes
        for taken, results in track(self._frames(stop), self._targets):
            self._turn(taken, results)
        self._summary.stopped_by = stop.received
        if self._frame is not None:
            self._summary.seconds = time.monotonic() - self._began
            self._summary.dropped = self._source.dropped - self._dropped_before
        elif self._over:
            raise SourceError(self._source.ended or f"'{self._source.info.name}' gives no picture")
        return self._summary

    def _frames(self, stop: StopSignal) -> Iterator[LiveFrame | None]:
        while not self._over and not self._session.leaving and stop.received is None:
            yield self._poll()

    def _turn(self, taken: LiveFrame | None, results: dict[int, TrackResult] | None) -> None:
        if taken is not None and results is not None:
            self._take(taken, results)
        frame = self._frame
        if frame is None:
            return
        if taken is None and not self._source.is_file:
            self._results.wait(frame.time + time.monotonic() - frame.captured)
        self._show(frame)
        events = self._viewer.events(WAIT if self._session.frozen else GLANCE)
        now = time.monotonic()
        if taken is not None:
            self._meter.add(frame.captured, now)
        for event in events:
            self._hear(frame, event)
        if self._session.note and now - self._noted > FADING:
            self._session = advance(self._session, Faded())

    def _poll(self) -> LiveFrame | None:
        """Return the next frame, if there is one and the picture does not stand still."""
        standing = self._session.frozen and self._frame is not None
        if standing and self._source.is_file:
            return None
        try:
            # The frames of a camera are taken all the same: they are not those that there was no time for.
            frame = self._source.poll(0.0 if standing else WAIT)
        except StopIteration:
            self._over = True
            return None
        return None if standing else frame

    def _take(self, frame: LiveFrame, results: dict[int, TrackResult]) -> None:
        first, self._frame = self._frame is None, frame
        self._rows = {row.target: row for row in rows_of(frame, results, results)}
        self._results.begin(frame.time, frame.image, self._present())
        self._summary.frames += 1
        if first:
            self._began, self._dropped_before = time.monotonic(), self._source.dropped
            for box in self._boxes:
                self._note(advance(self._session, Added(self._add(frame, box))))

    def _show(self, frame: LiveFrame) -> None:
        """Show the frame, if anything about it has changed."""
        seen = frame, self._session, self._source.notice
        if self._seen is not None and seen[0] is self._seen[0] and seen[1:] == self._seen[1:]:
            return
        self._seen = seen
        figures = Figures(
            fps=self._meter.fps,
            delay=self._meter.delay,
            dropped=self._source.dropped - self._dropped_before,
            recording=self._results.is_recording,
            notice=self._source.notice,
        )
        self._viewer.show(frame.image, Scene(self._session, self._present(), figures))

    def _hear(self, frame: LiveFrame, event: Event) -> None:
        """Let the session go on, and fulfil what it wishes."""
        frozen = self._session.frozen
        self._note(advance(self._session, event))
        if self._session.wish is not None:
            answer = self._fulfil(frame, self._session.wish)
            if answer is not None:
                self._note(advance(self._session, answer))
        if frozen and not self._session.frozen:
            self._meter.restart()

    def _note(self, session: Session) -> None:
        if session.note != self._session.note:
            self._noted = time.monotonic()
        self._session = session

    def _fulfil(self, frame: LiveFrame, wish: Wish) -> Answer | None:
        try:
            match wish:
                case Add(box):
                    return Added(self._add(frame, box))
                case Restart(target, box):
                    self._targets.restart(target, frame.image, box)
                    self._mark(frame, target, box)
                    return Restarted(target)
                case Drop(target):
                    self._targets.remove(target)
                    self._rows.pop(target, None)
                    self._results.replace_rows(self._present())
                    return None
                case TakePicture():
                    picture = draw_targets(frame.image, self._present(), None)
                    path = save_snapshot(self._snapshots, picture, datetime.now())
                    self._summary.files.append(path)
                    return Saved(path)
        except (BoxError, OutputError) as error:
            return Refused(str(error))

    def _add(self, frame: LiveFrame, box: Box) -> int:
        target = self._targets.add(frame.image, box)
        self._summary.targets += 1
        self._mark(frame, target, box)
        return target

    def _mark(self, frame: LiveFrame, target: int, box: Box) -> None:
        """Put down a box that was given, which is right."""
        self._rows[target] = Row(frame.index, frame.time, target, box, 1.0, Status.TRACKED)
        self._results.replace_rows(self._present())

    def _present(self) -> tuple[Row, ...]:
        return tuple(self._rows.values())
