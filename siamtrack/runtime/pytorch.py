"""The network in PyTorch, on the CPU or a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.config import Precision
from siamtrack.models.network import BoxNetwork, TrackingNetwork
from siamtrack.runtime.base import Backend, Embedding, Geometry
from siamtrack.runtime.correlation import compile_correlation, correlate
from siamtrack.runtime.fused import prepare_for_inference

AT_ONCE = 4
"""Crops in a pass on a CPU. What more of them leave between two layers exceeds its cache: 16 at once took twice as long
in float32 (siamtrack-lite)."""


class TorchBackend(Backend):
    """Runs a copy of a network that is prepared for inference.

    Args:
        network: stays as it is.
        device: where the copy goes.
        precision: of the copy.
    """

    def __init__(
        self, network: TrackingNetwork, device: torch.device | str = "cpu", precision: Precision = "float32"
    ) -> None:
        super().__init__(
            Geometry.of(network),
            scale=network.head.log_scale.exp().item(),
            bias=network.head.bias.item(),
            reads_boxes=isinstance(network, BoxNetwork),
            comparison=network.head.comparison,
            precision=precision,
            runtime="torch",
            device=torch.device(device),
        )
        self.network = prepare_for_inference(network, self.device, precision)
        self._dtype: torch.dtype = getattr(torch, precision)
        self._correlates_on_cpu = self.device.type == "cpu" and self.comparison == "dot"
        if self._correlates_on_cpu:
            compile_correlation()

    def upload(self, crops: NDArray[np.uint8]) -> Tensor:
        """See `Backend`: `(B, 3, s, s)`, channels last, in the network's own precision."""
        return torch.from_numpy(crops).to(self.device).permute(0, 3, 1, 2).to(self._dtype)

    @torch.inference_mode()
    def embed(self, images: Tensor) -> Embedding:
        """See `Backend`."""
        return self._in_passes(self._embed, images)

    @torch.inference_mode()
    def embed_exemplars(self, images: Tensor) -> Embedding:
        """See `Backend`."""
        branch = self.network.exemplar_backbone
        if branch is None:
            return self._in_passes(self._embed, images)
        return self._in_passes(lambda some: Embedding(branch(some), ()), images)

    def _in_passes(self, embed: Callable[[Tensor], Embedding], images: Tensor) -> Embedding:
        if self.device.type != "cpu" or len(images) <= AT_ONCE:
            return embed(images)
        features, levels = zip(*map(embed, torch.split(images, AT_ONCE)), strict=True)
        return Embedding(torch.cat(features), tuple(map(torch.cat, zip(*levels, strict=True))))

    def _embed(self, images: Tensor) -> Embedding:
        if isinstance(self.network, BoxNetwork):
            features, levels = self.network.embed_levels(images)
            return Embedding(features, levels)
        return Embedding(self.network.embed_search(images), ())

    @torch.inference_mode()
    def correlate(self, kernels: Tensor, features: Tensor) -> Tensor:
        """See `Backend`; on a GPU multiplied in the network's precision, added up in float32."""
        if self._correlates_on_cpu:
            return correlate(kernels, features)
        kernels, features = kernels.to(self._dtype), features.to(self._dtype)
        return self.network.head.compare(kernels, features)

    @torch.inference_mode()
    def box_kernels(self, levels: Sequence[Tensor]) -> Tensor:
        """See `Backend`."""
        return self._box_network.box_kernel(levels)

    @torch.inference_mode()
    def read_boxes(self, kernels: Tensor, levels: Sequence[Tensor], sizes: Tensor) -> Tensor:
        """See `Backend`."""
        return self._box_network.read_boxes(kernels, levels, sizes.to(self._dtype)).stacked().float()

    @property
    def _box_network(self) -> BoxNetwork:
        if not isinstance(self.network, BoxNetwork):
            raise TypeError("this network reads no boxes")
        return self.network
