"""Limit of a network on this machine: its number of operations and the time that they need at peak speed."""

from __future__ import annotations

import copy
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from siamtrack.models.cards import ModelCard
from siamtrack.models.network import BoxNetwork, TrackingNetwork
from siamtrack.models.registry import build_network
from siamtrack.profiling.measurement import FrameTimes
from siamtrack.runtime.base import Backend


@dataclass(frozen=True)
class NetworkLimit:
    """Speed that a network can reach on this machine, beside the speed that it has."""

    runtime: str
    """Name of the runtime."""
    precision: str
    """Precision of the runtime."""
    flops: int
    """Floating point operations of the network in a frame with the most frequent search crops."""
    peak: float
    """Operations per second of a large matrix product in the same run."""
    measured: float
    """Median time of the network in such frames, in seconds."""

    @property
    def seconds(self) -> float:
        """Time of the operations of a frame at peak speed."""
        return self.flops / self.peak

    @property
    def reached(self) -> float:
        """Share of the peak speed that the network reaches."""
        return self.seconds / self.measured if self.measured else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "runtime": self.runtime,
            "precision": self.precision,
            "flops_per_frame": self.flops,
            "peak_flops_per_second": self.peak,
            "limit_ms": round(1000 * self.seconds, 4),
            "network_ms": round(1000 * self.measured, 4),
            "reached": round(self.reached, 4),
        }


def network_limit(
    backend: Backend, card: ModelCard, frames: Sequence[FrameTimes], peaks: Mapping[str, float]
) -> NetworkLimit:
    """Return the limit of a network that was measured.

    Args:
        backend: runs the network.
        card: describes the network.
        frames: measured times.
        peaks: operations per second for each precision.
    """
    with torch.device("meta"):
        network = build_network(card.design).eval()
    crops = Counter(frame.crops for frame in frames).most_common(1)[0][0]
    flops = sum(network_flops(network, count, side) for side, count in crops)
    measured = statistics.median(frame.stages["network"] for frame in frames if frame.crops == crops)
    return NetworkLimit(backend.runtime, backend.precision, flops, peaks[backend.precision], measured)


def network_flops(network: TrackingNetwork, crops: int, search_size: int) -> int:
    """Return the floating point operations for search crops: their features, and their boxes if there is a box head.

    Args:
        network: is not changed.
        crops: number of search crops.
        search_size: side of the search crops in pixels.
    """
    twin = copy.deepcopy(network).to("meta", torch.float32)
    searches = torch.empty(crops, 3, search_size, search_size, device="meta")
    flops = count_flops(twin.backbone, searches)
    if isinstance(twin, BoxNetwork):
        exemplars = torch.empty(crops, 3, twin.exemplar_size, twin.exemplar_size, device="meta")
        kernels = twin.box_kernel(twin.embed_levels(exemplars)[1])
        flops += count_flops(
            twin.box_head, kernels, twin.embed_levels(searches)[1], torch.empty(crops, 2, device="meta")
        )
    return flops


def count_flops(module: nn.Module, *inputs: Any) -> int:
    """Return the floating point operations of the convolutions and matrix products; a multiply-add counts as two.

    Args:
        module: on the device `meta` it computes nothing.
        inputs: arguments of the module, on the same device.
    """
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return int(counter.get_total_flops())
