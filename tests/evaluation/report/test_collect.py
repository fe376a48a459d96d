"""A report is put together from scores, boxes and frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from made_up import BAD, GOOD, ORIGIN, run_record, tracker_score
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, Truth
from siamtrack.errors import UsageError
from siamtrack.evaluation.report.collect import collect_report
from siamtrack.evaluation.report.contents import Report
from siamtrack.evaluation.scores import TrackerScore

LOST = [1.0, 1.0, *[0.0] * 8]


@dataclass(frozen=True)
class Gray:
    """Frames of the gray of their number."""

    length: int

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (np.full((60, 80, 3), number, np.uint8) for number in range(self.length))

    def paths(self) -> None:
        return None


def dataset() -> EvaluationSet:
    truth = partial(Truth, np.tile([20.0, 20, 10, 10], (10, 1)))
    sequences = (
        EvaluationSequence("one", Gray(10), truth, frozenset({"IV", "OCC"})),
        EvaluationSequence("two", Gray(10), truth, frozenset({"OCC"})),
    )
    return EvaluationSet("OTB2015", Kind.OTB2015, Path("gray"), sequences, notes=("a note",))


def scores() -> list[TrackerScore]:
    return [
        tracker_score("bad", {"one": [0.9] * 10, "two": LOST}),
        tracker_score("good", {"one": [0.9] * 10, "two": [0.9] * 10}),
    ]


def read_boxes(tracker: str, sequence: EvaluationSequence) -> NDArray[np.float64]:
    return np.tile([20.0 if tracker == "good" else 50.0, 20, 10, 10], (len(sequence.frames), 1))


def collect(frames: int = 3) -> Report:
    return collect_report(dataset(), scores(), read_boxes, ORIGIN, (), {"bad": run_record("bad")}, frames)


def test_the_best_tracker_comes_first() -> None:
    made = collect()
    assert (made.trackers, made.sequences) == (("good", "bad"), ("one", "two"))
    assert (made.notes, made.attribute_sizes) == (("a note",), {"IV": 1, "OCC": 2})
    assert list(made.records) == ["bad"]


def test_pictures_of_sequences_and_of_failures() -> None:
    made = collect()
    assert {name: [each.frame for each in strip] for name, strip in made.strips.items()} == {
        "one": [0, 4, 9],
        "two": [0, 4, 9],
    }
    (failure,) = made.failures
    assert (failure.period.tracker, failure.period.sequence, failure.period.lost) == ("bad", "two", 8)
    assert [each.frame for each in failure.pictures] == [0, 2, 5]


def test_without_pictures_no_frame_is_read() -> None:
    def no_boxes(tracker: str, sequence: EvaluationSequence) -> NDArray[np.float64]:
        raise AssertionError

    made = collect_report(dataset(), scores(), no_boxes, ORIGIN, frames=0)
    assert not made.strips
    assert [each.pictures for each in made.failures] == [()]


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        ([], "no scores"),
        ([tracker_score("a", {"one": GOOD}), tracker_score("a", {"one": BAD})], "two trackers are called 'a'"),
        ([tracker_score("a", {"one": GOOD}), tracker_score("b", {"two": BAD})], "different sequences"),
        (
            [tracker_score("a", {"one": GOOD}), tracker_score("b", {"one": BAD}, convention="pysot")],
            "two conventions",
        ),
    ],
)
def test_scores_that_do_not_belong_together(made: list[TrackerScore], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        collect_report(dataset(), made, read_boxes, ORIGIN)
