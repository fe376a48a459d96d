"""CSV files have what scores say, in full precision."""

from __future__ import annotations

import csv
import io
from math import nan

import numpy as np
import pytest
from made_up import GOOD, NO_FIGURES, report, tracker_score

from siamtrack.evaluation.report.tables import COLUMNS, best_value, curves_csv, sequences_csv, summary_csv


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_summary() -> None:
    made = report()
    for row, score in zip(rows(summary_csv(made)), made.scores, strict=True):
        assert row["tracker"] == score.tracker
        for figure in ("ao", "sr50", "sr75", "auc", "precision", "norm_precision"):
            assert float(row[figure]) == getattr(score.figures, figure)
        assert (float(row["ao_low"]), float(row["ao_high"])) == score.interval["ao"]
        assert (row["fps"], row["mean_inverse_fps"], row["p50_ms"], row["p95_ms"]) == ("25", "30", "40", "60.5")
        assert row["failures"] == str(score.failures)


def test_sequences() -> None:
    made = report()
    expected = [(score.tracker, each) for score in made.scores for each in score.sequences]
    for row, (tracker, each) in zip(rows(sequences_csv(made)), expected, strict=True):
        assert (row["tracker"], row["sequence"], row["length"]) == (tracker, each.name, str(each.length))
        assert float(row["ao"]) == each.figures.ao


def test_curves() -> None:
    made = report(trackers=["good"])
    found = rows(curves_csv(made))
    assert len(found) == 21 + 51 + 51
    success = [row for row in found if row["curve"] == "success"]
    np.testing.assert_array_equal([float(row["value"]) for row in success], made.scores[0].success)
    np.testing.assert_allclose([float(row["threshold"]) for row in success], made.scores[0].overlap_thresholds)


def test_what_is_not_known_is_empty() -> None:
    nothing = tracker_score("none", {"one": [nan]}, None, figures=NO_FIGURES, interval={})
    (row,) = rows(summary_csv(report(scores=(nothing,))))
    assert (row["ao"], row["fps"], row["failures"]) == ("", "", "1")
    assert "ao_low" not in row


@pytest.mark.parametrize("name", ['a,"b"', "two\nlines", "<&>"])
def test_odd_names_come_back(name: str) -> None:
    made = report(trackers=[name], sequences=[name])
    assert rows(sequences_csv(made))[0]["sequence"] == name


def test_the_best() -> None:
    columns = {column.key: column for column in COLUMNS}
    scores = report().scores
    assert best_value(columns["ao"], scores) == scores[0].figures.ao
    slow = tracker_score("none", {"one": GOOD, "two": GOOD, "three": GOOD}, None)
    assert best_value(columns["failures"], [*scores, slow]) == 2
    assert best_value(columns["fps"], [slow]) != best_value(columns["fps"], [slow])  # NaN: nobody has one
