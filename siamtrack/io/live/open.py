"""Frames as they come: from a camera, a network stream, or a file that is played as if it were one."""

from __future__ import annotations

import logging
import math
import time
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from siamtrack.errors import UsageError
from siamtrack.io.frames import Source
from siamtrack.io.live.addresses import scheme_of, shown_address
from siamtrack.io.live.base import LiveFrame, LiveSource
from siamtrack.io.live.camera import is_camera, open_camera
from siamtrack.io.live.latest import LatestFrames
from siamtrack.io.live.reconnect import ReconnectingCapture
from siamtrack.io.live.stream import open_stream
from siamtrack.io.sources import open_source

logger = logging.getLogger(__name__)

TIMEOUT = 10.0
"""Seconds without an answer or a picture after which a source counts as silent."""
TRIES = 10
"""Number of tries to open a stream again: about a minute and a half, besides the time that each try takes."""


def open_live(source: str | Path, *, timeout: float = TIMEOUT, tries: int = TRIES) -> LiveSource:
    """Open a camera, a network stream or a file.

    A camera or a stream gives its newest frame each time; a stream that stalls, breaks off or ends is opened again. A
    file, a folder of images or a glob gives all its frames that can be decoded.

    Args:
        source: a camera by number (`0`) or device file (`/dev/video2`); an address (`rtsp://user:password@host/path`,
            `http://host/video.mjpg`); or what `open_source` takes, also as `file://`. A `Path` is always a file.
        timeout: seconds to wait for an answer and for each picture of a camera or a stream.
        tries: how often a stream is opened again in a row before it counts as ended.

    Returns:
        An open source; its first frame is known to be readable.

    Raises:
        UsageError: when `timeout` or `tries` make no sense.
        SourceError: when there is nothing to read; passwords in an address are not told.
    """
    if not (math.isfinite(timeout) and timeout > 0):
        raise UsageError(f"a time-out of {timeout:g} seconds makes no sense: give more than 0")
    if tries < 0:
        raise UsageError(f"{tries} tries make no sense: give 0 or more")
    if isinstance(source, Path):
        return FileFrames(open_source(source))
    scheme = scheme_of(source)
    if scheme == "file":
        return FileFrames(open_source(url2pathname(urlsplit(source).path)))
    if scheme is not None:
        return _open_address(source, timeout, tries)
    if is_camera(source):
        return LatestFrames(f"camera {source}", open_camera(source, timeout))
    return FileFrames(open_source(source))


def _open_address(address: str, timeout: float, tries: int) -> LiveSource:
    name, stream = shown_address(address), open_stream(address, timeout)
    if stream.recorded:
        return LatestFrames(name, stream)  # its end is its end
    return LatestFrames(name, ReconnectingCapture(stream, partial(open_stream, address, timeout), tries))


class FileFrames(LiveSource):
    """All frames of a source that can be decoded, each when it is asked for; made by `open_live`."""

    is_file = True

    def __init__(self, source: Source) -> None:
        self.info = source.info
        self.dropped = 0
        self.notice: str | None = None
        self.ended: str | None = None
        self._source = source
        self._told = 0

    def poll(self, timeout: float) -> LiveFrame | None:
        """Return the next frame, which a file always has."""
        return next(self)

    def __next__(self) -> LiveFrame:
        for frame in self._source:
            if frame.image is not None:
                return LiveFrame(frame.index, frame.time, frame.image, time.monotonic())
        for warning in self._source.warnings[self._told :]:
            logger.warning("%s", warning)
        self._told = len(self._source.warnings)
        raise StopIteration

    def close(self) -> None:
        """See `LiveSource`."""
        self._source.close()
