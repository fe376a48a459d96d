"""Figures of training pairs, against pairs that were made by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from siamtrack.errors import UsageError
from siamtrack.training.pairs import PairSample
from siamtrack.training.preview import measure_pairs, spread

SAMPLE = PairSample(
    exemplars=np.full((1, 24, 24, 3), 90, np.uint8),
    search=np.dstack([np.full((64, 64), level, np.uint8) for level in (30, 60, 90)]),
    center=(35.0, 28.0),
    scale=1.5,
    size=(18.0, 8.0),
    exemplar_size=(12.0, 7.5),
    group="bicycle",
    search_group="bicycle",
)
"""The target is 3 pixels right of the middle and 4 above."""
ELSEWHERE = replace(SAMPLE, center=(math.nan, math.nan), group="boat", search=np.full((64, 64, 3), 20, np.uint8))


def test_figures_of_one_pair() -> None:
    found = measure_pairs([SAMPLE])
    assert (found.pairs, found.groups, found.negatives, found.gray) == (1, 1, 0, 0)
    medians = {name: each.median for name, each in found.spreads.items()}
    assert medians == pytest.approx(
        {"target side": 12.0, "aspect ratio": 2.25, "offset": 5.0, "scale": 1.5, "brightness": 60.0}
    )


def test_pairs_without_the_target_have_no_box_and_gray_ones_no_color() -> None:
    found = measure_pairs([SAMPLE, ELSEWHERE, ELSEWHERE])
    assert (found.pairs, found.groups, found.negatives, found.gray) == (3, 2, 2, 2)
    assert found.most == (("boat", 2), ("bicycle", 1))
    assert found.spreads["offset"].high == 5.0
    assert found.spreads["brightness"].median == 20.0


def test_a_figure_that_no_pair_has() -> None:
    found = measure_pairs([replace(SAMPLE, scale=math.nan)])
    assert math.isnan(found.spreads["scale"].median)


def test_percentiles_are_those_of_an_even_ramp() -> None:
    found = spread(list(range(101)))
    assert (found.low, found.median, found.high) == (5, 50, 95)


def test_no_pairs() -> None:
    with pytest.raises(UsageError, match="no pairs to measure"):
        measure_pairs([])
