"""Frames from a video file, a folder of images, a glob or one image, as 8-bit BGR, upright and in order."""

from __future__ import annotations

import glob
import heapq
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
import av.error
import numpy as np
from av.codec.context import ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from siamtrack.errors import SourceError, UsageError
from siamtrack.io.images import IMAGE_EXTENSIONS, is_image_file, natural_key, read_image

logger = logging.getLogger(__name__)

DEFAULT_RATE = Fraction(30)
"""Frames per second of image folders, and of videos that do not say."""

MAX_RATE = 1000
"""A stated rate above this (frames per second) is a damaged header or a bare clock, not a frame rate."""

EXACT_COLORS = Interpolation.BILINEAR | Interpolation.ACCURATE_RND
"""How colours are converted: without exact rounding, white comes back as (250, 253, 251)."""

SHORTFALL = 0.5
"""Seconds by which a video without a frame count may end before its stated duration without being called truncated."""

SEVERAL_PACKETS_A_FRAME = frozenset({"vp8", "mpeg4"})
"""Codecs with packets that rightly show no frame: VP8's hidden reference frames, MPEG-4's "not coded" pictures."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a source."""

    index: int
    """Index in the source (0-based), counted over decoded and failed frames."""
    time: float
    """Seconds since the start of the source."""
    image: NDArray[np.uint8] | None
    """`(H, W, 3)` uint8 BGR, upright; None when this frame could not be decoded."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known about a source before it is read."""

    name: str
    """The path or glob as it was given."""
    width: int
    """Width of the first decoded frame in pixels, upright; later frames of an image folder may differ."""
    height: int
    """Height of the first decoded frame in pixels, upright."""
    rate: Fraction
    """Frames per second, exact (30000/1001 stays that); the average for a variable rate."""
    count: int | None
    """Frames in the whole source, `start` and `end` left aside, as its header says; None when it does not say."""
    files: tuple[Path, ...]
    """Every file that is read: an output must be none of them."""


@dataclass(slots=True)
class _Failures:
    """Frames that could not be decoded: how many, and the first, for one line at the end."""

    count: int = 0
    first: int = -1

    def add(self, index: int) -> None:
        if not self.count:
            self.first = index
        self.count += 1


class Source(ABC, Iterator[Frame]):
    """An iterator over `Frame` and a context manager; made by `open_source`. Memory does not grow with the length."""

    info: SourceInfo
    warnings: list[str]
    """What went wrong without stopping the reading; complete when the iteration has ended."""

    def __init__(self, start: int, end: int | None) -> None:
        self.warnings = []
        self._start = start
        self._end = end
        self._frames: Iterator[Frame] = iter(())

    def _peek(self, frames: Iterator[Frame]) -> NDArray[np.uint8] | None:
        """Read up to the first frame that decodes, to be delivered later, and return its image."""
        read: list[Frame] = []  # all but the last hold no pixels
        self._frames = chain(read, frames)
        for frame in frames:
            read.append(frame)
            if frame.image is not None:
                return frame.image
        return None

    @property
    def expected(self) -> int | None:
        """Frames between `start` and `end`, for a progress bar; None when the source does not say its length."""
        stop = self._end if self.info.count is None else min(self._end or self.info.count, self.info.count)
        return None if stop is None else max(stop - self._start, 0)

    def __next__(self) -> Frame:
        return next(self._frames)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Release the files; the iteration is over then."""

    def _warn(self, message: str) -> None:
        self.warnings.append(message)
        logger.debug("%s", message)

    def _warn_failed(self, failed: _Failures, name: str) -> None:
        if failed.count:
            count = "1 frame" if failed.count == 1 else f"{failed.count} frames"
            self._warn(f"{name}: {count} could not be decoded, the first is frame {failed.first}")


def open_source(source: str | Path, start: int = 0, end: int | None = None, *, threads: int | None = None) -> Source:
    """Open a video file, a folder of images, a glob of images or one image.

    Args:
        source: the path or the glob. Images are taken in natural order (frame2 before frame10).
        start: index of the first frame that is delivered, 0-based. Earlier ones of a video are decoded and dropped, so
            that the index is exact.
        end: index after the last frame that is delivered; None reads to the end.
        threads: threads that a video is decoded on; with 1, nothing is done ahead. None: FFmpeg's choice.

    Returns:
        An opened source; its first frame is known to be readable.

    Raises:
        UsageError: when `start` and `end` make no sense, or `start` lies beyond the end.
        SourceError: when there is nothing to read: missing, not permitted, no images, no video, no frame that decodes.
    """
    if start < 0:
        raise UsageError(f"start {start} is negative: the first frame is 0")
    if end is not None and end <= start:
        raise UsageError(f"end {end} is not after start {start}: end is the index after the last frame")
    name = str(source)
    path = Path(name).expanduser()
    try:
        if path.is_dir():
            files = sorted(filter(is_image_file, path.iterdir()), key=lambda file: natural_key(file.name))
            if not files:
                raise SourceError(
                    f"folder '{name}' has no images ({_extensions()}): give one that has, or a video file"
                )
            return ImageSource(name, files, start, end)
        if path.exists():
            if path.suffix.lower() in IMAGE_EXTENSIONS:
                return ImageSource(name, [path], start, end)
            path.open("rb").close()  # A plain "permission denied" rather than a decoder's words for it.
            return VideoSource(name, path, start, end, threads)
        if glob.has_magic(name):
            return ImageSource(name, _glob_images(name, path), start, end)
    except OSError as error:
        raise SourceError(
            f"cannot read '{name}': {error.strerror or error}; check the path and its permissions"
        ) from error
    raise SourceError(f"'{name}' does not exist: give a video file, a folder of images or a glob in quotes")


def _glob_images(name: str, pattern: Path) -> list[Path]:
    matches = [Path(match) for match in glob.glob(str(pattern), recursive=True)]  # noqa: PTH207 (the pattern may be absolute)
    files = sorted(filter(is_image_file, matches), key=lambda file: natural_key(str(file)))
    if files:
        return files
    if matches:
        raise SourceError(f"glob '{name}' matches no image: only {_extensions()} are read; give a video by its path")
    raise SourceError(f"glob '{name}' matches nothing: check the folder, and quote it against the shell")


def _extensions() -> str:
    return " ".join(extension.removeprefix(".") for extension in IMAGE_EXTENSIONS)


def _beyond(name: str, start: int, count: int) -> UsageError:
    frames = "1 frame" if count == 1 else f"{count} frames"
    return UsageError(f"start {start} is beyond the end: '{name}' has {frames}")


class ImageSource(Source):
    """Image files as frames at `DEFAULT_RATE`; made by `open_source`."""

    def __init__(self, name: str, files: list[Path], start: int, end: int | None) -> None:
        super().__init__(start, end)
        if start >= len(files):
            raise _beyond(name, start, len(files))
        self._files = files
        first = self._peek(self._read())
        if first is None:
            raise SourceError(
                f"'{name}' has no readable image from '{files[start].name}' on: they are empty or damaged"
            )
        self.info = SourceInfo(name, first.shape[1], first.shape[0], DEFAULT_RATE, len(files), tuple(files))

    def close(self) -> None:
        """End the iteration; no file is open between frames."""
        self._frames = iter(())

    def _read(self) -> Iterator[Frame]:
        failed = _Failures()
        for index in range(self._start, min(self._end or len(self._files), len(self._files))):
            try:
                image = read_image(self._files[index])
            except OSError as error:
                self._warn(f"{self._files[index]}: {error.strerror or error}")
                image = None
            if image is None:
                failed.add(index)
            yield Frame(index, float(index / DEFAULT_RATE), image)
        self._warn_failed(failed, str(self._files[0].parent))


class VideoSource(Source):
    """A video file, decoded on FFmpeg's threads; made by `open_source`."""

    def __init__(self, name: str, path: Path, start: int, end: int | None, threads: int | None = None) -> None:
        super().__init__(start, end)
        self._name, self._path = path.name, path
        self._container = _open_container(name, path)
        try:
            self._stream = _video_stream(name, self._container)
            self._stream.thread_type = ThreadType.AUTO
            self._stream.codec_context.thread_count = threads or 0
            self._rate = _frame_rate(self._stream)
            if self._rate is None:
                self._warn(f"{path.name} does not say its frame rate: {DEFAULT_RATE} frames per second are assumed")
                self._rate = DEFAULT_RATE
            self._promised = _promised_frames(self._container, self._stream)
            if self._promised is not None and start >= self._promised:
                raise _beyond(name, start, self._promised)
            self._seen = self._packets = self._last_end = 0
            self._cut = False
            # AVI counts in order of decoding, which is neither the time nor the order of display.
            self._timed = self._container.format.name != "avi"
            first = self._peek(self._decode())
            if first is None and self._seen and self._seen <= start:
                raise _beyond(name, start, self._seen)
            if first is None:
                raise SourceError(f"'{name}' has no frame that can be decoded: the file is empty or damaged")
        except BaseException:
            self._container.close()
            raise
        self.info = SourceInfo(name, first.shape[1], first.shape[0], self._rate, self._promised, (path,))

    def close(self) -> None:
        """Close the file and end its decoding threads."""
        self._frames = iter(())
        self._container.close()

    def _decode(self) -> Iterator[Frame]:
        reformatter = VideoReformatter()
        failed = _Failures()
        matrix: NDArray[np.int32] | None = None
        matrix_known = False
        for index, (time, frame) in enumerate(self._pictures()):
            self._seen = index + 1
            if self._end is not None and index >= self._end:
                break
            if index < self._start:
                continue
            if frame is not None and not matrix_known:
                matrix, matrix_known = _display_matrix(frame), True
            image = None if frame is None else _upright(frame, reformatter, matrix)
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
        """The frames at these times, at the end of the video, decoded without threads.

        When the decoder is flushed, one damaged packet costs all the frames that its threads still hold (PyAV cannot
        go on after an error there); there are as many as there are threads.
        """
        if not times:
            return
        try:
            with _open_container(self._name, self._path) as container:
                stream = _video_stream(self._name, container)
                stream.codec_context.thread_type = ThreadType.NONE
                container.seek(min(times), stream=stream)
                for packet in [*_demux(container, stream), None]:
                    yield from (frame for frame in _try_decode(stream, packet) or () if frame.pts in times)
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
                yield held, _try_decode(self._stream, held)
            held = packet
        if held is not None and held.is_corrupt:
            self._cut = True
            self._packets -= 1
        elif held is not None:
            yield held, _try_decode(self._stream, held)
        yield None, _try_decode(self._stream, None) or []

    def _seconds(self, pts: int | None) -> float | None:
        base = self._stream.time_base
        return (
            None
            if pts is None or base is None or not self._timed
            else float((pts - (self._stream.start_time or 0)) * base)
        )

    def _shortfall(self, decoded: int) -> str | None:
        """A line on what the header promises and the file does not hold."""
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


def _video_stream(name: str, container: InputContainer) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:  # the cover of a music file
            if stream.codec_context is None:
                raise SourceError(f"'{name}' has a video codec that cannot be decoded here: convert it to H.264")
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
    raise SourceError(f"'{name}' has no video in it (only {kinds}): give a file with a picture")


def _frame_rate(stream: VideoStream) -> Fraction | None:
    for rate in (stream.average_rate, stream.guessed_rate, stream.base_rate):
        if rate and 0 < rate <= MAX_RATE:
            return Fraction(rate)
    return None


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


def _try_decode(stream: VideoStream, packet: Packet[VideoStream] | None) -> list[VideoFrame] | None:
    """The frames that come out at a packet (None flushes the decoder); None when there is an error."""
    try:
        return stream.decode(packet)
    except av.error.FFmpegError as error:
        logger.debug("decoding: %s", error)
        return None


def _demux(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    """The packets of a stream up to the end or to where the file cannot be read on."""
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


def _upright(frame: VideoFrame, reformatter: VideoReformatter, matrix: NDArray[np.int32] | None) -> NDArray[np.uint8]:
    """BGR pixels of a frame, turned and mirrored as a display matrix says."""
    image = np.asarray(reformatter.reformat(frame, format="bgr24", interpolation=EXACT_COLORS).to_ndarray(), np.uint8)
    return np.ascontiguousarray(image if matrix is None else apply_display_matrix(image, matrix))


def _display_matrix(frame: VideoFrame) -> NDArray[np.int32] | None:
    """How a frame is to be turned; asked of one frame of a video only.

    A frame and its `side_data` hold each other, so that the picture's memory waits for the garbage collector.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return None if matrix is None else np.frombuffer(bytes(cast(SideData, matrix)), np.int32)


def apply_display_matrix(image: NDArray[np.uint8], matrix: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Turn and mirror an image by quarter turns.

    Args:
        image: `(H, W, C)`, any colour order.
        matrix: the nine numbers `a b u c d v x y w` of ISO/IEC 14496-12, 8.3.2 (`x' = a x + c y`, `y' = b x + d y`).
            Other angles than quarter turns go to the nearest; the shift is without meaning for a single picture.

    Returns:
        A view of the image, `(H, W, C)` or `(W, H, C)`.
    """
    a, b, _, c, d = (int(value) for value in matrix[:5])
    if abs(a) >= abs(b):
        return image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return image.transpose(1, 0, 2)[:: -1 if b < 0 else 1, :: -1 if c < 0 else 1]
