"""Videos that pages upload: taken in pieces, and looked at before a decoder sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from pathlib import Path

import av
import av.error

from siamtrack.errors import OutputError, SourceError, UsageError
from siamtrack.live.server.limits import Limits

NAME = "upload"
"""Name of the file in a session's folder; without an ending, so that its content alone says what it is."""

_CONTAINERS: tuple[tuple[str, bytes, tuple[int, ...]], ...] = (
    ("mp4", b"ftyp", (4,)),
    ("mp4", b"moov", (4,)),
    ("mp4", b"mdat", (4,)),
    ("mp4", b"wide", (4,)),
    ("matroska", b"\x1a\x45\xdf\xa3", (0,)),
    ("avi", b"AVI ", (8,)),
    ("ogg", b"OggS", (0,)),
    ("flv", b"FLV\x01", (0,)),
    ("mpeg", b"\x00\x00\x01\xba", (0,)),
    ("mpegts", b"\x47", (0, 188, 376)),  # one letter, that stands before each packet
    ("asf", b"\x30\x26\xb2\x75", (0,)),
)
"""Containers that are accepted: FFmpeg's name, a mark of each, and all places where the file has it.

FFmpeg opens much more, playlists among it, which name other files and addresses that the server would then read.
"""
_HEAD = 377
"""Bytes up to the last mark."""


async def receive(chunks: AsyncIterable[bytes], folder: Path, limits: Limits, used: int) -> Path:
    """Write an upload into a session's folder; an earlier one is replaced, half of one is removed.

    Args:
        chunks: of the file.
        folder: of the session, into which nobody else uploads meanwhile.
        limits: of the session.
        used: size of its files so far, in bytes.

    Raises:
        UsageError: when it is larger than allowed, alone or with what is there.
        OutputError: when it cannot be written.
    """
    path = folder / f"{NAME}.partial"
    size = 0
    try:
        with path.open("wb") as file:
            async for chunk in chunks:
                size += len(chunk)
                check_upload_size(size, limits)
                limits.check_disk(used + size)
                await asyncio.to_thread(file.write, chunk)
        return path.replace(folder / NAME)
    except OSError as error:
        raise OutputError(f"the video cannot be kept: {error.strerror or error}; make room and try again") from error
    finally:
        path.unlink(missing_ok=True)


def check_upload_size(size: int, limits: Limits) -> None:
    """Check the size of an upload in bytes.

    Raises:
        UsageError: when it is larger than allowed.
    """
    if size > limits.upload_bytes:
        raise UsageError(
            f"the video is larger than this server takes ({limits.upload:g} MB): make it shorter or smaller, or start "
            "the server with --max-upload"
        )


def check_video(path: Path, limits: Limits) -> None:
    """Check what an uploaded file says about itself before any of it is decoded.

    Raises:
        SourceError: when it is no video that is taken.
        UsageError: when its frames are larger than allowed, or it is longer.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    found = [name for name, mark, places in _CONTAINERS if all(head.startswith(mark, place) for place in places)]
    if not found:
        raise SourceError("the file is no video that is taken here: give MP4, MOV, MKV, WebM, AVI or MPEG")
    try:
        options = {"format_whitelist": ",".join(found)}
        with av.open(str(path), metadata_errors="replace", options=options) as container:
            if container.duration is not None:  # Matroska states none for its streams
                limits.check_length(container.duration / av.time_base)
            for stream in container.streams.video:
                if stream.codec_context is not None:
                    limits.check_size(max(stream.codec_context.width, 1), max(stream.codec_context.height, 1))
                if stream.duration is not None and stream.time_base is not None:
                    limits.check_length(float(stream.duration * stream.time_base))
    except av.error.FFmpegError as error:
        raise SourceError(
            f"the file cannot be opened as a video: it is damaged or cut off ({error.strerror})"
        ) from error
