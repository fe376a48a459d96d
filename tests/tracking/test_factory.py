"""Which runtime a tracker gets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import siamtrack
from siamtrack.boxes import iou
from siamtrack.errors import UsageError
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.runtime.measurement_cache import CACHE_VARIABLE
from siamtrack.runtime.runtime_cache import RuntimeCache
from siamtrack.runtime.traced import FusedByOneDnn, has_fusion
from siamtrack.tracking import factory
from siamtrack.tracking.factory import RUNTIME_VARIABLE

pytestmark = pytest.mark.usefixtures("own_threads")


@pytest.fixture
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


@pytest.mark.parametrize("chosen", [None, "openvino"])
def test_auto_takes_the_one_that_was_measured_to_be_faster(
    cache: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None
) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setenv(RUNTIME_VARIABLE, "auto")
    monkeypatch.setattr(RuntimeCache, "faster", lambda self, in_torch: chosen and self.load(chosen))
    tracker = siamtrack.load("siamtrack-lite", device="cpu", autotune=True)
    assert tracker.backend.runtime == (chosen or "torch")


def test_a_named_precision_stays_with_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUNTIME_VARIABLE, "auto")
    monkeypatch.setattr(RuntimeCache, "faster", lambda self, in_torch: pytest.fail("another runtime was tried"))
    assert siamtrack.load("siamtrack-lite", device="cpu", precision="float32", autotune=True).backend.runtime == "torch"


def test_a_named_runtime_tracks_as_pytorch_does(cache: Path) -> None:
    pytest.importorskip("openvino")
    (first, (box,)), *rest = SyntheticClip(160, 120, 10)
    paths = []
    for runtime in ("torch", "openvino"):
        tracker = siamtrack.load("siamtrack-lite", device="cpu", precision="float32", runtime=runtime)
        assert tracker.backend.runtime == runtime
        tracker.init(first, box)
        paths.append([tracker.update(frame).box for frame, _ in rest])
    assert iou(*paths).min() > 0.99


@pytest.mark.skipif(not has_fusion(), reason="this PyTorch cannot hand graphs to oneDNN")
def test_a_graph_is_made_when_the_model_is_loaded_not_in_a_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[torch.Tensor] = []
    make = FusedByOneDnn._make
    monkeypatch.setattr(FusedByOneDnn, "_make", lambda self, inputs: (made.append(inputs[0]), make(self, inputs))[1])
    settings = {"online_filter": None, "redetection": None}  # with them, the first frame would have it made
    tracker = siamtrack.load("siamtrack-lite", device="cpu", runtime="torch", precision="float32", settings=settings)
    assert [inputs.shape[-1] for inputs in made] == [256, 160]  # of the usual search crop and of the near one
    assert all(inputs.std() > 50 for inputs in made)  # a blank crop would not show what a graph does to it
    (first, (box,)), (second, _) = SyntheticClip(160, 120, 2)
    tracker.init(first, box)
    tracker.update(second)
    assert len(made) == 2


@pytest.mark.skipif(not has_fusion(), reason="this PyTorch cannot hand graphs to oneDNN")
def test_graphs_are_made_for_the_number_of_threads_that_is_chosen(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_for: list[int] = []
    make = FusedByOneDnn._make
    monkeypatch.setattr(
        FusedByOneDnn, "_make", lambda self, inputs: (made_for.append(torch.get_num_threads()), make(self, inputs))[1]
    )
    torch.set_num_threads(2)
    monkeypatch.setattr(factory, "fastest_threads", lambda backend: 1)
    siamtrack.load("siamtrack-lite", device="cpu", runtime="torch", autotune=True)
    assert set(made_for) == {1}
    assert torch.get_num_threads() == 2


@pytest.mark.skipif(not has_fusion(), reason="this PyTorch cannot hand graphs to oneDNN")
def test_no_frame_waits_for_a_graph_of_box_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    make = FusedByOneDnn._make
    monkeypatch.setattr(FusedByOneDnn, "_make", lambda self, inputs: (made.append(1), make(self, inputs))[1])
    tracker = siamtrack.load("siamtrack-box", device="cpu", runtime="torch", precision="float32")
    assert len(made) == 4  # of the usual search crop and of the near one, each embedded and read
    (first, (box,)), *rest = SyntheticClip(160, 120, 4)
    tracker.init(first, box)
    for frame, _ in rest:
        tracker.update(frame)
    assert tracker.crops_seen.keys() == {256, 160}
    assert len(made) == 4


UNTOUCHED = """
import ctypes, os
import cv2  # importing it changes the environment
import torch
torch.set_num_threads(2)
calls = []
class Library(ctypes.CDLL):
    def __getattr__(self, name):
        calls.append(name)
        return super().__getattr__(name)
ctypes.CDLL = Library
environment = dict(os.environ)
import siamtrack
tracker = siamtrack.load("siamtrack-lite", device="cpu")
from siamtrack.io.synthetic import SyntheticClip
frames = SyntheticClip(160, 120, 4)
(first, (box,)), *rest = frames
tracker.init(first, box)
for frame, _ in rest:
    tracker.update(frame)
backend = tracker.backend
print(backend.runtime, backend.precision, backend.threads, torch.get_num_threads())
print(dict(os.environ) == environment, "mallopt" in calls, os.path.exists(os.environ["SIAMTRACK_CACHE"]))
"""


def test_load_leaves_the_process_alone(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != RUNTIME_VARIABLE}
    environment[CACHE_VARIABLE] = str(tmp_path / "cache")
    done = subprocess.run(
        [sys.executable, "-c", UNTOUCHED], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["torch float32 1 2", "True False False"]


def test_load_takes_threads_inside_its_calls_only(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    tracker = siamtrack.load("siamtrack-lite", device="cpu", threads=2)
    seen: list[int] = []
    embed = type(tracker.backend).embed
    monkeypatch.setattr(
        type(tracker.backend),
        "embed",
        lambda self, images: (seen.append(torch.get_num_threads()), embed(self, images))[1],
    )
    (first, (box,)), (second, _) = SyntheticClip(160, 120, 2)
    tracker.init(first, box)
    tracker.update(second)
    assert set(seen) == {2}
    assert torch.get_num_threads() == 1


def test_an_exported_model_runs_on_what_it_was_exported_for(cache: Path) -> None:
    pytest.importorskip("openvino")
    siamtrack.load("siamtrack-lite", device="cpu", runtime="openvino")
    (folder,) = cache.glob("*/openvino")
    assert siamtrack.load(folder, runtime="openvino").backend.runtime == "openvino"
    with pytest.raises(UsageError, match="was exported for openvino and does not run on torch: leave runtime out"):
        siamtrack.load(folder, runtime="torch")


@pytest.mark.parametrize("name", ["tensorrt", "TORCH"])
def test_an_unknown_runtime_in_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(RUNTIME_VARIABLE, name)
    with pytest.raises(UsageError, match=rf"unknown runtime '{name}' \(known: auto, torch, openvino, onnx\)"):
        siamtrack.load("siamtrack-lite")


def test_another_runtime_has_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="runtime 'openvino' computes on the CPU, not on 'cuda': give --device cpu"):
        siamtrack.load("siamtrack-lite", device="cuda", runtime="openvino")
