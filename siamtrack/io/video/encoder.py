"""The video with the results: one that is known to play."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import av
import av.error
import numpy as np
from av.codec import CodecContext
from av.codec.context import ThreadType
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from numpy.typing import NDArray

from siamtrack.errors import OutputError, UsageError
from siamtrack.io.images import letterbox, to_bgr8
from siamtrack.io.results import checked_output, close_after, write_failure
from siamtrack.system.machine import usable_cores

logger = logging.getLogger(__name__)

VIDEO_EXTENSIONS = (".mp4", ".mkv", ".mov", ".avi")
"""Containers that are written."""

ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf", "mpeg4")
"""Encoders in the order they are tried: H.264 plays everywhere, MPEG-4 part 2 is in every build of FFmpeg."""

MAX_RATE_TERM = 65535
"""Largest numerator and denominator of a frame rate that every container and encoder here holds (MPEG-4: 16 bits)."""

MOST_THREADS = 8
"""Most threads of the encoder by default: each holds a frame or two, and a tracker wants cores as well."""

_BT709 = 1  # ISO/IEC 23091-2: the same number for primaries, transfer and matrix


class VideoEncoder:
    """An H.264 video (yuv420p, BT.709, crf 23) at an exact frame rate.

    The file is opened at once, so that a path that cannot be written is known before the work. Odd sizes are padded to
    even by repeating the last row or column; frames of another size are letterboxed. On an error or Ctrl-C inside the
    `with` block the video is closed with what was written and plays.

    Args:
        path: file to write; its extension, one of `VIDEO_EXTENSIONS`, chooses the container.
        width: width of the frames in pixels.
        height: height of the frames in pixels.
        rate: frames per second.
        threads: threads of the encoder; with 1, a frame is encoded when it is written. None: one more than there are
            cores, `MOST_THREADS` at most.

    Raises:
        UsageError: for another extension, an empty size or a rate that is not positive.
        OutputError: when the file or no encoder can be opened.
    """

    def __init__(
        self, path: str | Path, width: int, height: int, rate: Fraction, *, threads: int | None = None
    ) -> None:
        self.path = checked_video(path)
        if width <= 0 or height <= 0:
            raise UsageError(f"a video of {width}x{height} pixels cannot be written: both must be positive")
        if rate <= 0:
            raise UsageError(f"frame rate {rate} cannot be written: it must be positive")
        # numba: not before anything is to be written
        from siamtrack.io.video.colors import into_yuv420  # noqa: PLC0415

        self._into_yuv420 = into_yuv420
        self.written = 0
        """Frames given to the encoder so far."""
        self._width, self._height = width, height
        self._closed = False
        self._broken = False
        self._container, self._stream = self._open(
            _representable(Fraction(rate)), threads or min(usable_cores() + 1, MOST_THREADS)
        )

    def _open(self, rate: Fraction, threads: int) -> tuple[OutputContainer, VideoStream]:
        options = {"movflags": "+faststart"} if self.path.suffix.lower() in (".mp4", ".mov") else {}
        size = self._width + self._width % 2, self._height + self._height % 2
        encoder = next((name for name in ENCODERS if _encodes(name, *size, rate)), None)
        if encoder == ENCODERS[-1]:
            logger.warning(
                "no H.264 encoder in this build of PyAV: '%s' is MPEG-4 part 2, larger and less sharp", self.path
            )
        if encoder is None:
            shown = f"{size[0]}x{size[1]}"
            raise OutputError(f"no encoder for {shown} video in this build of PyAV (tried {', '.join(ENCODERS)})")
        try:
            container = av.open(str(self.path), mode="w", options=options)
            stream = cast(VideoStream, container.add_stream(encoder, rate=rate))
            _configure(stream.codec_context, *size, rate)
            stream.codec_context.thread_count = threads
            if self.path.suffix.lower() == ".avi":
                stream.codec_context.max_b_frames = 0  # AVI has no times of display
            container.start_encoding()
        except av.error.FFmpegError as error:
            raise write_failure(self.path, error) from error
        return container, stream

    def write(self, image: NDArray[Any]) -> None:
        """Append a frame.

        Args:
            image: `(H, W, 3)` uint8 BGR, or what `to_bgr8` takes; it is not changed.

        Raises:
            OutputError: when it cannot be written, for example because the disk is full.
        """
        self.encode(self.convert(image))

    def convert(self, image: NDArray[Any]) -> VideoFrame:
        """Return the first half of `write`: what `encode` takes. One thread may convert while another encodes.

        Args:
            image: see `write`.
        """
        picture = letterbox(to_bgr8(image), self._width, self._height)
        # Every pixel of the source stays; yuv420p needs even sides.
        odd = self._height % 2, self._width % 2
        if any(odd):
            picture = np.pad(picture, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
        frame = VideoFrame(picture.shape[1], picture.shape[0], "yuv420p")
        self._into_yuv420(picture, *map(_pixels, frame.planes))
        frame.colorspace, frame.color_range = int(Colorspace.ITU709), int(ColorRange.MPEG)
        return frame

    def encode(self, frame: VideoFrame) -> None:
        """The second half of `write`: append what `convert` gave.

        Raises:
            OutputError: when it cannot be written, for example because the disk is full.
        """
        if self._closed:
            raise OutputError(f"output '{self.path}' is closed: no frame can be added")
        frame.pts = self.written
        frame.time_base = self._stream.codec_context.time_base
        try:
            packets = self._stream.encode(frame)
            self.written += 1
            self._container.mux(packets)
        except av.error.FFmpegError as error:
            self._broken = True
            raise write_failure(self.path, error) from error

    def close(self) -> None:
        """Flush the encoder, finish the file and count its frames.

        Raises:
            OutputError: when the file does not hold as many frames as were written. A file without frames is removed.
        """
        if self._closed:
            return
        self._closed = True
        try:
            # After a failed write the encoder's queue leads nowhere; the file is only finished as well as it can be.
            if not self._broken and self.written:
                self._container.mux(self._stream.encode(None))
            self._container.close()
        except av.error.FFmpegError as error:
            raise write_failure(self.path, error) from error
        if not self.written:
            self.path.unlink(missing_ok=True)
            raise OutputError(f"no frame was written to '{self.path}': the empty file was removed")
        held = count_frames(self.path)
        if held != self.written:
            raise OutputError(
                f"'{self.path}' holds {held} of the {self.written} frames written: check the disk, then run it again"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        close_after(self.close, error)


def checked_video(path: str | Path) -> Path:
    """Return the path of a video to write, whose folder exists.

    Raises:
        UsageError: for an extension that is none of `VIDEO_EXTENSIONS`.
        OutputError: for a folder, or where its own folder does not exist.
    """
    target = checked_output(path)
    if target.suffix.lower() not in VIDEO_EXTENSIONS:
        known = " ".join(VIDEO_EXTENSIONS)
        raise UsageError(f"output '{path}' has no video extension that is known: end it with one of {known}")
    return target


def _representable(rate: Fraction) -> Fraction:
    """Return the nearest rate with terms up to `MAX_RATE_TERM`; 30000/1001 and its like stay as they are."""
    rate = max(rate.limit_denominator(MAX_RATE_TERM), Fraction(1, MAX_RATE_TERM))
    if rate.numerator > MAX_RATE_TERM:
        rate = 1 / (1 / rate).limit_denominator(MAX_RATE_TERM)
    return rate


def _pixels(plane: VideoPlane) -> NDArray[np.uint8]:
    """Return the memory of a plane, `(H, W')`: its lines may be longer than those of the picture."""
    return np.frombuffer(cast("memoryview[int]", plane), np.uint8).reshape(-1, plane.line_size)


def _configure(context: VideoCodecContext, width: int, height: int, rate: Fraction) -> None:
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.framerate, context.time_base = rate, 1 / rate
    # Unmarked video is guessed by its size: players would show BT.601 for small and BT.709 for large frames.
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = int(ColorRange.MPEG)
    if context.name == "libx264":
        context.options = {"preset": "veryfast", "crf": "23"}
        context.thread_type = ThreadType.FRAME  # PyAV asks for slices, whose threads wait for each other in every frame
    else:
        context.bit_rate = max(int(width * height * rate * 0.2), 1_000_000)  # 0.2 bits a pixel


def _encodes(name: str, width: int, height: int, rate: Fraction) -> bool:
    """Return whether an encoder is in this build and opens with these settings (a hardware one may be listed and
    absent).
    """
    try:
        context = cast(VideoCodecContext, CodecContext.create(name, "w"))
        _configure(context, width, height, rate)
        context.open()
    except (av.error.FFmpegError, ValueError) as error:
        logger.debug("encoder %s: %s", name, error)
        return False
    return True


def count_frames(path: Path) -> int:
    """Count the frames that a video file really holds, by its packets (not by its header); 0 when it cannot be read."""
    try:
        with av.open(str(path), mode="r") as container:
            return sum(packet.size > 0 for packet in container.demux(video=0))
    except (av.error.FFmpegError, IndexError):
        return 0
