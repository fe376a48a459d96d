"""`siamtrack warmup`: what was measured is there when a model is used."""

from __future__ import annotations

from pathlib import Path

import pytest

from siamtrack.errors import UsageError
from siamtrack.runtime import autotune
from siamtrack.runtime.measurement_cache import CACHE_VARIABLE
from siamtrack.tracking.factory import load
from siamtrack.workflows.warmup import warm_up


def test_warm_up_measures_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    (warmed,) = warm_up(["siamtrack-lite"], "cpu")
    assert (warmed.name, warmed.runtime) == ("siamtrack-lite", "torch")
    assert warmed.milliseconds > 0
    monkeypatch.setattr(autotune, "fastest_passes", lambda *_: pytest.fail("measured again"))
    assert load("siamtrack-lite", device="cpu", autotune=True).backend.threads == warmed.threads


def test_warm_up_refuses_an_unknown_model_before_anything_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siamtrack.workflows.warmup.load", lambda *_, **__: pytest.fail("a model was loaded"))
    with pytest.raises(UsageError, match="did you mean 'siamtrack-lite'"):
        warm_up(["siamtrack-box", "siamtrack-lit"], "cpu")
