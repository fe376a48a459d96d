"""Which precision and how many threads are fastest on this machine: tried, not guessed."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.backends.base import Backend
from siamtrack.config import Precision
from siamtrack.errors import UsageError
from siamtrack.machine import usable_cores
from siamtrack.models.inference import has_onednn

TOLERANCE = 0.05
"""Greatest difference of a response map from that in float32, as a share of the map's range."""
STANDING_IN = 2.0
"""No graph makes a network this much faster than its operations are."""
ROUNDS = 2
"""Passes that are timed, after one that is not; the fastest counts, as whatever else runs only makes one slower."""
TURNS = 2
"""Turns of the numbers of threads, so that all of them meet the same machine."""
WORTHWHILE = 1.15
"""As few threads are taken as come within this factor of the fastest: what else a program does needs cores as well."""


def torch_precisions(device: torch.device) -> tuple[Precision, ...]:
    """What may be faster than float32 on a device, after float32."""
    if device.type == "cuda":
        return ("float32", "float16")
    has_bfloat16 = has_onednn() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return ("float32", "bfloat16") if has_bfloat16 else ("float32",)


def fastest(
    make: Callable[[Precision], Backend], precisions: Sequence[Precision], stand_in: Callable[[], Backend] | None = None
) -> Backend:
    """The fastest backend whose response map is that of the first one, within `TOLERANCE`.

    Args:
        make: gives a backend of a precision.
        precisions: to try; the first one is the reference.
        stand_in: gives a backend that answers as the first one, is sooner made and at most `STANDING_IN` times slower.
            What beats it by that much beats the first one, which need not be made then.
    """
    if len(precisions) == 1:
        return make(precisions[0])
    reference = stand_in() if stand_in else make(precisions[0])
    crops = probe(reference)
    expected, allowed = respond(reference, *crops), seconds(reference, crops[1])
    same = {other: took for other in map(make, precisions[1:]) if (took := _seconds_if_same(other, crops, expected))}
    best = min(same, key=lambda each: same[each]) if same else None
    if best is not None and same[best] < (allowed / STANDING_IN if stand_in else allowed):
        return best
    if stand_in is None:
        return reference
    first = make(precisions[0])
    return first if best is None or seconds(first, crops[1]) <= same[best] else best


def _seconds_if_same(
    backend: Backend, crops: tuple[NDArray[np.uint8], NDArray[np.uint8]], expected: Tensor
) -> float | None:
    return seconds(backend, crops[1]) if agree(expected, respond(backend, *crops)) else None


def choose(
    make: Callable[[Precision], Backend],
    known: Sequence[Precision],
    wanted: Precision | Literal["auto"],
    where: str,
    stand_in: Callable[[], Backend] | None = None,
) -> Backend:
    """A backend of the wanted precision, or of the fastest one.

    Args:
        make: gives a backend of a precision.
        known: precisions that exist, float32 first.
        wanted: one of them, or `auto` (see `fastest`).
        where: where they exist, for the message.
        stand_in: as of `fastest`.

    Raises:
        UsageError: for a precision that does not exist.
    """
    if wanted == "auto":
        return fastest(make, known, stand_in)
    if wanted not in known:
        raise UsageError(f"precision '{wanted}' does not exist on '{where}' here (known: auto, {', '.join(known)})")
    return make(wanted)


def fastest_threads(backend: Backend) -> int:
    """How many of PyTorch's threads embed a search crop fastest, or as few as come near that (`WORTHWHILE`).

    They are never more than the cores this process may use. The number of threads of the process is as before when this
    returns.
    """
    before, cores = torch.get_num_threads(), usable_cores()
    counts = sorted({1, *(count for count in (2, 4, cores // 2, cores) if 1 < count <= cores)})
    if len(counts) == 1:
        return counts[0]
    _, search = probe(backend)
    took = dict.fromkeys(counts, math.inf)
    try:
        for _, count in itertools.product(range(TURNS), counts):
            torch.set_num_threads(count)
            took[count] = min(took[count], seconds(backend, search))
    finally:
        torch.set_num_threads(before)
    return next(count for count in counts if took[count] <= WORTHWHILE * min(took.values()))


def probe(backend: Backend) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """An exemplar crop and the search crop it was cut from, `(1, s, s, 3)` uint8: smooth colours, always the same."""
    side, size = backend.geometry.search_size, backend.geometry.exemplar_size
    coarse = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (1, 3, 24, 24)))
    smooth = F.interpolate(coarse, (side, side), mode="bicubic", align_corners=False).clamp(0, 255)
    search = np.ascontiguousarray(smooth.permute(0, 2, 3, 1).numpy().astype(np.uint8))
    start = (side - size) // 2
    return np.ascontiguousarray(search[:, start : start + size, start : start + size]), search


def respond(backend: Backend, exemplar: NDArray[np.uint8], search: NDArray[np.uint8]) -> Tensor:
    """The response map `(R, R)` of an exemplar crop in a search crop."""
    kernels = backend.cut_margin(backend.embed_exemplars(backend.upload(exemplar)).features)
    return backend.correlate(kernels[None], backend.embed(backend.upload(search)).features)[0, 0].cpu()


def agree(reference: Tensor, other: Tensor) -> bool:
    """Whether two response maps differ by no more than `TOLERANCE` of the first one's range."""
    extent = float(reference.max() - reference.min())
    return bool(torch.isfinite(other).all()) and float((other - reference).abs().max()) <= TOLERANCE * extent


def seconds(backend: Backend, crops: NDArray[np.uint8]) -> float:
    """Time of the fastest of some passes."""
    took = []
    for _ in range(1 + ROUNDS):
        began = time.perf_counter()
        backend.embed(backend.upload(crops)).features.cpu()  # the copy waits for a GPU
        took.append(time.perf_counter() - began)
    return min(took[1:])
