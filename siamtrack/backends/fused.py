"""The network in PyTorch on the CPU, its operations fused to graphs by oneDNN: for networks of many small operations.

An operation of PyTorch costs some 50 microseconds whatever it does, which is half of the time of a small network. A
graph that oneDNN has compiled for one shape of its inputs pays that once for a chain of operations.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.jit._trace import TracerWarning

from siamtrack.backends.base import Embedding
from siamtrack.backends.graphs import BoxesGraph
from siamtrack.backends.pytorch import TorchBackend
from siamtrack.config import Precision
from siamtrack.models.inference import has_onednn, traceable
from siamtrack.models.tracking import BoxNetwork, TrackingNetwork
from siamtrack.models.winograd import suits_winograd

RUNS = 3
"""Runs after which PyTorch has seen the shapes and handed the graph to oneDNN."""
DIFFERENCE = 0.1
"""Greatest root mean square by which a graph may differ from its operations, as a share of their outputs' spread: what
bfloat16 rounds otherwise in another order is half of that."""

_logger = logging.getLogger(__name__)


def suits_fusing(network: TrackingNetwork) -> bool:
    """Whether a network is faster as a graph: not one of few large convolutions, which gain more by other means."""
    return has_fusion() and not any(
        isinstance(module, nn.Conv2d) and suits_winograd(module) for module in network.modules()
    )


def has_fusion() -> bool:
    """Whether this PyTorch can hand graphs to oneDNN; TorchScript, which does it, is deprecated and may go."""
    return has_onednn() and hasattr(torch.jit, "enable_onednn_fusion")


class FusedGraph:
    """Runs a module sample by sample, as a graph fused for the shapes of its inputs; several at once fit no cache.

    A graph is made when inputs of new shapes come, which takes some tenths of a second, and again for another number
    of threads, as oneDNN divides the work when it compiles. Where that fails, the module itself is run, with a warning.

    Args:
        module: of tensors alone, which it must not decide anything by the values of; it is put in evaluation mode.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module.eval()
        self._graphs: dict[tuple[int, tuple[torch.Size, ...]], nn.Module] = {}

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The module's outputs for inputs with the samples along their first axis."""
        outputs = [self._run(sample) for sample in zip(*(torch.split(each, 1) for each in inputs), strict=True)]
        return outputs[0] if len(outputs) == 1 else tuple(map(torch.cat, zip(*outputs, strict=True)))

    def _run(self, sample: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        key = torch.get_num_threads(), tuple(each.shape for each in sample)
        graph = self._graphs.get(key)
        if graph is None:
            graph = self._graphs[key] = _fuse(self._module, sample)
        return _as_tuple(graph(*sample))


def _fuse(module: nn.Module, inputs: tuple[Tensor, ...]) -> nn.Module:
    try:
        with _fusing():
            traced = torch.jit.trace(module, inputs, check_trace=False)  # type: ignore[no-untyped-call]
            graph: nn.Module = torch.jit.freeze(traced)
            for _ in range(RUNS):
                found = _as_tuple(graph(*inputs))
    except RuntimeError as error:
        _logger.warning("oneDNN cannot fuse the network, which is slower for it: %s", str(error).splitlines()[-1])
        return module
    for one, other in zip(_as_tuple(module(*inputs)), found, strict=True):
        off = (one.float() - other.float()).square().mean().sqrt()
        if not off <= DIFFERENCE * one.float().std():
            _logger.warning("the network answers otherwise when oneDNN has fused it: it runs unfused, and slower")
            return module
    return graph


def _as_tuple(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


@contextmanager
def _fusing() -> Iterator[None]:
    """While a graph is made: graphs of others in this process are none of our business."""
    before = torch.jit.onednn_fusion_enabled()  # type: ignore[no-untyped-call]
    torch.jit.enable_onednn_fusion(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # see has_fusion
            warnings.simplefilter("ignore", TracerWarning)  # of checks of the shape of images
            yield
    finally:
        torch.jit.enable_onednn_fusion(before)


class _Embed(nn.Module):
    """Images `(1, 3, s, s)` to features, and to the levels where the network reads boxes."""

    def __init__(self, network: TrackingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        if isinstance(self.network, BoxNetwork):
            features, levels = self.network.embed_levels(images)
            return features, *levels
        return (self.network.embed_search(images),)


class FusedBackend(TorchBackend):
    """Runs search crops as graphs, and exemplars, which come once a target, as its base does.

    Args:
        network: stays as it is.
        precision: of the copy that is run.
    """

    def __init__(self, network: TrackingNetwork, precision: Precision = "float32") -> None:
        super().__init__(network, "cpu", precision)
        # The weights of this type, and those of four axes with channels last.
        plain = traceable(network).to(dtype=self._dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._embedding = FusedGraph(_Embed(plain))
        self._boxes = FusedGraph(BoxesGraph(plain)) if isinstance(plain, BoxNetwork) else None

    @torch.inference_mode()
    def embed(self, images: Tensor) -> Embedding:
        """As of `Backend`."""
        features, *levels = self._embedding(images)
        return Embedding(features, tuple(levels))

    @torch.inference_mode()
    def read_boxes(self, kernels: Tensor, levels: Sequence[Tensor], sizes: Tensor) -> Tensor:
        """As of `Backend`."""
        if self._boxes is None:
            return super().read_boxes(kernels, levels, sizes)
        (boxes,) = self._boxes(kernels, sizes.to(self._dtype), *levels)
        return boxes.float()
