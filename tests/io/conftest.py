"""Videos rendered for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import pytest
from rendering import HEIGHT, WIDTH, Render, numbered, to_frame


@pytest.fixture
def render(tmp_path: Path) -> Render:
    """Write a video of `numbered` frames."""

    def write(
        name: str = "video.mp4",
        frames: int = 30,
        rate: Fraction = Fraction(25),
        *,
        codec: str = "libx264",
        size: tuple[int, int] = (WIDTH, HEIGHT),
        times: Sequence[int] | None = None,
        rotation: tuple[int, bool, bool] | None = None,
    ) -> Path:
        path = tmp_path / name
        # The index comes first, so that a file that is cut off can still be opened.
        options = {"movflags": "+faststart"} if path.suffix == ".mp4" else {}
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream(codec, rate=rate)
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.gop_size = 10
            if codec == "libx264":
                stream.options = {"crf": "10"}
            else:
                stream.bit_rate = 4_000_000
            if rotation is not None:
                stream.set_display_rotation(*rotation)
            for index in range(frames):
                frame = to_frame(numbered(index, *size))
                frame.pts = index if times is None else times[index]
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of 12 `numbered` images and a file that is none."""
    path = tmp_path / "frames"
    path.mkdir()
    for index in range(12):
        cv2.imwrite(str(path / f"frame{index}.{'PNG' if index % 2 else 'png'}"), numbered(index))
    (path / "groundtruth.txt").write_text("1,2,3,4\n")
    return path
