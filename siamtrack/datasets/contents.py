"""Contents of a data set for training."""

from __future__ import annotations

from dataclasses import dataclass

from siamtrack.datasets.stills import Stills
from siamtrack.datasets.training_tracks import Track


@dataclass(frozen=True)
class Contents:
    """Tracks and photographs of a data set to train on."""

    tracks: tuple[Track, ...] = ()
    validation: tuple[Track, ...] = ()
    """Tracks that the data set itself keeps from training."""
    stills: Stills | None = None
