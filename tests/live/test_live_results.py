"""Results of a live run: the rows of the last frame may change, and the video plays as fast as things happened."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from siamtrack.boxes import Box, Image
from siamtrack.errors import UsageError
from siamtrack.io.draw import draw_targets
from siamtrack.io.frames import SourceInfo
from siamtrack.io.results import ResultFiles, Row
from siamtrack.io.video.annotated import MAX_DELAY, ConstantRateClock
from siamtrack.live.results import LiveResults, open_results
from siamtrack.tracking.confidence import Status

RATE = Fraction(25)


class Received:
    """Notes the rows and the pictures that it gets."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.pictures: list[tuple[Image, int]] = []

    def write(self, row: Row) -> None:
        self.rows.append(row)

    def close(self) -> None:
        """There is nothing to finish."""

    def put(self, draw: Callable[[], Image], places: int = 1) -> None:
        self.pictures.append((draw(), places))


def test_live_results_may_change_the_last_frame_until_it_is_written() -> None:
    image = np.full((48, 64, 3), 40, np.uint8)
    rows = [Row(index, 0.0, index, Box(4 + 8 * index, 10, 8, 8), 1.0, Status.TRACKED) for index in range(5)]
    received = Received()
    results = LiveResults(ResultFiles([received], received), ConstantRateClock(RATE))
    results.begin(0.0, image, rows[:1])
    results.replace_rows(rows[1:2])
    results.begin(0.12, image, rows[2:3])
    results.wait(0.12 + MAX_DELAY + 0.09)
    results.replace_rows(rows[3:4])
    results.begin(0.4, image, rows[4:])
    results.end()
    assert received.rows == [rows[1], rows[3], rows[4]]
    assert [places for _, places in received.pictures] == [3, 2, 5, 1]
    for (picture, _), row in zip(received.pictures, rows[1:], strict=True):
        np.testing.assert_array_equal(picture, draw_targets(image, [row], None))


def test_live_results_without_files_record_nothing() -> None:
    results = LiveResults(ResultFiles((), None), None)
    results.begin(0.0, np.zeros((48, 64, 3), np.uint8), ())
    results.wait(5.0)
    results.end()
    assert not results.is_recording


INFO = SourceInfo("camera", 64, 48, RATE, None, ())


def levels(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == RATE
        return [round(float(frame.to_ndarray(format="gray").mean())) for frame in container.decode(video=0)]


def show(results: LiveResults, time: float, level: int) -> None:
    results.begin(time, np.full((48, 64, 3), level, np.uint8), ())


def test_live_results_video_holds_each_picture_for_as_long_as_it_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with open_results(path, None, INFO) as results:
        for time, level in ((0.0, 40), (0.5, 120), (0.53, 200), (2.0, 80)):
            show(results, time, level)
    found = levels(path)
    assert len(found) == 51  # 2 seconds, and the last one
    starts = [index for index in range(51) if index == 0 or abs(found[index] - found[index - 1]) > 20]
    assert starts == [0, 12, 13, 50]


def test_live_results_leave_a_video_that_plays_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"

    def fail() -> None:
        with open_results(path, None, INFO) as results:
            show(results, 0.0, 40)
            show(results, 0.4, 40)
            raise ValueError("from within")

    with pytest.raises(ValueError, match="from within"):
        fail()
    assert len(levels(path)) == 11


def test_open_results_refuses_a_name_that_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no video extension"), open_results(tmp_path / "out.txt", None, INFO):
        pass
