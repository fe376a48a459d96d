"""The picture of a run: made of what its tables hold, and of no more."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.training.curves import draw_curves, read_columns, smooth
from siamtrack.training.loop import StepRecord
from siamtrack.training.records import Overlap, tables


def report(step: int, overlap: float = 0.0) -> StepRecord:
    return StepRecord(
        step=step,
        steps=100,
        loss=1 / step,
        logistic=0.1,
        ranking=0.1,
        negatives=0.1,
        center_error=50 / step,
        box=0.0,
        overlap=overlap,
        contrastive=0.0,
        triplet=0.0,
        learning_rate=1e-3,
        pairs_per_second=20.0,
        wait=0.0,
    )


def height(path: Path | None) -> int:
    assert path is not None
    image = cv2.imread(str(path))
    assert image is not None
    assert image.std() > 5  # something is drawn
    return image.shape[0]


def test_a_panel_for_every_figure_that_says_something(tmp_path: Path) -> None:
    heights = []
    for name, overlap, validated in (("three", 0.0, False), ("boxes", 0.4, False), ("validated", 0.4, True)):
        (tmp_path / name).mkdir()
        with tables(tmp_path / name, 0) as record:
            for step in range(20, 101, 20):
                record(report(step, overlap))
            if validated:
                record(Overlap(40, 0.5, 12))
                record(Overlap(100, 0.6, 12))
        heights.append(height(draw_curves(tmp_path / name, "a run for $5")))
    panel = heights[1] - heights[0]
    assert heights == [heights[0], heights[0] + panel, heights[0] + 2 * panel]


@pytest.mark.parametrize("steps", [(), (20,)])
def test_a_run_without_two_reports_has_no_picture(tmp_path: Path, steps: tuple[int, ...]) -> None:
    assert draw_curves(tmp_path, "nothing yet") is None
    with tables(tmp_path, 0) as record:
        for step in steps:
            record(report(step))
    assert draw_curves(tmp_path, "nothing yet") is None
    assert not (tmp_path / "curves.png").exists()


def test_a_run_that_goes_on_replaces_its_picture(tmp_path: Path) -> None:
    for last in (40, 100):
        with tables(tmp_path, last - 40) as record:
            for step in range(last - 20, last + 1, 20):
                record(report(step))
        draw_curves(tmp_path, "a run")
    assert read_columns(tmp_path / "log.csv")["step"].tolist() == [20, 40, 80, 100]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["curves.png", "log.csv", "validation.csv"]


@given(st.lists(st.floats(-10, 10) | st.just(math.nan), min_size=1, max_size=30), st.integers(1, 40))
def test_smoothing_is_the_mean_of_what_is_known_around(values: list[float], count: int) -> None:
    reach = count // 2
    expected = []
    for place in range(len(values)):
        around = [each for each in values[max(place - reach, 0) : place + reach + 1] if not math.isnan(each)]
        expected.append(sum(around) / len(around) if around else math.nan)
    np.testing.assert_allclose(smooth(np.array(values), count), expected, atol=1e-12)
