"""The shipped models follow the paths that were recorded with an earlier version of the program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from golden_paths import CLIPS, MODELS, follow, read_golden

PIXELS = 0.5
"""Largest difference of a coordinate. On the processor of the recording the paths are equal bit for bit; another one
sums in another order, which moves a coordinate by thousandths of a pixel and rarely decides a cell."""
SCORE = 0.02
"""Largest difference of a score."""


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("model", MODELS)
def test_shipped_model_follows_the_recorded_path(model: str, name: str, demo: Path) -> None:
    golden, found = read_golden(model, name), follow(model, CLIPS[name])
    assert len(found) == len(golden)
    np.testing.assert_allclose([row.box for row in found], [row.box for row in golden], rtol=0, atol=PIXELS)
    np.testing.assert_allclose([row.score for row in found], [row.score for row in golden], rtol=0, atol=SCORE)
    assert [row.status for row in found] == [row.status for row in golden]
