"""The parts of a network as graphs of tensors alone, which another runtime can take over.

All are of batch 1, what runtimes are fastest at on a CPU; the side of the crops and the number of kernels are free.
Kernels are inputs: a graph knows no target.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from siamtrack.errors import UsageError
from siamtrack.models.heads import cross_correlation
from siamtrack.models.network import BoxNetwork, TrackingNetwork
from siamtrack.runtime.fused import traceable

LEVELS = ("level_1", "level_2", "level_3")

INPUTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "backbone": ("crops",),
        "correlation": ("kernels", "features"),
        "box_kernels": LEVELS,
        "boxes": ("box_kernels", "sizes", *LEVELS),
    }
)
"""Names of each graph's inputs, in order."""
OUTPUTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "backbone": ("features", *LEVELS),
        "correlation": ("responses",),
        "box_kernels": ("box_kernels",),
        "boxes": ("boxes",),
    }
)
"""Names of each graph's outputs, in order; a network that reads no boxes has no levels."""
FREE_AXES: Mapping[str, Mapping[str, tuple[int, ...]]] = MappingProxyType(
    {
        "backbone": {"crops": (1, 2)},
        "correlation": {"kernels": (1,)},
        "boxes": dict.fromkeys(LEVELS, (2, 3)),
    }
)
"""Axes of inputs whose length may differ from what a graph was traced with."""


class EmbeddingGraph(nn.Module):
    """Images `(B, 3, s, s)` to features `(B, C, h, w)`, and to the levels where the network reads boxes."""

    def __init__(self, network: TrackingNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Embed."""
        if isinstance(self.network, BoxNetwork):
            features, levels = self.network.embed_levels(images)
            return features, *levels
        return (self.network.embed_search(images),)


class BackboneGraph(EmbeddingGraph):
    """Run it on crops `(1, s, s, 3)` uint8 RGB."""

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """Embed."""
        return super().forward(crops.permute(0, 3, 1, 2).float())


class CorrelationGraph(nn.Module):
    """Kernels `(1, S, C, h, w)` and features `(1, C, H, W)` to plain correlations `(1, S, R, R)`."""

    def forward(self, kernels: Tensor, features: Tensor) -> Tensor:
        """Correlate."""
        return cross_correlation(kernels, features)


class BoxKernelsGraph(nn.Module):
    """Levels of exemplar crops to what boxes are read with, `(1, C, h, w)`."""

    def __init__(self, network: BoxNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, *levels: Tensor) -> Tensor:
        """Compare."""
        return self.network.box_kernel(levels)


class BoxesGraph(nn.Module):
    """Box kernels, sizes `(1, 2)` in pixels of the exemplar crop and levels to box maps `(1, 5, R, R)`."""

    def __init__(self, network: BoxNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, box_kernels: Tensor, sizes: Tensor, level_1: Tensor, level_2: Tensor, level_3: Tensor) -> Tensor:
        """Read boxes; the inputs have their names in `INPUTS`."""
        return self.network.read_boxes(box_kernels, (level_1, level_2, level_3), sizes).stacked()


Graph = tuple[nn.Module, tuple[Tensor, ...]]
"""A module of tensors, and inputs to trace it with."""


def has_graphs(network: TrackingNetwork) -> bool:
    """Return whether a network can be taken over by another runtime: it has one backbone, and correlates."""
    return network.shared and network.head.comparison == "dot"


def make_graphs(network: TrackingNetwork) -> dict[str, Graph]:
    """Return the graphs of a network, in evaluation mode, each with inputs to trace it with: one sample, two kernels.

    Raises:
        UsageError: when it has none.
    """
    if not has_graphs(network):
        raise UsageError(
            f"a network of {'shared' if network.shared else 'unshared'} branches compared by "
            f"'{network.head.comparison}' runs on PyTorch only: shared branches and 'dot' are what can be exported"
        )
    plain = traceable(network)
    backbone = BackboneGraph(plain)
    crops = _black(plain.search_size)
    with torch.no_grad():
        features, *levels = backbone(crops)
        embedded, *exemplar_levels = backbone(_black(plain.exemplar_size))
    kernels = plain.cut_margin(embedded)[:, None].repeat(1, 2, 1, 1, 1)
    graphs: dict[str, Graph] = {
        "backbone": (backbone, (crops,)),
        "correlation": (CorrelationGraph(), (kernels, features)),
    }
    if isinstance(plain, BoxNetwork):
        box_kernels = BoxKernelsGraph(plain)
        with torch.no_grad():
            made = box_kernels(*exemplar_levels)
        graphs["box_kernels"] = (box_kernels, tuple(exemplar_levels))
        graphs["boxes"] = (BoxesGraph(plain), (made, torch.full((1, 2), 64.0), *levels))
    for module, _ in graphs.values():
        module.eval()
    return graphs


def _black(side: int) -> Tensor:
    return torch.zeros(1, side, side, 3, dtype=torch.uint8)
