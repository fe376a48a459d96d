"""Optimizer, learning rates and the moving average of weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from siamtrack.errors import RecipeError
from siamtrack.training.recipe import ModelSettings, OptimizerSettings


def freeze(network: nn.Module, settings: ModelSettings) -> None:
    """Take what the recipe names out of training, in place.

    Raises:
        RecipeError: when a prefix fits no parameter.
    """
    for prefix in settings.frozen:
        named = [parameter for name, parameter in network.named_parameters() if name.startswith(prefix)]
        if not named:
            raise RecipeError(f"model.frozen: '{prefix}' is the beginning of no parameter of {settings.architecture}")
        for parameter in named:
            parameter.requires_grad_(False)
    if settings.freeze_batch_norm:
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.requires_grad_(False)


def training_mode(network: nn.Module, settings: ModelSettings) -> None:
    """Switch to training, except for batch norm that is to stay as it is: all of it, or that of frozen parts."""
    network.train()
    for name, module in network.named_modules():
        frozen = settings.freeze_batch_norm or name.startswith(settings.frozen)
        if frozen and isinstance(module, nn.BatchNorm2d):
            module.eval()


def make_optimizer(network: nn.Module, settings: OptimizerSettings) -> torch.optim.Optimizer:
    """Return the optimizer of the trained parameters; `initial_lr` of a group is its highest rate.

    Weights of convolutions decay; biases, batch norm and the head do not.

    Raises:
        RecipeError: when a prefix of `learning_rate_factors` fits no parameter.
    """
    names = [name for name, _ in network.named_parameters()]
    for prefix in settings.learning_rate_factors:
        if not any(name.startswith(prefix) for name in names):
            raise RecipeError(f"optimizer.learning_rate_factors: '{prefix}' is the beginning of no parameter")
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            decay = settings.weight_decay if parameter.ndim > 1 else 0.0
            rate = settings.learning_rate * _factor(name, settings.learning_rate_factors)
            groups.setdefault((rate, decay), []).append(parameter)
    options = [
        {"params": parameters, "lr": rate, "initial_lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]
    if settings.kind == "sgd":
        return torch.optim.SGD(options, momentum=settings.momentum)
    return torch.optim.AdamW(options)


def _factor(name: str, factors: Mapping[str, float]) -> float:
    matching = [prefix for prefix in factors if name.startswith(prefix)]
    return factors[max(matching, key=len)] if matching else 1.0


def rate_at(step: int, steps: int, settings: OptimizerSettings) -> float:
    """Factor on the learning rates before step `step` (from 0) of `steps`."""
    low: float = settings.final_learning_rate / settings.learning_rate
    progress = min(step / max(steps - 1, 1), 1.0)
    if settings.schedule == "exponential":
        factor = math.pow(low, progress)
    else:
        factor = low + (1 - low) * 0.5 * (1 + math.cos(math.pi * progress))
    warm = min((step + 1) / settings.warmup_steps, 1.0) if settings.warmup_steps else 1.0
    return factor * warm


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group to this share of its highest rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor


@torch.no_grad()
def update_average(average: Mapping[str, Tensor], weights: Iterable[tuple[str, Tensor]], decay: float) -> None:
    """Move an average of a network's state towards its present one, in place."""
    for name, value in weights:
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)
