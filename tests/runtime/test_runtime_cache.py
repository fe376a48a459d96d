"""Models that are written for another runtime once, and found again."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch

from siamtrack.errors import UsageError, WeightsError
from siamtrack.models.registry import find_model
from siamtrack.models.weights import load_network
from siamtrack.runtime import runtime_cache
from siamtrack.runtime.autotune import probe, respond
from siamtrack.runtime.base import Backend
from siamtrack.runtime.measurement_cache import CACHE_VARIABLE, model_folder
from siamtrack.runtime.pytorch import TorchBackend
from siamtrack.runtime.runtime_cache import RuntimeCache

pytest.importorskip("openvino")
pytestmark = pytest.mark.usefixtures("own_threads")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def file() -> Path:
    return find_model("siamtrack-lite")


@pytest.fixture
def preparation(file: Path) -> RuntimeCache:
    return RuntimeCache(model_folder(file), *load_network(file), threads=1)


@pytest.fixture
def in_torch(preparation: RuntimeCache) -> Backend:
    return TorchBackend(preparation.network)


@pytest.fixture
def nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("a model is written again")

    monkeypatch.setattr(RuntimeCache, "_write", refuse)


def written(cache: Path) -> Path:
    (folder,) = cache.iterdir()
    return folder


def record(cache: Path) -> Path:
    (file,) = written(cache).glob("speed-*.json")
    return file


def test_it_responds_as_in_pytorch_and_is_written_once(
    preparation: RuntimeCache, in_torch: Backend, cache: Path, request: pytest.FixtureRequest
) -> None:
    made = preparation.load("openvino", "float32")
    assert made.runtime == "openvino"
    crops = probe(in_torch)
    torch.testing.assert_close(respond(made, *crops), respond(in_torch, *crops), rtol=1e-3, atol=1e-4)
    assert (written(cache) / "openvino" / "backbone.xml").is_file()
    request.getfixturevalue("nothing_is_written")
    assert preparation.load("openvino").runtime == "openvino"


def test_other_weights_are_prepared_apart(file: Path, cache: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "mine.safetensors"
    renamed.write_bytes(file.read_bytes())
    other = tmp_path / "siamtrack-lite.safetensors"
    other.write_bytes(file.read_bytes() + b" ")
    assert len({model_folder(each).name for each in (file, renamed, other)}) == 3


def test_both_runtimes_are_measured_once(
    preparation: RuntimeCache, in_torch: Backend, cache: Path, request: pytest.FixtureRequest
) -> None:
    chosen = preparation.faster(lambda: in_torch)
    speeds = json.loads(record(cache).read_text())
    assert (chosen is not None) == (1.1 * speeds["other"] <= speeds["torch"])
    request.getfixturevalue("nothing_is_written")
    # From now on what was measured counts, and PyTorch is not even made ready.
    for other, expected in ((speeds["torch"] / 2, "openvino"), (speeds["torch"], None)):
        record(cache).write_text(json.dumps({"torch": speeds["torch"], "other": other}))
        chosen = preparation.faster(lambda: pytest.fail("PyTorch was made ready"))
        assert (chosen and chosen.runtime) == expected


def test_a_missing_package_leaves_pytorch(
    preparation: RuntimeCache, in_torch: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_cache.importlib.util, "find_spec", lambda name: None)
    assert preparation.faster(lambda: in_torch) is None
    with pytest.raises(UsageError, match=r"runtime 'onnx' needs .*pip install 'siamtrack\[onnx\]'"):
        preparation.load("onnx")


def test_a_cache_that_cannot_be_written_is_said_and_leaves_pytorch(
    preparation: RuntimeCache, in_torch: Backend, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache.write_text("a file in its place")
    with pytest.raises(WeightsError, match=f"set {CACHE_VARIABLE} to a folder that can be written"):
        preparation.load("openvino")
    with caplog.at_level(logging.WARNING, "siamtrack"):
        assert preparation.faster(lambda: in_torch) is None
    assert "siamtrack-lite runs on PyTorch, as it cannot run on openvino" in caplog.text


def test_what_is_there_is_used_where_nothing_can_be_written(preparation: RuntimeCache, cache: Path) -> None:
    preparation.load("openvino")
    # No lock is taken: a folder in its place would refuse one.
    (written(cache) / "openvino.lock").unlink(missing_ok=True)
    (written(cache) / "openvino.lock").mkdir()
    assert preparation.load("openvino").runtime == "openvino"


def test_what_is_damaged_is_named_and_leaves_pytorch(
    preparation: RuntimeCache, in_torch: Backend, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    preparation.faster(lambda: in_torch)
    record(cache).write_text(json.dumps({"torch": 2.0, "other": 1.0}))
    (written(cache) / "openvino" / "backbone.xml").write_text("garbage")
    with pytest.raises(WeightsError, match="openvino is damaged: delete that folder"):
        preparation.load("openvino")
    with caplog.at_level(logging.WARNING, "siamtrack"):
        assert preparation.faster(lambda: in_torch) is None
    assert "is damaged: delete that folder" in caplog.text


def test_what_responds_otherwise_is_not_kept(
    preparation: RuntimeCache, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime_cache, "DIFFERENCE", -1.0)
    with pytest.raises(WeightsError, match="responds otherwise than in PyTorch"):
        preparation.load("openvino")
    assert not (written(cache) / "openvino").exists()
