"""Export of a checkpoint to a weights file with its model card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from siamtrack.models.cards import ModelCard
from siamtrack.models.weights import save_network
from siamtrack.system.machine import describe_machine
from siamtrack.training.checkpoint import Checkpoint
from siamtrack.training.loop import average_network


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
