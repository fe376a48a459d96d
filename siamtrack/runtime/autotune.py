"""Which precision and how many threads are fastest on this machine: tried, not guessed."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Literal, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.config import Frozen, Precision
from siamtrack.errors import UsageError
from siamtrack.runtime.base import Backend
from siamtrack.runtime.devices import torch_threads
from siamtrack.runtime.fused import has_onednn
from siamtrack.runtime.measurement_cache import Measurements
from siamtrack.system.machine import usable_cores

TOLERANCE = 0.05
"""Greatest difference of a response map from that in float32, as a share of the map's range."""
PASSES = 10
"""Passes that are timed; the fastest counts, as whatever else runs only makes one slower."""
WORTHWHILE = 1.15
"""As few threads are taken as come within this factor of the fastest: what else a program does needs cores as well."""


def torch_precisions(device: torch.device) -> tuple[Precision, ...]:
    """Return the precisions that may be faster than float32 on a device, after float32."""
    if device.type == "cuda":
        return ("float32", "float16")
    has_bfloat16 = has_onednn() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return ("float32", "bfloat16") if has_bfloat16 else ("float32",)


class FastestPrecision(Frozen):
    """Fastest precision of a network."""

    precision: Precision


class FastestThreads(Frozen):
    """Number of threads of a network: the smallest that comes near the fastest."""

    threads: int


def fastest(make: Callable[[Precision], Backend], precisions: Sequence[Precision]) -> Backend:
    """Return the fastest backend whose response map is that of the first one, within `TOLERANCE`.

    Args:
        make: gives a backend of a precision.
        precisions: to try; the first one is the reference.
    """
    reference, *others = map(make, precisions)
    if not others:
        return reference
    exemplar, search = probe(reference)
    expected = respond(reference, exemplar, search)
    same = [reference, *(other for other in others if agree(expected, respond(other, exemplar, search)))]
    took = fastest_passes(same, lambda backend: embed_and_wait(backend, search))
    return min(same, key=lambda backend: took[backend])


def choose(
    make: Callable[[Precision], Backend],
    known: Sequence[Precision],
    wanted: Precision | Literal["auto"],
    where: str,
    measurements: Measurements | None = None,
    threads: int | None = None,
) -> Backend:
    """Return a backend of the wanted precision, or of the fastest one.

    Args:
        make: gives a backend of a precision.
        known: precisions that exist, float32 first.
        wanted: one of them, or `auto` (see `fastest`).
        where: where they exist, for the message, and for the name of what is measured.
        measurements: what is known of the network's speed; None measures.
        threads: that it computes on.

    Raises:
        UsageError: for a precision that does not exist.
    """
    if wanted not in ("auto", *known):
        raise UsageError(f"precision '{wanted}' does not exist on '{where}' here (known: auto, {', '.join(known)})")
    if wanted != "auto":
        return make(wanted)
    if measurements is None or len(known) == 1:
        return fastest(make, known)
    made: list[Backend] = []

    def measure() -> FastestPrecision:
        made.append(fastest(make, known))
        return FastestPrecision(precision=made[0].precision)

    found = measurements.recall(f"precision-{where}", FastestPrecision, measure, threads, *known)
    return made[0] if made else make(found.precision)


def fastest_threads(backend: Backend) -> int:
    """Return how many of PyTorch's threads embed a search crop fastest, or as few as come near that (`WORTHWHILE`).

    They are never more than the cores this process may use.
    """
    cores = usable_cores()
    counts = sorted({1, *(count for count in (2, 4, cores // 2, cores) if 1 < count <= cores)})
    if len(counts) == 1:
        return counts[0]
    _, search = probe(backend)

    def embed(count: int) -> None:
        with torch_threads(count):
            embed_and_wait(backend, search)

    took = fastest_passes(counts, embed)
    return next(count for count in counts if took[count] <= WORTHWHILE * min(took.values()))


Way = TypeVar("Way", bound=Hashable)


def fastest_passes(ways: Sequence[Way], run: Callable[[Way], object]) -> dict[Way, float]:
    """Seconds of the fastest of some passes of each way, in turns, so that all of them meet the same machine.

    Args:
        ways: to do a pass.
        run: does one.
    """
    took = dict.fromkeys(ways, math.inf)
    for _, way in itertools.product(range(PASSES), ways):
        run(way)  # wakes the threads up
        began = time.perf_counter()
        run(way)
        took[way] = min(took[way], time.perf_counter() - began)
    return took


def embed_and_wait(backend: Backend, crops: NDArray[np.uint8]) -> None:
    """Embed crops, and wait for a GPU until it has."""
    backend.embed(backend.upload(crops)).features.cpu()


def probe(backend: Backend) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return an exemplar crop and the search crop it was cut from, `(1, s, s, 3)` uint8: smooth colors, always the
    same.
    """
    side, size = backend.geometry.search_size, backend.geometry.exemplar_size
    coarse = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (1, 3, 24, 24)))
    smooth = F.interpolate(coarse, (side, side), mode="bicubic", align_corners=False).clamp(0, 255)
    search = np.ascontiguousarray(smooth.permute(0, 2, 3, 1).numpy().astype(np.uint8))
    start = (side - size) // 2
    return np.ascontiguousarray(search[:, start : start + size, start : start + size]), search


def respond(backend: Backend, exemplar: NDArray[np.uint8], search: NDArray[np.uint8]) -> Tensor:
    """Return the response map `(R, R)` of an exemplar crop in a search crop."""
    kernels = backend.cut_margin(backend.embed_exemplars(backend.upload(exemplar)).features)
    return backend.correlate(kernels[None], backend.embed(backend.upload(search)).features)[0, 0].cpu()


def agree(reference: Tensor, other: Tensor) -> bool:
    """Return whether two response maps differ by no more than `TOLERANCE` of the first one's range."""
    extent = float(reference.max() - reference.min())
    return bool(torch.isfinite(other).all()) and float((other - reference).abs().max()) <= TOLERANCE * extent
