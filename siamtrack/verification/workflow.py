"""Workflows of `siamtrack train verify-...` and `siamtrack oneshot`: classes in, a model or figures out."""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from siamtrack.errors import OutputError, UsageError
from siamtrack.models.cards import BranchSettings, Calibration, VerificationCard
from siamtrack.system.machine import describe_machine
from siamtrack.system.progress import Progress, Report, no_report
from siamtrack.system.signals import StopSignal
from siamtrack.training.checkpoint import open_run
from siamtrack.training.records import table
from siamtrack.verification.dataset import (
    PatchDataset,
    check_pairs_exist,
    choose_held_out,
    compose_classes,
    read_dataset,
    sample_pairs,
)
from siamtrack.verification.metrics import (
    VerificationMetrics,
    accuracy,
    best_threshold,
    evaluate,
    fit_calibration,
    pixel_similarities,
    reliability,
    similarity_matrix,
)
from siamtrack.verification.recipe import VerificationRecipe
from siamtrack.verification.training import (
    VerificationCheckpoint,
    VerificationStepRecord,
    resume_verification,
    start_verification,
    train_verification,
    trained_branch,
)
from siamtrack.verification.verifier import BranchVerifier, Verifier, load_verifier, save_verifier

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class VerificationJob:
    """Settings of one training run."""

    recipe: VerificationRecipe
    source: str
    """See `siamtrack.verification.dataset.read_dataset`."""
    out: Path
    resume: bool = False
    """Go on from the checkpoint in `out`, if there is one."""
    minutes: float | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Validation:
    """VerificationMetrics of the validation classes when a checkpoint was written."""

    step: int
    auc: float
    recall: float
    one_shot: float


@dataclass(frozen=True)
class VerificationSummary:
    """Summary of a run."""

    steps: int
    minutes: float
    """Minutes of training, over all sessions of the run."""
    card: VerificationCard
    metrics: VerificationMetrics
    """On the held-out classes."""
    weights: Path
    finished: bool
    """All steps of the recipe were done."""
    stopped_by: signal.Signals | None = None
    """The signal that ended the session early."""


@dataclass(frozen=True, eq=False)
class ClassSplit:
    """Split of the classes into training, held-out and validation classes."""

    training: PatchDataset
    held_out: PatchDataset
    validation: PatchDataset
    """Validation classes; the held-out classes if the recipe names none."""


def split_classes(data: PatchDataset, recipe: VerificationRecipe, source: str) -> ClassSplit:
    """Split the classes of a data set as the recipe says.

    Raises:
        DataError: for a class that is not there, or too few that are left to train or to measure with.
    """
    settings = recipe.data
    rng = np.random.default_rng(recipe.run.seed)
    held_out = settings.held_out or choose_held_out(data, settings.held_out_ratio, rng)
    parts = {
        "training": data.exclude((*held_out, *settings.validation)),
        "held-out": data.select(held_out),
        "validation": data.select(settings.validation or held_out),
    }
    for what, part in parts.items():
        check_pairs_exist(part, f"the {what} classes of {source}")
    return ClassSplit(parts["training"], parts["held-out"], parts["validation"])


def training_classes(data: PatchDataset, recipe: VerificationRecipe) -> PatchDataset:
    """Return the classes that batches are sampled from: the training classes, or the classes composed of them."""
    if recipe.data.composed_per_class == 0:
        return data
    return compose_classes(data, recipe.data.composed_per_class, np.random.default_rng(recipe.run.seed))


def run_verification(job: VerificationJob, report: Report = no_report) -> VerificationSummary:
    """Train a branch, calibrate and measure it on the held-out classes, and write the model.

    Args:
        job: what to do.
        report: called with figures now and then.

    Raises:
        UsageError: when `out` holds a run already and `resume` is not set, the time is no positive number, or
            scikit-learn is not installed.
        SiamTrackError: for bad recipes, data and checkpoints, and for losses that are not finite.
    """
    if job.minutes is not None and not 0 < job.minutes < math.inf:
        raise UsageError(f"--minutes {job.minutes:g} is no time to train: give a positive number")
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    start = open_run(
        job.out,
        job.resume,
        lambda: start_verification(job.recipe),
        lambda path: resume_verification(path, job.recipe),
    )
    recipe = job.recipe
    parts = split_classes(read_dataset(job.source, recipe.data.size, recipe.data.channels), recipe, job.source)
    try:
        job.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{job.out} cannot be made: {error.strerror or error}") from error
    deadline = math.inf if job.minutes is None else time.monotonic() + 60 * job.minutes
    with ExitStack() as stack:
        logged = stack.enter_context(table(job.out / "log.csv", VerificationStepRecord, start.step))
        validated = stack.enter_context(table(job.out / "validation.csv", Validation, start.step))

        def report_step(step: VerificationStepRecord) -> None:
            report(Progress(step.step, step.steps, "steps", figures=str(step)))
            logged(step)

        def inspect(checkpoint: VerificationCheckpoint) -> None:
            found = evaluate(
                parts.validation, similarity_matrix(_uncalibrated_verifier(checkpoint), parts.validation), episodes=200
            )
            log.info("step %d: AUC %.4f on %d classes", checkpoint.step, found.auc, len(parts.validation.names))
            validated(Validation(checkpoint.step, found.auc, found.recall_at_one, found.few_shot.accuracy))

        with StopSignal() as stop:
            if start.step == 0:
                inspect(start)  # what the figures on the way are to be compared with
            final = train_verification(
                start,
                training_classes(parts.training, recipe),
                job.out,
                report_step,
                lambda: stop.received is not None or time.monotonic() > deadline,
                inspect,
            )
        inspect(final)
    path = job.out / f"{recipe.model.name}.safetensors"
    verifier, metrics = calibrate_and_evaluate(final, parts)
    save_verifier(path, verifier.branch, verifier.card)
    return VerificationSummary(
        final.step, final.seconds / 60, verifier.card, metrics, path, final.step >= recipe.run.steps, stop.received
    )


def calibrate_and_evaluate(
    checkpoint: VerificationCheckpoint, parts: ClassSplit
) -> tuple[BranchVerifier, VerificationMetrics]:
    """Return the model of a run: calibrated on half of the pictures of each held-out class, and measured.

    What needs the threshold or the probability is measured on pairs of the other half.
    """
    recipe = checkpoint.recipe
    raw = _uncalibrated_verifier(checkpoint)
    fitting, judging = split_patches(parts.held_out, np.random.default_rng(recipe.run.seed))
    values, same = sample_pair_values(raw, fitting, recipe.run.evaluation_pairs, recipe.run.seed)
    sign = float(raw.to_similarities(np.ones(1))[0])
    threshold = sign * best_threshold(sign * values, same)
    calibration = fit_calibration(values, same)
    values, same = sample_pair_values(raw, judging, recipe.run.evaluation_pairs, recipe.run.seed + 1)
    trusted = reliability(calibration.probability(values), same)
    metrics = evaluate(parts.held_out, similarity_matrix(raw, parts.held_out))
    pixels = evaluate(parts.held_out, pixel_similarities(parts.held_out))
    held_out = {
        "classes": list(parts.held_out.names),
        "auc": round(metrics.auc, 4),
        "recall at 1": round(metrics.recall_at_one, 4),
        f"{metrics.few_shot.ways}-way 1-shot": round(metrics.few_shot.accuracy, 4),
        "accuracy of the decision": round(accuracy(sign * values, same, sign * threshold), 4),
        "calibration error": round(trusted.error, 4),
        "auc of the pixels": round(pixels.auc, 4),
    }
    card = raw.card.model_copy(
        update={
            "calibration": calibration,
            "threshold": threshold,
            "classes": parts.training.names,
            "figures": {"held-out classes": held_out},
        }
    )
    return BranchVerifier(raw.branch, card), metrics


def split_patches(data: PatchDataset, rng: np.random.Generator) -> tuple[PatchDataset, PatchDataset]:
    """Split the patches of every class into two random halves; a class of fewer than four patches is in both."""
    first = np.zeros(len(data.classes), bool)
    both = np.zeros(len(data.classes), bool)
    for members in data.members:
        if len(members) >= 4:
            first[rng.permutation(members)[: len(members) // 2]] = True
        else:
            both[members] = True
    return tuple(  # type: ignore[return-value]  # of two
        PatchDataset(data.names, data.patches[part], data.classes[part]) for part in (first | both, ~first | both)
    )


def sample_pair_values(verifier: Verifier, data: PatchDataset, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the values of balanced pairs `(N,)`, and booleans `(N,)` that are true for pairs of one class."""
    pairs = sample_pairs(data, count, np.random.default_rng(seed))
    embedded = verifier.embed(data.patches)
    return verifier.compare(embedded, embedded)[pairs.first, pairs.second], pairs.same


def _uncalibrated_verifier(checkpoint: VerificationCheckpoint) -> BranchVerifier:
    """Return a verifier with the averaged weights of a run, before its calibration."""
    recipe = checkpoint.recipe
    training = {
        "data": list(recipe.card.data),
        "steps": checkpoint.step,
        "minutes": round(checkpoint.seconds / 60, 2),
        "commit": checkpoint.commit,
        **({"continued from": checkpoint.base} if checkpoint.base else {}),
        "machine": describe_machine(),
        "recipe": recipe.model_dump(mode="json"),
    }
    names = BranchSettings.model_fields
    card = VerificationCard(
        name=recipe.model.name,
        branch=BranchSettings(**{name: getattr(recipe.model, name) for name in names}),
        comparison=recipe.model.comparison,
        size=recipe.data.size,
        channels=recipe.data.channels,
        calibration=Calibration(intercept=0.0, slope=0.0),
        threshold=0.0,
        description=recipe.card.description,
        training=training,
        license=recipe.card.license,
        limits=recipe.card.limits,
    )
    return BranchVerifier(trained_branch(checkpoint), card)


@dataclass(frozen=True)
class OneShotResult:
    """Result of `siamtrack oneshot`."""

    model: str
    classes: Sequence[str]
    patches: int
    metrics: VerificationMetrics
    pixel_metrics: VerificationMetrics
    """VerificationMetrics of the same episodes, by the distance of the pixels."""


def run_one_shot(
    source: str,
    model: str | Path,
    ways: int,
    shots: int,
    episodes: int,
    only: Sequence[str],
    seed: int,
    report: Report = no_report,
) -> OneShotResult:
    """Measure N-way K-shot classification of a model; its classes may be new to the model.

    Args:
        source: see `siamtrack.verification.dataset.read_dataset`.
        model: see `siamtrack.verification.verifier.load_verifier`.
        ways: classes in an episode.
        shots: known patches of each.
        episodes: how many.
        only: names of the classes to take; all for none.
        seed: of the episodes.
        report: called now and then with the number of embedded pictures.

    Raises:
        SiamTrackError: for a bad model or data, and impossible episodes.
    """
    verifier = load_verifier(model)
    data = read_dataset(source, verifier.size, verifier.channels)
    data = data.select(only) if only else data
    able = sum(len(members) > shots for members in data.members)
    if able < ways:
        raise UsageError(
            f"{source}: {able} classes have {shots + 1} pictures or more, too few for {ways} ways of {shots} shots and "
            "a query: lower --ways or --shots, or add pictures"
        )
    metrics = evaluate(data, similarity_matrix(verifier, data, report), ways, shots, episodes, seed)
    pixels = evaluate(data, pixel_similarities(data), ways, shots, episodes, seed)
    return OneShotResult(verifier.name, data.names, len(data.patches), metrics, pixels)
