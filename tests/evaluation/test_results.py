"""Results on disk: the toolkit's own bytes, and one clear line for everything that cannot be scored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from got10k.experiments import ExperimentGOT10k, ExperimentOTB
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rendered_sets import evaluation_set, square_boxes

from siamtrack.datasets.evaluation_sequences import EvaluationSet, Kind
from siamtrack.errors import DataError, OutputError
from siamtrack.evaluation.results import boxes_file, find_trackers, read_result, times_file, write_result

OTB, GOT10K = evaluation_set(Kind.OTB2015), evaluation_set(Kind.GOT10K)
BOXES = square_boxes(6) + 0.12345
SECONDS = np.linspace(0.01, 0.02, 6)


def write(root: Path, dataset: EvaluationSet = OTB, repetition: int = 1, shift: float = 0.0) -> None:
    write_result(root, dataset, "t", dataset.sequences[0], BOXES + shift, SECONDS * repetition, repetition)


# Layout


def test_files_of_otb(tmp_path: Path) -> None:
    write(tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*.txt"))] == [
        "OTB2015/t/a.txt",
        "OTB2015/t/times/a_time.txt",
    ]


def test_files_of_got10k(tmp_path: Path) -> None:
    for repetition in (1, 2, 3):
        write(tmp_path, GOT10K, repetition)
    folder = tmp_path / "GOT-10k" / "t" / "a"
    assert sorted(path.name for path in folder.iterdir()) == ["a_001.txt", "a_002.txt", "a_003.txt", "a_time.txt"]
    np.testing.assert_allclose(
        np.loadtxt(folder / "a_time.txt", delimiter=","), SECONDS[:, None] * [1, 2, 3], atol=1e-8
    )


def test_bytes_are_those_of_the_toolkit(tmp_path: Path) -> None:
    one_based = BOXES + np.array([1, 1, 0, 0])
    ExperimentOTB._record(None, str(tmp_path / "toolkit" / "OTB2015" / "t" / "a.txt"), one_based, SECONDS)
    for repetition in (1, 2):
        record = tmp_path / "toolkit" / "GOT-10k" / "t" / "a" / f"a_{repetition:03d}.txt"
        ExperimentGOT10k._record(None, str(record), one_based, SECONDS * repetition)
    write(tmp_path / "ours")
    write(tmp_path / "ours", GOT10K, 1)
    write(tmp_path / "ours", GOT10K, 2)
    theirs = {path.relative_to(tmp_path / "toolkit"): path.read_bytes() for path in tmp_path.glob("toolkit/**/*.txt")}
    ours = {path.relative_to(tmp_path / "ours"): path.read_bytes() for path in tmp_path.glob("ours/**/*.txt")}
    assert ours == theirs
    assert len(ours) == 5


@pytest.mark.parametrize(("kind", "first"), [(Kind.OTB2015, 1), (Kind.TRACKINGNET, 0), (Kind.NFS, 0)])
def test_boxes_count_pixels_as_the_annotations_do(tmp_path: Path, kind: Kind, first: int) -> None:
    dataset = evaluation_set(kind)
    write(tmp_path, dataset)
    written = np.loadtxt(boxes_file(tmp_path, dataset, "t", "a"), delimiter=",")
    np.testing.assert_allclose(written[:, :2], BOXES[:, :2] + first, atol=5.001e-4)
    read = read_result(tmp_path, dataset, "t", dataset.sequences[0]).boxes
    np.testing.assert_allclose(read, BOXES, atol=5.001e-4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.lists(st.tuples(*[st.floats(-1e5, 1e5)] * 4), min_size=6, max_size=6))
def test_what_is_written_is_read_to_half_a_thousandth(tmp_path: Path, rows: list[tuple[float, ...]]) -> None:
    boxes = np.array(rows)
    write_result(tmp_path, OTB, "t", OTB.sequences[0], boxes, SECONDS)
    result = read_result(tmp_path, OTB, "t", OTB.sequences[0])
    np.testing.assert_allclose(result.boxes, boxes, rtol=0, atol=5.001e-4)
    np.testing.assert_allclose(result.seconds, SECONDS, atol=1e-8)
    assert result.repeats == ()


def test_repetitions_are_read_with_the_times_of_the_first(tmp_path: Path) -> None:
    for repetition in (1, 2, 3):
        write(tmp_path, GOT10K, repetition, shift=repetition)
    result = read_result(tmp_path, GOT10K, "t", GOT10K.sequences[0])
    np.testing.assert_allclose(result.boxes, BOXES + 1, atol=1e-3)
    assert [round(float((boxes - BOXES).mean())) for boxes in result.repeats] == [2, 3]
    np.testing.assert_allclose(result.seconds, SECONDS)


def test_results_of_others_need_no_times_and_may_have_blanks_or_tabs(tmp_path: Path) -> None:
    path = boxes_file(tmp_path, OTB, "foreign", "a")
    path.parent.mkdir(parents=True)
    path.write_text("11 21 30 40\n" * 3 + "11\t21\t30\t40\n" * 2 + "11,21,30,40")
    result = read_result(tmp_path, OTB, "foreign", OTB.sequences[0])
    assert result.boxes.tolist() == [[10, 20, 30, 40]] * 6
    assert result.seconds is None


# What cannot be scored


def short(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def long(path: Path) -> None:
    path.write_text(path.read_text() * 2)


def nan_box(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], "nan,nan,nan,nan", *lines[4:]]))


def infinite(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:5], "1,2,inf,4"]))


def text(path: Path) -> None:
    path.write_text("not a table\n" * 6)


def binary(path: Path) -> None:
    path.write_bytes(bytes(range(256)))


def nothing(path: Path) -> None:
    path.write_text("")


def blank_line(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "", *lines[2:]]))


def three_numbers(path: Path) -> None:
    path.write_text("1,2,3\n" * 6)


def ragged(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:4], "1,2,3", lines[5]]))


def missing(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("dataset", [OTB, GOT10K], ids=["otb", "got10k"])
@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (missing, "is missing"),
        (short, "too short: 5 lines for 6 frames"),
        (long, "too long: 12 lines for 6 frames"),
        (nan_box, "line 4: a number that is not finite"),
        (infinite, "line 6: a number that is not finite"),
        (text, "line 1: 'not a table' is not a box x,y,width,height"),
        (binary, "is not text"),
        (nothing, "is empty"),
        (blank_line, "line 2 is blank"),
        (three_numbers, "line 1: 3 numbers, and a line is a box"),
        (ragged, "line 5: 3 numbers, and a line is a box"),
    ],
)
def test_a_spoilt_file_is_named(
    tmp_path: Path, dataset: EvaluationSet, spoil: Callable[[Path], None], word: str
) -> None:
    write(tmp_path, dataset)
    path = boxes_file(tmp_path, dataset, "t", "a")
    spoil(path)
    with pytest.raises(DataError) as caught:
        read_result(tmp_path, dataset, "t", dataset.sequences[0])
    assert str(path) in str(caught.value)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "word"),
    [(short, "too short"), (text, "is not a time a repetition"), (nan_box, "line 4: 4 numbers instead of 1")],
)
def test_spoilt_times_are_named(tmp_path: Path, spoil: Callable[[Path], None], word: str) -> None:
    write(tmp_path)
    path = times_file(tmp_path, OTB, "t", "a")
    spoil(path)
    with pytest.raises(DataError, match=word) as caught:
        read_result(tmp_path, OTB, "t", OTB.sequences[0])
    assert str(path) in str(caught.value)


def test_times_below_zero(tmp_path: Path) -> None:
    write(tmp_path)
    times_file(tmp_path, OTB, "t", "a").write_text("0.1\n0.1\n-0.1\n0.1\n0.1\n0.1\n")
    with pytest.raises(DataError, match="line 3: a time below zero"):
        read_result(tmp_path, OTB, "t", OTB.sequences[0])


def test_a_repetition_that_is_left_out(tmp_path: Path) -> None:
    for repetition in (1, 2, 3):
        write(tmp_path, GOT10K, repetition)
    boxes_file(tmp_path, GOT10K, "t", "a", 2).unlink()
    with pytest.raises(DataError, match=r"a_002\.txt is missing"):
        read_result(tmp_path, GOT10K, "t", GOT10K.sequences[0])


# Writing


def test_a_result_that_was_cut_off_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    before = boxes_file(tmp_path, OTB, "t", "a").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write(tmp_path, shift=1)
    assert boxes_file(tmp_path, OTB, "t", "a").read_bytes() == before
    with pytest.raises(OutputError, match=r"a_time.txt cannot be written"):
        write(tmp_path, GOT10K)
    assert not list(tmp_path.glob("GOT-10k/**/*.*"))


def test_times_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr("siamtrack.evaluation.results.write_text", lambda path, _: written.append(path.name))
    write(tmp_path)
    assert written == ["a_time.txt", "a.txt"]


def test_trackers_are_folders_with_results(tmp_path: Path) -> None:
    assert find_trackers(tmp_path, OTB) == []
    for name in ("zeta", "alpha"):
        write_result(tmp_path, OTB, name, OTB.sequences[1], square_boxes(7), np.ones(7))
    (tmp_path / "OTB2015" / "empty").mkdir()
    (tmp_path / "OTB2015" / "note.txt").write_text("a file")
    assert find_trackers(tmp_path, OTB) == ["alpha", "zeta"]
    assert find_trackers(tmp_path, GOT10K) == []
