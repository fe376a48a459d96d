"""Workflow of `siamtrack webcam`, without the command line: it knows nothing of options or terminals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from siamtrack.boxes import Box
from siamtrack.config import Precision, RuntimeName
from siamtrack.io.live.base import LiveSource
from siamtrack.io.results import check_outputs, refuse_inputs
from siamtrack.live.loop import Counter, LiveLoop, Summary, Viewer
from siamtrack.live.pace import PacedFrames
from siamtrack.live.results import open_results
from siamtrack.live.session import Session
from siamtrack.live.window import WebcamWindow
from siamtrack.models.registry import DEFAULT_MODEL, find_model
from siamtrack.system.machine import spare_cores
from siamtrack.system.progress import Report, no_report
from siamtrack.system.signals import StopSignal

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker

OpenLive = Callable[[str], LiveSource]
"""Opens a camera, a stream or a file, as `open_live` does."""


@dataclass(frozen=True)
class WebcamJob:
    """Source, model and outputs of a run."""

    source: str
    """A camera by number or device file, the address of a stream, or a video file."""
    boxes: tuple[Box, ...] = ()
    """One box a target in the first frame."""
    record: Path | None = None
    """Video to write."""
    csv: Path | None = None
    """Table to write."""
    snapshots: Path = Path()
    """Folder of the pictures that the user saves."""
    frozen: bool = False
    """Begins with a frozen first frame."""
    model: str = DEFAULT_MODEL
    """A shipped model or a weights file."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None
    """CPU threads of the network; None: as few as come near the fastest."""
    precision: Precision | Literal["auto"] = "auto"
    """Precision of the network; auto: the fastest whose responses are those of float32."""
    runtime: RuntimeName | Literal["auto"] = "auto"
    """Library that runs the network; auto: OpenVINO on a CPU where it is installed and faster, else PyTorch."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Tracking settings that differ from what the model's card says."""

    def outputs(self) -> dict[str, Path]:
        """Return the files that are wanted, by the option that asked for them."""
        options = {"--record": self.record, "--csv": self.csv}
        return {option: path for option, path in options.items() if path is not None}


def watch(job: WebcamJob, open_live: OpenLive) -> Summary:
    """Follow what the user draws boxes around in a window, until that is closed or the source ends.

    A file is played at its own rate at most. The first Ctrl-C (or SIGTERM) ends the run after the frame at hand.
    Whatever ends it, all files are closed and hold everything up to there.

    Args:
        job: what to do.
        open_live: opens the source.

    Raises:
        UsageError: for something that cannot be: an unknown model, an output that is the source, a box off the frame.
        SourceError: when the source cannot be read.
        OutputError: when a result cannot be written.
        WeightsError: when the model cannot be loaded.
    """
    _check(job)
    with open_live(job.source) as source, WebcamWindow(f"siamtrack webcam: {source.info.name}") as window:
        return _run(job, PacedFrames(source) if source.is_file else source, window)


def follow(job: WebcamJob, open_live: OpenLive, report: Report = no_report) -> Summary:
    """Follow the boxes of a job without a window, until the source ends or a signal comes.

    A file goes as fast as it can. Arguments and errors see `watch`, and `report` is called after every frame.
    """
    _check(job)
    with open_live(job.source) as source:
        return _run(job, source, Counter(report, source.info.count))


def _check(job: WebcamJob) -> None:
    """Tell what is wrong before a camera is opened."""
    check_outputs(job.outputs())
    if job.record is not None:
        from siamtrack.io.video.encoder import checked_video  # noqa: PLC0415 - PyAV: not before OpenCV

        checked_video(job.record)
    find_model(job.model)


def _run(job: WebcamJob, source: LiveSource, viewer: Viewer) -> Summary:
    for path in job.outputs().values():
        refuse_inputs(path, (find_model(job.model), Path(job.source), *source.info.files))
    tracker = _load(job)
    from siamtrack.tracking.multi import MultiTracker  # noqa: PLC0415 - torch

    # The signal around the results, so that Ctrl-C does not reach into the closing of the files.
    with StopSignal() as stop:
        with open_results(job.record, job.csv, source.info) as results:
            loop = LiveLoop(source, MultiTracker(tracker), viewer, results, job.snapshots)
            summary = loop.run(Session(frozen=job.frozen), job.boxes, stop)
        summary.files[:0] = job.outputs().values()
    return summary


def _load(job: WebcamJob) -> Tracker:
    spare_cores()
    from siamtrack.tracking.factory import load  # noqa: PLC0415 - torch: not before the source is known to be good

    return load(
        job.model,
        device=job.device,
        settings=job.settings,
        threads=job.threads,
        precision=job.precision,
        runtime=job.runtime,
        autotune=True,
    )
