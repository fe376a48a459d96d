"""Precision of training: which one is faster, and the form of the network in it."""

from __future__ import annotations

import copy
import itertools
import logging
import math
import time

import torch
from torch import nn

from siamtrack.models.network import TrackingNetwork
from siamtrack.runtime.autotune import torch_precisions
from siamtrack.runtime.winograd import use_winograd_in_training
from siamtrack.training.recipe import Recipe, TrainingPrecision

CROPS = 4
"""Search crops that are embedded when precisions are compared."""
PASSES = 2
"""Passes of each that are timed; the faster one counts."""

log = logging.getLogger(__name__)


def prepare_for_training(network: nn.Module, device: torch.device, precision: TrainingPrecision) -> None:
    """Bring a network to where and into the form in which it is trained, in place; its parameters stay.

    Args:
        network: in float32.
        device: where it goes.
        precision: of the forward pass.
    """
    network.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    # Half precision is for the plain convolutions: minimal filtering would round too much.
    if device.type == "cpu" and precision == "float32":
        use_winograd_in_training(network)


def choose_precision(network: TrackingNetwork, recipe: Recipe, device: torch.device) -> TrainingPrecision:
    """Return the precision that a recipe asks for, or the one that is faster here.

    Args:
        network: stays as it is; what is frozen in it takes no time backwards.
        recipe: names a precision, or `auto`.
        device: where it is to be trained.
    """
    wanted, known = recipe.run.precision, training_precisions(device)
    if wanted != "auto":
        return wanted
    if len(known) == 1:
        return known[0]
    side = recipe.run.search_size or network.search_size
    crops = torch.rand(CROPS, 3, side, side, device=device)
    ways = {precision: copy.deepcopy(network).train() for precision in known}
    for precision, way in ways.items():
        prepare_for_training(way, device, precision)
    took = dict.fromkeys(known, math.inf)
    for turn, precision in itertools.product(range(1 + PASSES), known):
        began = time.perf_counter()
        _pass(ways[precision], crops, precision)
        if turn:  # the first one only warms up
            took[precision] = min(took[precision], time.perf_counter() - began)
    fastest = min(known, key=lambda precision: took[precision])
    shown = ", ".join(f"{precision} {1000 * took[precision]:.0f} ms" for precision in known)
    log.info("training in %s, the fastest here (%s for %d search crops)", fastest, shown, CROPS)
    return fastest


def training_precisions(device: torch.device) -> tuple[TrainingPrecision, ...]:
    """Return the precisions to try on a device, with the range of float32 (gradients are not scaled)."""
    if device.type == "cuda":
        return ("float32", "bfloat16") if torch.cuda.is_bf16_supported() else ("float32",)
    return ("float32", "bfloat16") if "bfloat16" in torch_precisions(device) else ("float32",)


def _pass(network: TrackingNetwork, crops: torch.Tensor, precision: TrainingPrecision) -> None:
    """Forwards and backwards through the backbone, where the time of a step goes."""
    with torch.autocast(crops.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        features = network.backbone(crops)
    if features.requires_grad:  # not where all of it is frozen
        features.float().square().mean().backward()
    network.zero_grad()
    if crops.device.type == "cuda":
        torch.cuda.synchronize(crops.device)
