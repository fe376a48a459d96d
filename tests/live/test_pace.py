"""A file that is played at its own rate, on a clock that the test moves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from live_sources import Pictures

from siamtrack.live.pace import PacedFrames

IMAGES = [np.zeros((48, 64, 3), np.uint8)] * 4


@dataclass
class Clock:
    now: float = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


def test_each_frame_comes_when_it_is_due(clock: Clock) -> None:
    frames = list(PacedFrames(Pictures(IMAGES, rate=Fraction(4))))
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.captured for frame in frames] == pytest.approx([100, 100.25, 100.5, 100.75])
    assert clock.now == pytest.approx(100.75)


def test_a_frame_that_is_not_due_is_none_and_not_lost(clock: Clock) -> None:
    source = PacedFrames(Pictures(IMAGES, rate=Fraction(4)))
    polled = [source.poll(0.1) for _ in range(4)]
    assert [None if frame is None else frame.index for frame in polled] == [0, None, None, 1]
    assert clock.now == pytest.approx(100.25)


def test_after_a_pause_it_goes_on_at_the_same_rate_and_never_faster(clock: Clock) -> None:
    source = PacedFrames(Pictures(IMAGES, rate=Fraction(4)))
    next(source)
    clock.now = 130.0
    frames = [next(source) for _ in range(3)]
    assert [frame.captured for frame in frames] == pytest.approx([130, 130.25, 130.5])
    with pytest.raises(StopIteration):
        source.poll(0.1)


def test_closing_closes_the_file() -> None:
    pictures = Pictures(IMAGES)
    with PacedFrames(pictures) as source:
        assert (source.info, source.is_file) == (pictures.info, True)
        assert (source.dropped, source.notice, source.ended) == (0, None, None)
    assert pictures.closed
