"""Scores of trackers: equal to the GOT-10k toolkit's reports, to pysot's figures, and worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from got10k.experiments import ExperimentGOT10k, ExperimentOTB, ExperimentUAV123
from numpy.typing import NDArray
from scored_sets import Boxes, boxes, evaluation_set, follow, moving, score

from siamtrack.datasets.evaluation_sequences import EvaluationSet, Kind, Truth
from siamtrack.errors import DataError, UsageError
from siamtrack.evaluation.conventions import convention
from siamtrack.evaluation.results import SequenceResult, write_result
from siamtrack.evaluation.scores import TrackerScore, TrackingFigures
from siamtrack.evaluation.scoring import score_tracker

nan, inf = float("nan"), float("inf")
SIZE = (200, 150)
BOX = (10.0, 20.0, 40.0, 30.0)
AWAY = (150.0, 100.0, 40.0, 30.0)
UNKNOWN = (nan, nan, nan, nan)


def one_based(given: Boxes) -> Boxes:
    return given + np.array([1, 1, 0, 0])


def times(length: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """As files of times give them back."""
    return np.round(rng.uniform(0.01, 0.1, length), 8)


class TestGot10kAsTheToolkit:
    """`ExperimentGOT10k.report` reads the files that we write."""

    @staticmethod
    def write_set(root: Path, truths: dict[str, Truth]) -> None:
        val = root / "val"
        for name, truth in truths.items():
            folder = val / name
            folder.mkdir(parents=True)
            for index in range(len(truth.boxes)):
                (folder / f"{index + 1:08d}.jpg").touch()
            np.savetxt(folder / "groundtruth.txt", one_based(truth.boxes), fmt="%.4f", delimiter=",")
            (folder / "meta_info.ini").write_text(f"[METAINFO]\nresolution: {SIZE}\n")
            for label in ("cover", "absence", "cut_by_image"):
                np.savetxt(folder / f"{label}.label", truth.cover, fmt="%d")
        (val / "list.txt").write_text("\n".join(truths) + "\n")

    @pytest.fixture(params=[0, 1, 2])
    def scored(
        self, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[TrackerScore, dict[str, Any]]:
        """Our score and the toolkit's, of a tracker that ran twice over one of three sequences."""
        rng = np.random.default_rng(request.param)
        truths, results = {}, {}
        for name, length, runs in (("a", 30, 1), ("b", 12, 2), ("c", 50, 1)):
            truth, cover = moving(length, rng), rng.integers(0, 9, length)
            cover[0] = 8
            truth[(cover == 0) & (np.arange(length) % 2 == 0)] = nan  # fully covered, with and without a box
            truths[name] = Truth(truth, cover=cover, size=SIZE)
            found = [follow(truth, rng) for _ in range(runs)]
            results[name] = SequenceResult(found[0], times(length, rng), tuple(found[1:]))
        self.write_set(tmp_path, truths)
        dataset = evaluation_set(Kind.GOT10K, truths)
        for sequence in dataset.sequences:
            result = results[sequence.name]
            assert result.seconds is not None
            for number, found in enumerate((result.boxes, *result.repeats), start=1):
                write_result(tmp_path / "results", dataset, "ours", sequence, found, result.seconds, number)
        monkeypatch.setattr(ExperimentGOT10k, "plot_curves", lambda *_: None)
        experiment = ExperimentGOT10k(str(tmp_path), "val", str(tmp_path / "results"), str(tmp_path / "reports"))
        return score(truths, results, Kind.GOT10K), experiment.report(["ours"])["ours"]

    def test_over_all_frames(self, scored: tuple[TrackerScore, dict[str, Any]]) -> None:
        ours, theirs = scored
        assert ours.figures.ao == pytest.approx(theirs["overall"]["ao"], abs=1e-9)
        assert ours.figures.sr50 == pytest.approx(theirs["overall"]["sr"], abs=1e-9)
        np.testing.assert_allclose(ours.success, theirs["overall"]["succ_curve"], atol=1e-9)
        assert ours.figures.auc == pytest.approx(np.mean(theirs["overall"]["succ_curve"]), abs=1e-9)

    def test_of_each_sequence(self, scored: tuple[TrackerScore, dict[str, Any]]) -> None:
        ours, theirs = scored
        for each in ours.sequences:
            assert each.figures.ao == pytest.approx(theirs["seq_wise"][each.name]["ao"], abs=1e-9)
            assert each.figures.sr50 == pytest.approx(theirs["seq_wise"][each.name]["sr"], abs=1e-9)
            assert each.length == theirs["seq_wise"][each.name]["length"] + 1

    def test_speed(self, scored: tuple[TrackerScore, dict[str, Any]]) -> None:
        ours, theirs = scored
        assert ours.speed is not None
        # The toolkit has the times of both runs over `b`, which are the same here: their frames weigh twice.
        speeds = {each.name: each.speed for each in ours.sequences}
        weights = {"a": 30, "b": 24, "c": 50}
        total = sum(weights[name] * speed.mean_inverse_fps for name, speed in speeds.items() if speed)
        assert total / sum(weights.values()) == pytest.approx(theirs["overall"]["speed_fps"], rel=1e-9)


class ToolkitSet:
    """What an experiment asks of a data set."""

    def __init__(self, truths: dict[str, Truth]) -> None:
        self.seq_names = list(truths)
        self._boxes = [one_based(truth.boxes) for truth in truths.values()]

    def __len__(self) -> int:
        return len(self._boxes)

    def __iter__(self) -> Iterator[tuple[list[str], Boxes]]:
        return iter([([], each) for each in self._boxes])


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(("kind", "blank"), [(Kind.OTB2015, 0), (Kind.UAV123, 7)])
def test_otb_and_uav123_as_the_toolkit(
    kind: Kind, blank: int, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ExperimentOTB.report` reads the files that we write; UAV123 has frames without truth."""
    rng = np.random.default_rng(seed)
    truths, results = {}, {}
    for name, length in (("a", 30), ("b", 12), ("c", 50)):
        truth = moving(length, rng)
        truth[rng.choice(np.arange(1, length), blank, replace=False)] = nan
        truths[name], results[name] = Truth(truth), SequenceResult(follow(truth, rng), times(length, rng))
    dataset = evaluation_set(kind, truths)
    for sequence in dataset.sequences:
        result = results[sequence.name]
        assert result.seconds is not None
        write_result(tmp_path, dataset, "ours", sequence, result.boxes, result.seconds)
    experiment_class = ExperimentUAV123 if kind is Kind.UAV123 else ExperimentOTB
    monkeypatch.setattr(experiment_class, "plot_curves", lambda *_: None)
    experiment = experiment_class.__new__(experiment_class)  # its __init__ downloads the data set
    experiment.dataset, experiment.nbins_iou, experiment.nbins_ce = ToolkitSet(truths), 21, 51
    experiment.result_dir, experiment.report_dir = str(tmp_path / dataset.name), str(tmp_path / "reports")
    theirs = experiment.report(["ours"])["ours"]

    ours = score(truths, results, kind)
    np.testing.assert_allclose(ours.success, theirs["overall"]["success_curve"], atol=1e-9)
    np.testing.assert_allclose(ours.precision, theirs["overall"]["precision_curve"], atol=1e-9)
    assert ours.figures.auc == pytest.approx(theirs["overall"]["success_score"], abs=1e-9)
    assert ours.figures.precision == pytest.approx(theirs["overall"]["precision_score"], abs=1e-9)
    assert ours.figures.sr50 == pytest.approx(theirs["overall"]["success_rate"], abs=1e-9)
    assert ours.speed is not None
    assert ours.speed.mean_inverse_fps == pytest.approx(theirs["overall"]["speed_fps"], rel=1e-9)
    for each in ours.sequences:
        assert each.figures.auc == pytest.approx(theirs["seq_wise"][each.name]["success_score"], abs=1e-9)
        assert each.figures.precision == pytest.approx(theirs["seq_wise"][each.name]["precision_score"], abs=1e-9)


def slow_iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    shared = width * height if width > 0 and height > 0 else 0.0
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / union if union > 0 else 0.0


def slow_offset(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float]:
    return a[0] + a[2] / 2 - b[0] - b[2] / 2, a[1] + a[3] / 2 - b[1] - b[3] / 2


def referee(found: Boxes, truth: Boxes) -> dict[str, float]:
    """The protocol of custom sets, frame by frame: the first frame and those without a box are left out."""
    overlaps, distances = [], []
    for given, true in list(zip(found.tolist(), truth.tolist(), strict=True))[1:]:
        if all(map(math.isfinite, true)) and true[2] > 0 and true[3] > 0:
            overlaps.append(slow_iou(given, true))
            distances.append(math.hypot(*slow_offset(given, true)))
    count = len(overlaps)
    return {
        "ao": sum(overlaps) / count,
        "sr50": sum(overlap > 0.5 for overlap in overlaps) / count,
        "sr75": sum(overlap > 0.75 for overlap in overlaps) / count,
        "auc": sum(sum(overlap > t for overlap in overlaps) / count for t in np.linspace(0, 1, 21)) / 21,
        "precision": sum(distance <= 20 for distance in distances) / count,
    }


def pysot(found: Boxes, truth: Boxes) -> tuple[list[float], list[float], list[float]]:
    """Curves of pysot's OPEBenchmark, frame by frame: a frame without a box is a miss, and every frame counts."""
    length = len(truth)
    success, precision, norm_precision = [0.0] * 21, [0.0] * 51, [0.0] * 51
    for given, true in zip(found.tolist(), truth.tolist(), strict=True):
        if not (true[2] > 0 and true[3] > 0):
            continue
        x, y = slow_offset(given, true)
        for bin_, threshold in enumerate(np.arange(0, 1.05, 0.05)):
            success[bin_] += (slow_iou(given, true) > threshold) / length
        for bin_ in range(51):
            precision[bin_] += (math.sqrt(x * x + y * y) <= bin_) / length
            norm_precision[bin_] += (math.sqrt((x / true[2]) ** 2 + (y / true[3]) ** 2) <= bin_ / 100) / length
    return success, precision, norm_precision


def random_set(seed: int) -> tuple[dict[str, Truth], dict[str, SequenceResult]]:
    """Three sequences with frames whose truth is missing or empty, one at the very beginning of a pause."""
    rng = np.random.default_rng(seed)
    truths, results = {}, {}
    for name, length in (("a", 25), ("b", 10), ("c", 40)):
        truth = moving(length, rng)
        truth[3:6] = nan
        truth[7, 2:] = 0
        truths[name], results[name] = Truth(truth), SequenceResult(follow(truth, rng), None)
    return truths, results


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", [Kind.CUSTOM, Kind.DAVIS, Kind.LASOT])
def test_custom_sets_as_the_referee(kind: Kind, seed: int) -> None:
    truths, results = random_set(seed)
    expected = {name: referee(results[name].boxes, truths[name].boxes) for name in truths}
    ours = score(truths, results, kind)
    for each in ours.sequences:
        for figure, value in expected[each.name].items():
            assert getattr(each.figures, figure) == pytest.approx(value, abs=1e-9)
    for figure in ("ao", "sr50", "sr75", "auc", "precision"):
        mean = np.mean([values[figure] for values in expected.values()])
        assert getattr(ours.figures, figure) == pytest.approx(mean, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_pysot_as_its_benchmark(seed: int) -> None:
    truths, results = random_set(seed)
    ours = score(truths, results, Kind.OTB2015, "pysot")
    curves = [pysot(results[name].boxes, truths[name].boxes) for name in truths]
    for each, (success, precision, norm_precision) in zip(ours.sequences, curves, strict=True):
        np.testing.assert_allclose(each.success, success, atol=1e-9)
        np.testing.assert_allclose(each.precision, precision, atol=1e-9)
        np.testing.assert_allclose(each.norm_precision, norm_precision, atol=1e-9)
    assert ours.figures.auc == pytest.approx(np.mean([success for success, _, _ in curves]), abs=1e-9)
    assert ours.figures.precision == pytest.approx(np.mean([precision[20] for _, precision, _ in curves]), abs=1e-9)


def test_pysot_by_hand() -> None:
    """Four frames: given, half found, without truth, lost."""
    truth = boxes(BOX, (0, 0, 40, 30), UNKNOWN, BOX)
    found = boxes(BOX, (0, 0, 20, 30), BOX, AWAY)
    ours = score({"a": Truth(truth)}, {"a": SequenceResult(found, None)}, name="pysot").sequences[0]
    assert ours.scored == 4
    assert ours.figures.ao == pytest.approx((1 + 0.5) / 4)
    # An overlap of 1 is above 20 of 21 thresholds, one of 0.5 above the ten below it.
    assert ours.figures.auc == pytest.approx((20 + 10) / 21 / 4)
    # The second center is off by 10 pixels, a quarter of the width.
    assert ours.precision[9] == 0.25
    assert ours.precision[10] == 0.5
    assert ours.norm_precision[24] == 0.25
    assert ours.norm_precision[25] == 0.5
    assert ours.failures == 1


HAND = boxes(BOX, (0, 0, 40, 30), UNKNOWN, BOX), boxes(AWAY, (0, 0, 20, 30), BOX, AWAY)
"""Truth and results: what stands in the first frame of the results is wrong."""


@pytest.mark.parametrize(
    ("kind", "scored", "ao"),
    [(Kind.CUSTOM, 2, (0.5 + 0) / 2), (Kind.OTB2015, 3, (1 + 0.5 + 0) / 3)],
)
def test_the_first_frame_is_left_out_or_taken_as_given(kind: Kind, scored: int, ao: float) -> None:
    truth, found = HAND
    ours = score({"a": Truth(truth)}, {"a": SequenceResult(found, None)}, kind).sequences[0]
    assert ours.scored == scored
    assert ours.figures.ao == pytest.approx(ao)
    assert ours.overlaps.dtype == np.float32
    expected = [1 if kind is Kind.OTB2015 else nan, 0.5, nan, 0]
    np.testing.assert_array_equal(ours.overlaps, np.array(expected, np.float32))


@pytest.mark.parametrize("name", ["got10k", "pysot"])
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("blank", [UNKNOWN, (10, 20, 0, 0)])
def test_a_frame_without_truth_is_never_a_hit(kind: Kind, name: str, blank: tuple[float, ...]) -> None:
    """The tracker misses wherever it can be judged; whatever it says in the other frames must not help it."""
    truth = boxes(BOX, *[BOX, blank] * 5)
    found = boxes(BOX, *[AWAY, (10, 20, 5, 5)] * 5)
    ours = score({"a": Truth(truth, size=SIZE)}, {"a": SequenceResult(found, None)}, kind, name).sequences[0]
    given = 0 if np.isnan(ours.overlaps[0]) else 1 / ours.scored
    assert ours.figures.ao == ours.figures.sr50 == ours.success[0] == given
    assert ours.precision.max() == ours.norm_precision.max() == given
    assert ours.failures == 1


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("name", ["got10k", "pysot"])
def test_a_perfect_tracker(kind: Kind, name: str) -> None:
    truth = moving(20, np.random.default_rng(0)) + 1 / 3  # sums of thirds are not exact
    ours = score({"a": Truth(truth, size=(400, 300))}, {"a": SequenceResult(truth, None)}, kind, name)
    bins = len(convention(name, kind).overlap_thresholds)
    assert ours.figures.auc == pytest.approx((bins - 1) / bins)
    assert ours.figures.sr50 == ours.figures.precision == ours.figures.norm_precision == 1
    assert ours.failures == 0


def test_frames_or_sequences_have_the_same_weight() -> None:
    truths = {"short": Truth(boxes(*[BOX] * 2), size=SIZE), "long": Truth(boxes(*[BOX] * 4), size=SIZE)}
    results = {
        "short": SequenceResult(boxes(BOX, BOX), None),
        "long": SequenceResult(boxes(BOX, AWAY, AWAY, AWAY), None),
    }
    assert score(truths, results, Kind.GOT10K).figures.ao == pytest.approx(1 / 4)
    assert score(truths, results, Kind.CUSTOM).figures.ao == pytest.approx(1 / 2)


def test_a_sequence_in_which_nothing_counts_changes_no_figure() -> None:
    truths = {"a": Truth(boxes(BOX, BOX)), "none": Truth(boxes(BOX, UNKNOWN))}
    results = {name: SequenceResult(boxes(BOX, BOX), None) for name in truths}
    ours = score(truths, results)
    assert ours.figures.ao == 1
    assert ours.sequences[1].scored == 0
    assert math.isnan(ours.sequences[1].figures.ao)
    assert ours.interval["ao"] == (1, 1)


def test_a_set_without_a_sequence_has_no_figures() -> None:
    ours = score({}, {})
    assert all(map(math.isnan, (ours.figures.ao, *ours.interval["auc"], *ours.success)))
    assert (ours.sequences, ours.speed, ours.attributes) == ((), None, {})


def test_figures_of_attributes_are_over_the_sequences_that_have_them() -> None:
    truths = {name: Truth(boxes(BOX, BOX)) for name in "abc"}
    results = {name: SequenceResult(boxes(BOX, AWAY if name == "c" else BOX), None) for name in "abc"}
    attributes = {"a": frozenset({"OCC"}), "b": frozenset({"OCC", "IV"}), "c": frozenset({"IV"})}
    ours = score(truths, results, attributes=attributes)
    assert list(ours.attributes) == ["IV", "OCC"]
    assert ours.attributes["OCC"].ao == 1
    assert ours.attributes["IV"].ao == 0.5
    assert isinstance(ours.attributes["IV"], TrackingFigures)


def test_intervals_hold_their_figures() -> None:
    truths, results = random_set(0)
    ours = score(truths, results)
    for figure, (low, high) in ours.interval.items():
        assert low <= getattr(ours.figures, figure) <= high
    assert score(truths, results).interval == ours.interval  # the same every time


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (SequenceResult(boxes(BOX), None), "'ours' has 1 boxes for 2 frames"),
        (SequenceResult(boxes(BOX, BOX, BOX), None), "'ours' has 3 boxes for 2 frames"),
        (SequenceResult(boxes(BOX, BOX), None, (boxes(BOX),)), "'ours' has 1 boxes for 2 frames"),
        (SequenceResult(boxes(BOX, UNKNOWN), None), "the box of 'ours' in frame 2 is not finite"),
        (SequenceResult(boxes((0, inf, 1, 1), BOX), None), "the box of 'ours' in frame 1 is not finite"),
        (SequenceResult(boxes(BOX, BOX), np.ones(3)), "'ours' has 3 times for 2 frames"),
    ],
)
def test_results_that_do_not_fit_are_told_with_their_sequence(result: SequenceResult, message: str) -> None:
    with pytest.raises(DataError) as caught:
        score({"walk": Truth(boxes(BOX, BOX))}, {"walk": result})
    assert str(caught.value) == f"sequence walk: {message}; run it again"


def test_got10k_needs_the_size_of_the_frames() -> None:
    with pytest.raises(DataError, match=r"^sequence walk does not say how large its frames are"):
        score({"walk": Truth(boxes(BOX))}, {"walk": SequenceResult(boxes(BOX), None)}, Kind.GOT10K)


def test_a_set_whose_truth_is_elsewhere_is_not_scored() -> None:
    dataset = EvaluationSet("GOT-10k", Kind.GOT10K, Path("x"), (), has_truth=False)
    with pytest.raises(UsageError, match=r"^GOT-10k keeps its boxes on a server"):
        score_tracker("ours", dataset, lambda _: SequenceResult(boxes(), None), convention("got10k", Kind.GOT10K))
