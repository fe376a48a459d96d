"""Results folders in the GOT-10k toolkit's own layouts, so that both programs read each other's.

`ROOT/GOT-10k/TRACKER/SEQUENCE/SEQUENCE_001.txt` with `SEQUENCE_time.txt` for GOT-10k, and for all others
`ROOT/DATASET/TRACKER/SEQUENCE.txt` with `times/SEQUENCE_time.txt`: a box a line, `x,y,width,height`, 1-based, and a
time in seconds a line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SequenceResult:
    """What a tracker said about one sequence."""

    boxes: NDArray[np.float64]
    """`(N, 4)` boxes, 0-based and continuous, one a frame, all finite; the first is the one that was given."""
    seconds: NDArray[np.float64] | None
    """`(N,)` time of every frame; None where no times are on disk."""
    repeats: tuple[NDArray[np.float64], ...] = ()
    """Boxes of further runs of a tracker that is not deterministic (GOT-10k runs three)."""
