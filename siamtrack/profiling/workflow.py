"""Profile of trackers: rounds of measurements on the same frames."""

from __future__ import annotations

import json as json_format
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch

from siamtrack.boxes import Box, validate_box
from siamtrack.config import Precision, RuntimeName
from siamtrack.errors import SourceError, UsageError
from siamtrack.evaluation.peers import opencv_threads
from siamtrack.io.results import check_outputs, refuse_inputs
from siamtrack.io.sources import open_source
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.io.video.encoder import VideoEncoder
from siamtrack.io.window import require_display, select_boxes
from siamtrack.models.registry import DEFAULT_MODEL, find_model
from siamtrack.profiling.limit import network_limit
from siamtrack.profiling.measurement import WARM_UP, FrameTimes, MeasuredModel, MeasuredPeer, MeasuredTracker, measure
from siamtrack.profiling.report import ProfileReport, TrackerProfile, mean_fps, summarize_tracker
from siamtrack.system.machine import describe_machine, measure_peak, usable_cores
from siamtrack.system.progress import ProgressCounter, Report, no_report
from siamtrack.tracking.factory import load

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker

SYNTHETIC_RATE = Fraction(30)
"""Frames per second of a rendered clip."""


def profile(
    source: str | Path | None = None,
    *,
    synthetic: tuple[int, int] | None = None,
    boxes: Sequence[tuple[float, float, float, float]] = (),
    models: Sequence[str] = (DEFAULT_MODEL,),
    peers: Sequence[str] = (),
    frames: int = 200,
    rounds: int = 3,
    targets: int = 1,
    json: Path | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    threads: int | None = None,
    precision: Precision | Literal["auto"] = "auto",
    runtime: RuntimeName | Literal["auto"] = "auto",
    settings: Mapping[str, object] | None = None,
    report: Report = no_report,
) -> ProfileReport:
    """Measure the time of every stage of a frame for each model and peer, on the same frames.

    Every tracker has its turn in every round, so that a slow minute of the machine slows all of them.

    >>> report = siamtrack.profile(synthetic=(320, 240), models=["siamtrack-lite"], frames=20, rounds=1)
    >>> list(report.trackers[0].stages)
    ['decode', 'crop', ..., 'draw', 'encode']

    Args:
        source: video file, folder of images or glob; either this or `synthetic`.
        synthetic: width and height of a rendered clip in pixels.
        boxes: targets in the first frame of `source`, in pixels, 0-based and continuous. Without any, a window opens to
            draw them.
        models: shipped models or weights files.
        peers: trackers of OpenCV, see `siamtrack.evaluation.peers.Peer`.
        frames: maximum number of frames to measure in a round.
        rounds: number of rounds.
        targets: number of targets of a rendered clip; in a source, how many times each box is tracked.
        json: file for the report as JSON; it is overwritten.
        device: device of the networks; `auto` takes a GPU where there is one.
        threads: CPU threads of the networks and of OpenCV; None takes the default of each.
        precision: see `siamtrack.load`.
        runtime: see `siamtrack.load`.
        settings: tracking settings that differ from those of the model card.
        report: called after every frame.

    Raises:
        UsageError: for no source or two of them, an unknown model or peer, a box outside the frame, or nothing to
            measure.
        SourceError: when the source cannot be read, or is too short.
        OutputError: when the JSON cannot be written.
        WeightsError: when a model cannot be loaded.
    """
    _check(source, synthetic, boxes, models, json, {"--frames": frames, "--rounds": rounds, "--targets": targets})
    files = [find_model(name) for name in models]  # raises the error of an unknown name before anything slow happens
    measured_peers = [MeasuredPeer(name) for name in dict.fromkeys(peers)]

    def load_model(name: str) -> Tracker:
        return load(
            name,
            device=device,
            settings=settings,
            threads=threads,
            precision=precision,
            runtime=runtime,
            autotune=True,
        )

    with tempfile.TemporaryDirectory(prefix="siamtrack-profile-") as name, opencv_threads(threads), _torch_threads():
        folder = Path(name)
        if synthetic is not None:
            video, found = _render(SyntheticClip(*synthetic, 1 + WARM_UP + frames, targets), folder)
        else:
            video, found = str(source), _boxes_of_source(str(source), boxes) * targets
        with open_source(video) as opened:
            info = opened.info
        if json is not None:
            refuse_inputs(json, (*files, *info.files))
        measured_models = [MeasuredModel(name, load_model(name)) for name in dict.fromkeys(models)]
        trackers: list[MeasuredTracker] = [*measured_peers, *measured_models]
        times: dict[str, list[list[FrameTimes]]] = {tracker.name: [] for tracker in trackers}
        backends = [model.tracker.backend for model in measured_models]
        peaks: dict[str, float] = {}
        # Runtimes other than PyTorch take all cores and leave PyTorch one thread.
        others = any(backend.runtime != "torch" for backend in backends)
        most = max(*(model.threads for model in measured_models), (threads or usable_cores()) if others else 1)
        counter = ProgressCounter(report, rounds * len(trackers) * (frames + WARM_UP))
        for _ in range(rounds):
            torch.set_num_threads(most)
            for on, in_precision in {(str(backend.device), backend.precision) for backend in backends}:
                peaks[in_precision] = max(measure_peak(on, in_precision), peaks.get(in_precision, 0.0))
            for tracker in trackers:
                times[tracker.name].append(measure(tracker, video, found, frames, folder / "drawn.mp4", counter.count))
        torch.set_num_threads(most)
        machine = describe_machine()
    peer_fps = {peer.name: [mean_fps(each) for each in times[peer.name]] for peer in measured_peers}
    profiles = {name: summarize_tracker(name, each, peer_fps) for name, each in times.items()}
    for model in measured_models:
        profiles[model.name] = _with_model(profiles[model.name], model.tracker, times[model.name], peaks)
    result = ProfileReport(
        source=info,
        synthetic=synthetic is not None,
        boxes=found,
        frames=frames,
        rounds=rounds,
        threads=threads,
        device=str(backends[0].device),
        peaks=peaks,
        machine=machine,
        trackers=tuple(profiles.values()),
    )
    if json is not None:
        json.write_text(json_format.dumps(result.as_json(), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return result


def _check(
    source: str | Path | None,
    synthetic: tuple[int, int] | None,
    boxes: Sequence[object],
    models: Sequence[str],
    json: Path | None,
    counts: Mapping[str, int],
) -> None:
    if (source is None) == (synthetic is None):
        wrong = "neither a SOURCE nor --synthetic" if source is None else f"both '{source}' and --synthetic"
        raise UsageError(f"{wrong} to measure on: give one of them, for example --synthetic 640x480")
    if synthetic is not None and boxes:
        raise UsageError("--box is for a SOURCE: a --synthetic clip knows where its targets are, leave --box out")
    for option, value in counts.items():
        if value < 1:
            raise UsageError(f"{option} {value} leaves nothing to measure: give 1 or more")
    if not models:
        raise UsageError("no model to measure: give one of 'siamtrack models'")
    if json is not None:
        check_outputs({"--json": json})
    if source is not None and not boxes:
        require_display("without --box a window is opened to draw it, and it", "give --box X,Y,W,H")


@contextmanager
def _torch_threads() -> Iterator[None]:
    """Set the number of threads of PyTorch back in the end."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _render(clip: SyntheticClip, folder: Path) -> tuple[str, tuple[Box, ...]]:
    """Write a rendered clip to a video, and return its name and the targets in the first frame."""
    path = folder / "synthetic.mp4"
    with VideoEncoder(path, clip.width, clip.height, SYNTHETIC_RATE) as encoder:
        for image, _ in clip:
            encoder.write(image)
    return str(path), tuple(clip.boxes[0])


def _boxes_of_source(source: str, boxes: Sequence[tuple[float, float, float, float]]) -> tuple[Box, ...]:
    """Check the targets in the first frame of a source, or let the user draw them."""
    with open_source(source) as opened:
        first = next(opened).image
    if first is None:
        raise SourceError(f"the first frame of '{source}', which the boxes belong to, cannot be decoded: give another")
    height, width = first.shape[:2]
    return tuple(validate_box(Box(*box), width, height) for box in boxes or select_boxes(first, f"siamtrack: {source}"))


def _with_model(
    profile: TrackerProfile, tracker: Tracker, rounds: Sequence[Sequence[FrameTimes]], peaks: Mapping[str, float]
) -> TrackerProfile:
    """Add the model, as far as it has a card, and the limit of its network."""
    card = tracker.card
    if card is None:
        return profile
    model = {
        "name": card.name,
        "architecture": card.architecture,
        "precision": tracker.backend.precision,
        "settings": tracker.settings.model_dump(mode="json"),
    }
    limit = network_limit(tracker.backend, card, [frame for each in rounds for frame in each], peaks)
    return replace(profile, model=model, limit=limit)
