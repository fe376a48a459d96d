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
from siamtrack.labelling.annotations import Annotations
from siamtrack.labelling.folder import LabelFolder, Method, Piece, Video, read_keys
from siamtrack.labelling.follow import follower
from siamtrack.labelling.frames import FrameStore
from siamtrack.labelling.session import Session, Stage
from siamtrack.labelling.tracks import (
    MIN_RUN,
    Between,
    Boxes,
    Follow,
    checked,
    fill,
    from_first_to_last,
    interpolated,
    runs,
    sought,
    tracked,
)
from siamtrack.models.registry import DEFAULT_MODEL, find_model
from siamtrack.system.progress import Progress, ProgressCounter, Report, no_report

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker

_logger = logging.getLogger(__name__)


AGREE = 0.65
"""Overlap of forwards and backwards from which on a box is believed, by default."""


@dataclass(frozen=True)
class LabelJob:
    """What to label, and how."""

    source: str
    """A video file, a folder of images or a glob."""
    out: Path
    """Folder of the sequences."""
    name: str | None = None
    """Of the sequence; None: of the source."""
    boxes: Path | None = None
    """Key frames, as `read_keys` takes them; None: they are drawn in a window."""
    between: Literal["track", "interpolate"] = "track"
    """Where boxes between key frames come from."""
    check: bool = False
    """Keep only frames in which tracking forwards and backwards agree."""
    agree: float = AGREE
    """Least overlap of the two, in (0, 1]."""
    every: int = 1
    """Frames of the video from one picture to the next."""
    tracker: str = DEFAULT_MODEL
    """A shipped model or a weights file."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None
    """CPU threads of the network; None: as few as come near the fastest."""


@dataclass(frozen=True)
class LabelSummary:
    """What came out."""

    folder: Path
    """Where the key frames are."""
    keys: int
    """Number of key frames."""
    parts: Sequence[tuple[Path, int]] = ()
    """Sequences that were written, with their number of pictures; none when the user left without."""
    confirmed: tuple[int, int] | None = None
    """Frames that the check confirmed, and frames that it was tried on; None without a check."""


def label(job: LabelJob, report: Report = no_report) -> LabelSummary:
    """Label one object in a video.

    The key frames are saved at every change, so that whatever ends this, it goes on from there the next time.

    Args:
        job: what to do.
        report: called after every frame that is read, and every frame that is tracked.

    Raises:
        UsageError: for something that cannot be: no display to draw in, an unknown model, a key frame outside the
            video, an output folder that holds something else.
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
        report(Progress(len(store), len(store)))  # a video may have other than the expected frames
        for warning in source.warnings:
            _logger.warning("%s", warning)
        files = source.info.files
    with store as frames:
        if given is not None:
            _check_keys(given, frames, job.boxes)
        video = Video(name=Path(job.source).name, frames=len(frames), width=frames.size[0], height=frames.size[1])
        name = job.name or name_of_source(job.source)
        _refuse_own_pictures(job.out / name, files)
        return _label(job, given, frames, LabelFolder(job.out, name, video), report)


def _check(job: LabelJob) -> Annotations | None:
    """What can be said before the video is read; the key frames, if they are given."""
    if not 0 < job.agree <= 1:
        raise UsageError(f"--agree {job.agree:g} is no overlap: give a number above 0 and up to 1")
    if job.every < 1:
        raise UsageError(f"--every {job.every} takes no frame: give 1 or more")
    if job.check and job.between == "interpolate":
        raise UsageError("--check compares what is tracked forwards and backwards: leave out --between interpolate")
    if job.between == "track":
        find_model(job.tracker)
    if job.boxes is not None:
        return read_keys(job.boxes)
    from siamtrack.labelling.window import require_display  # noqa: PLC0415 - a script needs no window

    require_display()
    return None


def _check_keys(annotations: Annotations, frames: FrameStore, path: Path | None) -> None:
    for frame, box in annotations.keys:
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
    job: LabelJob, given: Annotations | None, frames: FrameStore, folder: LabelFolder, report: Report
) -> LabelSummary:
    saved = folder.read_keys()

    @cache
    def load() -> Tracker:
        return _load(job)

    if given is None:
        done = _by_hand(job, saved, frames, folder, follower(load, frames, lambda: None))
        annotations = done.annotations
        if done.stage is Stage.LEAVE:
            return LabelSummary(folder.path, len(annotations))
    else:
        annotations = given
        lost = [key.frame for key in saved.keys if given.at(key.frame) != key]
        if lost:
            raise UsageError(
                f"{folder.path} has key frames that {job.boxes} lacks or changes (frame {lost[0]}):"
                " add them to it, or give another --name"
            )
        folder.save_keys(annotations)
    follow = follower(load, frames, ProgressCounter(report).count)
    boxes = fill(annotations, len(frames), _between(job, follow))
    boxes[sorted(frames.missing)] = np.nan
    pieces = _pieces(job, boxes, frames)
    method = Method(
        between=job.between,
        tracker=job.tracker if job.between == "track" else None,
        agree=job.agree if job.check else None,
        every=job.every,
    )
    paths = folder.write(pieces, method)
    confirmed = (int(np.isfinite(boxes[:, 0]).sum()), sought(annotations, len(frames))) if job.check else None
    parts = [(path, len(piece.frames)) for path, piece in zip(paths, pieces, strict=True)]
    return LabelSummary(folder.path, len(annotations), parts, confirmed)


def _by_hand(job: LabelJob, saved: Annotations, frames: FrameStore, folder: LabelFolder, follow: Follow) -> Session:
    from siamtrack.labelling.window import label_in_window  # noqa: PLC0415 - a script needs no window

    session = Session(
        count=len(frames),
        annotations=saved,
        missing=frames.missing,
        can_follow=job.between == "track",
        least=1 if job.check else 2,
        frame=saved.keys[-1].frame if saved.keys else 0,
    )
    return label_in_window(session, frames, follow, folder.save_keys, f"siamtrack label: {job.source}")


def _between(job: LabelJob, follow: Follow) -> Between:
    if job.between == "interpolate":
        return interpolated
    return checked(follow, job.agree) if job.check else tracked(follow)


def _pieces(job: LabelJob, boxes: Boxes, frames: FrameStore) -> list[Piece]:
    """The sequences to write: one, or of what a check confirmed one a run.

    Raises:
        DataError: when there is none with two pictures or more, of which a network could learn something.
    """
    ranges = runs(boxes) if job.check else from_first_to_last(boxes)
    pieces = []
    for each in ranges:
        chosen = [index for index in each[:: job.every] if index not in frames.missing]
        if np.isfinite(boxes[chosen, 0]).sum() > 1:
            pieces.append(Piece(chosen, map(frames.picture, chosen), boxes[chosen]))
    if not pieces and job.check:
        raise DataError(
            f"'{job.source}': forwards and backwards agree in no {MIN_RUN} frames in a row:"
            " add key frames, or accept less with --agree"
        )
    if not pieces:
        raise DataError(
            f"'{job.source}': fewer than two pictures would have a box: give two key frames with more between them,"
            " or --check, which follows a single one and keeps what it can confirm"
        )
    return pieces


def _load(job: LabelJob) -> Tracker:
    from siamtrack.tracking.factory import load  # noqa: PLC0415 - torch: not before the input is known to be good

    # float32: the same boxes on every run, and on nearly every machine.
    return load(
        job.tracker,
        device=job.device,
        threads=job.threads,
        precision="float32",
        autotune=True,
    )
