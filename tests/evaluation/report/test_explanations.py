"""How our own models decided in the worst periods: the right frame of the right sequence, and only what can be had."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_up import run_record
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, Truth
from siamtrack.evaluation.explain_figure import Explanation
from siamtrack.evaluation.report import failures
from siamtrack.evaluation.report.contents import Failure, FailurePeriod
from siamtrack.evaluation.report.failures import explain_failures
from siamtrack.evaluation.trackers import ModelFactory
from siamtrack.io.synthetic import SyntheticClip


@dataclass(frozen=True)
class Clip:
    """Frames of a rendered clip."""

    clip: SyntheticClip

    def __len__(self) -> int:
        return 8

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (image for image, _ in self.clip)

    def paths(self) -> None:
        return None


@pytest.fixture(scope="module")
def dataset() -> EvaluationSet:
    clip = SyntheticClip(160, 120, 8)
    boxes = np.array([truth[0] for _, truth in clip])
    sequence = EvaluationSequence("moving", Clip(clip), partial(Truth, boxes))
    return EvaluationSet("rendered", Kind.CUSTOM, Path("rendered"), (sequence,))


def failure(tracker: str, first: int = 5) -> Failure:
    return Failure(FailurePeriod(tracker, "moving", first, 7, 3, 0.9))


def record_of(model: str) -> dict[str, object]:
    made = ModelFactory(model, model, "cpu", "float32")
    return {"spec": model, "card": made.card, "digest": made.digest}


def test_a_failure_of_a_model_is_explained_in_its_first_bad_frame(dataset: EvaluationSet, own_threads: None) -> None:
    del own_threads
    records = {"ours": run_record("ours", device="cpu", **record_of("siamtrack-lite"))}
    ours, first, theirs = explain_failures([failure("ours"), failure("ours", 0), failure("theirs")], dataset, records)
    assert ours.explanation is not None
    assert ours.explanation.frame == 5
    image = cv2.imdecode(np.frombuffer(ours.explanation.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape == (ours.explanation.height, ours.explanation.width, 3)
    assert image.std() > 30  # pictures and text
    assert first.explanation is None  # the box of the first frame is given
    assert theirs.explanation is None  # not a model of siamtrack


def test_what_is_explained_is_what_the_tracker_did(
    dataset: EvaluationSet, own_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The observation of that frame, in which the usual search crop is due, has the box that a run gives."""
    del own_threads
    seen: list[Box] = []
    draw = failures.draw

    def spy(explanation: Explanation) -> NDArray[np.uint8]:
        seen.append(explanation.seen.result.box)
        return draw(explanation)

    monkeypatch.setattr(failures, "draw", spy)
    records = {"ours": run_record("ours", device="cpu", **record_of("siamtrack-lite"))}
    explain_failures([failure("ours", 5)], dataset, records)
    tracker = ModelFactory("ours", "siamtrack-lite", "cpu", "float32").load()
    frames = list(dataset.sequences[0].frames)
    tracker.init(frames[0], Box(*dataset.sequences[0].read_truth().boxes[0].tolist()))
    boxes = [tracker.update(frame).box for frame in frames[1:6]]
    assert seen == [boxes[-1]]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"digest": "0" * 64}, "siamtrack-lite has other weights by now"),
        ({"spec": "siamtrack-gone", "digest": "0" * 64}, "siamtrack-gone"),
        ({"digest": None}, "no known model of siamtrack"),
    ],
)
def test_a_model_that_has_changed_or_gone_is_not_explained(
    dataset: EvaluationSet, caplog: pytest.LogCaptureFixture, changes: dict[str, str | None], complaint: str
) -> None:
    records = {"ours": run_record("ours", **(record_of("siamtrack-lite") | changes))}
    with caplog.at_level(logging.WARNING, "siamtrack"):
        (kept,) = explain_failures([failure("ours")], dataset, records)
    assert kept.explanation is None
    assert "ours is not explained" in caplog.text
    assert complaint in caplog.text
