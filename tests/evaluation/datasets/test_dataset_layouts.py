"""Every layout, read as the GOT-10k toolkit reads it where it can, and as it was written where it cannot."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from got10k.datasets import OTB, UAV123, VOT, GOT10k, NfS
from rendered_layouts import (
    WRITERS,
    moving_boxes,
    one_based,
    write_custom,
    write_davis,
    write_got10k,
    write_lasot,
    write_nfs,
    write_otb,
    write_otb_sequence,
    write_trackingnet,
    write_uav123,
    write_video,
    write_vot,
)

from siamtrack.errors import DataError, UsageError
from siamtrack.evaluation.datasets import check_dataset, open_dataset
from siamtrack.evaluation.sequences import EvaluationSequence, EvaluationSet, Kind


def named(dataset: EvaluationSet, name: str) -> EvaluationSequence:
    return next(sequence for sequence in dataset.sequences if sequence.name == name)


def same_as_the_toolkit(dataset: EvaluationSet, toolkit: Any, shift: float = 1) -> None:
    """Names, files and boxes are the toolkit's, but for those of frames without a target, which are NaN here."""
    assert [sequence.name for sequence in dataset.sequences] == list(toolkit.seq_names)
    for sequence in dataset.sequences:
        files, boxes = toolkit[sequence.name][:2]
        assert [str(path) for path in sequence.frames.paths() or []] == list(files)
        found = sequence.read_truth().boxes
        assert len(found) == len(files)
        known = np.isfinite(found).all(axis=1)
        assert known.any()
        np.testing.assert_array_equal(
            found[known] + np.array([shift, shift, 0, 0]), np.asarray(boxes)[known[: len(boxes)]]
        )


def test_otb_is_that_of_the_toolkit(tmp_path: Path) -> None:
    root = write_otb(tmp_path / "OTB")
    dataset = open_dataset(root, Kind.OTB2015)
    same_as_the_toolkit(dataset, OTB(str(root), 2015, download=False))
    lengths = {sequence.name: len(sequence.frames) for sequence in dataset.sequences}
    assert lengths == {
        **{"Basketball": 3, "BlurCar1": 3, "Board": 3, "Coke": 4, "David": 471, "Diving": 215, "Football1": 74},
        **{"Human4": 3, "Jogging.1": 3, "Jogging.2": 3, "Skating2.1": 3, "Skating2.2": 3},
    }
    assert named(dataset, "Coke").attributes == {"IV", "OPR", "OCC", "FM", "IPR", "BC"}
    assert named(dataset, "Jogging.2").attributes == {"OPR", "OCC", "DEF"}
    assert named(dataset, "Board").attributes == frozenset()
    empty, missing = dataset.notes
    assert empty == "Human4/groundtruth_rect.1.txt is empty and left out"
    assert missing.startswith("88 of 98 sequences are missing: Biker, Bird1,")


def test_otb_2013_is_known_by_its_sequences(tmp_path: Path) -> None:
    for name in OTB._OTB__version_dict[2013]:
        write_otb_sequence(tmp_path, name, 2)
    assert open_dataset(tmp_path).kind is Kind.OTB2013
    (tmp_path / "Woman").rename(tmp_path / "Man")
    assert open_dataset(tmp_path).kind is Kind.CUSTOM


def test_got10k_is_that_of_the_toolkit(tmp_path: Path) -> None:
    root = write_got10k(tmp_path)
    dataset = open_dataset(root)
    assert dataset.kind is Kind.GOT10K
    same_as_the_toolkit(dataset, GOT10k(str(root), "val"))
    truth = dataset.sequences[0].read_truth()
    assert np.isnan(truth.boxes).all(axis=1).tolist() == [False, True, True, False, False]
    assert truth.cover is not None
    assert truth.cover.tolist() == [8, 0, 0, 8, 8]
    assert truth.size == (48, 36)
    assert [frame.shape for frame in dataset.sequences[0].frames][-2:] == [(36, 48, 3), (30, 40, 3)]


def test_got10k_test_has_one_box_a_sequence(tmp_path: Path) -> None:
    root = write_got10k(tmp_path)
    dataset = open_dataset(root, subset="test")
    same_as_the_toolkit(dataset, GOT10k(str(root), "test"))
    assert not dataset.has_truth
    assert np.isfinite(dataset.sequences[1].read_truth().boxes).all(axis=1).tolist() == [True] + 5 * [False]


def test_uav123_is_that_of_the_toolkit(tmp_path: Path) -> None:
    root = write_uav123(tmp_path)
    dataset = open_dataset(root)
    assert dataset.kind is Kind.UAV123
    same_as_the_toolkit(dataset, UAV123(str(root)))
    assert np.isnan(named(dataset, "uav4").read_truth().boxes[5]).all()
    assert named(dataset, "bird1_1").attributes == {"SV", "OV", "SOB"}
    assert dataset.notes == ("121 of 123 sequences are missing",)


@pytest.mark.parametrize("rate", [30, 240])
def test_nfs_is_that_of_the_toolkit(tmp_path: Path, rate: int) -> None:
    root = write_nfs(tmp_path)
    dataset = open_dataset(root, subset=str(rate))
    assert dataset.kind is Kind.NFS
    same_as_the_toolkit(dataset, NfS(str(root), rate), shift=0)
    lost = 2 if rate == 30 else 16
    assert np.isnan(dataset.sequences[0].read_truth().boxes[lost]).all()


def test_vot_boxes_are_those_of_the_toolkit(tmp_path: Path) -> None:
    root = write_vot(tmp_path)
    dataset = open_dataset(root)
    assert dataset.kind is Kind.VOT
    files, boxes = VOT(str(root), 2017, download=False)["bag"]
    bag = named(dataset, "bag")
    assert [str(path) for path in bag.frames.paths() or []] == files
    np.testing.assert_array_equal(one_based(bag.read_truth().boxes), boxes)


def test_vot_polygons_tags_and_frames_without_target(tmp_path: Path) -> None:
    ball = named(open_dataset(write_vot(tmp_path)), "ball1")
    truth = ball.read_truth()
    np.testing.assert_array_equal(truth.boxes, [[5, 5, 15, 15], [np.nan] * 4, [np.nan] * 4])
    assert truth.polygons is not None
    np.testing.assert_array_equal(truth.polygons[0], [10, 5, 20, 10, 15, 20, 5, 15])
    assert ball.attributes == {"occlusion"}
    assert [path.parent.name for path in ball.frames.paths() or []] == ["color"] * 3


def test_lasot_has_no_box_where_the_target_cannot_be_seen(tmp_path: Path) -> None:
    dataset = open_dataset(write_lasot(tmp_path))
    assert dataset.kind is Kind.LASOT
    assert [sequence.name for sequence in dataset.sequences] == ["airplane-1"]
    boxes = dataset.sequences[0].read_truth().boxes
    assert np.isnan(boxes).all(axis=1).tolist() == [False, True, False, True, False]
    np.testing.assert_array_equal(boxes[[0, 2, 4]], moving_boxes(5, 3)[[0, 2, 4]])
    assert [sequence.name for sequence in open_dataset(tmp_path, subset="train").sequences] == ["airplane-2"]
    assert dataset.notes == ("279 of 280 sequences of the test split are missing",)


def test_trackingnet_counts_from_zero_and_sorts_by_number(tmp_path: Path) -> None:
    root = write_trackingnet(tmp_path)
    test, train = open_dataset(root), open_dataset(root, subset="TRAIN_0")
    assert (test.kind, test.has_truth, train.has_truth) == (Kind.TRACKINGNET, False, True)
    assert [path.name for path in train.sequences[0].frames.paths() or []] == [f"{number}.jpg" for number in range(12)]
    np.testing.assert_array_equal(train.sequences[0].read_truth().boxes, moving_boxes(12, 4))
    assert np.isfinite(test.sequences[0].read_truth().boxes).all(axis=1).sum() == 1


@pytest.mark.parametrize("subset", [None, "2016/val", "480p/val"])
def test_davis_has_the_box_of_the_mask(tmp_path: Path, subset: str | None) -> None:
    dataset = open_dataset(write_davis(tmp_path), subset=subset)
    assert dataset.kind is Kind.DAVIS
    assert [sequence.name for sequence in dataset.sequences] == ["bear"]
    boxes = dataset.sequences[0].read_truth().boxes
    np.testing.assert_array_equal(boxes, [[5, 10, 10, 11], [np.nan] * 4, [5, 12, 10, 9]])


def test_custom_finds_sequences_at_any_depth(tmp_path: Path) -> None:
    root = write_custom(tmp_path)
    dataset = open_dataset(root)
    assert (dataset.kind, dataset.name) == (Kind.CUSTOM, tmp_path.name)
    assert [sequence.name for sequence in dataset.sequences] == ["a-walk", "b-deep-walk", "flat"]
    walk, flat = dataset.sequences[0], dataset.sequences[2]
    assert [path.name for path in walk.frames.paths() or []] == ["9.png", "10.png", "11.png"]
    assert [int(frame[0, 0, 0]) for frame in walk.frames] == [20, 25, 30]
    np.testing.assert_array_equal(flat.read_truth().boxes, [[2, 3, 5, 6], [np.nan] * 4])
    assert flat.attributes == {"blur", "night"}
    part = open_dataset(root, subset="b")
    assert part.name == f"{tmp_path.name}-b"
    assert [sequence.name for sequence in part.sequences] == ["walk", "flat"]
    assert len(open_dataset(root, subset="b,a")) == 3


def test_custom_takes_videos(tmp_path: Path) -> None:
    """One beside its boxes, and one in the folder of its sequence, as the development data has them."""
    for place in (tmp_path / "one.mp4", tmp_path / "two" / "two.mp4", tmp_path / "two" / "two_mask.mp4"):
        write_video(place, 4)
    for truth in (tmp_path / "one.txt", tmp_path / "two" / "groundtruth_rect.txt"):
        truth.write_text("3,4,5,6\n" * 4)
    dataset = open_dataset(tmp_path)
    assert [sequence.name for sequence in dataset.sequences] == ["one", "two"]
    for sequence in dataset.sequences:
        assert sequence.frames.paths() is None
        assert len(sequence.frames) == len(list(sequence.frames)) == len(sequence.read_truth().boxes) == 4


@pytest.mark.parametrize("kind", WRITERS)
def test_sequences_can_be_sent_to_another_process(tmp_path: Path, kind: Kind) -> None:
    dataset = open_dataset(WRITERS[kind](tmp_path), kind)
    for sequence in dataset.sequences:
        sent = pickle.loads(pickle.dumps(sequence))
        assert sent.name == sequence.name
        assert sent.frames.paths() == sequence.frames.paths()
        np.testing.assert_array_equal(sent.read_truth().boxes, sequence.read_truth().boxes)


@pytest.mark.parametrize("kind", WRITERS)
def test_nothing_is_wrong_with_whole_sets_but_what_is_missing(tmp_path: Path, kind: Kind) -> None:
    lines = check_dataset(WRITERS[kind](tmp_path), kind)
    assert all("missing" in line or line.endswith("is empty and left out") for line in lines)


def test_opening_reads_no_annotation_and_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_got10k(tmp_path)
    for path in root.glob("val/*/*"):
        path.write_bytes(b"")
    assert len(open_dataset(root)) == 2


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        open_dataset(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no sequence"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind is not Kind.CUSTOM])
def test_an_empty_folder_of_a_known_kind(tmp_path: Path, kind: Kind) -> None:
    with pytest.raises((DataError, UsageError), match=str(tmp_path)):
        open_dataset(tmp_path, kind)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_subset_that_does_not_exist(tmp_path: Path, kind: Kind) -> None:
    with pytest.raises(UsageError, match="nothing"):
        open_dataset(WRITERS[kind](tmp_path), kind, "nothing")
