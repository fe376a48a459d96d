"""The worst periods, in overlaps written by hand."""

from __future__ import annotations

from itertools import pairwise
from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up import tracker_score

from siamtrack.evaluation.report.contents import LOOK_BACK, FailurePeriod
from siamtrack.evaluation.report.failures import LEAST_DROP, SHORTEST_LOSS, find_failure_periods
from siamtrack.evaluation.report.plots import true_runs


def test_the_longest_loss_comes_first() -> None:
    score = tracker_score("t", {"short": [1.0] * 5 + [0.0] * 6, "long": [1.0] * 5 + [0.0] * 9, "fine": [1.0] * 20})
    found = find_failure_periods([score])
    assert [(each.sequence, each.first, each.last, each.lost) for each in found] == [
        ("long", 5, 13, 9),
        ("short", 5, 10, 6),
    ]
    assert found[0].drop == pytest.approx(1)


def test_frames_that_do_not_count_do_not_end_a_loss() -> None:
    score = tracker_score("t", {"a": [nan, 1.0, 0.0, 0.0, 0.0, nan, nan, 0.0, 0.0, 1.0, 1.0]})
    (found,) = find_failure_periods([score])
    assert (found.first, found.last, found.lost) == (2, 8, 5)


def test_steep_falls_follow_losses() -> None:
    score = tracker_score("t", {"falls": [0.9] * 10 + [0.3] * 10, "lost": [0.5] + [0.0] * SHORTEST_LOSS})
    lost, fall = find_failure_periods([score])
    assert (lost.sequence, lost.lost) == ("lost", SHORTEST_LOSS)
    assert (fall.sequence, fall.first, fall.last, fall.lost) == ("falls", 10, 19, 0)
    assert fall.drop == pytest.approx(0.6, abs=1e-6)


def test_a_stumble_is_no_failure() -> None:
    assert (
        find_failure_periods(
            [tracker_score("t", {"a": [0.8] * 12 + [0.0] + [0.8] * 12, "b": [0.8, 0.8 - LEAST_DROP / 2]})]
        )
        == ()
    )


def test_trackers_that_fail_together_are_shown_once() -> None:
    worse = tracker_score("worse", {"a": [1.0] * 5 + [0.0] * 9})
    better = tracker_score("better", {"a": [1.0] * 8 + [0.0] * 6})
    assert [each.tracker for each in find_failure_periods([better, worse])] == ["worse"]


def test_at_most_so_many() -> None:
    score = tracker_score("t", {f"s{number}": [1.0, *[0.0] * (10 + number)] for number in range(5)})
    assert [each.sequence for each in find_failure_periods([score], 2)] == ["s4", "s3"]


def test_sequences_without_a_scored_frame() -> None:
    assert find_failure_periods([tracker_score("t", {"a": [nan, nan], "b": [1.0]})]) == ()


def test_frames_to_look_at() -> None:
    assert FailurePeriod("t", "s", 20, 30, 11, 1.0).frames == (20 - LOOK_BACK, 20, 25)
    assert FailurePeriod("t", "s", 1, 1, 1, 1.0).frames == (0, 1)


@given(st.lists(st.booleans(), max_size=30))
def test_runs_cover_what_is_true(flags: list[bool]) -> None:
    covered = np.zeros(len(flags), bool)
    found = true_runs(np.array(flags, bool))
    for begin, end in found:
        assert begin < end
        covered[begin:end] = True
    assert covered.tolist() == flags
    assert all(end < begin for (_, end), (begin, _) in pairwise(found))
