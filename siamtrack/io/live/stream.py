"""Network streams: RTSP, MJPEG over HTTP, and whatever else FFmpeg reads from an address."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from threading import Event
from typing import Any

import av
import av.error
import numpy as np
from av.codec.context import Flags, ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from siamtrack.errors import SourceError
from siamtrack.io.frames import DEFAULT_RATE
from siamtrack.io.live.addresses import check_address, shown_address
from siamtrack.io.live.capture import Capture
from siamtrack.io.video.decoding import Upright, frame_rate, try_decode, video_stream

OPTIONS = {
    # Over UDP a lost packet smears the picture until the next key frame.
    "rtsp_transport": "tcp",
    # Microseconds of the stream that are looked at before the first picture; FFmpeg's own five seconds are waited for.
    # `fflags=nobuffer` would throw away what was looked at, and with it the only key frame for a while: what is kept
    # is decoded at once and only the newest is taken, so that it costs no latency.
    "analyzeduration": "1000000",
}


class StreamCapture(Capture):
    """A stream that is open; ends where the stream stalls, breaks off or ends.

    PyAV reads it, because it has time-outs for opening and for reading, and an error of its own for each thing that
    goes wrong on a network; OpenCV says only that it did not work.

    Args:
        name: the address as it may be shown.
        container: where it is read from, with `timeout` as its time-out of reading; it is closed here.
        timeout: seconds without a picture after which it has stalled.
    """

    def __init__(self, name: str, container: InputContainer, timeout: float) -> None:
        self._name, self._container, self._timeout = name, container, timeout
        self._stream = video_stream(name, container)
        # Threads that decode whole frames each hold one back.
        self._stream.thread_type = ThreadType.SLICE
        self._stream.codec_context.flags |= Flags.low_delay
        self.rate = frame_rate(self._stream) or DEFAULT_RATE
        self.recorded = container.duration is not None
        """The stream has an end: a file on a server, not a camera. Its pictures come at their times, not faster."""
        # Of all streams: where the sound comes and the pictures do not, the time-out of reading never falls due.
        self._packets: Iterator[Packet[Any]] = container.demux()
        self._decoded: deque[VideoFrame] = deque()
        self._upright = Upright()
        self._interrupted = Event()
        self._began: float | None = None

    def read(self) -> NDArray[np.uint8]:
        """See `Capture`; there is always a picture, or an error."""
        began = time.monotonic()
        while not self._decoded:
            packet = self._next_packet(began)
            if packet.stream is self._stream:
                self._decoded.extend(try_decode(self._stream, packet) or ())
            if not self._decoded and time.monotonic() - began >= self._timeout:
                raise SourceError(self._stalled())
        frame = self._decoded.popleft()
        if self.recorded:
            self._wait_for(frame)
        return self._upright(frame)

    def _next_packet(self, began: float) -> Packet[VideoStream]:
        try:
            packet = next(self._packets, None)
        except av.error.FFmpegError as error:
            if time.monotonic() - began >= self._timeout:
                raise SourceError(self._stalled()) from None
            # Not "from error", whose text holds the address with its password.
            raise SourceError(f"'{self._name}' broke off ({error.strerror})") from None
        if packet is None:
            raise SourceError(f"'{self._name}' ended")
        return packet

    def _wait_for(self, frame: VideoFrame) -> None:
        if frame.pts is None:
            return
        now = time.monotonic()
        if self._began is None:
            self._began = now - frame.time
        # A time that is far off is a damaged one.
        self._interrupted.wait(min(max(self._began + frame.time - now, 0.0), self._timeout))

    def _stalled(self) -> str:
        return f"'{self._name}' stalled: no picture for {seconds(self._timeout)}"

    def interrupt(self) -> None:
        """See `Capture`; FFmpeg cannot be interrupted from another thread and reads on up to its time-out."""
        self._interrupted.set()

    def close(self) -> None:
        """End the connection."""
        self._packets = iter(())
        self._container.close()


def open_stream(address: str, timeout: float) -> StreamCapture:
    """Connect to a stream.

    Args:
        address: with one of `addresses.SCHEMES`.
        timeout: seconds to wait for an answer, and later for a picture.

    Raises:
        SourceError: when it cannot be opened, or shows nothing; passwords in the address are not told.
    """
    check_address(address)
    name = shown_address(address)
    began = time.monotonic()
    try:
        container = av.open(address, timeout=(timeout, timeout), options=OPTIONS, metadata_errors="replace")
    except av.error.FFmpegError as error:
        late = time.monotonic() - began >= timeout
        reason = f"no answer within {seconds(timeout)}; {_REACH}" if late else _why(error)
        raise SourceError(f"cannot open '{name}': {reason}") from None  # its text holds the password
    try:
        return StreamCapture(name, container, timeout)
    except BaseException:
        container.close()
        raise


def seconds(value: float) -> str:
    """`1 second`, `0.5 seconds`."""
    return f"{value:g} second{'' if value == 1 else 's'}"


_REACH = "check the address, and that the camera or server is on and can be reached from here"
_REMEDIES: list[tuple[type[av.error.FFmpegError], str]] = [
    (av.error.ConnectionRefusedError, "check host and port, and that the camera or server runs"),
    (av.error.HTTPUnauthorizedError, "check user and password, given as http://user:password@host/path"),
    (av.error.HTTPForbiddenError, "check user and password, given as http://user:password@host/path"),
    (av.error.HTTPNotFoundError, "check the path, behind the host"),
    (av.error.HTTPServerError, "try again later, or look at the server"),
    (av.error.ProtocolNotFoundError, "FFmpeg was built without this protocol; give rtsp:// or http://"),
    (av.error.InvalidDataError, "it is no stream of pictures; check the path, behind the host"),
    # What FFmpeg says of a host that it cannot find, and of an answer in which it finds no pictures.
    (av.error.OSError, "check host and path: the host may be unknown, or the path no stream"),
]


def _why(error: av.error.FFmpegError) -> str:
    remedy = next((remedy for kind, remedy in _REMEDIES if isinstance(error, kind)), _REACH)
    return f"{error.strerror}; {remedy}"
