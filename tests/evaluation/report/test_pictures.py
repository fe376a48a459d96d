"""The part of a frame that a picture shows, and what is drawn into it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, Truth
from siamtrack.errors import DataError
from siamtrack.evaluation.report.palette import make_styles
from siamtrack.evaluation.report.pictures import (
    HEIGHT,
    WIDTH,
    FrameBoxes,
    find_window,
    read_frames,
    spread,
    take_picture,
)

STYLES = make_styles(["a", "b"])
sides = st.floats(1, 700)


def boxes(*rows: tuple[float, float, float, float]) -> NDArray[np.float64]:
    return np.array(rows, np.float64).reshape(-1, 4)


@given(st.lists(st.tuples(st.floats(0, 599), st.floats(0, 399), sides, sides), min_size=1, max_size=4))
def test_a_window_is_inside_the_frame_and_holds_what_is_seen_of_the_boxes(rows: list[tuple[float, ...]]) -> None:
    given_boxes = np.array(rows)
    window = find_window(given_boxes, 600, 400)
    assert window.left >= 0
    assert window.top >= 0
    assert window.left + window.width <= 600
    assert window.top + window.height <= 400
    low, high = given_boxes[:, :2], np.minimum(given_boxes[:, :2] + given_boxes[:, 2:], [600, 400])
    assert (low >= np.array([window.left, window.top]) - 1).all()
    assert (high <= np.array([window.left + window.width, window.top + window.height]) + 1).all()


def test_a_window_has_the_shape_of_a_picture() -> None:
    window = find_window(boxes((300, 200, 60, 60)), 1000, 1000)
    assert window.width / window.height == pytest.approx(WIDTH / HEIGHT, abs=0.02)
    assert window.left + window.width / 2 == pytest.approx(330, abs=1)


def test_without_a_box_inside_the_whole_frame_is_shown() -> None:
    assert find_window(boxes(), 300, 200) == (0, 0, 300, 200)
    assert find_window(boxes((-90, -90, 50, 50), (10, 10, 0, 5)), 300, 200) == (0, 0, 300, 200)


def decode(jpeg: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, np.uint8)


def test_boxes_are_drawn_where_they_are() -> None:
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    far, truth = np.array([10.0, 10, 300, 220]), np.array([100.0, 80, 120, 80])
    picture = take_picture(7, frame, FrameBoxes(truth, {"a": far}), STYLES)
    image = decode(picture.jpeg).astype(int)
    assert (picture.frame, picture.width, picture.height) == (7, WIDTH, HEIGHT)  # the boxes need the whole frame
    assert np.abs(image[120, 8:12] - STYLES["a"].bgr).sum(axis=1).min() < 90
    assert image[80, 90:230].min(axis=1).max() > 170  # a white dash
    assert image[120, 160].max() < 40
    assert not frame.any()  # it is left alone


def test_boxes_that_are_not_known_are_left_out() -> None:
    frame = np.full((90, 120, 3), 60, np.uint8)
    unknown = np.full(4, np.nan)
    picture = take_picture(0, frame, FrameBoxes(unknown, {"a": unknown}), STYLES)
    assert np.abs(decode(picture.jpeg).astype(int) - 60).max() < 5
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("shape", [(3000, 20), (20, 3000), (2, 2)])
def test_frames_of_any_shape(shape: tuple[int, int]) -> None:
    frame = np.zeros((*shape, 3), np.uint8)
    picture = take_picture(0, frame, FrameBoxes(np.array([0.0, 0, 2, 2]), {}), STYLES)
    assert decode(picture.jpeg).shape == (picture.height, picture.width, 3)
    assert picture.width <= WIDTH
    assert picture.height <= HEIGHT


@dataclass(frozen=True)
class Video:
    """Frames without files, each of the gray of its number."""

    length: int

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        for number in range(self.length):
            assert number <= 5, "what comes after the last frame that is wanted is not decoded"
            yield np.full((2, 2, 3), number, np.uint8)

    def paths(self) -> None:
        return None


@dataclass(frozen=True)
class Files:
    files: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        raise AssertionError("only the wanted ones are decoded")

    def paths(self) -> list[Path]:
        return list(self.files)


def no_truth() -> Truth:
    raise AssertionError("no truth is needed")


def test_frames_of_a_video() -> None:
    found = list(read_frames(EvaluationSequence("v", Video(100), no_truth), {5, 2}))
    assert [(number, int(frame[0, 0, 0])) for number, frame in found] == [(2, 2), (5, 5)]


def test_frames_of_pictures(tmp_path: Path) -> None:
    files = tuple(tmp_path / f"{number}.png" for number in range(4))
    for number in (1, 3):
        cv2.imwrite(str(files[number]), np.full((2, 2, 3), number, np.uint8))
    sequence = EvaluationSequence("s", Files(files), no_truth)
    assert [(number, int(frame[0, 0, 0])) for number, frame in read_frames(sequence, {3, 1})] == [(1, 1), (3, 3)]
    files[2].write_text("no picture")
    for number, complaint in ((0, "cannot be read"), (2, "is no picture")):
        with pytest.raises(DataError, match=rf"sequence s: .*{number}\.png {complaint}"):
            list(read_frames(sequence, {number}))


def test_pictures_are_spread_from_first_to_last() -> None:
    assert spread(101, 5) == (0, 25, 50, 75, 100)
    assert spread(2, 6) == (0, 1)
    assert spread(1, 6) == spread(9, 1) == (0,)
