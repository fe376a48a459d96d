"""The calls of `import siamtrack` that do what the commands do, and return values."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import siamtrack
from siamtrack.errors import UsageError
from siamtrack.evaluation.report.output import PAGE


@pytest.fixture(scope="module")
def benchmarked(training_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, object]:
    results = tmp_path_factory.mktemp("results")
    return results, siamtrack.benchmark(training_folder / "clips", ["opencv:kcf"], results=results)


def test_benchmark_returns_scores_and_a_table(training_folder: Path, benchmarked: tuple[Path, object]) -> None:
    results, result = benchmarked
    assert result.trackers == ("opencv-kcf",)
    assert result.failures == ()
    (score,) = result.scores
    heading, figures, intervals = result.table().splitlines()
    assert heading.split() == ["tracker", "AO", "SR@0.5", "SR@0.75", "AUC", "P@20", "fps", "failures"]
    assert figures.split()[:2] == ["opencv-kcf", f"{score.figures.ao:.3f}"]
    assert intervals.split()[0] == "-".join(f"{value:.2f}" for value in score.interval["ao"])
    # Without trackers, the results that are there are scored.
    assert siamtrack.benchmark(training_folder / "clips", results=results).scores[0].figures == score.figures


def test_benchmark_gives_a_data_frame_where_pandas_is(
    benchmarked: tuple[Path, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, result = benchmarked
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="pip install pandas"):
        result.to_dataframe()
    monkeypatch.undo()
    pandas = pytest.importorskip("pandas")
    frame = result.to_dataframe()
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame["sequence"]) == [each.name for each in result.scores[0].sequences]
    assert list(frame["ao"]) == [each.figures.ao for each in result.scores[0].sequences]


def test_report_returns_its_contents_and_writes_the_page(
    training_folder: Path, benchmarked: tuple[Path, object], tmp_path: Path
) -> None:
    results, result = benchmarked
    report = siamtrack.report(results, data=training_folder / "clips", frames=0, output=tmp_path / "page")
    assert [score.figures.ao for score in report.scores] == [result.scores[0].figures.ao]
    assert (tmp_path / "page" / PAGE).is_file()
    with pytest.raises(UsageError, match="give that as well"):
        siamtrack.report(results, kind="OTB2015")


def test_train_returns_the_weights_that_load_takes(training_folder: Path, tmp_path: Path) -> None:
    summary = siamtrack.train("family-logistic", training_folder, out=tmp_path / "run", steps=1, workers=0)
    assert summary.steps == 1
    assert siamtrack.load(summary.weights).card.name == "family-logistic"
