"""A recording plays as fast as things happened, however irregularly the frames came."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.errors import OutputError, UsageError
from siamtrack.io.frames import SourceInfo
from siamtrack.live.recording import LAG, Recording, Stretch, Timeline, record

RATE = Fraction(25)


def played(times: list[float], rate: Fraction = RATE) -> list[int]:
    """The index of the frame at each place of the video."""
    timeline, places = Timeline(rate), list[int]()
    for index, time in enumerate(times):
        places += [index - 1] * timeline.begin(time)
    return places + [len(times) - 1] * timeline.end()


@pytest.mark.parametrize(
    ("times", "places"),
    [
        pytest.param([0, 0.04, 0.08], [0, 1, 2], id="just right"),
        pytest.param([7.0, 7.04, 7.08], [0, 1, 2], id="a source that has run for a while"),
        pytest.param([0, 0.055, 0.075, 0.13, 0.16], [0, 1, 2, 3, 4], id="jitter is not seen"),
        pytest.param([0, 0.08, 0.16], [0, 0, 1, 1, 2], id="half as many frames: each is kept"),
        pytest.param([0, 0.02, 0.04, 0.06, 0.08], [0, 2, 4], id="twice as many: the newest counts"),
        pytest.param([0, 0.04, 0.4], [0] + [1] * 9 + [2], id="a gap is filled by what was before it"),
        pytest.param([3.0], [0], id="one frame"),
        pytest.param([], [], id="none"),
    ],
)
def test_where_frames_are_placed(times: list[float], places: list[int]) -> None:
    assert played(times) == places


@given(
    st.lists(st.floats(0, 0.3), max_size=80),
    st.sampled_from([Fraction(10), Fraction(25), Fraction(30000, 1001)]),
)
def test_what_is_seen_is_never_more_than_a_frame_off(gaps: list[float], rate: Fraction) -> None:
    times = list(itertools.accumulate(gaps, initial=1.5))
    places, step = played(times, rate), 1 / float(rate)
    assert places == sorted(places)
    assert len(places) * step == pytest.approx(times[-1] - times[0], abs=2 * step)
    for place, index in enumerate(places):
        now = times[0] + place * step
        assert times[index] <= now + step + 1e-9
        if index + 1 < len(times):  # and what came after it was not there for more than a frame yet
            assert now <= times[index + 1] + step + 1e-9


def test_where_nothing_comes_the_last_picture_stays_and_the_next_is_in_its_place() -> None:
    timeline = Timeline(RATE)
    assert timeline.reach(9.0) == 0  # there is no picture yet
    assert timeline.begin(0.0) == 0
    assert timeline.reach(0.2) == 0  # it may come yet
    counts = [timeline.reach(LAG + 0.04 * step + 0.01) for step in range(1, 26)]
    assert counts == [1] * 25
    assert timeline.begin(2.0) == 25
    assert timeline.end() == 1
    assert timeline.filled == 51


def test_the_last_picture_may_change_until_it_is_written() -> None:
    stretches = list[Stretch]()
    recording = Recording(RATE, stretches.append)
    pictures = [np.full((4, 4, 3), level, np.uint8) for level in range(4)]
    recording.show(0.0, lambda: pictures[0])
    recording.amend(lambda: pictures[1])
    recording.show(0.12, lambda: pictures[2])
    recording.reach(0.12 + LAG + 0.09)
    recording.amend(lambda: pictures[3])
    recording.show(0.4, lambda: pictures[0])
    recording.end()
    assert [(int(stretch.draw()[0, 0, 0]), stretch.places) for stretch in stretches] == [(1, 3), (2, 2), (3, 5), (0, 1)]


INFO = SourceInfo("camera", 64, 48, RATE, None, ())


def levels(path: Path) -> list[int]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == RATE
        return [round(float(frame.to_ndarray(format="gray").mean())) for frame in container.decode(video=0)]


def show(recording: Recording, time: float, level: int) -> None:
    recording.show(time, lambda: np.full((48, 64, 3), level, np.uint8))


def test_the_video_holds_each_picture_for_as_long_as_it_was_seen(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with record(path, INFO) as recording:
        for time, level in ((0.0, 40), (0.5, 120), (0.53, 200), (2.0, 80)):
            show(recording, time, level)
    found = levels(path)
    assert len(found) == 51  # 2 seconds, and the last one
    starts = [index for index in range(51) if index == 0 or abs(found[index] - found[index - 1]) > 20]
    assert starts == [0, 12, 13, 50]


def test_an_error_leaves_a_video_that_plays(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"

    def fail() -> None:
        with record(path, INFO) as recording:
            show(recording, 0.0, 40)
            show(recording, 0.4, 40)
            raise ValueError("from within")

    with pytest.raises(ValueError, match="from within"):
        fail()
    assert len(levels(path)) == 11


def test_a_picture_that_cannot_be_drawn_is_told(tmp_path: Path) -> None:
    def draw() -> np.ndarray:
        raise OutputError("nothing left to draw with")

    def fail() -> None:
        with record(tmp_path / "out.mp4", INFO) as recording:
            recording.show(0.0, draw)

    with pytest.raises(OutputError, match="nothing left"):
        fail()


def test_a_name_that_is_no_video_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no video extension"), record(tmp_path / "out.txt", INFO):
        pass
