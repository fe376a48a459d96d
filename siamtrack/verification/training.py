"""Training of an embedding that tells same from different."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from siamtrack.errors import RecipeError, UsageError
from siamtrack.losses.contrastive import contrastive_loss, energy_loss
from siamtrack.losses.triplet import triplet_loss
from siamtrack.models.comparisons import create_comparison
from siamtrack.models.registry import find_model
from siamtrack.models.weights import load_network
from siamtrack.training.checkpoint import RunState, check_same_recipe, first_state, load_state, save_checkpoint
from siamtrack.training.loop import NotFiniteError
from siamtrack.training.optimizer import make_optimizer, rate_at, set_rate, update_average
from siamtrack.verification.augmentation import augment_patches
from siamtrack.verification.dataset import PatchDataset, sample_class_batch, sample_pairs
from siamtrack.verification.mining import batch_hard, random_triplets
from siamtrack.verification.networks import BackboneBranch, SiameseNetwork
from siamtrack.verification.recipe import PairLossSettings, VerificationRecipe
from siamtrack.verification.verifier import Branch, build_branch

REPORT_EVERY = 20
"""Steps between reports."""


@dataclass(frozen=True)
class VerificationCheckpoint(RunState):
    """State of a run that trains a branch."""

    recipe: VerificationRecipe


@dataclass(frozen=True)
class VerificationStepRecord:
    """Record of a step; values are means since the last record."""

    step: int
    steps: int
    loss: float
    active: float
    """Share of the pairs or triplets that cost something still."""
    learning_rate: float
    """Learning rate."""
    patches_per_second: float

    def __str__(self) -> str:
        """Return the figures to watch a run by."""
        return f"loss {self.loss:.4f}, {self.active:.0%} of it active, {self.patches_per_second:.0f} patches/s"


@dataclass(frozen=True)
class BatchLoss:
    """Loss of a batch and share of its pairs or triplets with a loss above 0, as scalars."""

    loss: Tensor
    active: Tensor


def start_verification(recipe: VerificationRecipe) -> VerificationCheckpoint:
    """Return the state of a run before its first step.

    Raises:
        RecipeError: when the initial weights are not to be had, or are of another architecture.
        UsageError: for an architecture that does not exist.
        WeightsError: when the file of the initial weights cannot be read.
    """
    branch, base = _initial_branch(recipe)
    return first_state(VerificationCheckpoint, recipe, branch, _optimizer(branch, recipe), base)


def _initial_branch(recipe: VerificationRecipe) -> tuple[Branch, dict[str, str]]:
    model = recipe.model
    branch = build_branch(model, recipe.data.size, recipe.data.channels)
    branch.initialize(torch.Generator().manual_seed(recipe.run.seed))
    if model.init == "random" or not isinstance(branch, BackboneBranch):
        return branch, {}
    try:
        path = find_model(model.init)
    except UsageError as error:
        raise RecipeError(f"model.init: {error}") from error
    network, card = load_network(path)
    if type(network.backbone) is not type(branch.backbone):
        raise RecipeError(
            f"model.init = '{model.init}' is of architecture {card.architecture}, not {model.architecture}"
        )
    branch.backbone.load_state_dict(network.backbone.state_dict())
    return branch, {"name": card.name}


def resume_verification(path: Path, recipe: VerificationRecipe) -> VerificationCheckpoint:
    """Take up a run where its checkpoint left it.

    Raises:
        WeightsError: when the checkpoint cannot be read.
        RecipeError: when it is of another recipe; only the number of steps and the words of the card may differ.
    """
    checkpoint = load_state(path, VerificationCheckpoint, VerificationRecipe)
    check_same_recipe(path, checkpoint.recipe, recipe)
    return replace(checkpoint, recipe=recipe)


def trained_branch(checkpoint: VerificationCheckpoint) -> Branch:
    """Return the branch that a run has made so far, with its averaged weights."""
    data = checkpoint.recipe.data
    branch = build_branch(checkpoint.recipe.model, data.size, data.channels)
    branch.load_state_dict(checkpoint.average)
    branch.eval()
    return branch


def train_verification(
    start: VerificationCheckpoint,
    data: PatchDataset,
    out: Path,
    report: Callable[[VerificationStepRecord], None],
    should_stop: Callable[[], bool] = lambda: False,
    inspect: Callable[[VerificationCheckpoint], None] = lambda checkpoint: None,
) -> VerificationCheckpoint:
    """Train to the end of the recipe, or until `should_stop`; checkpoints are written on the way and at the end.

    A batch follows from the seed and its number alone, so that a run which was broken off ends as one that was not.

    Args:
        start: from `start_verification` or `resume_verification`.
        data: the classes to train on, two with two patches or more at least.
        out: folder of the checkpoints.
        report: called every `REPORT_EVERY` steps.
        should_stop: asked after every step.
        inspect: called with every checkpoint on the way, once it is on disk; its time does not count as training.

    Returns:
        The state after the last step.

    Raises:
        NotFiniteError: for a loss that is not finite.
    """
    recipe = start.recipe
    branch = build_branch(recipe.model, recipe.data.size, recipe.data.channels)
    branch.load_state_dict(start.weights)
    optimizer = _optimizer(branch, recipe)
    optimizer.load_state_dict(start.optimizer)
    network = SiameseNetwork(branch, create_comparison(recipe.model.comparison))
    _training_mode(branch, recipe)
    average = {name: value.clone() for name, value in start.average.items()}
    trained = [parameter for parameter in branch.parameters() if parameter.requires_grad]
    out.mkdir(parents=True, exist_ok=True)
    step, began = start.step, time.monotonic()

    def state() -> VerificationCheckpoint:
        return replace(
            start,
            step=step,
            seconds=start.seconds + time.monotonic() - began,
            weights={name: value.detach().clone() for name, value in branch.state_dict().items()},
            average={name: value.clone() for name, value in average.items()},
            optimizer=optimizer.state_dict(),
        )

    saved, reported, losses = began, time.monotonic(), list[tuple[float, float]]()
    while step < recipe.run.steps:
        set_rate(optimizer, rate_at(step, recipe.run.steps, recipe.optimizer))
        found = batch_loss(network, data, recipe, step)
        if not math.isfinite(found.loss.item()):
            raise NotFiniteError(f"the loss of step {step} is not finite: lower optimizer.learning_rate")
        optimizer.zero_grad(set_to_none=True)
        found.loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, recipe.optimizer.clip_norm)
        optimizer.step()
        step += 1
        # A short run must not average over its random start.
        update_average(average, branch.state_dict().items(), min(recipe.optimizer.ema_decay, step / (step + 10)))
        losses.append((found.loss.item(), found.active.item()))
        now = time.monotonic()
        if step % REPORT_EVERY == 0 or step == recipe.run.steps:
            loss, active = np.mean(losses, axis=0)
            speed = (
                len(losses) * recipe.run.classes_per_batch * recipe.run.patches_per_class / max(now - reported, 1e-9)
            )
            rate = optimizer.param_groups[0]["lr"]
            report(VerificationStepRecord(step, recipe.run.steps, float(loss), float(active), rate, speed))
            reported, losses = now, []
        if now - saved > 60 * recipe.run.checkpoint_minutes:
            checkpoint = state()
            save_checkpoint(out, checkpoint)
            inspect(checkpoint)
            saved = reported = time.monotonic()
            began += saved - now
        if should_stop():
            break
    final = state()
    save_checkpoint(out, final)
    return final


def batch_loss(network: SiameseNetwork, data: PatchDataset, recipe: VerificationRecipe, step: int) -> BatchLoss:
    """Return the loss of a batch of the recipe.

    Args:
        network: with one branch for both patches, in training mode or not.
        data: the classes to train on.
        recipe: says which batch, and which loss.
        step: number of the batch.
    """
    rng = np.random.default_rng((recipe.run.seed, step))
    settings = recipe.loss
    if settings.kind in ("contrastive", "energy"):
        pairs = sample_pairs(data, recipe.run.classes_per_batch * recipe.run.patches_per_class // 2, rng)
        embedded = _embed(network, data, np.concatenate([pairs.first, pairs.second]), recipe, rng)
        first, second = embedded.tensor_split(2)
        distances = network.comparison(first, second)
        return _pair_loss(distances, torch.from_numpy(pairs.same).long(), settings)
    batch = sample_class_batch(data, recipe.run.classes_per_batch, recipe.run.patches_per_class, rng)
    embedded = _embed(network, data, batch, recipe, rng)
    distances = network.comparison.matrix(embedded, embedded)
    classes = torch.from_numpy(data.classes[batch])
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    hard = settings.kind == "batch-hard"
    anchor, positive, negative = (batch_hard(distances, classes) if hard else random_triplets(classes, generator)).T
    losses = triplet_loss(
        distances[anchor, positive], distances[anchor, negative], margin=settings.margin, reduction="none"
    )
    return _mean(losses)


def _embed(
    network: SiameseNetwork,
    data: PatchDataset,
    indices: np.ndarray,
    recipe: VerificationRecipe,
    rng: np.random.Generator,
) -> Tensor:
    """Return all patches of a batch in one pass: batch norm sees them together."""
    changed = augment_patches(data.patches[indices], recipe.augmentation, rng)
    return network.embed_first(torch.from_numpy(changed).float())


def _pair_loss(distances: Tensor, labels: Tensor, settings: PairLossSettings) -> BatchLoss:
    if settings.kind == "contrastive":
        losses = contrastive_loss(distances, labels, same=1, margin=settings.margin, half=True, reduction="none")
    else:
        losses = energy_loss(distances, labels, same=1, bound=settings.bound, reduction="none")
    return _mean(losses)


def _mean(losses: Tensor) -> BatchLoss:
    """Zero, with a gradient, of no losses at all."""
    count = max(losses.numel(), 1)
    return BatchLoss(losses.sum() / count, (losses.detach() > 0).float().sum() / count)


def _optimizer(branch: Branch, recipe: VerificationRecipe) -> torch.optim.Optimizer:
    if recipe.model.freeze_backbone and isinstance(branch, BackboneBranch):
        branch.backbone.requires_grad_(False)
    return make_optimizer(branch, recipe.optimizer)


def _training_mode(branch: Branch, recipe: VerificationRecipe) -> None:
    branch.train()
    # Pretrained batch norm statistics come from many images and are better than those of small batches.
    trunk: nn.Module | None = branch.backbone if isinstance(branch, BackboneBranch) else None
    if trunk is not None and recipe.model.init != "random":
        trunk.eval()
