"""The network in PyTorch as graphs: its operations recorded once for a shape of its inputs, and then run together.

An operation of PyTorch costs some 50 microseconds on a CPU, and some 10 to launch on a GPU, whatever it does. That is
half of the time of a small network.
"""

from __future__ import annotations

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from threading import Lock

import torch
from torch import Tensor, nn

from siamtrack.config import Precision
from siamtrack.models.network import BoxNetwork, TrackingNetwork
from siamtrack.runtime.base import Embedding
from siamtrack.runtime.exportable import BoxesGraph, EmbeddingGraph
from siamtrack.runtime.fused import has_onednn, traceable
from siamtrack.runtime.pytorch import TorchBackend
from siamtrack.runtime.winograd import can_use_winograd

RUNS = 3
"""Runs before a graph is used: after as many, TorchScript has seen the shapes, and CUDA's libraries are warm."""
DIFFERENCE = 0.1
"""Greatest root mean square by which an output of a graph may differ from that of the operations, as a share of its
spread: what half precision rounds otherwise in another order is less than half of that."""
MOST = 16
"""Graphs of a module; for inputs of yet other shapes it is run as it is, so that memory stays bounded."""

_logger = logging.getLogger(__name__)
_MAKING = Lock()
"""Graphs are made one at a time: what it takes is switched on for the whole process."""

Tensors = tuple[Tensor, ...]


def can_trace(network: TrackingNetwork, device: torch.device) -> bool:
    """Return whether a network is faster as graphs on a device.

    On a CPU it is not where the time goes to a few large convolutions, which gain more by other means.
    """
    if device.type != "cpu":
        return device.type == "cuda"
    return has_fusion() and not any(
        isinstance(module, nn.Conv2d) and can_use_winograd(module) for module in network.modules()
    )


@cache
def has_fusion() -> bool:
    """Return whether this PyTorch can hand graphs to oneDNN; TorchScript, which does it, is deprecated and may go."""
    if not has_onednn() or not hasattr(torch.jit, "enable_onednn_fusion"):
        return False
    with _MAKING, _fusing():
        return bool(torch.jit.onednn_fusion_enabled())  # type: ignore[no-untyped-call]


class TracedFunction(ABC):
    """Runs a module as graphs, one for the shapes of its inputs, made when they first come; from any thread.

    A graph that cannot be made, or answers otherwise than the module when it is first run, is not used: a warning says
    so, and the module is run as it is.

    Args:
        module: of tensors alone, whose values must not decide what it does; it is put in evaluation mode, and its
            parameters take no gradients any more.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module.eval().requires_grad_(False)
        self._made: dict[object, Callable[..., Tensors]] = {}

    @abstractmethod
    def __call__(self, *inputs: Tensor) -> Tensors:
        """Return the module's outputs for inputs with the samples along their first axis."""

    @abstractmethod
    def _make(self, inputs: Tensors) -> Callable[..., Tensors]:
        """Return a graph for the shapes of these inputs."""

    def _key(self, inputs: Tensors) -> object:
        return tuple(each.shape for each in inputs)

    def _run(self, inputs: Tensors) -> Tensors:
        key = self._key(inputs)
        if key not in self._made:
            with _MAKING:
                if len(self._made) == MOST:
                    return self._plain(*inputs)
                if key not in self._made:
                    self._made[key] = self._make_and_check(inputs)
        return self._made[key](*inputs)

    def _make_and_check(self, inputs: Tensors) -> Callable[..., Tensors]:
        try:
            # Of other values: a graph that kept what it was made of would answer otherwise.
            graph = self._make(tuple(each.flip(-1) for each in inputs))
            found = graph(*inputs)
        except RuntimeError as error:
            _logger.warning("the network runs slower, as it cannot run as a graph: %s", " ".join(str(error).split()))
            return self._plain
        for one, other in zip(self._plain(*inputs), found, strict=True):
            off = (one.float() - other.float()).square().mean().sqrt()
            if not off <= DIFFERENCE * one.float().std():
                _logger.warning("the network runs slower, as it answers otherwise when it runs as a graph")
                return self._plain
        return graph

    def _plain(self, *inputs: Tensor) -> Tensors:
        return _as_tuple(self._module(*inputs))


class FusedByOneDnn(TracedFunction):
    """Graphs on a CPU, their operations fused by oneDNN; small samples run in groups, as one is little to share.

    It takes a tenth of a second to make one, for other shapes and for another number of threads as well, as oneDNN
    divides the work when it compiles.

    Args:
        module: see `TracedFunction`.
        at_once: elements of the first input that the samples of a group have at most, as more would fit no cache; a
            larger sample runs alone.
    """

    def __init__(self, module: nn.Module, at_once: int = 1) -> None:
        super().__init__(module)
        self._at_once = at_once
        self._traced: torch.jit.ScriptModule | None = None

    def __call__(self, *inputs: Tensor) -> Tensors:
        """See `TracedFunction`."""
        sizes = group_sizes(len(inputs[0]), max(1, self._at_once // inputs[0][0].numel()))
        outputs = [self._run(group) for group in zip(*(torch.split(each, sizes) for each in inputs), strict=True)]
        return outputs[0] if len(outputs) == 1 else tuple(map(torch.cat, zip(*outputs, strict=True)))

    def _key(self, inputs: Tensors) -> object:
        return torch.get_num_threads(), super()._key(inputs)

    def _make(self, inputs: Tensors) -> Callable[..., Tensors]:
        with _fusing():
            if self._traced is None:
                whole = _Whole(self._module).eval()
                self._traced = torch.jit.trace(whole, inputs, check_trace=False)  # type: ignore[no-untyped-call]
            graph = torch.jit.freeze(self._traced)
            for _ in range(RUNS):
                graph(*inputs)
        return lambda *given: _as_tuple(graph(*given))


class _Whole(nn.Module):
    """A module that shows no parts: TorchScript describes every part, which takes ten times as long as tracing."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._hidden = (module,)

    def forward(self, *inputs: Tensor) -> Tensor | Tensors:
        """Run it."""
        outputs: Tensor | Tensors = self._hidden[0](*inputs)
        return outputs


def group_sizes(count: int, most: int) -> list[int]:
    """Sizes of groups of at most so many: powers of two, as each is a graph, so that 7 of at most 5 are 4, 2 and 1."""
    sizes = []
    while count:
        sizes.append(1 << (min(count, most).bit_length() - 1))
        count -= sizes[-1]
    return sizes


class RecordedByCuda(TracedFunction):
    """Graphs on a GPU: every launch of the module, recorded by CUDA and repeated with one."""

    def __call__(self, *inputs: Tensor) -> Tensors:
        """See `TracedFunction`."""
        return self._run(inputs)

    def _make(self, inputs: Tensors) -> Callable[..., Tensors]:
        # A graph reads and writes the memory that it was recorded with.
        given = tuple(each.clone() for each in inputs)
        device = given[0].device
        beside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(beside):
            for _ in range(RUNS):
                self._module(*given)
        torch.cuda.current_stream(device).wait_stream(beside)
        graph, one_at_a_time = torch.cuda.CUDAGraph(), Lock()
        # The outer stream is that of before, also after a recording that failed, which leaves its own behind.
        with (
            torch.cuda.device(device),
            torch.cuda.stream(torch.cuda.current_stream(device)),
            torch.cuda.graph(graph, stream=beside, capture_error_mode="thread_local"),
        ):
            found = _as_tuple(self._module(*given))

        def replay(*inputs: Tensor) -> Tensors:
            with one_at_a_time, torch.cuda.device(device):
                for place, each in zip(given, inputs, strict=True):
                    place.copy_(each)
                graph.replay()
                return tuple(each.clone() for each in found)

        return replay


def _as_tuple(outputs: Tensor | Tensors) -> Tensors:
    return outputs if isinstance(outputs, tuple) else (outputs,)


@contextmanager
def _fusing() -> Iterator[None]:
    """While a graph is made: graphs of others in this process are none of our business."""
    before = torch.jit.onednn_fusion_enabled()  # type: ignore[no-untyped-call]
    torch.jit.enable_onednn_fusion(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript is deprecated, and of checks of the shape of images
            yield
    finally:
        torch.jit.enable_onednn_fusion(before)


class TracedBackend(TorchBackend):
    """Runs search crops as graphs, and exemplars, which come once a target, as its base does.

    Args:
        network: stays as it is.
        device: where the copy goes: a CPU or a GPU of CUDA.
        precision: of the copy that is run.
    """

    def __init__(
        self, network: TrackingNetwork, device: torch.device | str = "cpu", precision: Precision = "float32"
    ) -> None:
        super().__init__(network, device, precision)
        plain = traceable(network).to(device=self.device, dtype=self._dtype)
        plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # no such keyword is typed
        fused, embedding = self.device.type == "cpu", EmbeddingGraph(plain)
        usual_crop = 3 * self.geometry.search_size**2
        self._embedding = FusedByOneDnn(embedding, at_once=usual_crop) if fused else RecordedByCuda(embedding)
        self._boxes: TracedFunction | None = None
        if isinstance(plain, BoxNetwork):
            boxes = BoxesGraph(plain)
            self._boxes = FusedByOneDnn(boxes) if fused else RecordedByCuda(boxes)

    @torch.inference_mode()
    def embed(self, images: Tensor) -> Embedding:
        """See `Backend`."""
        features, *levels = self._embedding(images)
        return Embedding(features, tuple(levels))

    @torch.inference_mode()
    def read_boxes(self, kernels: Tensor, levels: Sequence[Tensor], sizes: Tensor) -> Tensor:
        """See `Backend`."""
        if self._boxes is None:
            return super().read_boxes(kernels, levels, sizes)
        (boxes,) = self._boxes(kernels, sizes.to(self._dtype), *levels)
        return boxes.float()
