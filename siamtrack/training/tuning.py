"""Search for tracking settings on sequences with boxes: what `siamtrack tune` does.

Settings are tried on every second track and judged on the others. The first trial is the model's own settings: what
comes out is never worse on the tracks that were searched, and the others say what that is worth.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from siamtrack.config import TrackingSettings
from siamtrack.datasets.training_tracks import Track
from siamtrack.errors import DataError, OutputError, UsageError
from siamtrack.models.network import BoxNetwork, TrackingNetwork
from siamtrack.models.registry import find_model
from siamtrack.models.weights import load_network, save_network
from siamtrack.system.progress import Progress, Report, no_report
from siamtrack.system.signals import StopSignal
from siamtrack.training.dataset import TrainingData, read_training_data
from siamtrack.training.validation import spread_sample, validate

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

Span = tuple[float, float]

SEARCH_SPANS: dict[str, Span] = {
    "window_influence": (0.05, 0.5),
    "scale_penalty": (0.94, 1.0),
    "scale_lr": (0.2, 1.0),
}
"""Ranges for every tracker. The scale step is left alone: training may have used it."""
BOX_SPANS: dict[str, Span] = {
    "box_size_lr": (0.1, 1.0),
    "box_size_weight": (0.3, 1.0),
    "box_center_weight": (0.0, 1.0),
    "box_scale_lr": (0.0, 0.8),
}
"""Ranges for networks with a box head."""
FILTER_SPANS: dict[str, Span] = {
    "learning_rate": (0.01, 0.2),
    "first_sample_weight": (0.1, 0.7),
    "min_response": (0.1, 0.6),
    "sigma": (0.12, 0.4),
    "regularization": (0.01, 1.0),
}
"""Ranges for trackers with an online filter."""


@dataclass(frozen=True)
class TuningJob:
    """One call of the command."""

    model: str
    """A shipped model or a weights file."""
    data: Path
    output: Path
    """Weights file to write: the same weights with other settings in their card."""
    trials: int = 50
    minutes: float | None = None
    """Stop after so long; None for all trials."""
    frames: int = 2000
    """About how many frames to track in a trial; 0 for all."""
    seed: int = 0
    threads: int | None = None


@dataclass(frozen=True)
class TuningSummary:
    """Result of the search."""

    settings: TrackingSettings
    names: tuple[str, ...]
    """Names of the settings that were searched, for `read_setting`."""
    trials: int
    """Number of finished and of pruned trials."""
    searched: tuple[float, float]
    """Mean average overlap on the tracks that were searched, before and after."""
    judged: tuple[float, float]
    """Overlap on the other tracks."""
    tracks: tuple[int, int]
    """Number of tracks for the search and for the judgment."""


def run_tuning(job: TuningJob, report: Report = no_report) -> TuningSummary:
    """Search for settings with Optuna's TPE sampler, and write the model with the best of them.

    Raises:
        UsageError: where Optuna is not installed, the time is no positive number, or the output is no .safetensors.
        DataError: when the folder holds fewer than two tracks.
        SiamTrackError: for bad models and data.
    """
    try:
        import optuna  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("tune needs Optuna: pip install 'siamtrack[train]'") from error
    if job.minutes is not None and not 0 < job.minutes < math.inf:
        raise UsageError(f"--minutes {job.minutes:g} is no time to search: give a positive number")
    if job.output.suffix != ".safetensors":
        raise UsageError(f"{job.output} is no weights file: give a name that ends in .safetensors")
    if not job.output.parent.is_dir():
        raise OutputError(
            f"{job.output.parent} does not exist: make it first, so that the search is not lost at its end"
        )
    if job.threads is not None:
        torch.set_num_threads(job.threads)
    network, card = load_network(find_model(job.model))
    data = read_training_data(job.data)
    tracks = spread_sample(data.tracks, job.frames) if job.frames else data.tracks
    searched, judged = tracks[::2], tracks[1::2]
    if not judged:
        raise DataError(f"{job.data} holds {len(tracks)} tracks with boxes: to search and to judge takes two or more")

    spans = spans_for(network, card.tracking)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=job.seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=len(searched) // 4),
    )
    study.enqueue_trial({name: read_setting(card.tracking, name) for name in spans})
    deadline = math.inf if job.minutes is None else time.monotonic() + 60 * job.minutes
    with StopSignal() as stop:

        def after(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            figures = f"average overlap {study.trials[0].value or 0.0:.3f} at first, {study.best_value:.3f} at best"
            report(Progress(trial.number + 1, job.trials, "trials", figures=figures))
            if stop.received is not None or time.monotonic() > deadline:
                study.stop()

        def objective(trial: optuna.Trial) -> float:
            values = {name: trial.suggest_float(name, *span) for name, span in spans.items()}
            return _overlap(network, with_settings(card.tracking, values), searched, data, trial)

        study.optimize(objective, n_trials=job.trials, callbacks=[after])

    best = with_settings(card.tracking, study.best_params) if study.best_trial.number else card.tracking
    before, after_ = (_overlap(network, settings, judged, data) for settings in (card.tracking, best))
    figures = {"searched": round(study.best_value, 4), "judged": round(after_, 4), "trials": len(study.trials)}
    # What was measured before was measured with other settings.
    tuned = card.model_copy(update={"tracking": best, "figures": {"tuning": figures}})
    save_network(job.output, network, tuned)
    return TuningSummary(
        best,
        tuple(spans),
        len(study.trials),
        (study.trials[0].value or 0.0, study.best_value),
        (before, after_),
        (len(searched), len(judged)),
    )


def spans_for(network: TrackingNetwork, settings: TrackingSettings) -> dict[str, Span]:
    """Return the ranges of the settings that matter, widened to the present values.

    Those of the filter are named `online_filter.NAME`.
    """
    spans = dict(SEARCH_SPANS)
    if isinstance(network, BoxNetwork):
        spans |= BOX_SPANS
    if settings.online_filter:
        spans |= {f"online_filter.{name}": span for name, span in FILTER_SPANS.items()}
    present = {name: read_setting(settings, name) for name in spans}
    return {name: (min(low, present[name]), max(high, present[name])) for name, (low, high) in spans.items()}


def read_setting(settings: TrackingSettings, name: str) -> float:
    """Return a setting by its name, see `spans_for`."""
    group, _, inner = name.rpartition(".")
    return float(getattr(getattr(settings, group) if group else settings, inner))


def with_settings(settings: TrackingSettings, values: dict[str, float]) -> TrackingSettings:
    """Return the settings with some values replaced, and checked."""
    changed = settings.model_dump()
    for name, value in values.items():
        group, _, inner = name.rpartition(".")
        (changed[group] if group else changed)[inner] = value
    return TrackingSettings.model_validate(changed)


def _overlap(
    network: TrackingNetwork,
    settings: TrackingSettings,
    tracks: Sequence[Track],
    data: TrainingData,
    trial: optuna.Trial | None = None,
) -> float:
    """Mean average overlap; a trial that falls behind the others is given up on the way."""
    cache = data.cache
    if cache is None:
        raise DataError("no frames to track")
    overlaps: list[float] = []
    for track in tracks:
        overlaps += validate(network, settings, [track], lambda each, index: cache.frame(each.folder, index)).values()
        if trial is not None and overlaps:
            trial.report(float(np.mean(overlaps)), len(overlaps))
            if trial.should_prune():
                import optuna  # noqa: PLC0415 - an extra

                raise optuna.TrialPruned
    if not overlaps:
        raise DataError("none of the tracks can be tracked: their first boxes are too small or outside the frame")
    return float(np.mean(overlaps))
