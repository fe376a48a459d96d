"""Where the time of a frame goes, stage by stage, beside other trackers and beside what the machine could do.

Everything runs one after the other on purpose, video coders on one thread each, so that no stage computes in another
one's time. `siamtrack track` overlaps them and is faster end to end.
"""

from __future__ import annotations

import copy
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import siamtrack
from siamtrack.boxes import Box, validate_box
from siamtrack.config import Precision, RuntimeName
from siamtrack.errors import SourceError, UsageError
from siamtrack.evaluation.peers import Peer, opencv_threads
from siamtrack.io.draw import draw_targets
from siamtrack.io.frames import SourceInfo
from siamtrack.io.sinks import Row, check_outputs, refuse_inputs
from siamtrack.io.sources import open_source
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.io.video_sink import VideoSink
from siamtrack.io.window import has_display, select_boxes
from siamtrack.machine import describe_machine, measure_peak, usable_cores
from siamtrack.models.registry import DEFAULT_MODEL, build_network, find_model
from siamtrack.models.tracking import BoxNetwork, TrackingNetwork
from siamtrack.progress import Progress
from siamtrack.tracking.loading import load
from siamtrack.tracking.status import Status

if TYPE_CHECKING:
    from siamtrack.tracking.states import TargetState
    from siamtrack.tracking.tracker import Tracker

Image = NDArray[np.uint8]

WARM_UP = 15
"""Frames after the first one that never count: memory is reserved, code is compiled, and x264 only collects the first
dozen before it begins to encode."""
SYNTHETIC_RATE = Fraction(30)
"""Frames per second of a rendered clip."""


@dataclass(frozen=True)
class ProfileJob:
    """What to measure, on what."""

    source: str | None = None
    """A video file, a folder of images or a glob; either this or `synthetic`."""
    synthetic: tuple[int, int] | None = None
    """Width and height of a rendered clip in pixels."""
    boxes: tuple[Box, ...] = ()
    """The targets in the first frame of `source`; empty: they are drawn in a window."""
    models: tuple[str, ...] = (DEFAULT_MODEL,)
    """Shipped models or weights files."""
    peers: tuple[str, ...] = ()
    """Trackers of OpenCV."""
    frames: int = 200
    """Frames to measure in a round; fewer where the source is shorter."""
    rounds: int = 3
    """Rounds in which every tracker has its turn, so that a slow minute of the machine hits all of them."""
    targets: int = 1
    """Targets of a rendered clip; in a source, how many times each box is tracked."""
    json: Path | None = None
    """Where the report goes as JSON."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None
    """CPU threads of the networks and of OpenCV; None: the fastest number for each network, OpenCV's own choice."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Tracking settings that differ from what the model's card says."""
    precision: Precision | Literal["auto"] = "auto"
    """What the networks compute in."""
    runtime: RuntimeName | Literal["auto"] = "auto"
    """What runs the network; auto: OpenVINO on a CPU where it is installed and faster, else PyTorch."""


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


@dataclass(frozen=True)
class Report:
    """What a run measured."""

    job: ProfileJob
    source: SourceInfo
    boxes: tuple[Box, ...]
    """The targets in the first frame."""
    device: str
    peaks: dict[str, float]
    """Operations a second by precision."""
    machine: dict[str, Any]
    """As of `describe_machine`."""
    trackers: tuple[TrackerProfile, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values: the table, and what it was measured with."""
        job, source = self.job, self.source
        return {
            "siamtrack": siamtrack.__version__,
            "machine": self.machine,
            "device": self.device,
            "source": {
                "name": None if job.synthetic else source.name,
                "synthetic": job.synthetic is not None,
                "width": source.width,
                "height": source.height,
            },
            "settings": {
                "frames": job.frames,
                "rounds": job.rounds,
                "warm_up": WARM_UP,
                "threads": job.threads,
                "boxes": [list(box) for box in self.boxes],
            },
            "peak_flops_per_second": self.peaks,
            "trackers": [_tracker_as_json(each) for each in self.trackers],
        }


def _tracker_as_json(profile: TrackerProfile) -> dict[str, Any]:
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


class Follower(Protocol):
    """A tracker as it is measured."""

    @property
    def name(self) -> str:
        """How the report calls it."""

    def start(self, frame: Image, boxes: Sequence[Box]) -> None:
        """Set the targets, in a frame `(H, W, 3)` uint8 BGR."""

    def step(self, frame: Image) -> tuple[Sample, list[Row]]:
        """Find the targets in the next frame: what it took, and what to draw."""


class ModelFollower:
    """A siamtrack model. Its stages are whatever the tracker's clock tells apart, and the rest of a step.

    Args:
        name: how the report calls it.
        tracker: the model.
    """

    def __init__(self, name: str, tracker: Tracker) -> None:
        self.name = name
        self.tracker = tracker
        # Loading decides it for the whole process; the next model may need another number.
        self.threads = torch.get_num_threads()
        self._states: list[TargetState] = []

    def start(self, frame: Image, boxes: Sequence[Box]) -> None:
        """Set the targets."""
        torch.set_num_threads(self.threads)
        self._states = [self.tracker.start(frame, box) for box in boxes]

    def step(self, frame: Image) -> tuple[Sample, list[Row]]:
        """Find the targets in the next frame."""
        before, seen = dict(self.tracker.stage_seconds), dict(self.tracker.crops_seen)
        began = time.perf_counter()
        results = self.tracker.step(frame, self._states)
        seconds = time.perf_counter() - began
        self._states = [result.state for result in results]
        stages = {stage: total - before.get(stage, 0.0) for stage, total in self.tracker.stage_seconds.items()}
        stages["rest"] = max(seconds - sum(stages.values()), 0.0)
        rows = [Row(0, 0.0, target, each.box, each.score, each.status) for target, each in enumerate(results, 1)]
        crops = ((side, count - seen.get(side, 0)) for side, count in sorted(self.tracker.crops_seen.items()))
        return Sample(stages, seconds, tuple((side, count) for side, count in crops if count)), rows


class PeerFollower:
    """A tracker of OpenCV, which is one stage.

    Args:
        peer: the tracker.
    """

    def __init__(self, peer: Peer) -> None:
        self.name = peer.name
        self._peer = peer

    def start(self, frame: Image, boxes: Sequence[Box]) -> None:
        """Set the targets."""
        self._peer.start(frame, boxes)

    def step(self, frame: Image) -> tuple[Sample, list[Row]]:
        """Find the targets in the next frame."""
        began = time.perf_counter()
        boxes = self._peer.step(frame)
        seconds = time.perf_counter() - began
        rows = [
            Row(0, 0.0, target, box, None, Status.LOST if box is None else Status.TRACKED)
            for target, box in enumerate(boxes, 1)
        ]
        return Sample({"track": seconds}, seconds), rows


def run_profile(job: ProfileJob, progress: Progress) -> Report:
    """Measure every peer and model on the same frames, in rounds, and write the JSON that is asked for.

    Args:
        job: what to do.
        progress: where to report how far it is.

    Raises:
        UsageError: for something that cannot be: no source or two of them, an unknown model or peer, a box off the
            frame, nothing to measure.
        SourceError: when the source cannot be read, or is too short.
        SinkError: when the JSON cannot be written.
        WeightsError: when a model cannot be loaded.
    """
    _check(job)
    files = [find_model(name) for name in job.models]  # an unknown name is told before anything slow happens
    peers = [PeerFollower(Peer(name)) for name in dict.fromkeys(job.peers)]
    with tempfile.TemporaryDirectory(prefix="siamtrack-profile-") as folder, opencv_threads(job.threads):
        scratch = Path(folder)
        source, boxes = _prepare(job, scratch)
        with open_source(source) as opened:
            info = opened.info
        if job.json is not None:
            refuse_inputs(job.json, (*files, *info.files))
        models = [ModelFollower(name, _load(name, job)) for name in dict.fromkeys(job.models)]
        followers: list[Follower] = [*peers, *models]
        rounds: dict[str, list[list[Sample]]] = {follower.name: [] for follower in followers}
        peaks: dict[str, float] = {}
        # Other runtimes than PyTorch, which is left one thread beside them, take all cores.
        others = any(model.tracker.backend.runtime != "torch" for model in models)
        threads = max(*(model.threads for model in models), (job.threads or usable_cores()) if others else 1)
        with _counted(progress, job.rounds * len(followers) * (job.frames + WARM_UP)) as count:
            for _ in range(job.rounds):
                torch.set_num_threads(threads)
                for device, precision in {
                    (str(each.tracker.backend.device), each.tracker.backend.precision) for each in models
                }:
                    peaks[precision] = max(measure_peak(device, precision), peaks.get(precision, 0.0))
                for follower in followers:
                    rounds[follower.name].append(
                        measure(follower, source, boxes, job.frames, scratch / "drawn.mp4", count)
                    )
        peer_fps = {peer.name: [_mean_fps(samples) for samples in rounds[peer.name]] for peer in peers}
        profiles = [summarise_tracker(peer.name, rounds[peer.name], peer_fps) for peer in peers]
        for model in models:
            profile = summarise_tracker(model.name, rounds[model.name], peer_fps)
            samples = [sample for each in rounds[model.name] for sample in each]
            profiles.append(_with_model(profile, model.tracker, samples, peaks))
        torch.set_num_threads(threads)
        report = Report(
            job, info, boxes, str(models[0].tracker.backend.device), peaks, describe_machine(), tuple(profiles)
        )
    if job.json is not None:
        job.json.write_text(json.dumps(report.as_json(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return report


def _check(job: ProfileJob) -> None:
    if (job.source is None) == (job.synthetic is None):
        wrong = "neither a SOURCE nor --synthetic" if job.source is None else f"both '{job.source}' and --synthetic"
        raise UsageError(f"{wrong} to measure on: give one of them, for example --synthetic 640x480")
    if job.synthetic is not None and job.boxes:
        raise UsageError("--box is for a SOURCE: a --synthetic clip knows where its targets are, leave --box out")
    for option, value in (("--frames", job.frames), ("--rounds", job.rounds), ("--targets", job.targets)):
        if value < 1:
            raise UsageError(f"{option} {value} leaves nothing to measure: give 1 or more")
    if not job.models:
        raise UsageError("no model to measure: give one of 'siamtrack models'")
    if job.json is not None:
        check_outputs({"--json": job.json})
    if job.source is not None and not job.boxes and not has_display():
        raise UsageError(
            "without --box a window is opened to draw it, and it needs a display, and there is none here: "
            "give --box X,Y,W,H"
        )


def _prepare(job: ProfileJob, folder: Path) -> tuple[str, tuple[Box, ...]]:
    """The source to read and the targets in its first frame; a rendered clip is written to a video first."""
    if job.synthetic is not None:
        clip = SyntheticClip(*job.synthetic, 1 + WARM_UP + job.frames, job.targets)
        path = folder / "synthetic.mp4"
        with VideoSink(path, clip.width, clip.height, SYNTHETIC_RATE) as sink:
            for image, _ in clip:
                sink.write(image)
        return str(path), tuple(clip.boxes[0])
    source = str(job.source)
    with open_source(source) as opened:
        first = next(opened).image
    if first is None:
        raise SourceError(f"the first frame of '{source}', which the boxes belong to, cannot be decoded: give another")
    boxes = job.boxes or select_boxes(first, f"siamtrack: {source}")
    return source, tuple(validate_box(box, first.shape[1], first.shape[0]) for box in boxes) * job.targets


@contextmanager
def _counted(progress: Progress, total: int) -> Iterator[Callable[[], None]]:
    """A function to call after every frame."""
    began, done = time.perf_counter(), 0
    with progress(total) as advance:

        def count() -> None:
            nonlocal done
            done += 1
            advance(done, done / (time.perf_counter() - began))

        yield count


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
        with VideoSink(video, info.width, info.height, info.rate, threads=1) as sink:
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


def summarise_stages(samples: Sequence[Mapping[str, float]]) -> dict[str, StageFigures]:
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


def summarise_tracker(
    name: str, rounds: Sequence[Sequence[Sample]], peer_fps: Mapping[str, Sequence[float]]
) -> TrackerProfile:
    """The figures of one tracker.

    Args:
        name: of the tracker.
        rounds: samples of each round.
        peer_fps: mean rate of each peer in each round; the tracker is not compared with itself.
    """
    samples = [sample for each in rounds for sample in each]
    round_fps = tuple(_mean_fps(each) for each in rounds)
    ratios = {
        peer: statistics.median(own / other for own, other in zip(round_fps, rates, strict=True))
        for peer, rates in peer_fps.items()
        if peer != name
    }
    (frame,) = summarise_stages([{"frame": sum(sample.stages.values())} for sample in samples]).values()
    return TrackerProfile(
        name=name,
        stages=summarise_stages([sample.stages for sample in samples]),
        frame=frame,
        frames=len(samples),
        median_fps=_rate(statistics.median(sample.tracking for sample in samples)),
        mean_fps=_mean_fps(samples),
        round_fps=round_fps,
        ratios=ratios,
    )


def _mean_fps(samples: Sequence[Sample]) -> float:
    return _rate(statistics.fmean(sample.tracking for sample in samples))


def _rate(seconds: float) -> float:
    """Frames per second; what was too quick for the clock counts as its finest tick."""
    return 1 / max(seconds, 1e-9)


def _load(name: str, job: ProfileJob) -> Tracker:
    return load(
        name,
        device=job.device,
        settings=job.settings,
        threads="auto" if job.threads is None else job.threads,
        precision=job.precision,
        runtime=job.runtime,
    )


def _with_model(
    profile: TrackerProfile, tracker: Tracker, samples: Sequence[Sample], peaks: Mapping[str, float]
) -> TrackerProfile:
    """The same profile with what is known about the model, and the limit of its network."""
    card, precision = tracker.card, tracker.backend.precision
    if card is None:  # nothing is known about a network without one
        return profile
    model = {
        "name": card.name,
        "architecture": card.architecture,
        "precision": precision,
        "settings": tracker.settings.model_dump(mode="json"),
    }
    with torch.device("meta"):
        network = build_network(card.design).eval()
    usual = Counter(sample.crops for sample in samples).most_common(1)[0][0]
    flops = sum(network_flops(network, count, side) for side, count in usual)
    took = statistics.median(sample.stages["network"] for sample in samples if sample.crops == usual)
    limit = Limit(tracker.backend.runtime, precision, flops, peaks[precision], took)
    return replace(profile, model=model, limit=limit)


def network_flops(network: TrackingNetwork, crops: int, search_size: int) -> int:
    """Floating point operations of embedding search crops and, where the network has a box head, reading boxes in them.

    Args:
        network: stays as it is.
        crops: number of search crops.
        search_size: their side in pixels.
    """
    twin = copy.deepcopy(network).to("meta", torch.float32)
    searches = torch.empty(crops, 3, search_size, search_size, device="meta")
    flops = count_flops(twin.backbone, searches)
    if isinstance(twin, BoxNetwork):
        exemplars = torch.empty(crops, 3, twin.exemplar_size, twin.exemplar_size, device="meta")
        kernels = twin.box_kernel(twin.embed_levels(exemplars)[1])
        flops += count_flops(
            twin.box_head, kernels, twin.embed_levels(searches)[1], torch.empty(crops, 2, device="meta")
        )
    return flops


def count_flops(module: nn.Module, *inputs: Any) -> int:
    """Floating point operations of the convolutions and matrix products of a module; a multiply-add is two.

    Args:
        module: anything that can be called; on the device `meta` nothing is computed.
        inputs: what it is called with, on the same device.
    """
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        module(*inputs)
    return int(counter.get_total_flops())
