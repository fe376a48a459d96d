"""The loops: one pass, and resets as the GOT-10k toolkit does them for VOT."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from got10k.experiments import ExperimentVOT
from got10k.trackers import Tracker as ToolkitTracker
from got10k.utils.metrics import poly_iou
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rendered_sets import HEIGHT, WIDTH, Orange, evaluation_set, sequence, square_boxes, write_pictures

from siamtrack.boxes import Box
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, Kind, Truth
from siamtrack.errors import DataError, SiamTrackError
from siamtrack.evaluation.experiments import follow_once, follow_with_resets, touches
from siamtrack.evaluation.trajectories import FrameCode, read_trajectory, trajectory_file, write_trajectory

S, I, F, T = FrameCode.SKIPPED, FrameCode.INITIALISED, FrameCode.FAILED, FrameCode.TRACKED  # noqa: E741


class Scripted:
    """Answers what it is told to, one answer a frame; None is a lost target."""

    def __init__(self, *answers: Box | None) -> None:
        self._answers = iter(answers)
        self.given: list[Box] = []

    def init(self, frame: NDArray[np.uint8], box: Box) -> None:
        self.given.append(box)

    def update(self, frame: NDArray[np.uint8]) -> Box | None:
        return next(self._answers)


FAR, NEAR = Box(300, 300, 5, 5), Box(0, 0, WIDTH, HEIGHT)


# One pass


def test_one_pass_gives_the_first_box_and_keeps_what_was_found() -> None:
    run = follow_once(Orange(), sequence("a"), lambda: None)
    truth = square_boxes(6)
    assert run.codes.tolist() == [I, T, T, T, T, T]
    np.testing.assert_array_equal(run.boxes[0], truth[0])
    np.testing.assert_array_equal(run.boxes[1:], truth[1:] + np.array([0.25, 0, 0, 0]))
    assert (run.seconds > 0).all()


def test_a_lost_target_stays_where_it_was() -> None:
    run = follow_once(Scripted(None, FAR, None, None, NEAR), sequence("a"), lambda: None)
    first = Box(*square_boxes(6)[0])
    assert [Box(*box) for box in run.boxes] == [first, first, FAR, FAR, FAR, NEAR]


def test_every_frame_is_told() -> None:
    ticks: list[int] = []
    follow_once(Orange(), sequence("a", 9), lambda: ticks.append(1))
    assert len(ticks) == 9


def test_a_box_that_is_not_finite_names_the_frame() -> None:
    with pytest.raises(SiamTrackError, match=r"frame 2 of sequence a: the box .*nan"):
        follow_once(Scripted(NEAR, Box(1, 2, float("nan"), 4)), sequence("a"), lambda: None)


def test_a_first_frame_without_a_box() -> None:
    for follow in (follow_once, follow_with_resets):
        with pytest.raises(DataError, match="sequence a has no box in its first frame"):
            follow(Orange(), sequence("a", absent=0), lambda: None)


class Miscounted:
    """Counts another number of frames than it gives."""

    def __init__(self, counted: int, given: int) -> None:
        self._counted, self._given = counted, given

    def __len__(self) -> int:
        return self._counted

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return (np.zeros((HEIGHT, WIDTH, 3), np.uint8) for _ in range(self._given))

    def paths(self) -> None:
        return None


@pytest.mark.parametrize(("given", "word"), [(5, "has 5 frames instead of the 6"), (7, "more frames than the 6")])
def test_frames_that_were_counted_wrongly(given: int, word: str) -> None:
    wrong = EvaluationSequence("a", Miscounted(6, given), lambda: Truth(square_boxes(6)))
    with pytest.raises(DataError, match=word):
        follow_once(Scripted(*[NEAR] * 9), wrong, lambda: None)


# Resets


def test_a_failure_is_followed_by_four_skipped_frames_and_a_new_start() -> None:
    tracker = Scripted(NEAR, FAR, NEAR, FAR)
    run = follow_with_resets(tracker, sequence("a", 11), lambda: None)
    assert run.codes.tolist() == [I, T, F, S, S, S, S, I, T, F, S]
    truth = square_boxes(11)
    assert tracker.given == [Box(*truth[0]), Box(*truth[7])]
    assert [Box(*run.boxes[index]) for index in (1, 8)] == [NEAR, NEAR]
    assert np.isnan(run.boxes[[2, 3, 4, 5, 6, 9, 10]]).all()
    assert np.isnan(run.seconds).tolist() == [code == S for code in run.codes]


def test_a_start_waits_for_a_box_and_no_truth_is_no_failure() -> None:
    run = follow_with_resets(Scripted(FAR, NEAR), sequence("a", 8, absent=6), lambda: None)
    assert run.codes.tolist() == [I, F, S, S, S, S, S, I]  # frame 6 has no box to start from
    run = follow_with_resets(Scripted(FAR, FAR), sequence("a", 3, absent=1), lambda: None)
    assert run.codes.tolist() == [I, T, F]


class ScriptedOfTheToolkit(ToolkitTracker):
    """The same answers in the toolkit's protocol."""

    def __init__(self, answers: list[Box]) -> None:
        super().__init__(name="scripted", is_deterministic=True)
        self._answers = iter(answers)

    def init(self, image: Any, box: NDArray[np.float64]) -> None:
        pass

    def update(self, image: Any) -> NDArray[np.float64]:
        return np.array(next(self._answers).to_one_based())


class Annotated(list[Any]):
    """A data set as `ExperimentVOT` wants it."""

    seq_names = ("a",)


def test_files_are_those_of_the_toolkits_supervised_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "NaN", np.nan, raising=False)  # the toolkit's name for it is gone since NumPy 2
    truth = square_boxes(30)
    write_pictures(tmp_path / "a", truth)
    rng = np.random.default_rng(1)
    answers = [Box(*(truth[index] + np.array([*rng.uniform(-16, 16, 2), 0, 0]))) for index in range(1, 30)]
    experiment = ExperimentVOT.__new__(ExperimentVOT)
    files = sorted(map(str, (tmp_path / "a").glob("*.jpg")))
    settings = {"repetitions": 15, "skip_initialize": 5, "read_image": True, "result_dir": str(tmp_path / "VOT")}
    vars(experiment).update(settings, dataset=Annotated([(files, truth + np.array([1, 1, 0, 0]), {})]))
    experiment.run_supervised(ScriptedOfTheToolkit(answers))

    dataset = evaluation_set(Kind.VOT)
    run = follow_with_resets(Scripted(*answers), sequence("a", 30), lambda: None)
    write_trajectory(tmp_path / "ours", dataset, "scripted", sequence("a", 30), run)
    ours = trajectory_file(tmp_path / "ours", dataset, "scripted", "a")
    theirs = tmp_path / "VOT" / "scripted" / "baseline" / "a" / "a_001.txt"
    assert ours.relative_to(tmp_path / "ours") == theirs.relative_to(tmp_path)
    assert ours.read_text() == theirs.read_text()
    assert {"0", "1", "2"} < set(ours.read_text().splitlines())

    read = read_trajectory(tmp_path, dataset, "scripted", sequence("a", 30))
    np.testing.assert_array_equal(read.codes, run.codes)
    np.testing.assert_allclose(read.boxes[read.codes == T], run.boxes[read.codes == T], atol=1e-4)
    np.testing.assert_array_equal(np.isnan(read.seconds), np.isnan(run.seconds))


@given(
    st.tuples(st.floats(-30, 90), st.floats(-30, 90), st.floats(1, 40), st.floats(1, 40)),
    st.tuples(st.floats(-20, 100), st.floats(-20, 80), st.floats(2, 40), st.floats(2, 40), st.floats(0, 6.28)),
)
def test_touching_is_an_overlap_of_the_toolkits_polygons(box: tuple[float, ...], turned: tuple[float, ...]) -> None:
    cx, cy, width, height, angle = turned
    axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = np.array([cx, cy]) + np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [width / 2, height / 2] @ axes
    overlap = float(poly_iou(corners.reshape(-1), np.array(box), (WIDTH, HEIGHT))[0])
    if overlap == 0 or overlap > 1e-5:  # float32 decides what is less
        assert touches(Box(*box), corners, WIDTH, HEIGHT) == (overlap > 0)


def test_polygons_decide_where_there_are_any() -> None:
    """A diamond: its bounding box is touched at the corner, where it has nothing."""
    diamond = np.array([40.0, 10, 60, 30, 40, 50, 20, 30])
    truth = Truth(np.array([[20.0, 10, 40, 40]] * 2), np.array([diamond] * 2))
    frames = Miscounted(2, 2)
    run = follow_with_resets(Scripted(Box(18, 8, 6, 6)), EvaluationSequence("a", frames, lambda: truth), lambda: None)
    assert run.codes.tolist() == [I, F]


# Trajectories on disk

VOT = evaluation_set(Kind.VOT)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("1\n1,2,3,4\n2\n0\n0\n", "too short"),
        ("0\n1,2,3,4\n2\n0\n0\n0\n", "does not begin with 1"),
        ("1\n1,2,3\n2\n0\n0\n0\n", "line 2: 3 numbers, and a line is 0, 1, 2 or a box"),
        ("1\n1,2,3,nan\n2\n0\n0\n0\n", "line 2 is not 0, 1, 2 or a box"),
        ("1\n7\n2\n0\n0\n0\n", "line 2 is not 0, 1, 2 or a box"),
        ("1\n1,2,3,4,5,6,7,8\n2\n0\n0\n0\n", "line 2: 8 numbers"),
        ("one\n1,2,3,4\n2\n0\n0\n0\n", "line 1: 'one' is not 0, 1, 2 or a box"),
    ],
)
def test_trajectories_that_cannot_be_scored(tmp_path: Path, content: str, word: str) -> None:
    path = trajectory_file(tmp_path, VOT, "t", "a")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with pytest.raises(DataError, match=word) as caught:
        read_trajectory(tmp_path, VOT, "t", VOT.sequences[0])
    assert str(path) in str(caught.value)


def test_a_trajectory_without_times(tmp_path: Path) -> None:
    path = trajectory_file(tmp_path, VOT, "t", "a")
    path.parent.mkdir(parents=True)
    path.write_text("1\n11,21,3,4\n2\n0\n0\n0")
    read = read_trajectory(tmp_path, VOT, "t", VOT.sequences[0])
    assert read.codes.tolist() == [I, T, F, S, S, S]
    assert read.boxes[1].tolist() == [10, 20, 3, 4]
    assert np.isnan(read.seconds).all()
