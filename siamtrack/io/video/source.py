"""A video file as frames: every frame once, in order, also where the file is damaged or cut off."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.codec.context import ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from siamtrack.errors import SourceError
from siamtrack.io.frames import DEFAULT_RATE, Failures, Frame, Source, SourceInfo, beyond
from siamtrack.io.video.decoding import Upright, frame_rate, try_decode, video_stream

logger = logging.getLogger(__name__)

SHORTFALL = 0.5
"""Seconds by which a video without a frame count may end before its stated duration without being called truncated."""

SEVERAL_PACKETS_A_FRAME = frozenset({"vp8", "mpeg4"})
"""Codecs with packets that rightly show no frame: VP8's hidden reference frames, MPEG-4's "not coded" pictures."""


class VideoSource(Source):
    """A video file, decoded on FFmpeg's threads; made by `open_source`."""

    def __init__(self, name: str, path: Path, start: int, end: int | None, threads: int | None = None) -> None:
        super().__init__(start, end)
        self._name, self._path = path.name, path
        self._container = _open_container(name, path)
        try:
            self._stream = video_stream(name, self._container)
            self._stream.thread_type = ThreadType.AUTO
            self._stream.codec_context.thread_count = threads or 0
            self._rate = frame_rate(self._stream)
            if self._rate is None:
                self._warn(f"{path.name} does not say its frame rate: {DEFAULT_RATE} frames per second are assumed")
                self._rate = DEFAULT_RATE
            self._promised = _promised_frames(self._container, self._stream)
            if self._promised is not None and start >= self._promised:
                raise beyond(name, start, self._promised)
            self._seen = self._packets = self._last_end = 0
            self._cut = False
            # AVI counts in order of decoding, which is neither the time nor the order of display.
            self._timed = self._container.format.name != "avi"
            first = self._peek(self._decode())
            if first is None and self._seen and self._seen <= start:
                raise beyond(name, start, self._seen)
            if first is None:
                raise SourceError(f"'{name}' has no frame that can be decoded: the file is empty or damaged")
        except BaseException:
            self._container.close()
            raise
        # What comes before `start` was decoded above and is no part of the frames' time.
        self._frames = self._clocked(self._frames)
        self.info = SourceInfo(name, first.shape[1], first.shape[0], self._rate, self._promised, (path,))

    def close(self) -> None:
        """Close the file and end its decoding threads."""
        self._frames = iter(())
        self._container.close()

    def _decode(self) -> Iterator[Frame]:
        upright = Upright()
        failed = Failures()
        for index, (time, frame) in enumerate(self._pictures()):
            self._seen = index + 1
            if self._end is not None and index >= self._end:
                break
            if index < self._start:
                continue
            image = None if frame is None else upright(frame)
            if image is None:
                failed.add(index)
            yield Frame(index, index / float(self._rate or DEFAULT_RATE) if time is None else time, image)
        self._warn_failed(failed, self._name)

    def _pictures(self) -> Iterator[tuple[float | None, VideoFrame | None]]:
        """Time and decoded frame in order of display, None where a packet gave no frame.

        A decoder reports a damaged packet late (it reorders and works ahead on threads), and reports only some. So the
        presentation times of the packets are kept until their frame appears: frames come in that order, and a time
        that is passed over belongs to a frame that failed.
        """
        waiting: list[int] = []  # heap of times, as long as the decoder's delay
        matched = self._timed and self._stream.codec_context.name not in SEVERAL_PACKETS_A_FRAME
        # Outside MP4 a recording may begin between key frames: what is shown before the first one cannot be decoded and
        # is no damage. The index of an MP4 file is trusted instead, because damage may hide the key frame itself.
        started = _has_index(self._container)
        first_key: int | None = None
        decoded = 0
        for packet, frames in self._decoded_packets():
            pts = None if packet is None else packet.pts
            if packet is not None and pts is None:
                matched = False  # a raw stream has no times
                waiting.clear()
            elif packet is not None and pts is not None and matched and not packet.is_discard:
                if first_key is None and packet.is_keyframe:
                    first_key = pts
                if started or (first_key is not None and pts >= first_key):
                    heapq.heappush(waiting, pts)
            if frames is None and (pts is None or not matched):
                yield self._seconds(pts), None
            for frame in frames or ():
                if frame.interlaced_frame:
                    matched = False  # the two fields may be packets of their own
                    waiting.clear()
                if frame.pts is not None:
                    while waiting and waiting[0] < frame.pts:
                        yield self._seconds(heapq.heappop(waiting)), None
                    if waiting and waiting[0] == frame.pts:
                        heapq.heappop(waiting)
                decoded += 1
                yield self._seconds(frame.pts), frame
        recovered = {frame.pts: frame for frame in self._decode_again(waiting)}
        decoded += len(recovered)
        for pts in sorted(waiting):
            yield self._seconds(pts), recovered.get(pts)
        shortfall = self._shortfall(decoded)
        if shortfall is not None:
            self._warn(shortfall)

    def _decode_again(self, times: list[int]) -> Iterator[VideoFrame]:
        """Yield the frames at these times, at the end of the video, decoded without threads.

        When the decoder is flushed, one damaged packet costs all the frames that its threads still hold (PyAV cannot
        go on after an error there); there are as many as there are threads.
        """
        if not times:
            return
        try:
            with _open_container(self._name, self._path) as container:
                stream = video_stream(self._name, container)
                stream.codec_context.thread_type = ThreadType.NONE
                container.seek(min(times), stream=stream)
                for packet in [*_demux(container, stream), None]:
                    yield from (frame for frame in try_decode(stream, packet) or () if frame.pts in times)
        except (SourceError, av.error.FFmpegError) as error:
            logger.debug("%s: the end could not be read again: %s", self._name, error)

    def _decoded_packets(self) -> Iterator[tuple[Packet[VideoStream] | None, list[VideoFrame] | None]]:
        """Packets and the frames that came out at each (None: an error); the frames of the flush come with no packet.

        A last packet that is cut short is left out: its error would cost the frames that the decoder's threads hold.
        """
        held: Packet[VideoStream] | None = None
        for packet in _demux(self._container, self._stream):
            self._packets += 1
            if packet.pts is not None:
                self._last_end = max(self._last_end, packet.pts + (packet.duration or 0))
            if held is not None:
                yield held, try_decode(self._stream, held)
            held = packet
        if held is not None and held.is_corrupt:
            self._cut = True
            self._packets -= 1
        elif held is not None:
            yield held, try_decode(self._stream, held)
        yield None, try_decode(self._stream, None) or []

    def _seconds(self, pts: int | None) -> float | None:
        base = self._stream.time_base
        return (
            None
            if pts is None or base is None or not self._timed
            else float((pts - (self._stream.start_time or 0)) * base)
        )

    def _shortfall(self, decoded: int) -> str | None:
        """Return a line on what the header promises and the file does not hold."""
        if self._promised is not None:
            if self._packets >= self._promised:
                return None
            word = "truncated" if self._cut or _has_index(self._container) else "incomplete"
            return f"{self._name} is {word}: {decoded} of {self._promised} frames decoded"
        stated = _stated_seconds(self._container, self._stream)
        read = self._last_end * (self._stream.time_base or 0)
        if stated is None or not self._last_end or stated - read <= SHORTFALL:
            return None
        return f"{self._name} is truncated: {decoded} frames decoded, {float(read):.2f} of {float(stated):.2f} seconds"


def _open_container(name: str, path: Path) -> InputContainer:
    try:
        # Metadata in a legacy encoding must not stop a video.
        container = av.open(str(path), mode="r", metadata_errors="replace")
    except av.error.FFmpegError as error:
        hint = "it is not a video, is damaged, or was cut off before its index was written"
        raise SourceError(f"cannot open '{name}' as a video: {hint} ({error.strerror})") from error
    if container.format.name == "tty":  # FFmpeg plays any .txt as text art
        container.close()
        raise SourceError(f"'{name}' is a text file, not a video: give a video file, a folder of images or a glob")
    return container


def _has_index(container: InputContainer) -> bool:
    return "mp4" in container.format.name


def _promised_frames(container: InputContainer, stream: VideoStream) -> int | None:
    if not stream.frames:
        return None
    # An MP4 edit list may leave out some of the frames that the header counts; the index holds what is played.
    return len(stream.index_entries) if _has_index(container) else stream.frames


def _stated_seconds(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """When the video stream ends according to the header; Matroska writes it as a tag `DURATION=00:00:03.003000000`."""
    tag = stream.metadata.get("DURATION", "")
    try:
        hours, minutes, seconds = tag.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except ValueError:
        pass
    if stream.duration is not None and stream.time_base is not None:
        return (stream.duration + (stream.start_time or 0)) * stream.time_base
    if len(container.streams) == 1 and container.duration is not None:
        return Fraction(container.duration, av.time_base)
    return None


def _demux(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of a stream up to the end or to where the file cannot be read on."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            logger.debug("reading stopped: %s", error)
            return
        if packet.size:  # the packet that ends the iteration is empty
            yield packet
