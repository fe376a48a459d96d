"""Evaluation view of data sets: sequences of frames with the ground truth of one target, and sets of sequences.

A set is cheap to hold. A sequence stores the location of its frames and its ground truth, and reads them on request.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import UsageError


class Kind(StrEnum):
    """Benchmark whose folder layout a data set has. It determines the folder of the results and how they are scored."""

    OTB2013 = "OTB2013"
    OTB2015 = "OTB2015"
    GOT10K = "GOT-10k"
    UAV123 = "UAV123"
    LASOT = "LaSOT"
    TRACKINGNET = "TrackingNet"
    NFS = "NfS"
    VOT = "VOT"
    DAVIS = "DAVIS"
    CUSTOM = "custom"

    @property
    def first_pixel(self) -> int:
        """Number of the first pixel in the annotation files of this kind, and so in its result files."""
        return 0 if self in (Kind.TRACKINGNET, Kind.NFS) else 1


class Frames(Protocol):
    """Frames of a sequence, in order."""

    def __len__(self) -> int:
        """Return the number of frames; no picture is decoded for it."""
        ...

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Decode one after the other, `(H, W, 3)` uint8 BGR.

        Raises:
            DataError: when one cannot be decoded, naming it.
        """
        ...

    def paths(self) -> list[Path] | None:
        """Return the picture files, one per frame; None for a video."""
        ...


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground truth of the target of one sequence."""

    boxes: NDArray[np.float64]
    """`(N, 4)` boxes `x, y, width, height`, 0-based and continuous; NaN in frames without a valid one (absent, fully
    covered, empty or not annotated). A test set without boxes has those of the first frame, and NaN elsewhere."""
    polygons: NDArray[np.float64] | None = None
    """`(N, 8)` corners `x1, y1, ..., x4, y4`, 0-based, for data sets with polygons (VOT)."""
    cover: NDArray[np.int64] | None = None
    """`(N,)` visible part of the target, from 0, nothing, to 8 (GOT-10k)."""
    size: tuple[int, int] | None = None
    """Width and height of the frames, if the data set gives it; GOT-10k's scoring clips boxes to it."""


@dataclass(frozen=True)
class EvaluationSequence:
    """One target in one sequence. It can be pickled, so that it can be sent to the processes that track."""

    name: str
    """Name of the sequence and of its results file; unique in its set."""
    frames: Frames
    read_truth: Callable[[], Truth]
    """Function that reads the annotations, one box per frame; its `DataError` names the file and the sequence."""
    attributes: frozenset[str] = frozenset()
    """Difficulties of the sequence in the data set's own words (`IV`, `OCC`, ...)."""


@dataclass(frozen=True)
class EvaluationSet:
    """Sequences of one benchmark."""

    name: str
    """Name of the set and of the folder of its results: `OTB2015`, `GOT-10k`, or the folder's name for `custom`."""
    kind: Kind
    root: Path
    sequences: tuple[EvaluationSequence, ...]
    has_truth: bool = True
    """False for test sets whose boxes only a server has (GOT-10k test, TrackingNet TEST)."""
    notes: tuple[str, ...] = field(default=())
    """Remarks for the reader of the results, one line each (`sequence X: 3 frames without a box`)."""

    def __len__(self) -> int:
        """Return the number of sequences."""
        return len(self.sequences)


def parse_kind(text: str | None) -> Kind | None:
    """Read the kind of a data set as typed, in capitals or not; None stays None.

    Raises:
        UsageError: for an unknown kind.
    """
    if text is None:
        return None
    kinds = {kind.lower(): kind for kind in Kind}
    if text.lower() not in kinds:
        raise UsageError(f"unknown kind of data set '{text}' (known: {', '.join(Kind)})")
    return kinds[text.lower()]


MAX_NAMES = 12
"""Number of missing sequences that a note names. If more are missing, it is probably the wrong folder."""


def describe_missing(names: Collection[str], total: int, benchmark: str) -> tuple[str, ...]:
    """Return a note that names the missing sequences of a benchmark; no note when nothing is missing.

    Args:
        names: the missing sequences.
        total: number of sequences of the benchmark.
        benchmark: name of the benchmark.
    """
    if not names:
        return ()
    shown = sorted(names)[:MAX_NAMES]
    rest = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return (f"{len(names)} of {total} sequences of {benchmark} are missing: {', '.join(shown)}{rest}",)
