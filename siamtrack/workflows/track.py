"""One run of the tracker over a source: frames in; boxes, pictures and figures out.

This is what `siamtrack track` does, without the command line: it knows sources, the tracker and sinks, and nothing of
options or terminals.
"""

from __future__ import annotations

import logging
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import siamtrack
from siamtrack.boxes import Box, Image, validate_box
from siamtrack.config import Precision, RuntimeName
from siamtrack.errors import SourceError, UsageError
from siamtrack.io.draw import draw_targets
from siamtrack.io.frames import Frame, Source
from siamtrack.io.prefetch import Prefetcher
from siamtrack.io.results import (
    CsvWriter,
    JsonWriter,
    OtbWriter,
    ResultFiles,
    ResultWriter,
    Row,
    check_outputs,
    refuse_inputs,
    rows_of,
)
from siamtrack.io.sources import name_of_source, open_source
from siamtrack.io.video.annotated import AnnotatedVideo
from siamtrack.io.video.encoder import VideoEncoder
from siamtrack.io.window import Window, select_boxes
from siamtrack.models.registry import DEFAULT_MODEL, find_model
from siamtrack.system.machine import describe_machine, spare_cores
from siamtrack.system.progress import Progress, Report, no_report
from siamtrack.system.signals import StopSignal
from siamtrack.system.stage_clock import StageClock
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.loop import track

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker

_logger = logging.getLogger(__name__)

TRACKING_STAGES = ("crop", "transfer", "network", "correlation", "postprocess", "filter", "template")
STAGES = ("decode", "start", *TRACKING_STAGES, "draw", "convert", "encode", "tables", "show")
"""Stages of a run, in the order of a frame's way: `start` sets the targets, `TRACKING_STAGES` are of the
tracker's steps.

Each counts how long its thread was busy with it. Decoding has a thread of its own (images: several), encoding another,
and conversion to its colors a third, which draws as well unless a window is drawn for; the rest shares one: stages
overlap, so that they may add up to more than the run took.
"""
FPS_SPAN = 20
"""Frames that the drawn frame rate is averaged over."""


@dataclass(frozen=True)
class Outputs:
    """Files to write; None leaves one out. What exists is overwritten."""

    video: Path | None = None
    csv: Path | None = None
    json: Path | None = None
    otb: Path | None = None

    def named(self) -> dict[str, Path]:
        """Return the files that are wanted, by the option that asked for them."""
        options = {"--output": self.video, "--csv": self.csv, "--json": self.json, "--otb": self.otb}
        return {option: path for option, path in options.items() if path is not None}


@dataclass(frozen=True)
class Job:
    """Source, targets, model and outputs of a run."""

    source: str
    """A video file, a folder of images or a glob."""
    boxes: tuple[Box, ...]
    """One box a target in the first frame; empty: they are drawn in a window."""
    outputs: Outputs = Outputs()
    model: str = DEFAULT_MODEL
    """A shipped model or a weights file."""
    start: int = 0
    """First frame."""
    end: int | None = None
    """Frame to stop before."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None
    """CPU threads of the network; None: as few as come near the fastest."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Tracking settings that differ from what the model's card says."""
    precision: Precision | Literal["auto"] = "auto"
    """Precision of the network; auto: the fastest whose responses are those of float32."""
    runtime: RuntimeName | Literal["auto"] = "auto"
    """Library that runs the network; auto: OpenVINO on a CPU where it is installed and faster, else PyTorch."""
    show: bool = False
    """Show the frames in a window."""


@dataclass
class Summary:
    """Summary of a run."""

    targets: int
    files: list[Path]
    """Files that were written."""
    frames: int = 0
    """Frames with rows in the results: the first and the skipped ones too."""
    skipped: int = 0
    """Frames that could not be decoded."""
    seconds: float = 0.0
    """Seconds from setting the targets to the last frame written; loading the model is not part of it."""
    stages: dict[str, float] = field(default_factory=dict)
    """Seconds of each of `STAGES` that there was; they overlap."""
    stopped_by: signal.Signals | None = None
    """The signal that ended the run early."""
    warnings: Sequence[str] = ()
    """Faults of the source that did not end the run."""

    @property
    def tracking_fps(self) -> float:
        """Frames per second of the tracker alone, after the first: crops, network, correlation, post-processing."""
        seconds = sum(self.stages.get(stage, 0.0) for stage in TRACKING_STAGES)
        return max(self.frames - self.skipped - 1, 0) / seconds if seconds else 0.0

    @property
    def end_to_end_fps(self) -> float:
        """Frames per second of everything, from decoding to the files."""
        return self.frames / self.seconds if self.seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """Plain values for a report."""
        stages = {
            stage: {"seconds": round(seconds, 6), "ms_per_frame": round(1000 * seconds / max(self.frames, 1), 4)}
            for stage, seconds in self.stages.items()
        }
        return {
            "frames": self.frames,
            "skipped": self.skipped,
            "seconds": round(self.seconds, 6),
            "tracking_fps": round(self.tracking_fps, 2),
            "end_to_end_fps": round(self.end_to_end_fps, 2),
            "stages": stages,
            "stopped_by": self.stopped_by.name if self.stopped_by else None,
            "warnings": list(self.warnings),
        }


def default_video(source: str) -> Path:
    """Return the default name of the video: `NAME-tracked.mp4` in the current folder.

    NAME is the file's name without its ending, or the folder's name for a folder of images and for a glob.
    """
    return Path(f"{name_of_source(source)}-tracked.mp4")


def run(job: Job, report: Report = no_report) -> Summary:
    """Track the targets of a job through its source and write the results.

    The first Ctrl-C (or SIGTERM) ends the run after the frame at hand. Whatever ends it, all files are closed and hold
    everything up to there.

    Args:
        job: what to do.
        report: called after every frame.

    Raises:
        UsageError: for something that cannot be: an unknown model, an output that is the source, a box off the frame.
        SourceError: when the source, or the first frame of it, cannot be read.
        OutputError: when a result cannot be written.
        WeightsError: when the model cannot be loaded.
    """
    outputs = job.outputs.named()
    check_outputs(outputs)
    model = find_model(job.model)  # an unknown name is told before anything slow happens
    with open_source(job.source, job.start, job.end) as source:
        for path in outputs.values():
            refuse_inputs(path, (model, Path(job.source), *source.info.files))
        first, image = _first_frame(source, job.source)
        drawn = job.boxes or select_boxes(image, f"siamtrack: {job.source}")
        boxes = [validate_box(box, image.shape[1], image.shape[0]) for box in drawn]
        if job.outputs.otb is not None and len(boxes) > 1:
            raise UsageError(f"--otb {job.outputs.otb} holds one target, here are {len(boxes)}: take --csv or --json")
        tracker = _load(job)
        # The source goes on adding to its warnings.
        summary = Summary(len(boxes), list(outputs.values()), warnings=source.warnings)
        stack = ExitStack()
        stack.callback(_tell, source.warnings)  # also when something ends the run
        with (
            stack,
            # Around the results, so that Ctrl-C does not reach into the closing of the files.
            StopSignal() as stop,
            Prefetcher(source) as frames,
            _TrackResults(job, source, boxes=boxes, tracker=tracker, summary=summary) as results,
        ):
            for frame, rows in _follow(tracker, first, image, boxes, frames):
                watching = results.write(frame.image, rows)
                summary.stopped_by = stop.received
                report(Progress(summary.frames, source.expected, rate=summary.end_to_end_fps))
                if stop.received is not None or not watching:
                    break
    return summary


def _tell(warnings: Sequence[str]) -> None:
    for warning in warnings:
        _logger.warning("%s", warning)


def _first_frame(frames: Iterator[Frame], source: str) -> tuple[Frame, Image]:
    """Return the frame that the boxes belong to, and its image.

    Raises:
        SourceError: when it cannot be decoded.
    """
    first = next(frames)
    if first.image is None:
        good = next(frame.index for frame in frames if frame.image is not None)
        raise SourceError(
            f"frame {first.index} of '{source}', which the boxes belong to, cannot be decoded: "
            f"start at frame {good} with --start {good} and boxes for that frame"
        )
    return first, first.image


def _load(job: Job) -> Tracker:
    if job.outputs.video is not None:
        spare_cores()
    from siamtrack.tracking.factory import load  # noqa: PLC0415 - torch: not before the input is known to be good

    return load(
        job.model,
        device=job.device,
        settings=job.settings,
        threads=job.threads,
        precision=job.precision,
        runtime=job.runtime,
        autotune=True,
    )


def _follow(
    tracker: Tracker, first: Frame, image: Image, boxes: Sequence[Box], frames: Iterator[Frame]
) -> Iterator[tuple[Frame, list[Row]]]:
    """Yield every frame with one row a target; targets are numbered from 1."""
    from siamtrack.tracking.multi import MultiTracker  # noqa: PLC0415 - torch, as above

    targets = MultiTracker(tracker)
    for box in boxes:
        targets.add(image, box)
    yield first, [Row(first.index, first.time, target, box, 1.0, Status.TRACKED) for target, box in enumerate(boxes, 1)]
    for frame, results in track(frames, targets):
        yield frame, rows_of(frame, results, targets.ids)


class _TrackResults:
    """Files of results, the window and the summary of a run. A context manager.

    OpenCV shows the window in the main thread only, so its pictures are drawn there.
    """

    def __init__(self, job: Job, source: Source, *, boxes: Sequence[Box], tracker: Tracker, summary: Summary) -> None:
        self._job = job
        self._source = source
        self._boxes = boxes
        self._tracker = tracker
        self._summary = summary
        self._clock = StageClock()
        self._stack = ExitStack()
        self._json: JsonWriter | None = None
        self._window: Window | None = None
        self._picture: Image | None = None
        self._tracked_at: deque[float] = deque(maxlen=FPS_SPAN + 1)
        self._began = 0.0

    def __enter__(self) -> Self:
        outputs = self._job.outputs
        with self._stack as stack:
            encoder = video = None
            if outputs.video is not None:  # first: an error in it is known before a table is emptied
                info = self._source.info
                encoder = stack.enter_context(VideoEncoder(outputs.video, info.width, info.height, info.rate))
            tables: list[ResultWriter] = []
            if outputs.csv is not None:
                tables.append(stack.enter_context(CsvWriter(outputs.csv)))
            if outputs.otb is not None:
                tables.append(stack.enter_context(OtbWriter(outputs.otb)))
            if outputs.json is not None:
                self._json = stack.enter_context(JsonWriter(outputs.json, self._header()))
                tables.append(self._json)
            stack.callback(self._conclude)
            if encoder is not None:  # last: its threads end before anything is summed up or closed
                video = stack.enter_context(AnnotatedVideo(encoder, self._clock))
            self._files = ResultFiles(tables, video)
            if self._job.show:
                self._window = stack.enter_context(Window(f"siamtrack: {self._job.source}"))
            self._stack = stack.pop_all()
        self._began = time.perf_counter()
        return self

    def write(self, image: Image | None, rows: Sequence[Row]) -> bool:
        """Write a frame's rows and picture; false when the user closed the window.

        Args:
            image: `(H, W, 3)` uint8 BGR; None for a frame that could not be decoded, for which the video repeats the
                picture before it, so that it keeps its length.
            rows: one a target.
        """
        with self._clock.measure("tables"):
            self._files.write_rows(rows)
        self._tracked_at.append(sum(self._tracker.stage_seconds.values()))
        if image is not None:
            self._picture = image
        watching = self._picture is None or self._show(partial(self._draw, self._picture, rows, self._fps()))
        self._summary.frames += 1
        self._summary.skipped += image is None
        self._summary.seconds = time.perf_counter() - self._began
        return watching

    def _show(self, draw: Callable[[], Image]) -> bool:
        """Pass a picture to the video and the window; return False when the user closed the window."""
        if self._window is None:
            self._files.show(draw)
            return True
        drawn = draw()
        self._files.show(lambda: drawn)
        with self._clock.measure("show"):
            return self._window.show(drawn)

    def _draw(self, image: Image, rows: Sequence[Row], fps: float | None) -> Image:
        with self._clock.measure("draw"):
            return draw_targets(image, rows, fps)

    def _conclude(self) -> None:
        """Sum up the run when its last frame is written."""
        self._summary.seconds = time.perf_counter() - self._began
        seconds = self._clock.seconds | self._tracker.stage_seconds
        seconds |= {"decode": self._source.seconds, "start": self._tracker.start_seconds}
        self._summary.stages = {stage: seconds[stage] for stage in STAGES if stage in seconds}
        if self._json is not None:
            self._json.finish({"run": self._summary.as_json()})

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _fps(self) -> float | None:
        """Frames per second of the tracker over the last `FPS_SPAN` frames."""
        seconds = self._tracked_at[-1] - self._tracked_at[0]
        return (len(self._tracked_at) - 1) / seconds if seconds > 0 else None

    def _header(self) -> dict[str, Any]:
        card = self._tracker.card
        info = self._source.info
        return {
            "siamtrack": siamtrack.__version__,
            "source": {
                "name": info.name,
                "width": info.width,
                "height": info.height,
                "rate": info.rate,
                "frames": info.count,
                "start": self._job.start,
                "end": self._job.end,
            },
            "targets": [{"target": target, "box": box} for target, box in enumerate(self._boxes, 1)],
            "settings": self._tracker.settings.model_dump(mode="json"),
            "model": None if card is None else card.model_dump(mode="json"),
            "device": str(self._tracker.backend.device),
            "precision": self._tracker.backend.precision,
            "runtime": self._tracker.backend.runtime,
            "machine": describe_machine(self._tracker.backend.threads),
        }
