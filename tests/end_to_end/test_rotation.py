"""A phone's video says how it is to be turned: it is turned once, when it is read, and what is written says nothing."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import shown_clip

import siamtrack
from siamtrack.boxes import Image, iou
from siamtrack.cli import main


def write_turned(path: Path, upright: list[Image], degrees: int) -> None:
    """A video whose pictures lie on their side, and whose header says by how much they are turned when shown."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"crf": "10"})
        stored = [np.ascontiguousarray(np.rot90(image, -degrees // 90)) for image in upright]
        stream.height, stream.width = stored[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.set_display_rotation(degrees, False, False)
        for image in stored:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        container.mux(stream.encode(None))


def stored_pictures(path: Path) -> list[Image]:
    """The pictures as they lie in the file; a video that turns them says so in a display matrix."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        assert all(frame.side_data.get("DISPLAYMATRIX") is None for frame in frames)
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in frames]


def shown_pictures(path: Path) -> list[Image]:
    """The pictures as OpenCV's player shows them, turned as the file says."""
    capture = cv2.VideoCapture(str(path))
    pictures = []
    while True:
        there, picture = capture.read()
        if not there:
            capture.release()
            return pictures
        pictures.append(np.asarray(picture, np.uint8))


def assert_upright(path: Path, upright: list[Image]) -> None:
    """Whether a video is upright as it is stored and as it is shown; drawings in it are few."""
    for pictures in (stored_pictures(path), shown_pictures(path)):
        assert len(pictures) == len(upright)
        for picture, expected in zip(pictures, upright, strict=True):
            assert picture.shape == expected.shape
            assert np.median(np.abs(picture.astype(int) - expected)) < 8


@pytest.fixture(params=[90, 180, 270])
def turned(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "phone.mp4"
    write_turned(path, shown_clip.images(), request.param)
    return path


def test_the_clip_is_upright_to_another_player(turned: Path) -> None:
    for shown, expected in zip(shown_pictures(turned), shown_clip.images(), strict=True):
        assert shown.shape == expected.shape
        assert np.median(np.abs(shown.astype(int) - expected)) < 8


def test_track_finds_the_target_upright_and_writes_it_upright(turned: Path, tmp_path: Path) -> None:
    video, table = tmp_path / "out.mp4", tmp_path / "out.csv"
    options = ["--model", "siamtrack-lite", "--threads", "1", "--output", str(video), "--csv", str(table)]
    assert main(["track", str(turned), "--box", "120,80,64,48", *options]) == 0
    assert_upright(video, shown_clip.images())
    with table.open(newline="") as file:
        boxes = np.array([[float(row[key]) for key in "xywh"] for row in csv.DictReader(file)])
    truths = np.array([shown_clip.truth(shown_clip.FIRST, index) for index in range(shown_clip.FRAMES)])
    assert iou(boxes, truths).min() > 0.7


@pytest.mark.parametrize("with_source", [False, True])
def test_what_is_read_and_written_again_is_upright(turned: Path, tmp_path: Path, with_source: bool) -> None:
    path = tmp_path / "copy.mp4"
    with (
        siamtrack.open_source(turned) as source,
        siamtrack.VideoWriter(path, like=source if with_source else None) as video,
    ):
        for frame in source:
            video.write(frame.image)
    assert_upright(path, shown_clip.images())
