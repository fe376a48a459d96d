"""`performance.json` is the one that the GOT-10k toolkit writes for the same results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from got10k.experiments import ExperimentGOT10k, ExperimentOTB
from made_up import NO_FIGURES, ORIGIN, Length, report, tracker_score
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, Truth
from siamtrack.evaluation.conventions import convention
from siamtrack.evaluation.report.contents import Report
from siamtrack.evaluation.report.tables import performance_json
from siamtrack.evaluation.results import read_result, write_result
from siamtrack.evaluation.scoring import score_tracker

SIZE = (200, 150)
ONE_BASED = np.array([1.0, 1, 0, 0])


def written_set(kind: Kind, results: Path) -> tuple[EvaluationSet, dict[str, Truth]]:
    """Two sequences, and the files of a tracker that is a little off."""
    rng = np.random.default_rng(0)
    truths = {}
    for name, length in (("a", 12), ("b", 30)):
        boxes = np.concatenate([rng.integers(0, 100, (length, 2)), rng.integers(10, 40, (length, 2))], axis=1)
        truths[name] = Truth(boxes.astype(np.float64), cover=np.full(length, 8), size=SIZE)
    sequences = tuple(
        EvaluationSequence(name, Length(len(truth.boxes)), partial(Truth, truth.boxes, cover=truth.cover, size=SIZE))
        for name, truth in truths.items()
    )
    dataset = EvaluationSet(str(kind), kind, results, sequences)
    for sequence in dataset.sequences:
        truth = truths[sequence.name].boxes
        found = truth + rng.integers(-8, 8, truth.shape) / 8 * np.array([8, 8, 1, 1])
        found[0] = truth[0]
        write_result(results, dataset, "ours", sequence, found, rng.uniform(0.01, 0.1, len(truth)))
    return dataset, truths


def our_json(dataset: EvaluationSet, results: Path) -> Any:
    how = convention("got10k", dataset.kind)
    score = score_tracker("ours", dataset, partial(read_result, results, dataset, "ours"), how)
    return json.loads(performance_json(Report(dataset.name, dataset.kind, (score,), ORIGIN)))


def assert_same(ours: Any, theirs: Any) -> None:
    """The same keys, and numbers that differ by no more than the order of sums makes them."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            assert_same(ours[key], theirs[key])
    else:
        assert ours == pytest.approx(theirs, rel=1e-9)


def test_otb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, truths = written_set(Kind.OTB2015, tmp_path)

    class ToolkitSet:
        seq_names = tuple(truths)

        def __len__(self) -> int:
            return len(truths)

        def __iter__(self) -> Iterator[tuple[list[str], NDArray[np.float64]]]:
            return iter([([], truth.boxes + ONE_BASED) for truth in truths.values()])

    monkeypatch.setattr(ExperimentOTB, "plot_curves", lambda *_: None)
    experiment = ExperimentOTB.__new__(ExperimentOTB)  # its __init__ downloads the data set
    experiment.dataset, experiment.nbins_iou, experiment.nbins_ce = ToolkitSet(), 21, 51
    experiment.result_dir, experiment.report_dir = str(tmp_path / dataset.name), str(tmp_path / "reports")
    assert_same(our_json(dataset, tmp_path), experiment.report(["ours"]))


def test_got10k(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, truths = written_set(Kind.GOT10K, tmp_path / "results")
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "list.txt").write_text("\n".join(truths) + "\n")
    for name, truth in truths.items():
        folder = tmp_path / "val" / name
        folder.mkdir()
        for number in range(1, len(truth.boxes) + 1):
            (folder / f"{number:08d}.jpg").touch()
        np.savetxt(folder / "groundtruth.txt", truth.boxes + ONE_BASED, fmt="%.4f", delimiter=",")
        (folder / "meta_info.ini").write_text(f"[METAINFO]\nresolution: {SIZE}\n")
        for label in ("cover", "absence", "cut_by_image"):
            np.savetxt(folder / f"{label}.label", np.full(len(truth.boxes), 8), fmt="%d")
    monkeypatch.setattr(ExperimentGOT10k, "plot_curves", lambda *_: None)
    experiment = ExperimentGOT10k(str(tmp_path), "val", str(tmp_path / "results"), str(tmp_path / "reports"))
    assert_same(our_json(dataset, tmp_path / "results"), experiment.report(["ours"]))


def test_all_trackers_are_there() -> None:
    assert list(json.loads(performance_json(report(trackers=["b", "a", "c"])))) == ["b", "a", "c"]


def test_what_is_not_known() -> None:
    nothing = tracker_score("none", {"one": [nan]}, None, figures=NO_FIGURES)
    overall = json.loads(performance_json(report(scores=(nothing,))))["none"]["overall"]
    assert (overall["speed_fps"], overall["success_score"], overall["success_curve"]) == (-1, None, [None] * 21)
