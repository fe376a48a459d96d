"""Where results go: a video that is known to play, and rows as CSV, JSON or OTB text. All are context managers."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol, Self, cast

import av
import av.error
import cv2
import numpy as np
from av.codec import CodecContext
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.errors import SinkError, UsageError
from siamtrack.io.images import to_bgr8
from siamtrack.io.sources import EXACT_COLORS
from siamtrack.tracking.status import Status

logger = logging.getLogger(__name__)

VIDEO_EXTENSIONS = (".mp4", ".mkv", ".mov", ".avi")
"""Containers that are written."""

ENCODERS = ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf", "mpeg4")
"""Encoders in the order they are tried: H.264 plays everywhere, MPEG-4 part 2 is in every build of FFmpeg."""

CSV_HEADER = "frame,time,target,x,y,w,h,score,status"

MAX_RATE_TERM = 65535
"""Largest numerator and denominator of a frame rate that every container and encoder here holds (MPEG-4: 16 bits)."""

_BT709 = 1  # ISO/IEC 23091-2: the same number for primaries, transfer and matrix


@dataclass(frozen=True, slots=True)
class Row:
    """One target in one frame."""

    frame: int
    """Index of the frame in the source, 0-based."""
    time: float
    """Seconds since the start of the source."""
    target: int
    """Number of the target."""
    box: Box | None
    """Box in pixels, 0-based continuous; None for a skipped frame."""
    score: float | None
    """Confidence; None for a skipped frame."""
    status: Status


class RowSink(Protocol):
    """What takes rows."""

    def write(self, row: Row) -> None:
        """Take one row."""

    def close(self) -> None:
        """Finish the file."""


def check_outputs(outputs: Mapping[str, Path]) -> None:
    """Check before the work that all files of a command can be written.

    Args:
        outputs: the files by the option that asked for them.

    Raises:
        UsageError: when one is a folder, has no folder to be in, or is named twice.
        SinkError: when one is not writable.
    """
    taken: dict[Path, str] = {}
    for option, path in outputs.items():
        if path.is_dir():
            raise UsageError(f"{option} {path} is a folder: give the name of a file")
        if not path.parent.is_dir():
            raise UsageError(f"{option} {path}: the folder '{path.parent}' does not exist, make it first")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise SinkError(f"{option} {path} is not writable: choose another folder or change its permissions")
        other = taken.setdefault(path.resolve(), option)
        if other != option:
            raise UsageError(f"{other} and {option} name the same file, {path}: give each its own")


def refuse_inputs(output: str | Path, inputs: Iterable[Path]) -> None:
    """Refuse to write over a file that is read, also when a link leads to it.

    Raises:
        UsageError: when the output is one of the inputs.
    """
    path = Path(output)
    if path.exists() and any(source.exists() and path.samefile(source) for source in inputs):
        raise UsageError(f"output '{output}' is the input: give another name, nothing was overwritten")


def _checked(path: str | Path) -> Path:
    """The path of an output whose folder exists."""
    target = Path(path).expanduser()
    if target.is_dir():
        raise SinkError(f"output '{path}' is a folder: give the name of a file in it")
    if not target.parent.is_dir():
        raise SinkError(f"output folder '{target.parent}' does not exist: create it (mkdir -p '{target.parent}')")
    return target


def _failure(path: Path, error: OSError | av.error.FFmpegError) -> SinkError:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SinkError(f"disk full: '{path}' could not be written to the end; free space or choose another disk")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return SinkError(f"output '{path}' is not writable ({reason}): choose another folder or change its permissions")
    return SinkError(f"output '{path}' cannot be written: {reason}; choose another path")


class VideoSink:
    """An H.264 video (yuv420p, BT.709, crf 23) at an exact frame rate.

    The file is opened at once, so that a path that cannot be written is known before the work. Odd sizes are padded to
    even by repeating the last row or column; frames of another size are letterboxed. On an error or Ctrl-C inside the
    `with` block the video is closed with what was written and plays.

    Args:
        path: file to write; its extension, one of `VIDEO_EXTENSIONS`, chooses the container.
        width: width of the frames in pixels.
        height: height of the frames in pixels.
        rate: frames per second.
        threads: threads of the encoder; with 1, a frame is encoded when it is written. None: the encoder's choice.

    Raises:
        UsageError: for another extension, an empty size or a rate that is not positive.
        SinkError: when the file or no encoder can be opened.
    """

    def __init__(
        self, path: str | Path, width: int, height: int, rate: Fraction, *, threads: int | None = None
    ) -> None:
        self.path = _checked(path)
        if self.path.suffix.lower() not in VIDEO_EXTENSIONS:
            known = " ".join(VIDEO_EXTENSIONS)
            raise UsageError(f"output '{path}' has no video extension that is known: end it with one of {known}")
        if width <= 0 or height <= 0:
            raise UsageError(f"a video of {width}x{height} pixels cannot be written: both must be positive")
        if rate <= 0:
            raise UsageError(f"frame rate {rate} cannot be written: it must be positive")
        self.written = 0
        """Frames given to the encoder so far."""
        self._width, self._height = width, height
        self._closed = False
        self._broken = False
        self._reformatter = VideoReformatter()
        self._container, self._stream = self._open(_representable(Fraction(rate)), threads or 0)

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
            raise SinkError(f"no encoder for {shown} video in this build of PyAV (tried {', '.join(ENCODERS)})")
        try:
            container = av.open(str(self.path), mode="w", options=options)
            stream = cast(VideoStream, container.add_stream(encoder, rate=rate))
            _configure(stream.codec_context, *size, rate)
            stream.codec_context.thread_count = threads
            if self.path.suffix.lower() == ".avi":
                stream.codec_context.max_b_frames = 0  # AVI has no times of display
            container.start_encoding()
        except av.error.FFmpegError as error:
            raise _failure(self.path, error) from error
        return container, stream

    def write(self, image: NDArray[Any]) -> None:
        """Append a frame.

        Args:
            image: `(H, W, 3)` uint8 BGR, or what `to_bgr8` takes; it is not changed.

        Raises:
            SinkError: when it cannot be written, for example because the disk is full.
        """
        if self._closed:
            raise SinkError(f"output '{self.path}' is closed: no frame can be added")
        picture = letterbox(to_bgr8(image), self._width, self._height)
        # Every pixel of the source stays; yuv420p needs even sides.
        odd = self._height % 2, self._width % 2
        if any(odd):
            picture = np.pad(picture, ((0, odd[0]), (0, odd[1]), (0, 0)), mode="edge")
        frame = self._reformatter.reformat(
            VideoFrame.from_ndarray(picture, format="bgr24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=EXACT_COLORS,
        )
        frame.pts = self.written
        frame.time_base = self._stream.codec_context.time_base
        try:
            packets = self._stream.encode(frame)
            self.written += 1
            self._container.mux(packets)
        except av.error.FFmpegError as error:
            self._broken = True
            raise _failure(self.path, error) from error

    def close(self) -> None:
        """Flush the encoder, finish the file and count its frames.

        Raises:
            SinkError: when the file does not hold as many frames as were written. A file without frames is removed.
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
            raise _failure(self.path, error) from error
        if not self.written:
            self.path.unlink(missing_ok=True)
            raise SinkError(f"no frame was written to '{self.path}': the empty file was removed")
        held = count_frames(self.path)
        if held != self.written:
            raise SinkError(
                f"'{self.path}' holds {held} of the {self.written} frames written: check the disk, then run it again"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _close_after(self, error)


def _close_after(sink: RowSink | VideoSink, error: BaseException | None) -> None:
    """Close a sink at the end of its block; the block's own error is the one to be told."""
    try:
        sink.close()
    except SinkError as failure:
        if error is None:
            raise
        logger.debug("while closing after %r: %s", error, failure)


def _representable(rate: Fraction) -> Fraction:
    """The nearest rate with terms up to `MAX_RATE_TERM`; 30000/1001 and its like stay as they are."""
    rate = max(rate.limit_denominator(MAX_RATE_TERM), Fraction(1, MAX_RATE_TERM))
    if rate.numerator > MAX_RATE_TERM:
        rate = 1 / (1 / rate).limit_denominator(MAX_RATE_TERM)
    return rate


def _configure(context: VideoCodecContext, width: int, height: int, rate: Fraction) -> None:
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.framerate, context.time_base = rate, 1 / rate
    # Unmarked video is guessed by its size: players would show BT.601 for small and BT.709 for large frames.
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.color_range = int(ColorRange.MPEG)
    if context.name == "libx264":
        context.options = {"preset": "veryfast", "crf": "23"}
    else:
        context.bit_rate = max(int(width * height * rate * 0.2), 1_000_000)  # 0.2 bits a pixel


def _encodes(name: str, width: int, height: int, rate: Fraction) -> bool:
    """Whether an encoder is in this build and opens with these settings (a hardware one may be listed and absent)."""
    try:
        context = cast(VideoCodecContext, CodecContext.create(name, "w"))
        _configure(context, width, height, rate)
        context.open()
    except (av.error.FFmpegError, ValueError) as error:
        logger.debug("encoder %s: %s", name, error)
        return False
    return True


def letterbox(image: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Fit an image into a size: scaled with its aspect kept, centred on black.

    Args:
        image: `(H, W, 3)` uint8, any colour order.
        width: width of the result in pixels.
        height: height of the result in pixels.

    Returns:
        `(height, width, 3)` uint8; the input itself when it has that size.
    """
    rows, columns = image.shape[:2]
    if (columns, rows) == (width, height):
        return image
    scale = min(width / columns, height / rows)
    inner = max(1, min(width, round(columns * scale))), max(1, min(height, round(rows * scale)))
    resized = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    result = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    result[top : top + inner[1], left : left + inner[0]] = resized
    return result


def count_frames(path: Path) -> int:
    """Count the frames that a video file really holds, by its packets (not by its header); 0 when it cannot be read."""
    try:
        with av.open(str(path), mode="r") as container:
            return sum(packet.size > 0 for packet in container.demux(video=0))
    except (av.error.FFmpegError, IndexError):
        return 0


class _FileSink(ABC):
    """A file that is written line by line, each of them on disk before the next."""

    def __init__(self, path: str | Path, target: Path | None = None) -> None:
        self.path = _checked(path)
        self._written = target or self.path
        try:
            self._file: IO[bytes] = self._written.open("wb")
        except OSError as error:
            raise _failure(self.path, error) from error

    def _put(self, text: str) -> None:
        try:
            self._file.write(text.encode())
            self._file.flush()
        except OSError as error:
            failure = _failure(self.path, error)
            where = f"; the rows so far are in '{self._written}'" if self._written != self.path else ""
            raise SinkError(f"{failure}{where}") from error

    def close(self) -> None:
        """Finish the file.

        Raises:
            SinkError: when the last lines cannot be written.
        """
        try:
            self._file.close()
        except OSError as error:
            raise _failure(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _close_after(self, error)

    @abstractmethod
    def write(self, row: Row) -> None:
        """Append a row."""


class CsvSink(_FileSink):
    """Rows under the header `CSV_HEADER`, each flushed as it comes; boxes are 0-based, skipped frames have no numbers.

    Args:
        path: file to write.

    Raises:
        SinkError: when it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._put(CSV_HEADER + "\n")

    def write(self, row: Row) -> None:
        """Append a row: time with 6, box with 3 and score with 4 decimals."""
        box = ",,," if row.box is None else ",".join(_decimals(value, 3) for value in row.box)
        score = "" if row.score is None else _decimals(row.score, 4)
        self._put(f"{row.frame},{_decimals(row.time, 6)},{row.target},{box},{score},{row.status.value}\n")


class OtbSink(_FileSink):
    """Boxes of one target, a line a frame, as OTB and GOT-10k store them: `x,y,w,h` from 1, nan for a skipped frame.

    Args:
        path: file to write.

    Raises:
        SinkError: when it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._target: int | None = None

    def write(self, row: Row) -> None:
        """Append a line.

        Raises:
            UsageError: for a second target; the format has no place for it.
        """
        if self._target not in (None, row.target):
            raise UsageError(f"OTB text '{self.path}' holds one target: use CSV or JSON for several")
        self._target = row.target
        box = (math.nan,) * 4 if row.box is None else row.box.to_one_based()
        self._put(",".join(_decimals(value, 3) for value in box) + "\n")


class JsonSink(_FileSink):
    """One JSON object: the header's fields, `frames` with the rows, and what `finish` adds.

    Rows go to `.NAME.partial` beside the file as they come; `close` makes it a whole object and renames it, so that
    the file is valid JSON after Ctrl-C too and never half written. Each row has the names of the CSV columns, with
    null where the CSV is empty. Numbers that JSON does not have (nan, inf) become null; paths and fractions, text.

    Args:
        path: file to write.
        header: fields that are known at the start (settings, model card, machine, source).

    Raises:
        UsageError: when the header has a field `frames`, or the path is a device or a pipe.
        SinkError: when it cannot be written.
    """

    def __init__(self, path: str | Path, header: Mapping[str, Any]) -> None:
        self._target = _checked(path).resolve()  # a link stays a link, to a new file
        if self._target.exists() and not self._target.is_file():
            raise UsageError(f"JSON '{path}' is no file but a device or a pipe: give a file, or take CSV for a pipe")
        self._partial = self._target.with_name(f".{self._target.name}.partial")
        self._names = {"frames"}
        self._check(header)
        super().__init__(path, self._partial)
        self._extra: dict[str, Any] = {}
        self._put("{\n" + "".join(f"{_field(name, value)},\n" for name, value in header.items()) + '"frames": [')
        self._head = self._file.tell()

    def write(self, row: Row) -> None:
        """Append a row."""
        x, y, width, height = row.box or (None,) * 4
        values: dict[str, Any] = {"frame": row.frame, "time": _rounded(row.time, 6), "target": row.target}
        values |= {"x": _rounded(x, 3), "y": _rounded(y, 3), "w": _rounded(width, 3), "h": _rounded(height, 3)}
        values |= {"score": _rounded(row.score, 4), "status": row.status.value}
        # Asked of the file rather than remembered: Ctrl-C may come between writing a row and noting it.
        lead = "\n" if self._file.tell() == self._head else ",\n"
        self._put(lead + _json(values))

    def finish(self, extra: Mapping[str, Any]) -> None:
        """Add fields that are known at the end only (stage times); they are written by `close`.

        Raises:
            UsageError: when a field is there already.
        """
        self._check(extra)
        self._extra.update(extra)

    def close(self) -> None:
        """Complete the object and give the file its name.

        Raises:
            SinkError: when it cannot be written; the rows stay in `.NAME.partial`.
        """
        if self._file.closed:
            return
        try:
            self._put("\n]" + "".join(f",\n{_field(name, value)}" for name, value in self._extra.items()) + "\n}\n")
            os.fsync(self._file.fileno())
            self._file.close()
            self._partial.replace(self._target)
        except OSError as error:
            raise _failure(self.path, error) from error

    def _check(self, fields: Mapping[str, Any]) -> None:
        repeated = self._names & fields.keys()
        if repeated:
            raise UsageError(f"JSON field '{min(repeated)}' is there already: choose another name")
        self._names |= fields.keys()


def _rounded(value: float | None, digits: int) -> float | None:
    # Adding zero turns -0.0, which reads like a mistake, into 0.0.
    return None if value is None else round(float(value), digits) + 0.0


def _decimals(value: float, digits: int) -> str:
    return f"{_rounded(value, digits):.{digits}f}"


def _field(name: str, value: Any) -> str:
    return f"{json.dumps(name)}: {_json(value)}"


def _json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """What JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
