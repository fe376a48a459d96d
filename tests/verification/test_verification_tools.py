"""Plots and fits that only the tools need."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from fit_verification import draw_reliability

from siamtrack.verification.metrics import recall_at_one, reliability

results = pytest.importorskip("verification_results")  # needs scikit-learn


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


def test_isotonic_probabilities_rise_with_the_similarity() -> None:
    similarities = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    probability = results.fit_isotonic(similarities, np.array([False, True, False, True, True, True]))
    assert probability(np.array([0.0, 0.25, 0.35, 2.0])) == pytest.approx([0, 0.5, 0.75, 1])


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_clusters_stay_apart_in_the_plane(method: str) -> None:
    rng = np.random.default_rng(0)
    embeddings = np.concatenate([rng.normal(center, 0.1, (20, 8)) for center in (-1, 1)])
    plane = results.project(embeddings, method)
    assert plane.shape == (40, 2)
    near = np.linalg.norm(plane[:, None] - plane[None], axis=2) + 1e9 * np.eye(40)
    assert recall_at_one(-near, np.repeat([0, 1], 20)) == 1
