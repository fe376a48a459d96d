"""Graphs against the operations that they stand for."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn

from siamtrack.models.network import BoxNetwork
from siamtrack.models.registry import create_network
from siamtrack.runtime.autotune import torch_precisions
from siamtrack.runtime.pytorch import TorchBackend
from siamtrack.runtime.traced import (
    MOST,
    FusedByOneDnn,
    RecordedByCuda,
    TracedBackend,
    TracedFunction,
    can_trace,
    group_sizes,
    has_fusion,
)
from siamtrack.tracking.factory import load

needs_fusion = pytest.mark.skipif(not has_fusion(), reason="this PyTorch cannot hand graphs to oneDNN")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
KINDS = [pytest.param(FusedByOneDnn, "cpu", marks=needs_fusion), pytest.param(RecordedByCuda, "cuda", marks=needs_gpu)]


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


@pytest.mark.parametrize(("kind", "device"), KINDS)
@torch.inference_mode()
def test_samples_of_any_size_and_number_give_what_the_module_gives(kind: type[TracedFunction], device: str) -> None:
    layers = Layers().to(device)
    graphed = kind(layers)
    for shape in ((1, 3, 16, 16), (3, 3, 16, 16), (2, 3, 9, 12)):
        images = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(device)
        for found, expected in zip(graphed(images), layers(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@given(st.integers(0, 100), st.integers(1, 20))
def test_groups_are_powers_of_two_and_as_large_as_they_may_be(count: int, most: int) -> None:
    sizes = group_sizes(count, most)
    assert sum(sizes) == count
    assert sizes == sorted(sizes, reverse=True)
    assert all(size <= most and size.bit_count() == 1 for size in sizes)
    assert not count or 2 * sizes[0] > min(count, most)


@needs_fusion
@torch.inference_mode()
def test_small_samples_are_run_in_groups_of_no_more_elements_than_fit() -> None:
    ran = []

    class Counting(FusedByOneDnn):
        def _run(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            ran.append(len(inputs[0]))
            return super()._run(inputs)

    layers = Layers()
    counting = Counting(layers, at_once=3 * 20**2)
    for side, groups in ((20, [1] * 7), (10, [4, 2, 1]), (14, [2, 2, 2, 1]), (30, [1] * 7)):
        ran.clear()
        images = torch.randn(7, 3, side, side, generator=torch.Generator().manual_seed(side))
        for found, expected in zip(counting(images), layers(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        assert ran == groups


@pytest.mark.parametrize(("kind", "device"), KINDS)
@torch.inference_mode()
def test_a_run_leaves_inputs_and_earlier_answers_alone(kind: type[TracedFunction], device: str) -> None:
    layers, generator = Layers().to(device), torch.Generator().manual_seed(0)
    graphed = kind(layers)
    first, second = (torch.randn(1, 3, 16, 16, generator=generator).to(device) for _ in range(2))
    kept, found = first.clone(), graphed(first)
    graphed(second)
    assert torch.equal(first, kept)
    torch.testing.assert_close(found, layers(first), rtol=1e-4, atol=1e-5)


@needs_fusion
@torch.inference_mode()
def test_another_number_of_threads_is_another_graph_with_the_same_answer() -> None:
    made: list[int] = []

    class Counting(FusedByOneDnn):
        def _make(self, inputs: tuple[Tensor, ...]) -> Callable[..., tuple[Tensor, ...]]:
            made.append(torch.get_num_threads())
            return super()._make(inputs)

    graphed, images = Counting(Layers()), torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    before, answers = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 1):
            torch.set_num_threads(threads)
            answers.append(graphed(images))
    finally:
        torch.set_num_threads(before)
    assert made == [1, 2]
    for answer in answers[1:]:
        torch.testing.assert_close(answer, answers[0], rtol=1e-5, atol=1e-6)


@needs_fusion
@torch.inference_mode()
def test_one_trace_serves_crops_of_all_sizes(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    network = create_network("lite0_box", torch.Generator().manual_seed(0)).eval()
    graphed, plain = TracedBackend(network), TorchBackend(network)
    trace, traced = torch.jit.trace, []
    monkeypatch.setattr("torch.jit.trace", lambda *given, **how: (traced.append(1), trace(*given, **how))[1])
    sizes = torch.tensor([[50.0, 70.0]])
    exemplar = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), np.uint8)
    kernels = plain.box_kernels(plain.embed(plain.upload(exemplar)).levels)
    for side in (256, 192, 160):
        crop = np.random.default_rng(side).integers(0, 256, (1, side, side, 3), np.uint8)
        seen = [backend.embed(backend.upload(crop)) for backend in (graphed, plain)]
        torch.testing.assert_close(seen[0].features, seen[1].features, rtol=1e-3, atol=1e-4)
        boxes = [each.read_boxes(kernels, seen[1].levels, sizes) for each in (graphed, plain)]
        torch.testing.assert_close(*boxes, rtol=1e-3, atol=1e-3)
    assert len(traced) == 2  # the embedding and the boxes
    assert not caplog.records


@needs_fusion
@torch.inference_mode()
def test_what_cannot_be_fused_runs_unfused(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("could not add op to the graph")

    layers, images = Layers(), torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    graphed = FusedByOneDnn(layers)
    monkeypatch.setattr("torch.jit.trace", refuse)
    with caplog.at_level(logging.WARNING):
        found = graphed(images), graphed(images)
    assert [record.getMessage() for record in caplog.records] == [
        "the network runs slower, as it cannot run as a graph: could not add op to the graph"
    ]
    torch.testing.assert_close(found, (layers(images),) * 2)


@needs_fusion
@torch.inference_mode()
def test_a_graph_that_answers_otherwise_is_not_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    layers, images = Layers(), torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr("torch.jit.freeze", lambda _: Layers())  # other weights
    with caplog.at_level(logging.WARNING):
        found = FusedByOneDnn(layers)(images)
    assert "answers otherwise" in caplog.text
    torch.testing.assert_close(found, layers(images))


@torch.inference_mode()
def test_a_graph_that_keeps_what_it_was_made_of_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    class Forgetful(FusedByOneDnn):
        def _make(self, inputs: tuple[Tensor, ...]) -> Callable[..., tuple[Tensor, ...]]:
            answers = self._plain(*inputs)
            return lambda *_: answers

    layers, images = Layers(), torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with caplog.at_level(logging.WARNING):
        found = Forgetful(layers)(images)
    assert "answers otherwise" in caplog.text
    torch.testing.assert_close(found, layers(images))


@torch.inference_mode()
def test_graphs_are_of_no_more_shapes_than_memory_is_meant_for() -> None:
    made = []

    class Counting(FusedByOneDnn):
        def _make(self, inputs: tuple[Tensor, ...]) -> Callable[..., tuple[Tensor, ...]]:
            made.append(inputs[0].shape)
            return self._plain

    counting = Counting(Layers())
    for side in range(4, MOST + 8):
        assert counting(torch.zeros(1, 3, side, side))[1].shape == (1, 4, side - 2, side - 2)
    assert len(made) == MOST


@needs_fusion
@torch.inference_mode()
def test_onednn_takes_the_operations_over() -> None:
    FusedByOneDnn(Layers())(torch.randn(1, 3, 16, 16))
    assert "oneDNNFusionGroup" in str(torch.jit.last_executed_optimized_graph())


@needs_fusion
@torch.inference_mode()
def test_graphs_of_others_are_left_as_they_are() -> None:
    before = torch.jit.onednn_fusion_enabled()  # type: ignore[no-untyped-call]
    FusedByOneDnn(Layers())(torch.zeros(1, 3, 8, 8))
    assert torch.jit.onednn_fusion_enabled() == before  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("device", [pytest.param("cpu", marks=needs_fusion), pytest.param("cuda", marks=needs_gpu)])
def test_the_backend_answers_as_without_graphs(network: BoxNetwork, device: str) -> None:
    plain, graphed = TorchBackend(network, device), TracedBackend(network, device)
    crops, exemplars = random_crops(2, 256), random_crops(2, 128)
    answers = []
    for backend in (plain, graphed):
        embedded, searched = backend.embed_exemplars(backend.upload(exemplars)), backend.embed(backend.upload(crops))
        kernels = backend.box_kernels(embedded.levels)
        boxes = backend.read_boxes(kernels, searched.levels, torch.tensor([[50.0, 70.0], [30.0, 20.0]], device=device))
        answers.append((embedded.features, searched.features, boxes))
    for found, expected in zip(*answers, strict=True):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)


@needs_fusion
@pytest.mark.skipif("bfloat16" not in torch_precisions(torch.device("cpu")), reason="this CPU has no bfloat16")
def test_in_bfloat16_it_is_as_near_as_without_graphs(network: BoxNetwork) -> None:
    crops = random_crops(1, 256)
    exact, plain, graphed = (
        backend.embed(backend.upload(crops)).features
        for backend in (
            TorchBackend(network),
            TorchBackend(network, precision="bfloat16"),
            TracedBackend(network, precision="bfloat16"),
        )
    )
    assert (graphed - exact).square().mean() < 1.5 * (plain - exact).square().mean()


@needs_fusion
def test_networks_of_large_convolutions_gain_nothing_on_a_cpu() -> None:
    generator, cpu, gpu = torch.Generator().manual_seed(0), torch.device("cpu"), torch.device("cuda")
    lite, alexnet = create_network("lite0", generator), create_network("alexnet_v1", generator)
    assert can_trace(lite, cpu)
    assert not can_trace(alexnet, cpu)
    assert can_trace(lite, gpu)
    assert can_trace(alexnet, gpu)


@needs_fusion
def test_a_shipped_model_runs_as_graphs() -> None:
    assert isinstance(load("siamtrack-lite", device="cpu", runtime="torch", precision="float32").backend, TracedBackend)
