"""Sources of the server as what a page is shown: an uploaded video, or a camera."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from siamtrack.errors import SourceError, UsageError
from siamtrack.io.frames import Frame
from siamtrack.io.live.addresses import SCHEMES, WITHOUT_HOST, scheme_of, shown_address
from siamtrack.io.live.base import LiveSource
from siamtrack.io.live.camera import is_camera
from siamtrack.io.sources import open_source
from siamtrack.io.video.annotated import ElapsedClock, EveryFrame, FrameClock
from siamtrack.live.server.limits import Limits
from siamtrack.live.server.uploads import check_video

WAIT = 0.25
"""Seconds that `poll` takes at most while a camera has nothing new."""
ANSWER = 10.0
"""Seconds that a camera has to answer."""


class Feed(ABC):
    """Frames for a page; its methods are called in other threads than the event loop, one after the other."""

    name: str
    frames: int | None
    """Number of frames, where it is known."""
    paced: bool
    """Frames come faster than they are shown, and wait for their time."""
    over: bool = False
    """Gives no more frames."""
    why: str | None = None
    """One line that says why it is over; None at the end of a video."""

    @abstractmethod
    def poll(self) -> Frame | None:
        """Return the next frame; None when there is none yet, or none any more.

        Raises:
            SiamTrackError: when the source cannot be read on.
        """

    @abstractmethod
    def clock(self) -> FrameClock:
        """Return how it is recorded."""

    @property
    def notice(self) -> str | None:
        """Return the present fault of the source."""
        return None

    @abstractmethod
    def close(self) -> None:
        """Release it."""


class UploadFeed(Feed):
    """Every frame of an uploaded video.

    Raises:
        SourceError: when it is none.
        UsageError: when it is larger or longer than allowed.
    """

    paced = True

    def __init__(self, path: Path, limits: Limits) -> None:
        if not path.is_file():
            raise UsageError("there is no video here: upload one first")
        check_video(path, limits)
        try:
            self._source = open_source(path, threads=1)  # one: other sessions need the cores too
        except SourceError as error:
            raise SourceError(str(error).replace(str(path), "the video")) from error
        self.name = "video"
        self.frames = self._source.info.count

    def poll(self) -> Frame | None:
        """See `Feed`."""
        frame = next(self._source, None)
        if frame is None:
            self.over = True
            self.why = "; ".join(self._source.warnings) or None
        return frame

    def clock(self) -> FrameClock:
        """See `Feed`."""
        return EveryFrame(self._source.info.rate)

    def close(self) -> None:
        """See `Feed`."""
        self._source.close()


class CameraFeed(Feed):
    """The newest frames of a camera or a stream."""

    frames = None
    paced = False

    def __init__(self, name: str, source: LiveSource) -> None:
        self.name = name
        self._source = source

    def poll(self) -> Frame | None:
        """See `Feed`."""
        try:
            frame = self._source.poll(WAIT)
        except StopIteration:
            self.over, self.why = True, self._source.ended
            return None
        return None if frame is None else Frame(frame.index, frame.time, frame.image)

    def clock(self) -> FrameClock:
        """See `Feed`."""
        return ElapsedClock()

    @property
    def notice(self) -> str | None:
        """See `Feed`."""
        return self._source.notice

    def close(self) -> None:
        """See `Feed`."""
        self._source.close()


def open_camera(address: str) -> CameraFeed:
    """Open a camera by its number, its device file or its address; no file of the server.

    Raises:
        UsageError: for anything else.
        SourceError: when it does not answer.
    """
    if not _names_camera(address):
        name = shown_address(address)
        raise UsageError(f"'{name}' is no camera: give a number, /dev/videoN, rtsp://... or http://...")
    from siamtrack.io.live.open import open_live  # noqa: PLC0415 - only a server with cameras needs it

    source = open_live(address, timeout=ANSWER)
    return CameraFeed(source.info.name, source)


def _names_camera(address: str) -> bool:
    scheme = scheme_of(address)
    if scheme is None:
        return is_camera(address) and ".." not in Path(address).parts
    return scheme in SCHEMES and scheme not in WITHOUT_HOST  # which would open ports of the server
