from __future__ import annotations

import pytest

from siamtrack.live.meter import SPAN, Meter


def test_figures_are_those_of_the_last_frames() -> None:
    meter = Meter()
    assert (meter.fps, meter.delay) == (None, None)
    meter.add(0.0, 0.5)
    assert (meter.fps, meter.delay) == (None, 0.5)
    for index in range(SPAN):
        meter.add(10 + 0.04 * index, 10.03 + 0.04 * index + (index == 7))
    assert meter.fps == pytest.approx(25)
    assert meter.delay == pytest.approx(0.03)  # one slow frame is not what is usual
    meter.restart()
    assert (meter.fps, meter.delay) == (None, None)
