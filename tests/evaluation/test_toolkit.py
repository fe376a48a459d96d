"""The GOT-10k toolkit's experiments and siamtrack's benchmark, side by side: each goes on with the other's results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from got10k.datasets import OTB
from got10k.experiments import ExperimentGOT10k, ExperimentOTB
from got10k.utils.metrics import rect_iou
from rendered_sets import (
    HEIGHT,
    SIDE,
    WIDTH,
    OrangeOfTheToolkit,
    square_boxes,
    write_boxes,
    write_pictures,
)

from siamtrack.datasets import open_dataset
from siamtrack.datasets.evaluation_sequences import EvaluationSet
from siamtrack.evaluation.benchmark import BenchmarkJob, run_benchmark
from siamtrack.evaluation.results import find_trackers, read_result
from siamtrack.evaluation.trackers import ClassFactory

NAMES = ("Boy", "Coke", "Deer")
OURS = ClassFactory("ours", "rendered_sets:OrangeOfTheToolkit", deterministic=True)


def write_sequences(folders: dict[str, Path], truth: str) -> None:
    """Sequences of 6, 7 and 8 frames, as of `evaluation_set`: pictures in a folder each, boxes in a file `truth`."""
    for index, (name, pictures) in enumerate(folders.items()):
        boxes = square_boxes(6 + index, index)
        write_pictures(pictures, boxes)
        write_boxes(pictures.parent / truth.format(name), boxes)


@pytest.fixture
def otb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[EvaluationSet, ExperimentOTB]:
    """A copy of OTB2015 that consists of three sequences; the toolkit's experiment would download it."""
    root = tmp_path / "OTB"
    write_sequences({name: root / name / "img" for name in NAMES}, "groundtruth_rect.txt")
    monkeypatch.setattr(OTB, "_OTB__version_dict", {2013: [*NAMES, "Girl"], 2015: list(NAMES)})
    monkeypatch.setattr(OTB, "_download", lambda *_: None)
    experiment = ExperimentOTB(str(root), 2015, str(tmp_path / "results"), str(tmp_path / "reports"))
    return open_dataset(root), experiment


@pytest.fixture
def got10k(tmp_path: Path) -> tuple[EvaluationSet, ExperimentGOT10k]:
    """A copy of GOT-10k's val that consists of three sequences."""
    root = tmp_path / "GOT-10k"
    write_sequences({name: root / "val" / name for name in NAMES}, "{}/groundtruth.txt")
    (root / "val" / "list.txt").write_text("\n".join(NAMES))
    for index, name in enumerate(NAMES):
        place = root / "val" / name
        (place / "meta_info.ini").write_text(f"[METAINFO]\nresolution: ({WIDTH}, {HEIGHT})\n")
        for label, value in (("cover", 8), ("absence", 0), ("cut_by_image", 0)):
            (place / f"{label}.label").write_text(f"{value}\n" * (6 + index))
    experiment = ExperimentGOT10k(str(root), "val", str(tmp_path / "results"), str(tmp_path / "reports"))
    return open_dataset(root, subset="val"), experiment


def test_otb(tmp_path: Path, otb: tuple[EvaluationSet, ExperimentOTB]) -> None:
    check_both_ways(tmp_path / "results", *otb, "OTB2015")
    _, experiment = otb
    performance = experiment.report(["ours", "orange toolkit"])
    expected = [square_iou(6 + index, index) for index in range(3)]
    for name in ("ours", "orange toolkit"):
        each = performance[name]["seq_wise"]
        assert [each[sequence]["success_rate"] for sequence in NAMES] == [1, 1, 1]
        above = [np.mean(ious[:, None] > np.linspace(0, 1, 21)) for ious in expected]
        assert [each[sequence]["success_score"] for sequence in NAMES] == pytest.approx(above, abs=1e-9)
        assert performance[name]["overall"]["speed_fps"] > 0


def test_got10k(tmp_path: Path, got10k: tuple[EvaluationSet, ExperimentGOT10k]) -> None:
    check_both_ways(tmp_path / "results", *got10k, "GOT-10k")
    _, experiment = got10k
    performance = experiment.report(["ours", "orange toolkit"])
    expected = np.concatenate([square_iou(6 + index, index)[1:] for index in range(3)]).mean()
    for name in ("ours", "orange toolkit"):
        assert performance[name]["overall"]["ao"] == pytest.approx(expected, abs=1e-4)  # files have three decimals
        assert performance[name]["overall"]["speed_fps"] > 0


def square_iou(length: int, seed: int) -> Any:
    """Overlap of the square with where the tracker sees it, a quarter of a pixel to the right of it."""
    truth = square_boxes(length, seed)
    return np.concatenate([[1.0], rect_iou(truth + np.array([0.25, 0, 0, 0]), truth)[1:]])


def check_both_ways(results: Path, dataset: EvaluationSet, experiment: Any, folder: str) -> None:
    """Both run the same tracker over the same pictures, and find the other's results as good as their own."""
    assert run_benchmark(BenchmarkJob(dataset, (OURS,), results)) == ()
    experiment.run(OrangeOfTheToolkit())
    assert find_trackers(results, dataset) == ["orange toolkit", "ours"]
    for sequence in dataset.sequences:
        ours, theirs = (read_result(results, dataset, name, sequence) for name in ("ours", "orange toolkit"))
        np.testing.assert_array_equal(ours.boxes, theirs.boxes)
        np.testing.assert_allclose(ours.boxes[:, 2:], SIDE)
        assert ours.seconds is not None
        assert theirs.seconds is not None
        assert ours.seconds.shape == theirs.seconds.shape
    files = [
        {str(file.relative_to(results / folder / name)) for file in (results / folder / name).rglob("*.txt")}
        for name in ("ours", "orange toolkit")
    ]
    assert files[0] == files[1]
    tracker = Counted()
    experiment.run(tracker)  # our results lie under its name: nothing is left to do
    assert tracker.started == 0


class Counted(OrangeOfTheToolkit):
    """Would be run by the toolkit if it did not find results of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "ours"
        self.started = 0

    def init(self, *arguments: Any) -> None:
        self.started += 1
        super().init(*arguments)
