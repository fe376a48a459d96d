"""What is kept of measurements from one start to the next."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from siamtrack.config import Frozen
from siamtrack.runtime import measurement_cache
from siamtrack.runtime.measurement_cache import CACHE_VARIABLE, Measurements, cache_folder, model_folder
from siamtrack.system.machine import ProcessorUse


class Figure(Frozen):
    value: int


def measured(folder: Path, value: int, *conditions: object) -> tuple[int, bool]:
    """What is recalled where `value` would be measured now, and whether it was."""
    asked: list[int] = []

    def measure() -> Figure:
        asked.append(value)
        return Figure(value=value)

    return Measurements(folder).recall("figure", Figure, measure, *conditions).value, bool(asked)


def test_it_is_measured_once_for_the_same_conditions(tmp_path: Path) -> None:
    assert measured(tmp_path / "model", 1, "float32") == (1, True)
    assert measured(tmp_path / "model", 2, "float32") == (1, False)
    assert measured(tmp_path / "model", 3, "bfloat16") == (3, True)
    assert measured(tmp_path / "other", 4, "float32") == (4, True)


@pytest.mark.parametrize(
    ("what", "other"), [("cpu_name", "Another"), ("usable_cores", 77), ("waiting_policy", "another")]
)
def test_another_machine_is_measured_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, other: object
) -> None:
    measured(tmp_path, 1)
    monkeypatch.setattr(measurement_cache, what, lambda: other)
    assert measured(tmp_path, 2) == (2, True)
    monkeypatch.undo()
    assert measured(tmp_path, 3) == (1, False)


@pytest.mark.parametrize("text", ["{", "{}", '{"value": 1, "more": 2}', '{"value": null}'])
def test_what_cannot_be_read_is_measured_again(tmp_path: Path, text: str) -> None:
    measured(tmp_path, 1)
    (file,) = tmp_path.iterdir()
    file.write_text(text)
    assert measured(tmp_path, 2) == (2, True)
    assert measured(tmp_path, 3) == (2, False)


def test_where_nothing_can_be_kept_it_is_measured_every_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.INFO, "siamtrack"):
        assert measured(tmp_path / "file" / "model", 1) == (1, True)
        assert measured(tmp_path / "file" / "model", 2) == (2, True)
    assert f"set {CACHE_VARIABLE} to a folder that can be written" in caplog.text


def test_other_weights_and_other_versions_have_a_folder_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(b"one")
    first = model_folder(weights)
    assert first == model_folder(weights)
    monkeypatch.setattr(measurement_cache, "version", lambda package: "99")
    assert model_folder(weights) != first
    monkeypatch.undo()
    weights.write_bytes(b"two")
    assert model_folder(weights) != first


def test_the_cache_is_where_the_system_keeps_caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    assert cache_folder().name == "siamtrack"
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path


def test_a_measurement_beside_other_programs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy(ProcessorUse):
        def __exit__(self, *_: object) -> None:
            self.by_others = 0.5

    monkeypatch.setattr(measurement_cache, "BUSY", 0.25)
    monkeypatch.setattr(measurement_cache, "ProcessorUse", Busy)
    assert measured(tmp_path, 1) == (1, True)
    assert measured(tmp_path, 2) == (2, True)
    monkeypatch.setattr(measurement_cache, "ProcessorUse", ProcessorUse)
    assert measured(tmp_path, 3) == (3, True)
    assert measured(tmp_path, 4) == (3, False)
