"""Uploaded files: what is taken, by their content alone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from serving_clients import picture

from siamtrack.errors import SourceError
from siamtrack.io.video.encoder import VideoEncoder
from siamtrack.live.server.limits import LimitError, Limits
from siamtrack.live.server.uploads import NAME, check_video


def write(path: Path, rate: Fraction = Fraction(25), frames: int = 5) -> Path:
    with VideoEncoder(path, 64, 48, rate, threads=1) as sink:
        for _ in range(frames):
            sink.write(picture())
    return path


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv", ".avi"])
def test_videos_are_known_without_their_ending(tmp_path: Path, ending: str) -> None:
    check_video(write(tmp_path / f"clip{ending}").rename(tmp_path / NAME), Limits())


@pytest.mark.parametrize("container", ["mpegts", "mpeg", "flv", "asf", "webm"])
def test_those_that_are_not_written_here_too(tmp_path: Path, container: str) -> None:
    encoder = {"webm": "libvpx", "flv": "flv"}.get(container, "mpeg2video")
    if encoder not in av.codecs_available:
        pytest.skip(f"this build of PyAV has no {encoder}")
    with av.open(str(tmp_path / NAME), "w", format=container) as output:
        stream = output.add_stream(encoder, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(5):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture()), "bgr24")))
        output.mux(stream.encode(None))
    check_video(tmp_path / NAME, Limits())


@pytest.mark.parametrize("content", [b"GIF89a" + bytes(600), b"Good morning.\n" * 50, b"G", b"G" + bytes(187) + b"G"])
def test_one_letter_is_no_mark(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(SourceError, match="no video that is taken"):
        check_video(tmp_path / NAME, Limits())


def test_a_playlist_that_has_the_mark_of_a_container_is_not_followed(tmp_path: Path) -> None:
    """FFmpeg would open it, and with it the file that it names."""
    named = write(tmp_path / "named.mp4")
    head = b"#EXTM3U\nAVI \n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n"
    (tmp_path / NAME).write_bytes(head + str(named).encode() + b"\n#EXT-X-ENDLIST\n")
    with pytest.raises(SourceError, match="cannot be opened as a video"):
        check_video(tmp_path / NAME, Limits())


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_the_length_is_checked_wherever_it_is_stated(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"long{ending}", Fraction(1, 2), 40)  # 80 seconds
    check_video(path, Limits(minutes=1.5))
    with pytest.raises(LimitError, match="--max-minutes"):
        check_video(path, Limits(minutes=1))
