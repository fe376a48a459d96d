"""Explanation of one decision: a target is tracked up to a frame, and the search there is recorded and drawn."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from siamtrack.boxes import Box, Image, validate_box
from siamtrack.config import Precision
from siamtrack.errors import SourceError, UsageError
from siamtrack.evaluation.explain_figure import Explanation, draw
from siamtrack.io.frames import Frame, Source
from siamtrack.io.images import check_picture_name, write_image
from siamtrack.io.results import check_outputs, refuse_inputs
from siamtrack.io.sources import open_source
from siamtrack.models.registry import DEFAULT_MODEL, find_model
from siamtrack.system.progress import Progress, Report, no_report
from siamtrack.tracking.loop import track

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Question:
    """Which decision to explain, of which tracker."""

    source: str
    """A video file, a folder of images or a glob."""
    box: Box
    """The target in the first frame."""
    frame: int
    """Index of the frame, at least 1."""
    model: str = DEFAULT_MODEL
    """A shipped model or a weights file."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = None
    """CPU threads of the network; None: as few as come near the fastest."""
    precision: Precision | Literal["auto"] = "auto"
    """Precision of the network; auto: the fastest whose responses are those of float32."""


def write_explanation(question: Question, output: Path, report: Report = no_report) -> Explanation:
    """Track the target up to the frame and draw how it was found there.

    Args:
        question: what to explain.
        output: a .png or .jpg file; what is there is overwritten.
        report: called after every frame.

    Raises:
        UsageError: for something that cannot be: a frame before 1 or beyond the end, an unknown model, an output that
            is the source or no picture by its name, a box off the frame.
        SourceError: when the source, the first frame or the frame asked for cannot be read.
        OutputError: when the picture cannot be written.
        WeightsError: when the model cannot be loaded.
    """
    if question.frame < 0:
        raise UsageError(f"frame {question.frame} is negative: the first frame is 0")
    if question.frame == 0:
        raise UsageError("in frame 0 there is nothing to decide, its box is given: explain frame 1 or a later one")
    check_picture_name(output)
    check_outputs({"--output": output})
    model = find_model(question.model)  # raises for an unknown name before anything slow happens
    stack = ExitStack()
    with stack, open_source(question.source, 0, question.frame + 1) as source:
        stack.callback(_tell, source.warnings)  # also when something ends the run
        refuse_inputs(output, (model, Path(question.source), *source.info.files))
        explanation = _follow(question, source, report)
    write_image(output, draw(explanation))
    return explanation


def _tell(warnings: Sequence[str]) -> None:
    for warning in warnings:
        _logger.warning("%s", warning)


class MissingFrameError(SourceError):
    """The frames end before the one that is to be explained.

    Args:
        message: what is wrong and what to do.
        frames: how many there are.
    """

    def __init__(self, message: str, frames: int) -> None:
        super().__init__(message)
        self.frames = frames


def explain_frame(
    tracker: Tracker,
    frames: Iterable[Frame],
    box: tuple[float, float, float, float],
    number: int,
    *,
    source: str,
    model: str,
    report: Report = no_report,
) -> Explanation:
    """Track a target up to a frame, and look at how it is found there.

    Args:
        tracker: keeps nothing of it.
        frames: from the first one on.
        box: the target in the first frame, in pixels of it.
        number: index of the frame to explain, at least 1.
        source: name of the frames, to be shown.
        model: name of the model where its card has none.
        report: called after every frame.

    Raises:
        UsageError: for a frame before 1.
        MissingFrameError: when there are fewer frames.
        SourceError: when the first frame, or that to explain, cannot be decoded.
        BoxError: when the box cannot be tracked.
    """
    if number < 1:
        raise UsageError(f"frame {number} cannot be explained: in frame 0 the box is given; ask for 1 or a later one")
    opened = iter(frames)
    first = next(opened, None)
    if first is None:
        raise MissingFrameError(f"'{source}' has no frames", 0)
    image = _check_first(first, source, box)
    from siamtrack.tracking.multi import MultiTracker  # noqa: PLC0415 - torch, as below

    targets = MultiTracker(tracker)
    target = targets.add(image, box)
    exemplars = tracker.cut_exemplars(image, box)
    seen = 1
    began = time.perf_counter()
    for frame, _ in track(islice(opened, number - 1), targets):
        seen = frame.index + 1
        report(Progress(seen, number + 1, rate=frame.index / (time.perf_counter() - began)))
    last = next(opened, None)
    if last is None:
        raise MissingFrameError(f"frame {number} of '{source}' is missing: only {seen} frames can be read", seen)
    if last.image is None:
        raise SourceError(f"frame {number} of '{source}' cannot be decoded: explain another one")
    state = targets.states[target]
    return Explanation(
        source=Path(source).name or source,
        frame=number,
        model=tracker.card.name if tracker.card else model,
        exemplar=exemplars[len(exemplars) // 2],
        previous=state.box,
        seen=tracker.observe(last.image, state),
        stride=tracker.geometry.stride,
        window_influence=tracker.settings.window_influence,
    )


def _follow(question: Question, source: Source, report: Report) -> Explanation:
    name, count = question.source, source.info.count
    if count is not None and question.frame >= count:
        raise _beyond(question, count)
    first = next(source)
    _check_first(first, name, question.box)  # before a model is loaded
    tracker = _load(question)
    frames = chain([first], source)
    try:
        return explain_frame(
            tracker, frames, question.box, question.frame, source=name, model=question.model, report=report
        )
    except MissingFrameError as error:
        if count is None:
            raise _beyond(question, error.frames) from None
        raise SourceError(
            f"frame {question.frame} of '{name}' is missing: only {error.frames} of {count} frames can be read"
        ) from None


def _check_first(first: Frame, source: str, box: tuple[float, float, float, float]) -> Image:
    """Return the first picture, in which the box can be tracked."""
    if first.image is None:
        raise SourceError(
            f"frame {first.index} of '{source}', which the box belongs to, cannot be decoded: give a source without it"
        )
    validate_box(Box(*box), first.image.shape[1], first.image.shape[0])
    return first.image


def _beyond(question: Question, count: int) -> UsageError:
    frames = "1 frame" if count == 1 else f"{count} frames, the last one is {count - 1}"
    return UsageError(f"frame {question.frame} is beyond the end: '{question.source}' has {frames}")


def _load(question: Question) -> Tracker:
    from siamtrack.tracking.factory import load  # noqa: PLC0415 - torch: not before the input is known to be good

    return load(
        question.model,
        device=question.device,
        threads=question.threads,
        precision=question.precision,
        autotune=True,
    )
