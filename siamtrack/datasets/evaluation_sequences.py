"""What a benchmark runs over: sequences of frames with the truth about one target, and sets of them.

A set is cheap to hold: a sequence knows where its frames and its truth are, and reads them when asked. The readers of
the layouts are in `siamtrack.datasets`.
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
    """The benchmark that a data set has the layout of; it decides where results go and how they are scored."""

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
        """Number of the first pixel in the files of this kind: those of its annotations, and so those of results."""
        return 0 if self in (Kind.TRACKINGNET, Kind.NFS) else 1


class Frames(Protocol):
    """The frames of a sequence, in order."""

    def __len__(self) -> int:
        """How many there are; no picture is decoded for it."""
        ...

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Decode one after the other, `(H, W, 3)` uint8 BGR.

        Raises:
            DataError: when one cannot be decoded, naming it.
        """
        ...

    def paths(self) -> list[Path] | None:
        """The picture files, one a frame; None for a video."""
        ...


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known about the target of one sequence."""

    boxes: NDArray[np.float64]
    """`(N, 4)` boxes `x, y, width, height`, 0-based and continuous; NaN in frames without a valid one (absent, fully
    covered, empty or not annotated). A test set without boxes has those of the first frame, and NaN elsewhere."""
    polygons: NDArray[np.float64] | None = None
    """`(N, 8)` corners `x1, y1, ..., x4, y4`, 0-based, where the truth is given as such (VOT)."""
    cover: NDArray[np.int64] | None = None
    """`(N,)` how much of the target is visible, 0 to 8 (GOT-10k)."""
    size: tuple[int, int] | None = None
    """Width and height of the frames, where the data set says; boxes are cut to it in GOT-10k's scoring."""


@dataclass(frozen=True)
class EvaluationSequence:
    """One target in one sequence. It can be pickled: it is sent to the processes that track."""

    name: str
    """Unique in its set; the name of its results file."""
    frames: Frames
    read_truth: Callable[[], Truth]
    """Reads the annotations, one box a frame; raises `DataError` naming the file and the sequence."""
    attributes: frozenset[str] = frozenset()
    """What is difficult in it, in the data set's own words (`IV`, `OCC`, ...)."""


@dataclass(frozen=True)
class EvaluationSet:
    """The sequences of one benchmark."""

    name: str
    """Also the folder of its results: `OTB2015`, `GOT-10k`, `UAV123`, or the folder's name for `custom`."""
    kind: Kind
    root: Path
    sequences: tuple[EvaluationSequence, ...]
    has_truth: bool = True
    """False for test sets whose boxes are kept by a server (GOT-10k test, TrackingNet TEST)."""
    notes: tuple[str, ...] = field(default=())
    """What a reader of the figures should know, one line each (`sequence X: 3 frames without a box`)."""

    def __len__(self) -> int:
        """Number of sequences."""
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


SHOWN = 12
"""Most names in a note about missing sequences."""


def note_missing(names: Collection[str], total: int, whole: str) -> tuple[str, ...]:
    """Return a note about missing sequences, as figures are then not those of the benchmark.

    Args:
        names: of the sequences that are not there.
        total: how many there should be.
        whole: what they are part of.
    """
    if not names:
        return ()
    shown = sorted(names)[:SHOWN]
    rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (f"{len(names)} of {total} sequences of {whole} are missing: {', '.join(shown)}{rest}",)
