"""Compile and measure models before they are used: the work of `siamtrack warmup`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median

from siamtrack.config import Precision, RuntimeName
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.models.registry import find_model, list_models
from siamtrack.system.progress import Progress, Report, no_report
from siamtrack.tracking.factory import load
from siamtrack.tracking.loop import track

FRAMES = 40
"""Frames of the rendered clip that every model follows."""


@dataclass(frozen=True)
class WarmModel:
    """Choices that were measured for a model, and its speed with them."""

    name: str
    runtime: RuntimeName
    precision: Precision
    threads: int | None
    """CPU threads of PyTorch; None on a GPU."""
    milliseconds: float
    """Median time of a frame of 640 x 360 pixels."""


def warm_up(models: Sequence[str] = (), device: str = "auto", report: Report = no_report) -> list[WarmModel]:
    """Compile the kernels, choose the runtime, the precision and the threads of models, and keep the choices.

    Later calls of `load(..., autotune=True)` and of the commands start with them at once.

    Args:
        models: names or files; none: all shipped models.
        device: see `siamtrack.load`.
        report: called before every model.

    Raises:
        UsageError: for an unknown model or a device that does not exist here.
        WeightsError: for a file that is not the weights of a network.
    """
    names = list(models) or list_models()
    for name in names:
        find_model(name)  # raises the error of an unknown name before anything slow happens
    warmed = []
    for index, name in enumerate(names):
        report(Progress(index, len(names), "models", name))
        warmed.append(_warm_up(name, device))
    report(Progress(len(names), len(names), "models"))
    return warmed


def _warm_up(name: str, device: str) -> WarmModel:
    tracker = load(name, device=device, autotune=True)
    (first, (box,)), *rest = islice(SyntheticClip(640, 360, FRAMES), FRAMES)
    tracker.init(first, box)
    seconds, start = [], time.perf_counter()
    for _ in track((frame for frame, _ in rest), tracker):
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
    backend = tracker.backend
    return WarmModel(name, backend.runtime, backend.precision, backend.threads, 1000 * median(seconds))
