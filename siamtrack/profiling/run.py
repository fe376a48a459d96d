"""A run of `siamtrack profile`: what is measured, in rounds, and the report."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

import siamtrack
from siamtrack.boxes import Box, validate_box
from siamtrack.config import Precision, RuntimeName
from siamtrack.errors import SourceError, UsageError
from siamtrack.evaluation.peers import opencv_threads
from siamtrack.io.frames import SourceInfo
from siamtrack.io.results import check_outputs, refuse_inputs
from siamtrack.io.sources import open_source
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.io.video.sink import VideoEncoder
from siamtrack.io.window import has_display, select_boxes
from siamtrack.models.registry import DEFAULT_MODEL, build_network, find_model
from siamtrack.profiling.figures import Limit, Sample, TrackerProfile, mean_fps, profile_as_json, summarize_tracker
from siamtrack.profiling.flops import network_flops
from siamtrack.profiling.measure import WARM_UP, measure
from siamtrack.profiling.trackers import MeasuredModel, MeasuredPeer, MeasuredTracker
from siamtrack.system.machine import describe_machine, measure_peak, usable_cores
from siamtrack.system.progress import ProgressCounter, Report, no_report
from siamtrack.tracking.factory import load

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker

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
    """CPU threads of the networks and of OpenCV; None: what `siamtrack track` takes for each, OpenCV's own choice."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Tracking settings that differ from what the model's card says."""
    precision: Precision | Literal["auto"] = "auto"
    """What the networks compute in."""
    runtime: RuntimeName | Literal["auto"] = "auto"
    """What runs the network; auto: OpenVINO on a CPU where it is installed and faster, else PyTorch."""


@dataclass(frozen=True)
class ProfileReport:
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
            "trackers": [profile_as_json(each) for each in self.trackers],
        }


def run_profile(job: ProfileJob, report: Report = no_report) -> ProfileReport:
    """Measure every peer and model on the same frames, in rounds, and write the JSON that is asked for.

    Args:
        job: what to do.
        report: called after every frame.

    Raises:
        UsageError: for something that cannot be: no source or two of them, an unknown model or peer, a box off the
            frame, nothing to measure.
        SourceError: when the source cannot be read, or is too short.
        OutputError: when the JSON cannot be written.
        WeightsError: when a model cannot be loaded.
    """
    _check(job)
    files = [find_model(name) for name in job.models]  # an unknown name is told before anything slow happens
    peers = [MeasuredPeer(name) for name in dict.fromkeys(job.peers)]
    with tempfile.TemporaryDirectory(prefix="siamtrack-profile-") as folder, opencv_threads(job.threads):
        scratch = Path(folder)
        source, boxes = _prepare(job, scratch)
        with open_source(source) as opened:
            info = opened.info
        if job.json is not None:
            refuse_inputs(job.json, (*files, *info.files))
        models = [MeasuredModel(name, _load(name, job)) for name in dict.fromkeys(job.models)]
        followers: list[MeasuredTracker] = [*peers, *models]
        rounds: dict[str, list[list[Sample]]] = {follower.name: [] for follower in followers}
        peaks: dict[str, float] = {}
        # Other runtimes than PyTorch, which is left one thread beside them, take all cores.
        others = any(model.tracker.backend.runtime != "torch" for model in models)
        threads = max(*(model.threads for model in models), (job.threads or usable_cores()) if others else 1)
        count = ProgressCounter(report, job.rounds * len(followers) * (job.frames + WARM_UP)).count
        for _ in range(job.rounds):
            torch.set_num_threads(threads)
            for device, precision in {
                (str(each.tracker.backend.device), each.tracker.backend.precision) for each in models
            }:
                peaks[precision] = max(measure_peak(device, precision), peaks.get(precision, 0.0))
            for follower in followers:
                rounds[follower.name].append(measure(follower, source, boxes, job.frames, scratch / "drawn.mp4", count))
        peer_fps = {peer.name: [mean_fps(samples) for samples in rounds[peer.name]] for peer in peers}
        profiles = [summarize_tracker(peer.name, rounds[peer.name], peer_fps) for peer in peers]
        for model in models:
            profile = summarize_tracker(model.name, rounds[model.name], peer_fps)
            samples = [sample for each in rounds[model.name] for sample in each]
            profiles.append(_with_model(profile, model.tracker, samples, peaks))
        torch.set_num_threads(threads)
        result = ProfileReport(
            job, info, boxes, str(models[0].tracker.backend.device), peaks, describe_machine(), tuple(profiles)
        )
    if job.json is not None:
        job.json.write_text(json.dumps(result.as_json(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return result


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
        with VideoEncoder(path, clip.width, clip.height, SYNTHETIC_RATE) as sink:
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
