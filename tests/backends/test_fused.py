"""Graphs fused by oneDNN against the operations that they stand for."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siamtrack.backends.choice import torch_precisions
from siamtrack.backends.fused import FusedBackend, FusedGraph, has_fusion, suits_fusing
from siamtrack.backends.pytorch import TorchBackend
from siamtrack.models.registry import create_network
from siamtrack.models.tracking import BoxNetwork
from siamtrack.tracking.loading import load

pytestmark = pytest.mark.skipif(not has_fusion(), reason="this PyTorch cannot hand graphs to oneDNN")


def random_crops(count: int, side: int) -> NDArray[np.uint8]:
    return np.random.default_rng(side).integers(0, 256, (count, side, side, 3), np.uint8)


class Layers(nn.Module):
    """Two layers, of which the first is also an output."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.second = nn.Conv2d(8, 4, 1)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        between = self.first(images)
        return between, self.second(between)


@torch.inference_mode()
def test_samples_of_any_size_and_number_give_what_the_module_gives() -> None:
    layers = Layers()
    fused = FusedGraph(layers)
    for shape in ((1, 3, 16, 16), (3, 3, 16, 16), (2, 3, 9, 12)):
        images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        for found, expected in zip(fused(images), layers(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_another_number_of_threads_gives_the_same() -> None:
    fused, images = FusedGraph(Layers()), torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    expected, before = fused(images), torch.get_num_threads()
    try:
        torch.set_num_threads(1 if before > 1 else 2)
        found = fused(images)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


@torch.inference_mode()
def test_what_cannot_be_fused_runs_unfused(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("could not add op to the graph")

    layers, images = Layers(), torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    fused = FusedGraph(layers)
    monkeypatch.setattr("torch.jit.trace", refuse)
    with caplog.at_level(logging.WARNING):
        found = fused(images), fused(images)
    assert [record.getMessage() for record in caplog.records] == [
        "oneDNN cannot fuse the network, which is slower for it: could not add op to the graph"
    ]
    torch.testing.assert_close(found, (layers(images),) * 2)


@torch.inference_mode()
def test_a_graph_that_answers_otherwise_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    layers, images = Layers(), torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr("torch.jit.freeze", lambda _: Layers())  # other weights
    with caplog.at_level(logging.WARNING):
        found = FusedGraph(layers)(images)
    assert "answers otherwise" in caplog.text
    torch.testing.assert_close(found, layers(images))


@torch.inference_mode()
def test_graphs_of_others_are_left_as_they_are() -> None:
    before = torch.jit.onednn_fusion_enabled()  # type: ignore[no-untyped-call]
    FusedGraph(Layers())(torch.zeros(1, 3, 8, 8))
    assert torch.jit.onednn_fusion_enabled() == before  # type: ignore[no-untyped-call]


def test_the_backend_answers_as_without_graphs(network: BoxNetwork) -> None:
    plain, fused = TorchBackend(network), FusedBackend(network)
    crops, exemplar = random_crops(2, 256), random_crops(1, 128)
    answers = []
    for backend in (plain, fused):
        embedded, searched = backend.embed_exemplars(backend.upload(exemplar)), backend.embed(backend.upload(crops))
        kernels = backend.box_kernels(embedded.levels).repeat(2, 1, 1, 1)
        boxes = backend.read_boxes(kernels, searched.levels, torch.tensor([[50.0, 70.0], [30.0, 20.0]]))
        answers.append((embedded.features, searched.features, boxes))
    for found, expected in zip(*answers, strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.skipif("bfloat16" not in torch_precisions(torch.device("cpu")), reason="this CPU has no bfloat16")
def test_in_bfloat16_it_is_as_near_as_without_graphs(network: BoxNetwork) -> None:
    crops = random_crops(1, 256)
    exact, plain, fused = (
        backend.embed(backend.upload(crops)).features
        for backend in (
            TorchBackend(network),
            TorchBackend(network, precision="bfloat16"),
            FusedBackend(network, "bfloat16"),
        )
    )
    assert (fused - exact).square().mean() < 1.5 * (plain - exact).square().mean()


def test_networks_of_large_convolutions_are_not_fused() -> None:
    generator = torch.Generator().manual_seed(0)
    assert suits_fusing(create_network("lite0", generator))
    assert not suits_fusing(create_network("alexnet_v1", generator))


def test_a_shipped_model_is_fused() -> None:
    assert isinstance(load("siamtrack-lite", device="cpu", runtime="torch", precision="float32").backend, FusedBackend)
