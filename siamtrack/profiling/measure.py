"""Every stage of every frame by the clock, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from siamtrack.boxes import Box
from siamtrack.errors import SourceError
from siamtrack.io.draw import draw_targets
from siamtrack.io.sources import open_source
from siamtrack.io.video.sink import VideoEncoder
from siamtrack.profiling.figures import Sample
from siamtrack.profiling.trackers import Follower

WARM_UP = 15
"""Frames after the first one that never count: memory is reserved, code is compiled, and x264 only collects the first
dozen before it begins to encode."""


def measure(
    follower: Follower, source: str, boxes: Sequence[Box], frames: int, video: Path, count: Callable[[], None]
) -> list[Sample]:
    """Let a tracker follow targets through a source, and draw and encode what it finds.

    Args:
        follower: the tracker.
        source: as of `open_source`.
        boxes: the targets in its first frame.
        frames: how many frames to measure, at most.
        video: file for what is drawn; overwritten.
        count: called after every frame.

    Returns:
        One sample a frame, without the first one and `WARM_UP` more. What cannot be decoded is left out.

    Raises:
        SourceError: when the source cannot be read, or has no frame left to measure.
    """
    samples: list[Sample] = []
    with open_source(source, threads=1) as opened:
        info = opened.info
        first = next(opened).image
        if first is None:
            raise SourceError(f"the first frame of '{source}' cannot be decoded: give another source")
        follower.start(first, boxes)
        with VideoEncoder(video, info.width, info.height, info.rate, threads=1) as sink:
            sink.write(first)
            while len(samples) < WARM_UP + frames:
                began = time.perf_counter()
                frame = next(opened, None)
                decoded = time.perf_counter()
                if frame is None:
                    break
                if frame.image is None:
                    continue
                sample, rows = follower.step(frame.image)
                tracked = time.perf_counter()
                picture = draw_targets(frame.image, rows, 1 / max(sample.tracking, 1e-9))
                drawn = time.perf_counter()
                sink.write(picture)
                encode = time.perf_counter() - drawn
                stages = {"decode": decoded - began, **sample.stages, "draw": drawn - tracked, "encode": encode}
                samples.append(sample._replace(stages=stages))
                count()
    if len(samples) <= WARM_UP:
        raise SourceError(
            f"'{source}' has {1 + len(samples)} frames that can be decoded: "
            f"one sets the targets and {WARM_UP} warm up, give a source of {WARM_UP + 2} or more"
        )
    return samples[WARM_UP:]
