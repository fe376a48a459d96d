"""A tracker by the name of its model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from pydantic import ValidationError

from siamtrack.config import RUNTIMES, Precision, RuntimeName, TrackingSettings
from siamtrack.errors import UsageError
from siamtrack.models.network import TrackingNetwork
from siamtrack.models.registry import DEFAULT_MODEL, find_model
from siamtrack.models.weights import ModelCard, load_network
from siamtrack.runtime.autotune import FastestThreads, choose, fastest_threads, torch_precisions
from siamtrack.runtime.base import Backend
from siamtrack.runtime.devices import find_device
from siamtrack.runtime.exported import format_of, load_exported
from siamtrack.runtime.measurement_cache import Measurements, model_folder
from siamtrack.runtime.memory import keep_freed_memory
from siamtrack.runtime.pytorch import TorchBackend
from siamtrack.runtime.runtime_cache import RuntimeCache
from siamtrack.runtime.traced import TracedBackend, can_trace
from siamtrack.system.machine import usable_cores
from siamtrack.tracking.tracker import Tracker

RUNTIME_VARIABLE = "SIAMTRACK_RUNTIME"
"""The environment variable that says which runtime `auto` is."""


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    device: str = "auto",
    settings: TrackingSettings | Mapping[str, object] | None = None,
    threads: int | Literal["auto"] | None = None,
    precision: Precision | Literal["auto"] = "auto",
    runtime: RuntimeName | Literal["auto"] = "auto",
) -> Tracker:
    """Make a tracker from a shipped model or a weights file.

    On a CPU the process keeps memory that it has freed from now on (`siamtrack.runtime.memory`).

    >>> tracker = siamtrack.load("siamtrack-lite", device="cpu", settings={"window_influence": 0.3})
    >>> tracker.settings.window_influence
    0.3

    Args:
        model: a name of `list_models()`, a `.safetensors` file, a `.pth` file of siamfc-pytorch, or a folder that
            `siamtrack export` wrote.
        device: `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`; exported models run on the CPU.
        settings: how to search; None takes what the model's card says, a mapping changes some of that.
        threads: CPU threads of the network, for the whole process; `auto` takes as few as come near the fastest
            (`siamtrack.runtime.autotune`), None leaves them as they are.
        precision: what the network computes in; `auto` takes the fastest of those whose responses are as in float32
            (`siamtrack.runtime.autotune`), which depends on the machine. One that is named is computed by PyTorch
            unless another runtime is named as well. What `auto` stands for is measured the first time that a machine
            runs a model, and kept in the cache (`siamtrack.runtime.measurement_cache`).
        runtime: what runs the network. `auto` is OpenVINO on a CPU where it is installed and was measured to be
            faster, else PyTorch; the environment variable SIAMTRACK_RUNTIME names another. The first time that a
            model runs on another runtime, it is written for it (`siamtrack.runtime.runtime_cache`). Runtimes other than
            PyTorch leave PyTorch one thread.

    Raises:
        UsageError: for an unknown model, a device, precision or runtime that does not exist here, less than one thread,
            or settings that cannot be.
        WeightsError: for a file that is not the weights of a network.
    """
    if isinstance(threads, int):
        if threads < 1:
            raise UsageError(f"{threads} threads cannot compute anything: give 1 or more")
        torch.set_num_threads(threads)
    path, place = find_model(model), find_device(device)
    if place.type == "cpu":
        keep_freed_memory()
    if path.is_dir():
        if runtime not in ("auto", exported_for := format_of(path)):
            raise UsageError(f"{path} was exported for {exported_for} and does not run on {runtime}: leave runtime out")
        backend, card = load_exported(path, precision, threads if isinstance(threads, int) else None)
        torch.set_num_threads(1)  # two runtimes with a thread for each core would wait for each other
    else:
        network, card = load_network(path)
        backend = _run(path, network, card, place, threads, precision, _wanted(runtime))
    return Tracker(backend, _changed(card.tracking, settings), card)


def _run(
    path: Path,
    network: TrackingNetwork,
    card: ModelCard,
    place: torch.device,
    threads: int | Literal["auto"] | None,
    precision: Precision | Literal["auto"],
    runtime: RuntimeName | Literal["auto"],
) -> Backend:
    # A GPU is asked at every start: what is kept is a processor's.
    folder = model_folder(path)
    measurements = Measurements(folder) if place.type == "cpu" else None

    def take_threads(make: Callable[[], Backend]) -> None:
        if threads == "auto" and measurements is not None:
            known = measurements.recall(
                "threads", FastestThreads, lambda: FastestThreads(threads=fastest_threads(make())), precision
            )
            torch.set_num_threads(known.threads)

    def in_torch() -> Backend:
        known = torch_precisions(place)
        # Making a graph takes long, and it is made for a number of threads, which is therefore chosen before.
        take_threads(lambda: TorchBackend(network, place, precision if precision in known else known[-1]))
        kind = TracedBackend if can_trace(network, place) else TorchBackend
        return choose(
            partial(kind, network, place), known, precision, str(place), measurements, torch.get_num_threads()
        )

    if runtime not in ("auto", "torch") and place.type != "cpu":
        raise UsageError(f"runtime '{runtime}' computes on the CPU, not on '{place}': give --device cpu as well")
    if place.type == "cpu" and runtime != "torch" and (runtime != "auto" or precision == "auto"):
        preparation = RuntimeCache(folder, network, card, threads if isinstance(threads, int) else usable_cores())
        other = preparation.faster(in_torch) if runtime == "auto" else preparation.load(runtime, precision)
        if other is not None:
            torch.set_num_threads(1)  # as above
            return other
    return in_torch()


def _wanted(runtime: RuntimeName | Literal["auto"]) -> RuntimeName | Literal["auto"]:
    """The runtime that is asked for, by the caller or else by the environment.

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
