"""What was measured of a tracker, frame by frame and over all frames."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Sample(NamedTuple):
    """One frame."""

    stages: dict[str, float]
    """Seconds of each stage, in the order of a frame's way."""
    tracking: float
    """Seconds of the tracker alone."""
    crops: tuple[tuple[int, int], ...] = ()
    """Sides of the search crops that the network saw, in pixels, and how many of each; ascending."""


@dataclass(frozen=True)
class StageFigures:
    """A stage over many frames."""

    median: float
    """Seconds."""
    p95: float
    """Seconds that 95 of 100 frames do not exceed."""
    share: float
    """Of the time of all frames."""


@dataclass(frozen=True)
class Limit:
    """What the network could reach on this machine."""

    runtime: str
    """What runs it."""
    precision: str
    """Name of the numbers that it computes with."""
    flops: int
    """Floating point operations of the network in a usual frame: one with the search crops that most have."""
    peak: float
    """Operations a second that a large matrix product of the same run reached."""
    measured: float
    """Median seconds of the network in such frames."""

    @property
    def seconds(self) -> float:
        """Seconds of a frame's operations at that peak."""
        return self.flops / self.peak

    @property
    def reached(self) -> float:
        """Share of the peak that the network runs at."""
        return self.seconds / self.measured if self.measured else 0.0


@dataclass(frozen=True)
class TrackerProfile:
    """Everything about one tracker."""

    name: str
    stages: dict[str, StageFigures]
    frame: StageFigures
    """All stages together; its share is 1."""
    frames: int
    """Frames measured, over all rounds."""
    median_fps: float
    """Frames per second of the tracker alone, by its median frame."""
    mean_fps: float
    """The same by the mean of all frames."""
    round_fps: tuple[float, ...]
    """The same, one a round."""
    ratios: dict[str, float]
    """This rate relative to each peer's in the same round; the median over the rounds."""
    limit: Limit | None = None
    """None for a peer."""
    model: dict[str, Any] | None = None
    """Name, architecture and settings of a model; None for a peer."""


def summarize_stages(samples: Sequence[Mapping[str, float]]) -> dict[str, StageFigures]:
    """Median, 95th percentile and share of each stage.

    Args:
        samples: seconds of each stage, a frame each; a stage that a frame lacks took it no time.

    Returns:
        The stages in the order in which they first appear; their shares sum to 1 unless no time passed at all.
    """
    names = list(dict.fromkeys(name for sample in samples for name in sample))
    seconds = {name: np.array([sample.get(name, 0.0) for sample in samples]) for name in names}
    total = float(sum(each.sum() for each in seconds.values()))
    return {
        name: StageFigures(
            float(np.median(each)), float(np.percentile(each, 95)), float(each.sum()) / total if total else 0.0
        )
        for name, each in seconds.items()
    }


def summarize_tracker(
    name: str, rounds: Sequence[Sequence[Sample]], peer_fps: Mapping[str, Sequence[float]]
) -> TrackerProfile:
    """The figures of one tracker.

    Args:
        name: of the tracker.
        rounds: samples of each round.
        peer_fps: mean rate of each peer in each round; the tracker is not compared with itself.
    """
    samples = [sample for each in rounds for sample in each]
    round_fps = tuple(mean_fps(each) for each in rounds)
    ratios = {
        peer: statistics.median(own / other for own, other in zip(round_fps, rates, strict=True))
        for peer, rates in peer_fps.items()
        if peer != name
    }
    (frame,) = summarize_stages([{"frame": sum(sample.stages.values())} for sample in samples]).values()
    return TrackerProfile(
        name=name,
        stages=summarize_stages([sample.stages for sample in samples]),
        frame=frame,
        frames=len(samples),
        median_fps=_rate(statistics.median(sample.tracking for sample in samples)),
        mean_fps=mean_fps(samples),
        round_fps=round_fps,
        ratios=ratios,
    )


def mean_fps(samples: Sequence[Sample]) -> float:
    """Frames per second of the tracker alone, by the mean of the frames."""
    return _rate(statistics.fmean(sample.tracking for sample in samples))


def _rate(seconds: float) -> float:
    """Frames per second; what was too quick for the clock counts as its finest tick."""
    return 1 / max(seconds, 1e-9)


def profile_as_json(profile: TrackerProfile) -> dict[str, Any]:
    """Everything about a tracker as plain values."""
    limit = profile.limit
    return {
        "name": profile.name,
        "model": profile.model,
        "frames": profile.frames,
        "fps": {
            "median": round(profile.median_fps, 3),
            "mean": round(profile.mean_fps, 3),
            "rounds": [round(each, 3) for each in profile.round_fps],
        },
        "ratios": {name: round(ratio, 4) for name, ratio in profile.ratios.items()},
        "stages": {name: _stage_as_json(figures) for name, figures in profile.stages.items()},
        "frame": _stage_as_json(profile.frame),
        "limit": None
        if limit is None
        else {
            "runtime": limit.runtime,
            "precision": limit.precision,
            "flops_per_frame": limit.flops,
            "peak_flops_per_second": limit.peak,
            "limit_ms": round(1000 * limit.seconds, 4),
            "network_ms": round(1000 * limit.measured, 4),
            "reached": round(limit.reached, 4),
        },
    }


def _stage_as_json(figures: StageFigures) -> dict[str, float]:
    return {
        "median_ms": round(1000 * figures.median, 4),
        "p95_ms": round(1000 * figures.p95, 4),
        "share": round(figures.share, 6),
    }
