"""Checkpoints: everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import json
import logging
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from siamtrack.config import Frozen
from siamtrack.errors import OutputError, RecipeError, UsageError, WeightsError
from siamtrack.system.atomic_files import replacing
from siamtrack.system.machine import source_commit
from siamtrack.training.recipe import Recipe

log = logging.getLogger(__name__)

FILE_NAME = "checkpoint.pt"


@dataclass(frozen=True)
class RunState:
    """State of a run of any kind after a step.

    Pairs are a function of the seed and their number, and the learning rate one of the step: with the step, the recipe
    holds the state of the generators and of the schedule.
    """

    recipe: Frozen
    step: int
    """Steps done."""
    seconds: float
    """Time spent in training so far."""
    initial: dict[str, Tensor]
    """Weights before the first step."""
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    """Moving average of the weights."""
    optimizer: dict[str, Any]
    generator: Tensor
    """State of PyTorch's default generator."""
    commit: str
    """Source that the run was started with."""
    base: dict[str, Any]
    """Training of the weights before the first step, from their card; empty for fresh weights."""


State = TypeVar("State", bound=RunState)


@dataclass(frozen=True)
class Checkpoint(RunState):
    """State of a run that trains a tracking network."""

    recipe: Recipe


def save_checkpoint(folder: Path, checkpoint: RunState) -> Path:
    """Write a checkpoint in place of the last one; that one survives when this fails.

    Raises:
        OutputError: when the disk is full or the folder not writable.
    """
    path = folder / FILE_NAME
    content = {**vars(checkpoint), "recipe": checkpoint.recipe.model_dump_json()}
    try:
        with replacing(path) as file:
            torch.save(content, file)
    except (OSError, RuntimeError) as error:  # PyTorch's writer turns a full disk into a RuntimeError
        raise OutputError(f"checkpoint {path} cannot be written ({error}); the one before it is untouched") from error
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of a tracking network; no code in it is run.

    Raises:
        WeightsError: when it is missing, damaged or something else.
    """
    return load_state(path, Checkpoint, Recipe)


def load_state(path: Path, kind: type[State], recipe: type[Frozen]) -> State:
    """Read a checkpoint; no code in it is run.

    Args:
        path: the file.
        kind: of state.
        recipe: the kind of recipe that belongs to it.

    Raises:
        WeightsError: when it is missing, damaged or something else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise WeightsError(f"checkpoint {path} does not exist") from error
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise WeightsError(f"{path} cannot be read as a checkpoint of a training run") from error
    try:
        return kind(recipe=recipe.model_validate(json.loads(content.pop("recipe"))), **content)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise WeightsError(f"{path} is no checkpoint of a training run of this version") from error


def first_state(
    kind: type[State], recipe: Frozen, network: nn.Module, optimizer: torch.optim.Optimizer, base: dict[str, Any]
) -> State:
    """Return the state of a run before its first step.

    Args:
        kind: kind of state.
        recipe: recipe of the run.
        network: holds the initial weights.
        optimizer: optimizer of `network`.
        base: training of the initial weights, from their card; empty for random weights.
    """
    weights = {name: value.detach().clone() for name, value in network.state_dict().items()}
    return kind(
        recipe=recipe,
        step=0,
        seconds=0.0,
        initial=weights,
        weights=weights,
        average={name: value.clone() for name, value in weights.items()},
        optimizer=optimizer.state_dict(),
        generator=torch.get_rng_state(),
        commit=source_commit(),
        base=base,
    )


def open_run(folder: Path, resume: bool, start: Callable[[], State], load: Callable[[Path], State]) -> State:
    """Return the state that a session begins with: a new one, or that of the checkpoint in the folder.

    Args:
        folder: folder of the run.
        resume: go on from the checkpoint, if there is one.
        start: makes the state of a new run.
        load: reads the state from a checkpoint file.

    Raises:
        UsageError: when the folder holds a run and `resume` is not set.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return start()
    if not resume:
        raise UsageError(f"{folder} holds a run already: go on with --resume auto, or choose another --out")
    state = load(path)
    log.info("going on from step %d of %s", state.step, path)
    return state


def check_same_recipe(path: Path, theirs: Frozen, ours: Frozen, free: tuple[str, ...] = ("card",)) -> None:
    """Check that a run can be gone on with: apart from the number of steps, its recipe must be the same.

    Args:
        path: of the checkpoint.
        theirs: the recipe in it.
        ours: the recipe to go on with, of the same kind.
        free: sections that may differ.

    Raises:
        RecipeError: naming the first difference.
    """
    wanted = ours.model_dump()
    for section, values in theirs.model_dump().items():
        for key, value in values.items():
            if section in free or (section, key) == ("run", "steps"):
                continue
            if value != wanted[section][key]:
                raise RecipeError(
                    f"{path} was trained with {section}.{key} = {value}, the recipe says {wanted[section][key]}: "
                    "take another --out, or the recipe of that run"
                )
