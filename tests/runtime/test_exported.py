"""Exported graphs against the network that they were made of, in every runtime that is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from siamtrack.errors import UsageError, WeightsError
from siamtrack.models.cards import ModelCard
from siamtrack.models.network import BoxNetwork, TrackingNetwork
from siamtrack.models.registry import create_network
from siamtrack.runtime import exported
from siamtrack.runtime.autotune import probe
from siamtrack.runtime.base import Backend, Geometry
from siamtrack.runtime.exportable import INPUTS, make_graphs
from siamtrack.runtime.exported import Format, Manifest, load_exported, read_manifest
from siamtrack.runtime.pytorch import TorchBackend


def manifest_of(network: TrackingNetwork, architecture: str) -> Manifest:
    return Manifest(
        card=ModelCard(name="small", architecture=architecture),
        geometry=Geometry.of(network),
        scale=network.head.log_scale.exp().item(),
        bias=network.head.bias.item(),
        reads_boxes=isinstance(network, BoxNetwork),
    )


def write(name: Format, network: TrackingNetwork, architecture: str, folder: Path) -> Path:
    text = manifest_of(network, architecture).model_dump_json()
    if name == "onnx":
        pytest.importorskip("onnxruntime")
        pytest.importorskip("onnxscript")
        from siamtrack.runtime.onnx_export import write_onnx

        write_onnx(make_graphs(network), folder, text)
    else:
        pytest.importorskip("openvino")
        from siamtrack.runtime.openvino_export import write_openvino

        write_openvino(make_graphs(network), folder, text)
    return folder


@pytest.fixture(scope="module", params=["onnx", "openvino"])
def folder(request: pytest.FixtureRequest, network: BoxNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(request.param, network, "lite0_box", tmp_path_factory.mktemp(request.param))


@pytest.fixture
def backends(folder: Path, network: BoxNetwork) -> tuple[Backend, Backend]:
    """The exported network and the original."""
    return load_exported(folder, "float32", threads=1)[0], TorchBackend(network)


@pytest.mark.parametrize("margin", [0, 32])  # the usual search crop, and a near one
def test_everything_is_as_in_pytorch(backends: tuple[Backend, Backend], margin: int) -> None:
    def answers(backend: Backend) -> list[torch.Tensor]:
        exemplar, search = (np.concatenate([crop, crop[:, ::-1]]) for crop in probe(backend))
        search = np.ascontiguousarray(search[:, margin : search.shape[1] - margin, margin : search.shape[2] - margin])
        kernels, seen = backend.embed(backend.upload(exemplar)), backend.embed(backend.upload(search))
        three = backend.cut_margin(kernels.features)[:, None].repeat(1, 3, 1, 1, 1)
        responses = backend.correlate(three, seen.features)
        box_kernels = backend.box_kernels(kernels.levels)
        sizes = torch.tensor([[60.0, 40.0], [30.0, 70.0]])
        boxes = backend.read_boxes(box_kernels, seen.levels, sizes)
        return [seen.features, *seen.levels, responses, box_kernels, boxes]

    mine, original = (answers(backend) for backend in backends)
    for one, other in zip(mine, original, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_what_is_known_about_the_model_travels_with_it(folder: Path, network: BoxNetwork) -> None:
    assert read_manifest(folder) == manifest_of(network, "lite0_box")
    backend, card = load_exported(folder, "float32")
    original = TorchBackend(network)
    assert card.name == "small"
    for name in ("geometry", "scale", "bias", "reads_boxes", "device", "precision"):
        assert getattr(backend, name) == getattr(original, name)


def test_outputs_are_not_overwritten_by_the_next_call(backends: tuple[Backend, Backend]) -> None:
    backend, _ = backends
    _, search = probe(backend)
    first = backend.embed(backend.upload(search)).features
    kept = first.clone()
    backend.embed(backend.upload(np.ascontiguousarray(search[:, ::-1])))
    torch.testing.assert_close(first, kept, rtol=0, atol=0)


def test_an_unknown_precision(folder: Path) -> None:
    with pytest.raises(UsageError, match="precision 'float16' does not exist"):
        load_exported(folder, "float16")


def test_a_network_without_boxes_has_two_graphs() -> None:
    graphs = make_graphs(create_network("alexnet_v2", torch.Generator().manual_seed(0)))
    assert list(graphs) == ["backbone", "correlation"]
    with torch.no_grad():
        for name, (module, inputs) in graphs.items():
            assert len(inputs) == len(INPUTS[name])
            module(*inputs)


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds no exported model \(backbone.onnx or backbone.xml\)"):
        load_exported(tmp_path)


@pytest.mark.parametrize(("name", "package"), [("backbone.onnx", "onnxruntime"), ("backbone.xml", "openvino")])
def test_a_damaged_graph(tmp_path: Path, name: str, package: str) -> None:
    pytest.importorskip(package)
    (tmp_path / name).write_bytes(b"no graph")
    with pytest.raises(WeightsError, match=f"{name} cannot be read: .*export the model again"):
        load_exported(tmp_path)


def test_a_missing_runtime_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "backbone.xml").touch()

    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named '{name}'", name="openvino")

    monkeypatch.setattr(exported.importlib, "import_module", missing)
    with pytest.raises(UsageError, match=r"package 'openvino': pip install 'siamtrack\[openvino\]'"):
        load_exported(tmp_path)


@pytest.mark.parametrize("text", ["{}", "no JSON"])
def test_a_foreign_graph(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = exported.runtime_of(exported.format_of(folder))
    monkeypatch.setattr(runtime, "read_metadata", lambda file: text)
    with pytest.raises(WeightsError, match="has a model card that cannot be read"):
        read_manifest(folder)
    monkeypatch.setattr(runtime, "read_metadata", lambda file: None)
    with pytest.raises(WeightsError, match="was not written by siamtrack export"):
        read_manifest(folder)


CTRL_C_AFTERWARDS = """
import gc, signal, sys
from pathlib import Path
from siamtrack.runtime.autotune import probe
from siamtrack.runtime.exported import load_exported

backend, _ = load_exported(Path(sys.argv[1]))
backend.embed(backend.upload(probe(backend)[1]))
del backend
gc.collect()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_is_still_heard_when_the_model_is_gone(folder: Path) -> None:
    command = [sys.executable, "-c", CTRL_C_AFTERWARDS, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


def test_nothing_is_reported_to_anybody() -> None:
    pytest.importorskip("openvino")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import siamtrack.runtime.openvino_runtime, siamtrack.runtime.openvino_export\n"
            "from openvino.tools.ovc import telemetry\n"
            "print(type(telemetry).__module__)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "openvino.tools.ovc.telemetry_stub"
