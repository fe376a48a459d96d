"""Report of a profile: times of the stages and speeds of every tracker, in Python and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import siamtrack
from siamtrack.boxes import Box
from siamtrack.io.frames import SourceInfo
from siamtrack.profiling.limit import NetworkLimit
from siamtrack.profiling.measurement import WARM_UP, FrameTimes


@dataclass(frozen=True)
class StageTimes:
    """Times of a stage over many frames."""

    median: float
    """Seconds."""
    p95: float
    """95th percentile in seconds."""
    share: float
    """Share of the time of all stages, in [0, 1]."""

    def as_json(self) -> dict[str, float]:
        """Return plain values."""
        return {
            "median_ms": round(1000 * self.median, 4),
            "p95_ms": round(1000 * self.p95, 4),
            "share": round(self.share, 6),
        }


@dataclass(frozen=True)
class TrackerProfile:
    """Profile of one tracker."""

    name: str
    stages: dict[str, StageTimes]
    frame: StageTimes
    """All stages together; the share is 1."""
    frames: int
    """Number of measured frames in all rounds."""
    median_fps: float
    """Frames per second of the tracker alone, from the median time of a frame."""
    mean_fps: float
    """Frames per second of the tracker alone, from the mean time of a frame."""
    round_fps: tuple[float, ...]
    """`mean_fps` of each round."""
    ratios: dict[str, float]
    """Ratio of `mean_fps` to that of each peer in the same round; median over the rounds."""
    limit: NetworkLimit | None = None
    """None for a peer."""
    model: dict[str, Any] | None = None
    """Name, architecture, precision and tracking settings of a model; None for a peer."""

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "model": self.model,
            "frames": self.frames,
            "fps": {
                "median": round(self.median_fps, 3),
                "mean": round(self.mean_fps, 3),
                "rounds": [round(each, 3) for each in self.round_fps],
            },
            "ratios": {name: round(ratio, 4) for name, ratio in self.ratios.items()},
            "stages": {name: times.as_json() for name, times in self.stages.items()},
            "frame": self.frame.as_json(),
            "limit": None if self.limit is None else self.limit.as_json(),
        }


@dataclass(frozen=True)
class ProfileReport:
    """Result of `siamtrack.profile`."""

    source: SourceInfo
    synthetic: bool
    """True for a rendered clip."""
    boxes: tuple[Box, ...]
    """Targets in the first frame."""
    frames: int
    """Maximum number of frames to measure in a round."""
    rounds: int
    threads: int | None
    """Requested number of threads; None: the default of each tracker."""
    device: str
    """Device of the networks, as PyTorch names it."""
    peaks: dict[str, float]
    """Operations per second of a large matrix product, for each precision."""
    machine: dict[str, Any]
    """Hardware and versions, see `describe_machine`."""
    trackers: tuple[TrackerProfile, ...]
    """Peers first, then models."""

    def as_json(self) -> dict[str, Any]:
        """Return plain values: the profiles and what they were measured on."""
        return {
            "siamtrack": siamtrack.__version__,
            "machine": self.machine,
            "device": self.device,
            "source": {
                "name": None if self.synthetic else self.source.name,
                "synthetic": self.synthetic,
                "width": self.source.width,
                "height": self.source.height,
            },
            "settings": {
                "frames": self.frames,
                "rounds": self.rounds,
                "warm_up": WARM_UP,
                "threads": self.threads,
                "boxes": [list(box) for box in self.boxes],
            },
            "peak_flops_per_second": self.peaks,
            "trackers": [each.as_json() for each in self.trackers],
        }


def summarize_stages(frames: Sequence[Mapping[str, float]]) -> dict[str, StageTimes]:
    """Return the median, the 95th percentile and the share of each stage.

    Args:
        frames: seconds of the stages of each frame. A stage that is missing in a frame took no time.

    Returns:
        The stages in the order of their first appearance. Their shares sum to 1, or to 0 if no time passed at all.
    """
    names = list(dict.fromkeys(name for stages in frames for name in stages))
    seconds = {name: np.array([stages.get(name, 0.0) for stages in frames]) for name in names}
    total = float(sum(each.sum() for each in seconds.values()))
    return {
        name: StageTimes(
            float(np.median(each)), float(np.percentile(each, 95)), float(each.sum()) / total if total else 0.0
        )
        for name, each in seconds.items()
    }


def summarize_tracker(
    name: str, rounds: Sequence[Sequence[FrameTimes]], peer_fps: Mapping[str, Sequence[float]]
) -> TrackerProfile:
    """Return the profile of one tracker, without its model and limit.

    Args:
        name: name of the tracker.
        rounds: times of the frames of each round.
        peer_fps: mean frames per second of each peer in each round. The tracker is not compared with itself.
    """
    frames = [frame for each in rounds for frame in each]
    round_fps = tuple(mean_fps(each) for each in rounds)
    ratios = {
        peer: statistics.median(own / other for own, other in zip(round_fps, rates, strict=True))
        for peer, rates in peer_fps.items()
        if peer != name
    }
    (total,) = summarize_stages([{"frame": sum(frame.stages.values())} for frame in frames]).values()
    return TrackerProfile(
        name=name,
        stages=summarize_stages([frame.stages for frame in frames]),
        frame=total,
        frames=len(frames),
        median_fps=_rate(statistics.median(frame.tracking for frame in frames)),
        mean_fps=mean_fps(frames),
        round_fps=round_fps,
        ratios=ratios,
    )


def mean_fps(frames: Sequence[FrameTimes]) -> float:
    """Return the frames per second of the tracker alone, from the mean time of a frame."""
    return _rate(statistics.fmean(frame.tracking for frame in frames))


def _rate(seconds: float) -> float:
    """Return frames per second; a time below the resolution of the clock counts as 1 ns."""
    return 1 / max(seconds, 1e-9)
