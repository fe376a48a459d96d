"""How many operations a network computes."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from siamtrack.models.network import BoxNetwork, TrackingNetwork


def network_flops(network: TrackingNetwork, crops: int, search_size: int) -> int:
    """Floating point operations of embedding search crops and, where the network has a box head, reading boxes in them.

    Args:
        network: stays as it is.
        crops: number of search crops.
        search_size: their side in pixels.
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
    """Floating point operations of the convolutions and matrix products of a module; a multiply-add is two.

    Args:
        module: anything that can be called; on the device `meta` nothing is computed.
        inputs: what it is called with, on the same device.
    """
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return int(counter.get_total_flops())
