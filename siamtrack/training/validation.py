"""Validation: one pass over sequences with known boxes while a network is trained."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import iou
from siamtrack.config import TrackingSettings
from siamtrack.datasets.training_tracks import Track
from siamtrack.errors import BoxError
from siamtrack.models.network import TrackingNetwork
from siamtrack.tracking.loop import track
from siamtrack.tracking.tracker import Tracker


def validate(
    network: TrackingNetwork,
    settings: TrackingSettings,
    tracks: Sequence[Track],
    read_frame: Callable[[Track, int], NDArray[np.uint8]],
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Mapping[str, float]:
    """Follow every track from its first box to its last, and compare with the boxes there are.

    Args:
        network: stays as it is.
        settings: how to search.
        tracks: with at least one box each; those whose first box cannot be tracked are left out.
        read_frame: gives a frame of a track, `(H, W, 3)` uint8 BGR.
        advance: called with the number of tracks done and their total.

    Returns:
        Average overlap by the track's name: the mean IoU over the frames after the first that have a box.
    """
    tracker = Tracker(network, settings)
    overlaps: dict[str, float] = {}
    for number, each in enumerate(tracks):
        advance(number, len(tracks))
        visible = each.visible
        if len(visible) < 2:
            continue
        first, last = int(visible[0]), int(visible[-1])
        try:
            tracker.init(read_frame(each, first), each.box(first))
        except BoxError:
            continue
        frames = (read_frame(each, index) for index in range(first + 1, last + 1))
        found = np.array([result.box for _, result in track(frames, tracker)])
        wanted = visible[1:]
        overlaps[each.name] = float(iou(found[wanted - first - 1], each.boxes[wanted]).mean())
    return overlaps


def spread_sample(tracks: Sequence[Track], frames: int) -> tuple[Track, ...]:
    """Some of the tracks, evenly spread over all of them, that have about `frames` frames together; 0 for none."""
    whole = sum(len(track.visible) for track in tracks)
    count = min(math.ceil(len(tracks) * frames / max(whole, 1)), len(tracks))
    return tuple(tracks[index * len(tracks) // count] for index in range(count))
