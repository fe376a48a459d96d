"""From a video to training data: key frames from a file or by hand, boxes in between, sequences in OTB's layout."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from siamtrack.boxes import validate_box
from siamtrack.errors import BoxError, DataError, UsageError
from siamtrack.io.results import write_failure
from siamtrack.io.sources import name_of_source, open_source
from siamtrack.io.window import require_display
from siamtrack.labelling.folder import LabelFolder, LabelledPart, LabelledVideo, LabelMethod, read_key_frames
from siamtrack.labelling.frames import FrameStore
from siamtrack.labelling.key_frames import KeyFrames
from siamtrack.labelling.propagation import (
    MIN_RUN,
    Boxes,
    Propagation,
    TrackRange,
    confirmed_runs,
    count_checked,
    fill_boxes,
    interpolate,
    labelled_range,
    track_and_check,
    track_both_ways,
    track_stored_frames,
)
from siamtrack.labelling.session import LabellingSession, Stage
from siamtrack.models.registry import DEFAULT_MODEL, find_model
from siamtrack.system.progress import Progress, ProgressCounter, Report, no_report

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelJob:
    """Video to label and options."""

    source: str
    """Video file, folder of images or glob."""
    out: Path
    """Folder of the sequences."""
    name: str | None = None
    """Name of the sequence; None: name of the source."""
    boxes: Path | None = None
    """File of key frames, see `read_key_frames`; None: they are drawn in a window."""
    between: Literal["track", "interpolate"] = "track"
    """Origin of the boxes between key frames."""
    check: bool = False
    """Keep only frames in which forward and backward tracking agree."""
    agree: float = 0.65
    """Minimum overlap of the forward and the backward box, in (0, 1]."""
    every: int = 1
    """Frames of the video from one picture to the next."""
    tracker: str = DEFAULT_MODEL
    """Shipped model or weights file."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None
    """CPU threads of the network; None: the smallest number that is nearly as fast as the best one."""


@dataclass(frozen=True)
class LabelSummary:
    """Result of labelling."""

    folder: Path
    """Folder of the key frames."""
    key_frames: int
    """Number of key frames."""
    parts: Sequence[tuple[Path, int]] = ()
    """Written sequences and their numbers of pictures; none when the user left without saving."""
    confirmed: tuple[int, int] | None = None
    """Number of frames that the check confirmed, and of those that it tried; None without a check."""


def label(job: LabelJob, report: Report = no_report) -> LabelSummary:
    """Label one object in a video.

    The key frames are saved at every change. After an interruption, the next run goes on from there.

    Args:
        job: video and options.
        report: called after every frame that is read, and every frame that is tracked.

    Raises:
        UsageError: for wrong options, no display to draw in, an unknown model, a key frame outside the video, or an
            output folder that holds something else.
        SourceError: when the video cannot be read.
        DataError: when the file of boxes cannot be read, or nothing is left to write.
        OutputError: when the folder cannot be written to.
        WeightsError: when the model cannot be loaded.
    """
    given = _check(job)
    with open_source(job.source) as source:
        try:
            job.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise write_failure(job.out, error) from error
        store = FrameStore(source, job.out, ProgressCounter(report, source.expected).count)
        report(Progress(len(store), len(store)))  # a video may have more or fewer than the expected frames
        for warning in source.warnings:
            _logger.warning("%s", warning)
        files = source.info.files
    with store as frames:
        if given is not None:
            _check_key_frames(given, frames, job.boxes)
        width, height = frames.size
        video = LabelledVideo(name=Path(job.source).name, frames=len(frames), width=width, height=height)
        name = job.name or name_of_source(job.source)
        _refuse_own_pictures(job.out / name, files)
        return _label(job, given, frames, LabelFolder(job.out, name, video), report)


def _check(job: LabelJob) -> KeyFrames | None:
    """Check the options before the video is read, and return the key frames of the file, if there is one."""
    if not 0 < job.agree <= 1:
        raise UsageError(f"--agree {job.agree:g} is no overlap: give a number above 0 and up to 1")
    if job.every < 1:
        raise UsageError(f"--every {job.every} takes no frame: give 1 or more")
    if job.check and job.between == "interpolate":
        raise UsageError("--check compares what is tracked forwards and backwards: leave out --between interpolate")
    if job.between == "track":
        find_model(job.tracker)
    if job.boxes is not None:
        return read_key_frames(job.boxes)
    require_display(
        "without --boxes a window is opened to draw them, and it",
        "give --boxes FILE with a line frame,x,y,w,h for each key frame",
    )
    return None


def _check_key_frames(key_frames: KeyFrames, frames: FrameStore, path: Path | None) -> None:
    for frame, box in key_frames:
        if not 0 <= frame < len(frames):
            raise UsageError(
                f"{path}: frame {frame} is outside the video, which has {len(frames)} frames (0 to {len(frames) - 1})"
            )
        if frame in frames.missing:
            raise UsageError(f"{path}: frame {frame} cannot be decoded: take the one before or after as key frame")
        if box is not None:
            height, width = frames.image(frame).shape[:2]
            try:
                validate_box(box, width, height)
            except BoxError as error:
                raise BoxError(f"{path}, frame {frame}: {error}") from error


def _refuse_own_pictures(folder: Path, files: Sequence[Path]) -> None:
    if any(folder.resolve() in file.resolve().parents for file in files[:1]):
        raise UsageError(f"{folder} holds the video itself: give another --name or --out")


def _label(
    job: LabelJob, given: KeyFrames | None, frames: FrameStore, folder: LabelFolder, report: Report
) -> LabelSummary:
    saved = folder.read_key_frames()
    load = cache(lambda: _load(job))
    if given is None:
        session = _label_by_hand(job, saved, frames, folder, track_stored_frames(load, frames, lambda: None))
        key_frames = session.key_frames
        if session.stage is Stage.LEAVE:
            return LabelSummary(folder.path, len(key_frames))
    else:
        key_frames = given
        lost = [each.frame for each in saved if given.at(each.frame) != each]
        if lost:
            raise UsageError(
                f"{folder.path} has key frames that {job.boxes} lacks or changes (frame {lost[0]}):"
                " add them to it, or give another --name"
            )
        folder.save_key_frames(key_frames)
    track_range = track_stored_frames(load, frames, ProgressCounter(report).count)
    boxes = fill_boxes(key_frames, len(frames), _propagation(job, track_range))
    boxes[sorted(frames.missing)] = np.nan
    parts = _parts(job, boxes, frames)
    method = LabelMethod(
        between=job.between,
        tracker=job.tracker if job.between == "track" else None,
        agree=job.agree if job.check else None,
        every=job.every,
    )
    paths = folder.write(parts, method)
    written = [(path, len(part.frames)) for path, part in zip(paths, parts, strict=True)]
    confirmed = int(np.isfinite(boxes[:, 0]).sum()), count_checked(key_frames, len(frames))
    return LabelSummary(folder.path, len(key_frames), written, confirmed if job.check else None)


def _label_by_hand(
    job: LabelJob, saved: KeyFrames, frames: FrameStore, folder: LabelFolder, track_range: TrackRange
) -> LabellingSession:
    from siamtrack.labelling.window import label_in_window  # noqa: PLC0415 - a script needs no window

    session = LabellingSession(
        count=len(frames),
        key_frames=saved,
        missing=frames.missing,
        can_track=job.between == "track",
        min_key_frames=1 if job.check else 2,
        frame=saved.items[-1].frame if saved.items else 0,
    )
    return label_in_window(session, frames, track_range, folder.save_key_frames, f"siamtrack label: {job.source}")


def _propagation(job: LabelJob, track_range: TrackRange) -> Propagation:
    if job.between == "interpolate":
        return interpolate
    return track_and_check(track_range, job.agree) if job.check else track_both_ways(track_range)


def _parts(job: LabelJob, boxes: Boxes, frames: FrameStore) -> list[LabelledPart]:
    """Return the parts of the video to write: one, or one for each run of confirmed frames if there is a check.

    Raises:
        DataError: when no part has two pictures with a box, which training needs.
    """
    parts = []
    for each in confirmed_runs(boxes) if job.check else labelled_range(boxes):
        chosen = [index for index in each[:: job.every] if index not in frames.missing]
        if np.isfinite(boxes[chosen, 0]).sum() > 1:
            parts.append(LabelledPart(chosen, map(frames.picture, chosen), boxes[chosen]))
    if not parts and job.check:
        raise DataError(
            f"'{job.source}': forwards and backwards agree in no {MIN_RUN} frames in a row:"
            " add key frames, or accept less with --agree"
        )
    if not parts:
        raise DataError(
            f"'{job.source}': fewer than two pictures would have a box: give two key frames with more between them,"
            " or --check, which tracks from a single one and keeps what it can confirm"
        )
    return parts


def _load(job: LabelJob) -> Tracker:
    from siamtrack.tracking.factory import load  # noqa: PLC0415 - torch: after the input is checked

    # float32: the same boxes on every run, and on nearly every machine.
    return load(
        job.tracker,
        device=job.device,
        threads=job.threads,
        precision="float32",
        autotune=True,
    )
