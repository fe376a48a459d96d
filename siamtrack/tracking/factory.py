"""A tracker by the name of its model."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from pydantic import ValidationError

from siamtrack.config import RUNTIMES, Precision, RuntimeName, TrackingSettings
from siamtrack.errors import UsageError
from siamtrack.models.cards import ModelCard
from siamtrack.models.network import TrackingNetwork
from siamtrack.models.registry import DEFAULT_MODEL, find_model
from siamtrack.models.weights import load_network
from siamtrack.runtime.autotune import FastestThreads, choose, fastest_threads, torch_precisions
from siamtrack.runtime.base import Backend
from siamtrack.runtime.devices import find_device, torch_threads
from siamtrack.runtime.exported import format_of, load_exported
from siamtrack.runtime.measurement_cache import Measurements, model_folder
from siamtrack.runtime.memory import keep_freed_memory
from siamtrack.runtime.pytorch import TorchBackend
from siamtrack.runtime.runtime_cache import RuntimeCache
from siamtrack.runtime.traced import TracedBackend, can_trace
from siamtrack.system.machine import usable_cores
from siamtrack.tracking.crops import ColorOrder
from siamtrack.tracking.tracker import Tracker

RUNTIME_VARIABLE = "SIAMTRACK_RUNTIME"
"""The environment variable that says which runtime `auto` is."""


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    device: str = "auto",
    settings: TrackingSettings | Mapping[str, object] | None = None,
    threads: int | None = None,
    precision: Precision | Literal["auto"] = "auto",
    runtime: RuntimeName | Literal["auto"] = "auto",
    autotune: bool = False,
    color: ColorOrder = "bgr",
) -> Tracker:
    """Make a tracker from a shipped model or a weights file.

    The process stays as it is: its number of threads, its environment and its memory allocator. With `autotune` that is
    not so, and the tracker is faster.

    >>> tracker = siamtrack.load("siamtrack-lite", device="cpu", settings={"window_influence": 0.3})
    >>> tracker.settings.window_influence
    0.3

    Args:
        model: a name of `list_models()`, a `.safetensors` file, a `.pth` file of siamfc-pytorch, or a folder that
            `siamtrack export` wrote.
        device: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`; exported models run on the CPU.
        settings: tracking settings; None takes those of the model's card, a mapping changes some of them.
        threads: CPU threads of the network, inside the calls of the tracker. None is one thread, which shares a
            processor with other programs best; with `autotune` it is the smallest number that comes near the fastest.
        precision: number format of the network. `auto` is float32; with `autotune` it is the fastest one whose
            responses are those of float32. A precision that is named runs in PyTorch unless a runtime is named too.
        runtime: library that runs the network. `auto` is PyTorch, or what the environment variable SIAMTRACK_RUNTIME
            names; with `autotune` on a CPU it is OpenVINO where it is installed and faster. The first time that a model
            runs on another runtime than PyTorch, it is written for it (`siamtrack.runtime.runtime_cache`).
        autotune: measure what `auto` and None stand for the first time that this machine runs the model, and keep the
            result in the cache (`siamtrack.runtime.measurement_cache`); and let the process keep the memory that it
            frees (`siamtrack.runtime.memory`). `siamtrack warmup` measures beforehand.
        color: color order of frames that are arrays, `bgr` or `rgb`. An image of Pillow is RGB in any case.

    Raises:
        UsageError: for an unknown model or color order, a device, precision or runtime that does not exist here, less
            than one thread, or settings that cannot be.
        WeightsError: for a file that is not the weights of a network.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"{threads} threads cannot compute anything: give 1 or more")
    path, place = find_model(model), find_device(device)
    if autotune and place.type == "cpu":
        keep_freed_memory()
    if not autotune and precision == "auto":
        precision = "float32"
    if path.is_dir():
        if runtime not in ("auto", exported_for := format_of(path)):
            raise UsageError(f"{path} was exported for {exported_for} and does not run on {runtime}: leave runtime out")
        backend, card = load_exported(path, precision, threads)
    else:
        network, card = load_network(path)
        backend = _make_backend(path, network, card, place, threads, precision, _requested_runtime(runtime), autotune)
    return Tracker(backend, _changed(card.tracking, settings), card, color=color)


def _make_backend(
    path: Path,
    network: TrackingNetwork,
    card: ModelCard,
    place: torch.device,
    threads: int | None,
    precision: Precision | Literal["auto"],
    runtime: RuntimeName | Literal["auto"],
    autotune: bool,
) -> Backend:
    """Return a backend of the runtime that is asked for; `auto` is measured with `autotune`, else PyTorch."""
    if runtime not in ("auto", "torch") and place.type != "cpu":
        raise UsageError(f"runtime '{runtime}' computes on the CPU, not on '{place}': give --device cpu as well")
    if runtime != "auto" and runtime != "torch":  # noqa: PLR1714 - narrows the type
        return RuntimeCache(model_folder(path), network, card, threads or usable_cores()).load(runtime, precision)
    if not autotune or place.type != "cpu":  # a GPU is measured at every start: what is kept belongs to a processor
        return _make_torch_backend(network, place, threads, precision)
    cache = RuntimeCache(model_folder(path), network, card, threads or usable_cores())
    in_torch = partial(_make_torch_backend, network, place, threads, precision, cache.measurements)
    return (cache.faster(in_torch) if runtime == precision == "auto" else None) or in_torch()


def _make_torch_backend(
    network: TrackingNetwork,
    place: torch.device,
    threads: int | None,
    precision: Precision | Literal["auto"],
    measurements: Measurements | None = None,
) -> Backend:
    """Return a backend that runs in PyTorch.

    Args:
        network: stays as it is.
        place: device.
        threads: on a CPU; None is one, or what is measured.
        precision: `auto` is measured.
        measurements: of the network on this processor; None: threads are not measured.
    """
    known = torch_precisions(place)
    if place.type == "cpu" and threads is None:
        threads = 1
        if measurements is not None:
            # A graph is made for a number of threads, which is therefore chosen before, without graphs.
            plain = TorchBackend(network, place, precision if precision in known else known[-1])
            threads = measurements.recall(
                "threads", FastestThreads, lambda: FastestThreads(threads=fastest_threads(plain)), precision
            ).threads
    kind = TracedBackend if can_trace(network, place) else TorchBackend
    with torch_threads(threads):
        backend = choose(partial(kind, network, place), known, precision, str(place), measurements, threads)
    backend.threads = threads
    return backend


def _requested_runtime(runtime: RuntimeName | Literal["auto"]) -> RuntimeName | Literal["auto"]:
    """Return the runtime that is asked for, by the caller or else by the environment.

    Raises:
        UsageError: for an unknown one.
    """
    named = os.environ.get(RUNTIME_VARIABLE) or "auto" if runtime == "auto" else runtime
    if named == "auto":
        return "auto"
    for known in RUNTIMES:
        if named == known:
            return known
    raise UsageError(f"unknown runtime '{named}' (known: auto, {', '.join(RUNTIMES)})")


def _changed(settings: TrackingSettings, changes: TrackingSettings | Mapping[str, object] | None) -> TrackingSettings:
    """The settings, others instead, or these with some changed.

    Raises:
        UsageError: for an unknown setting or an impossible value.
    """
    if changes is None or isinstance(changes, TrackingSettings):
        return changes or settings
    try:
        return TrackingSettings.model_validate(settings.model_dump() | dict(changes))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"these settings cannot be: {f'{where}: ' if where else ''}{message}") from error
