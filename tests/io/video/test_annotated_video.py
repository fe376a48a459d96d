"""Annotated videos and the clock that gives irregular frames their places in them."""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.errors import OutputError
from siamtrack.io.sources import open_source
from siamtrack.io.video.annotated import MAX_DELAY, AnnotatedVideo, ConstantRateClock
from siamtrack.io.video.encoder import VideoEncoder
from siamtrack.system.stage_clock import StageClock

RATE = Fraction(25)


def played(times: list[float], rate: Fraction = RATE) -> list[int]:
    """The index of the frame at each place of the video."""
    clock, places = ConstantRateClock(rate), list[int]()
    for index, time in enumerate(times):
        places += [index - 1] * clock.begin(time)
    return places + [len(times) - 1] * clock.end()


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
def test_constant_rate_clock_places_frames(times: list[float], places: list[int]) -> None:
    assert played(times) == places


@given(
    st.lists(st.floats(0, 0.3), max_size=80),
    st.sampled_from([Fraction(10), Fraction(25), Fraction(30000, 1001)]),
)
def test_constant_rate_clock_is_never_more_than_a_frame_off(gaps: list[float], rate: Fraction) -> None:
    times = list(itertools.accumulate(gaps, initial=1.5))
    places, step = played(times, rate), 1 / float(rate)
    assert places == sorted(places)
    assert len(places) * step == pytest.approx(times[-1] - times[0], abs=2 * step)
    for place, index in enumerate(places):
        now = times[0] + place * step
        assert times[index] <= now + step + 1e-9
        if index + 1 < len(times):  # and what came after it was not there for more than a frame yet
            assert now <= times[index + 1] + step + 1e-9


def test_constant_rate_clock_keeps_the_last_picture_in_a_gap() -> None:
    clock = ConstantRateClock(RATE)
    assert clock.wait(9.0) == 0  # there is no picture yet
    assert clock.begin(0.0) == 0
    assert clock.wait(0.2) == 0  # it may come yet
    counts = [clock.wait(MAX_DELAY + 0.04 * step + 0.01) for step in range(1, 26)]
    assert counts == [1] * 25
    assert clock.begin(2.0) == 25
    assert clock.end() == 1
    assert clock.filled == 51


def test_annotated_video_holds_each_picture_as_often_as_asked(tmp_path: Path) -> None:
    path, stages = tmp_path / "out.mp4", StageClock()
    with VideoEncoder(path, 64, 48, RATE) as encoder, AnnotatedVideo(encoder, stages) as video:
        for level, places in ((40, 1), (200, 3), (90, 0), (120, 2)):
            video.put(partial(np.full, (48, 64, 3), level, np.uint8), places)
    with open_source(path) as source:
        levels = [round(float(frame.image.mean())) for frame in source if frame.image is not None]
    assert levels == [pytest.approx(level, abs=4) for level in (40, 200, 200, 200, 120, 120)]
    assert set(stages.seconds) == {"convert", "encode"}


def test_annotated_video_raises_the_error_of_a_picture_that_cannot_be_drawn(tmp_path: Path) -> None:
    def draw() -> np.ndarray:
        raise OutputError("nothing left to draw with")

    def fail() -> None:
        with VideoEncoder(tmp_path / "out.mp4", 64, 48, RATE) as encoder, AnnotatedVideo(encoder) as video:
            video.put(draw)

    with pytest.raises(OutputError, match="nothing left"):
        fail()
