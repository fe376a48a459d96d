"""Initialization of fresh weights."""

from __future__ import annotations

import torch
from torch import nn


def draw_weights(module: nn.Module, generator: torch.Generator | None) -> None:
    """Draw every convolution, linear layer and LSTM of a module anew and reset every batch norm, in place.

    Weights are normal with variance `2 / fan_in` (He et al. 2015, equation 10), which holds the scale of an output that
    no batch norm follows whatever its width; biases are 0, batch norms the identity. Those of an LSTM are uniform
    within `1 / sqrt(size of its state)`, as PyTorch draws them.

    Args:
        module: what to draw.
        generator: source of randomness on the device of the weights; None takes PyTorch's default one.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
        elif isinstance(layer, nn.LSTM):
            bound = layer.hidden_size**-0.5
            for weight in layer.parameters():
                nn.init.uniform_(weight, -bound, bound, generator=generator)
