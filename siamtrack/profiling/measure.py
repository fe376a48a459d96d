"""Every stage of every frame by the clock, one after the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from siamtrack.boxes import Box
from siamtrack.errors import SourceError
from siamtrack.io.draw import draw_targets
from siamtrack.io.frames import Frame, Source
from siamtrack.io.sources import open_source
from siamtrack.io.video.sink import VideoEncoder
from siamtrack.profiling.figures import Sample
from siamtrack.profiling.trackers import MeasuredTracker
from siamtrack.system.stage_clock import StageClock
from siamtrack.tracking.loop import track

WARM_UP = 15
"""Frames after the first one that never count: memory is reserved, code is compiled, and x264 only collects the first
dozen before it begins to encode."""


def measure(
    tracker: MeasuredTracker, source: str, boxes: Sequence[Box], frames: int, video: Path, count: Callable[[], None]
) -> list[Sample]:
    """Let a tracker follow targets through a source, and draw and encode what it finds.

    Args:
        tracker: what is measured.
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
        tracker.init(first, boxes)
        with VideoEncoder(video, info.width, info.height, info.rate, threads=1) as sink:
            sink.write(first)
            clock = StageClock()
            for frame, found in track(_decoded(opened, clock), tracker):
                tracked, decode = time.perf_counter(), clock.seconds.pop("decode")
                if frame.image is None or found is None:
                    continue
                sample, rows = found
                picture = draw_targets(frame.image, rows, 1 / max(sample.tracking, 1e-9))
                drawn = time.perf_counter()
                sink.write(picture)
                encode = time.perf_counter() - drawn
                stages = {"decode": decode, **sample.stages, "draw": drawn - tracked, "encode": encode}
                samples.append(sample._replace(stages=stages))
                count()
                if len(samples) == WARM_UP + frames:
                    break
    if len(samples) <= WARM_UP:
        raise SourceError(
            f"'{source}' has {1 + len(samples)} frames that can be decoded: "
            f"one sets the targets and {WARM_UP} warm up, give a source of {WARM_UP + 2} or more"
        )
    return samples[WARM_UP:]


def _decoded(source: Source, clock: StageClock) -> Iterator[Frame]:
    """Yield the frames of a source, and count the time that each of them takes as `decode`."""
    while True:
        with clock.measure("decode"):
            frame = next(source, None)
        if frame is None:
            return
        yield frame
