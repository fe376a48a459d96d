"""The picture of how far probabilities can be trusted."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from siamtrack.verification.metrics import reliability
from siamtrack.verification.plots import draw_reliability


def colors(path: Path) -> int:
    """How many kinds of saturated pixels a picture has: the lines, but for the diagonal."""
    hsv = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2HSV)
    hues, counts = np.unique(hsv[..., 0][hsv[..., 1] > 120] // 20, return_counts=True)
    return len(hues[counts > 150])


def test_every_name_has_a_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    said = rng.random(500)
    good, bad = reliability(said, rng.random(500) < said), reliability(said, rng.random(500) < said**3)
    assert good.error < bad.error
    draw_reliability(tmp_path / "one.png", {"good": good}, "one")
    draw_reliability(tmp_path / "two.png", {"good": good, "bad": bad}, "two")
    assert (colors(tmp_path / "one.png"), colors(tmp_path / "two.png")) == (1, 2)
