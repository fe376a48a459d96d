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

import torch

from siamtrack.errors import SiamTrackError
from siamtrack.models.registry import build_network
from siamtrack.training.checkpoint import Checkpoint, check_same_recipe, first_state, load_checkpoint, save_checkpoint
from siamtrack.training.dataset import Batch, TrainingData
from siamtrack.training.loader import iterate_batches, make_pairs
from siamtrack.training.model import initial_network
from siamtrack.training.objective import Objective, objective
from siamtrack.training.optimizer import freeze, make_optimizer, rate_at, set_rate, training_mode, update_average
from siamtrack.training.parallel import SINGLE_PROCESS, Processes
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


def start_run(recipe: Recipe) -> Checkpoint:
    """Return the state of a run before its first step."""
    network, base = initial_network(recipe)
    freeze(network, recipe.model)
    return first_state(Checkpoint, recipe, network, make_optimizer(network, recipe.optimizer), base)


def resume_run(path: Path, recipe: Recipe) -> Checkpoint:
    """Return the state of a run from its checkpoint, to continue it.

    The precision `auto` becomes the precision that the run began in.

    Raises:
        WeightsError: when the checkpoint cannot be read.
        RecipeError: when its recipe differs in more than the number of steps, the tracking settings and the card.
    """
    checkpoint = load_checkpoint(path)
    if recipe.run.precision == "auto":
        recipe = recipe.in_precision(checkpoint.recipe.run.precision)
    check_same_recipe(path, checkpoint.recipe, recipe, free=("tracking", "card"))
    return replace(checkpoint, recipe=recipe)


def train(
    start: Checkpoint,
    data: TrainingData,
    options: RunOptions,
    report: Callable[[StepRecord], None],
    should_stop: Callable[[], bool] = lambda: False,
    inspect: Callable[[Checkpoint], None] = lambda checkpoint: None,
    processes: Processes = SINGLE_PROCESS,
) -> Checkpoint:
    """Train to the last step of the recipe, or until `should_stop` is true.

    Checkpoints are written at intervals and at the end.

    Args:
        start: from `start_run` or `resume_run`.
        data: the training data.
        options: folder, device and processes that make pairs.
        report: called every `options.report_every` steps.
        should_stop: called after every step; all processes stop when it is true in one of them.
        inspect: called with every checkpoint before the last, after it is written; its time does not count as training.
        processes: the processes that train; each makes a share of every batch, and process 0 writes the checkpoints.

    Returns:
        The state after the last step.

    Raises:
        UsageError: when the processes cannot share a batch evenly.
        DataError: when the data is not what the recipe asks for.
        NotFiniteError: for a loss or a gradient that is not finite; the batch is saved beside the last checkpoint.
        SiamTrackError: when a process that makes pairs is killed, or another training process has ended.
        OSError: when a report cannot be written. After this error and after bad data, a checkpoint of the last step is
            written.
    """
    device = torch.device(options.device)
    network = build_network(start.recipe.model.design)
    network.load_state_dict(start.weights)
    freeze(network, start.recipe.model)
    # The checkpoint holds the chosen precision, so that a resumed run uses the same one on any machine.
    precision = processes.broadcast(lambda: choose_precision(network, start.recipe, device))
    recipe = start.recipe.in_precision(precision)
    start = replace(start, recipe=recipe)
    prepare_for_training(network, device, precision)
    average = {name: value.clone().to(device) for name, value in start.average.items()}
    optimizer = make_optimizer(network, recipe.optimizer)
    optimizer.load_state_dict(start.optimizer)
    torch.set_rng_state(start.generator)
    training_mode(network, recipe.model)
    for branch in network.branches:
        processes.sync_batch_norm(branch)
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

    meter = _AverageMeter(recipe.run.steps)
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
                processes.average_gradients([parameter.grad for parameter in trained if parameter.grad is not None])
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
                if processes.maximum(should_stop()):
                    break
    except NotFiniteError:
        raise  # the weights in memory are not worth a checkpoint
    except RuntimeError as error:
        # PyTorch raises it from a signal handler, also within a step: there is no consistent state to save.
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


class _AverageMeter:
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
