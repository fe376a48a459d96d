"""`siamtrack export` as a function: what is kept, and what is refused."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from siamtrack.errors import OutputError, SourceError, UsageError, WeightsError
from siamtrack.io.synthetic import SyntheticClip, smooth_noise
from siamtrack.models.registry import find_model
from siamtrack.runtime.exportable import CorrelationGraph
from siamtrack.runtime.exported import read_manifest
from siamtrack.tracking.factory import load
from siamtrack.workflows import export as exporting
from siamtrack.workflows.export import export, sample_crops


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 12 pictures."""
    folder = tmp_path_factory.mktemp("frames")
    for index in range(12):
        cv2.imwrite(str(folder / f"{index}.png"), smooth_noise(120, 160, np.random.default_rng(index), 6.0))
    return folder


def test_an_exported_model_tracks_as_the_original(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    done = export("siamtrack-lite", format="openvino", output=tmp_path / "lite")
    assert done.overlap > 0.99
    assert done.size == sum(file.stat().st_size for file in done.folder.iterdir())
    assert [entry.name for entry in tmp_path.iterdir()] == ["lite"]
    tracker = load(done.folder, precision="float32")
    original = load("siamtrack-lite", device="cpu", precision="float32")
    assert tracker.card == original.card == read_manifest(done.folder).card
    assert tracker.settings == original.settings
    (first, boxes), *rest = SyntheticClip(240, 180, 5, targets=2)
    states, twins = ([each.start(first, box) for box in boxes] for each in (tracker, original))
    for frame, _ in rest:
        found, wanted = tracker.step(frame, states), original.step(frame, twins)
        for one, other in zip(found, wanted, strict=True):
            assert one.box == pytest.approx(other.box, abs=0.05)
        states, twins = ([each.state for each in results] for results in (found, wanted))


def test_eight_bits_say_what_they_cost(tmp_path: Path, frames: Path) -> None:
    pytest.importorskip("openvino")
    if importlib.util.find_spec("nncf") is None:
        pytest.skip("needs nncf")
    folder = tmp_path / "small"
    # In a process of its own, as it is used, so that what is printed is seen.
    command = [sys.executable, "-m", "siamtrack", "export", "siamtrack-lite", "--format", "openvino"]
    done = subprocess.run([*command, "--int8", frames, "--output", folder], capture_output=True, text=True, check=True)
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("with 8 bits"))
    overlap, similarity = map(float, re.findall(r"\d\.\d{4}", line))
    assert 0.7 < overlap < 1
    assert 0.8 < similarity < 1
    assert read_manifest(folder).int8
    assert sum(file.stat().st_size for file in folder.iterdir()) < find_model("siamtrack-lite").stat().st_size / 2
    export("siamtrack-lite", format="openvino", output=folder)  # in its place
    assert not read_manifest(folder).int8


def test_what_tracks_otherwise_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr(exporting, "LEAST_OVERLAP", 1.01)
    with pytest.raises(WeightsError, match=r"does not track as the original does \(mean IoU 1.000"):
        export("siamtrack-lite", format="openvino", output=tmp_path / "lite")
    assert list(tmp_path.iterdir()) == []


def test_a_correlation_that_answers_otherwise_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    forward = CorrelationGraph.forward
    monkeypatch.setattr(CorrelationGraph, "forward", lambda *given: 1.01 * forward(*given))
    with pytest.raises(WeightsError, match="the exported correlation differs from the original"):
        export("siamtrack-lite", format="openvino", output=tmp_path / "lite")
    assert list(tmp_path.iterdir()) == []


def test_crops_are_spread_over_the_frames(frames: Path) -> None:
    crops = sample_crops(frames, 64)
    assert len(crops) == 12
    assert all(crop.shape == (1, 64, 64, 3) and crop.dtype == np.uint8 for crop in crops)
    assert len({crop.tobytes() for crop in crops}) == 12
    for crop, again in zip(crops, sample_crops(frames, 64), strict=True):
        np.testing.assert_array_equal(crop, again)


class TestRefused:
    def test_eight_bits_in_another_format(self, tmp_path: Path, frames: Path) -> None:
        with pytest.raises(UsageError, match="--int8 quantizes OpenVINO models, not onnx: take --format openvino"):
            export("siamtrack-lite", format="onnx", output=tmp_path / "lite", frames=frames)

    def test_too_few_frames(self, frames: Path) -> None:
        with pytest.raises(SourceError, match="has 1 frames: quantizing needs 10 or more"):
            sample_crops(frames / "0.png", 64)

    def test_a_folder_with_other_things(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.tex").touch()
        with pytest.raises(UsageError, match=r"holds other things \('thesis.tex'\)"):
            export("siamtrack-lite", format="onnx", output=tmp_path)
        assert (tmp_path / "thesis.tex").exists()

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "lite").touch()
        with pytest.raises(UsageError, match="is a file: give a new folder"):
            export("siamtrack-lite", format="onnx", output=tmp_path / "lite")

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        pytest.importorskip("openvino")
        with pytest.raises(OutputError, match="cannot be written: No such file or directory"):
            export("siamtrack-lite", format="openvino", output=tmp_path / "missing" / "lite")

    def test_what_is_exported_already(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="is exported already"):
            export(str(tmp_path), format="onnx", output=tmp_path / "lite")

    def test_a_model_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="unknown model 'siamtrack-light'"):
            export("siamtrack-light", format="onnx", output=tmp_path / "lite")

    def test_a_missing_package_is_named(self, tmp_path: Path, frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(name: str) -> None:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

        monkeypatch.setattr(exporting.importlib, "import_module", missing)
        with pytest.raises(UsageError, match=r"package '.*onnx_export': pip install 'siamtrack\[onnx\]'"):
            export("siamtrack-lite", format="onnx", output=tmp_path / "lite")
