"""The state of a long piece of work and its text."""

from __future__ import annotations

import pytest

from siamtrack.system.progress import Progress, ProgressCounter


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(3), "3 frames"),
        (Progress(3, 10, rate=24.04), "3 of 10 frames, 24.0 fps"),
        (Progress(3, 10, "crops", rate=2), "3 of 10 crops, 2.0 crops/s"),
        (
            Progress(8, 16, part="1 of 2 sequences", figures="m AO 0.5"),
            "1 of 2 sequences, 8 of 16 frames, m AO 0.5",
        ),
    ],
)
def test_progress_is_a_line_of_text(progress: Progress, text: str) -> None:
    assert str(progress) == text


def test_progress_counter_reports_every_unit_with_the_mean_rate() -> None:
    reports: list[Progress] = []
    counter = ProgressCounter(reports.append, 2, "pairs")
    counter.count()
    counter.count("the last part")
    assert [(each.done, each.total, each.unit, each.part) for each in reports] == [
        (1, 2, "pairs", ""),
        (2, 2, "pairs", "the last part"),
    ]
    assert all(each.rate is not None and each.rate > 0 for each in reports)
