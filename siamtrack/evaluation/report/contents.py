"""Contents of a report, as values: they are put together before anything is drawn or written."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from siamtrack.datasets.evaluation_sequences import Kind
from siamtrack.errors import UsageError
from siamtrack.evaluation.records import RunRecord
from siamtrack.evaluation.scores import Comparison, TrackerScore


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a frame: a part of it with boxes drawn into it, or how a tracker decided there."""

    frame: int
    """Its number; the first frame is 0."""
    width: int
    height: int
    jpeg: bytes

    @property
    def source(self) -> str:
        """The picture itself, as a URI."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()


@dataclass(frozen=True, slots=True)
class FailurePeriod:
    """Frames of a sequence in which a tracker fails."""

    tracker: str
    sequence: str
    first: int
    """Number of the first bad frame."""
    last: int
    """Number of the last one."""
    lost: int
    """Scored frames without overlap; 0 where the overlap fell and something of it was left."""
    drop: float
    """Drop of the overlap: its mean over some scored frames before `first`, minus that from `first` on."""

    @property
    def frames(self) -> tuple[int, ...]:
        """The frames to look at: shortly before, the first bad one, and one in the middle."""
        return tuple(sorted({max(self.first - LOOK_BACK, 0), self.first, (self.first + self.last) // 2}))


LOOK_BACK = 5
"""Frames before the first bad one in which a tracker is shown at its best."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure period with its pictures and its explanation."""

    period: FailurePeriod
    pictures: tuple[Picture, ...] = ()
    explanation: Picture | None = None
    """Exemplar, search crop and response maps of the first bad frame, where its tracker is a model of siamtrack."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin of a report."""

    command: str
    """The command line that makes it again."""
    commit: str
    """Commit of siamtrack's source."""
    date: str
    """ISO 8601."""


@dataclass(frozen=True, eq=False)
class Report:
    """Trackers on one data set, the best first."""

    dataset: str
    kind: Kind
    scores: tuple[TrackerScore, ...]
    """All of the same sequences, in the same order."""
    origin: Origin
    comparisons: tuple[Comparison, ...] = ()
    attribute_sizes: Mapping[str, int] = field(default_factory=dict)
    """Number of sequences with each attribute."""
    strips: Mapping[str, tuple[Picture, ...]] = field(default_factory=dict)
    """Frames of a sequence, by its name."""
    failures: tuple[Failure, ...] = ()
    """The worst first."""
    records: Mapping[str, RunRecord] = field(default_factory=dict)
    """Metadata of the runs, by tracker; results of other programs have none."""
    notes: tuple[str, ...] = ()
    """Notes for a reader of the figures."""

    @property
    def trackers(self) -> tuple[str, ...]:
        """Names, in the order of the scores."""
        return tuple(score.tracker for score in self.scores)

    @property
    def sequences(self) -> tuple[str, ...]:
        """Names, in the order of the data set."""
        return tuple(each.name for each in self.scores[0].sequences)


def rank(scores: Sequence[TrackerScore]) -> tuple[TrackerScore, ...]:
    """Return the best average overlap first; trackers without a figure come last.

    Raises:
        UsageError: when there is no score, two have one name, or they were not scored alike.
    """
    if not scores:
        raise UsageError("no scores to report: run 'siamtrack benchmark' first")
    twice = [name for name, times in Counter(score.tracker for score in scores).items() if times > 1]
    if twice:
        raise UsageError(f"two trackers are called '{twice[0]}': rename the folder of one")
    first = scores[0]
    for score in scores[1:]:
        names = f"'{first.tracker}' and '{score.tracker}'"
        if (score.dataset, score.convention) != (first.dataset, first.convention):
            raise UsageError(f"{names} were scored on two data sets or by two conventions: score them alike")
        if [each.name for each in score.sequences] != [each.name for each in first.sequences]:
            raise UsageError(f"{names} were scored on different sequences: score both on the same")
    return tuple(sorted(scores, key=lambda score: (score.figures.ao != score.figures.ao, -score.figures.ao)))
