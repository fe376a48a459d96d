"""Every layout, read as the GOT-10k toolkit reads it where it can, and as it was written where it cannot."""

from __future__ import annotations

import pickle
import shutil
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
    write_lasot_sequences,
    write_lines,
    write_nfs,
    write_otb,
    write_otb_as_pysot,
    write_otb_sequence,
    write_pictures,
    write_trackingnet,
    write_uav123,
    write_uav123_10fps,
    write_video,
    write_vot,
)

from siamtrack.datasets import check_dataset, open_dataset
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind
from siamtrack.datasets.otb import ATTRIBUTES, OTB_ATTRIBUTES
from siamtrack.errors import DataError, UsageError


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
    (missing,) = dataset.notes
    assert missing.startswith("88 of 98 sequences of OTB2015 are missing: Biker, Bird1,")


def test_otb_attributes_are_those_published_where_the_folder_has_none(tmp_path: Path) -> None:
    dataset = open_dataset(write_otb(tmp_path), Kind.OTB2015)
    assert named(dataset, "Board").attributes == {"SV", "MB", "FM", "OPR", "OV", "BC"}
    assert named(dataset, "Jogging.1").attributes == {"OCC", "DEF", "OPR"}
    assert set(OTB_ATTRIBUTES) == set(OTB._OTB__version_dict[2015])
    assert {word for words in OTB_ATTRIBUTES.values() for word in words.split()} == set(ATTRIBUTES)


def test_otb_with_a_folder_for_each_target_has_the_names_of_the_toolkit(tmp_path: Path) -> None:
    dataset = open_dataset(write_otb_as_pysot(tmp_path), Kind.OTB2015)
    assert [sequence.name for sequence in dataset.sequences] == ["Human4", "Jogging.1", "Jogging.2"]
    starts = [sequence.read_truth().boxes[0, :2] for sequence in dataset.sequences]
    np.testing.assert_array_equal(starts[2] - starts[1], [10, 10])
    assert [path.parts[-3] for sequence in dataset.sequences for path in sequence.frames.paths() or []][::3] == [
        "Human4-2",
        "Jogging-1",
        "Jogging-2",
    ]


def test_otb_of_which_the_other_pictures_have_been_deleted(tmp_path: Path) -> None:
    """Of David's 770 pictures, 471 belong to the sequence; a folder with no others is taken as it is."""
    write_otb_sequence(tmp_path, "David", 471)
    (david,) = open_dataset(tmp_path, Kind.OTB2015).sequences
    assert len(david.read_truth().boxes) == len(david.frames) == 471


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (OTB._OTB__version_dict[2013], Kind.OTB2013),
        (OTB._OTB__version_dict[2013][1:], Kind.OTB2013),
        (OTB._OTB__version_dict[2013][:20], Kind.CUSTOM),
        (OTB._OTB__version_dict[2015][:60], Kind.OTB2015),
        ([*OTB._OTB__version_dict[2013][1:], "Man"], Kind.OTB2015),
    ],
)
def test_otb_is_known_by_most_of_its_sequences(tmp_path: Path, names: list[str], kind: Kind) -> None:
    for name in names:
        (tmp_path / name / "img").mkdir(parents=True)
        (tmp_path / name / "groundtruth_rect.txt").write_text("1,2,3,4\n")
    assert open_dataset(tmp_path).kind is kind


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


def test_got10k_gives_the_first_box_whatever_its_label_says(tmp_path: Path) -> None:
    """The toolkit sets trackers to it, too, without a look at the labels."""
    root = write_got10k(tmp_path)
    folder = root / "val" / "GOT-10k_Val_000001"
    (folder / "cover.label").write_text("0\n0\n8\n8\n8\n")
    boxes = open_dataset(root).sequences[0].read_truth().boxes
    assert np.isnan(boxes).all(axis=1).tolist() == [False, True, True, False, False]


def test_a_subset_of_got10k_is_not_taken_for_vot(tmp_path: Path) -> None:
    root = write_got10k(tmp_path)
    with pytest.raises(UsageError, match=f"is a subset of GOT-10k: give the folder it is in, {root}"):
        open_dataset(root / "val")


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
    assert dataset.notes[0].startswith("121 of 123 sequences of UAV123 are missing: bike1, bike2, bike3, bird1_2,")


def test_uav123_at_10_frames_a_second(tmp_path: Path) -> None:
    """Ranges as its own configSeqs.m has them: 1 to 37, and 259 to 493."""
    dataset = open_dataset(write_uav123_10fps(tmp_path))
    assert (dataset.kind, dataset.name) == (Kind.UAV123, "UAV123_10fps")
    spans = {
        sequence.name: (paths[0].parent.name, paths[0].name, paths[-1].name)
        for sequence in dataset.sequences
        if (paths := sequence.frames.paths())
    }
    assert spans == {"bird1_2": ("bird1", "000259.jpg", "000493.jpg"), "uav6": ("uav6", "000001.jpg", "000037.jpg")}
    np.testing.assert_array_equal(named(dataset, "uav6").read_truth().boxes, moving_boxes(37, 1))


@pytest.mark.parametrize("rate", [30, 240])
def test_nfs_is_that_of_the_toolkit(tmp_path: Path, rate: int) -> None:
    root = write_nfs(tmp_path)
    dataset = open_dataset(root, subset=str(rate))
    assert (dataset.kind, dataset.name) == (Kind.NFS, f"NfS/{rate}")
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


def test_vot_challenges_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    """As the toolkit does, which calls the folder of results `VOT` and the version."""
    names = {place: open_dataset(write_vot(tmp_path / place)).name for place in ("vot2018", "VOT-LT2019", "mine")}
    assert names == {"vot2018": "VOT2018", "VOT-LT2019": "VOTLT2019", "mine": "VOT"}


def test_vot_with_one_nan_a_line_and_tags_of_its_first_years(tmp_path: Path) -> None:
    root = write_vot(tmp_path)
    (root / "bag" / "groundtruth.txt").write_text("1,2,3,4\nnan\n1,2,3,4\n")
    (root / "ball1" / "groundtruth.txt").write_text("11,6,21,11,16,21,6,16\nnan\n11,6,4,4\n")
    (root / "bag" / "occlusion.label").write_text("0\n0\n1\n")
    bag, ball = open_dataset(root).sequences
    np.testing.assert_array_equal(bag.read_truth().boxes, [[0, 1, 3, 4], [np.nan] * 4, [0, 1, 3, 4]])
    np.testing.assert_array_equal(ball.read_truth().boxes, [[5, 5, 15, 15], [np.nan] * 4, [10, 5, 4, 4]])
    assert bag.attributes == {"occlusion"}


def test_lasot_without_folders_of_categories(tmp_path: Path) -> None:
    dataset = open_dataset(write_lasot_sequences(tmp_path, tmp_path))
    assert (dataset.kind, [sequence.name for sequence in dataset.sequences]) == (Kind.LASOT, ["airplane-1"])


def test_lasot_has_no_box_where_the_target_cannot_be_seen(tmp_path: Path) -> None:
    dataset = open_dataset(write_lasot(tmp_path))
    assert dataset.kind is Kind.LASOT
    assert [sequence.name for sequence in dataset.sequences] == ["airplane-1"]
    boxes = dataset.sequences[0].read_truth().boxes
    assert np.isnan(boxes).all(axis=1).tolist() == [False, True, False, True, False]
    np.testing.assert_array_equal(boxes[[0, 2, 4]], moving_boxes(5, 3)[[0, 2, 4]])
    assert [sequence.name for sequence in open_dataset(tmp_path, subset="train").sequences] == ["airplane-2"]
    assert dataset.notes[0].startswith("279 of 280 sequences of LaSOT's test split are missing: airplane-13,")


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


def test_several_folders_are_one_set(tmp_path: Path) -> None:
    """Truths of OTB, VOT and UAV123 side by side: the same boxes and frames as a reader of four lines finds."""
    for place, rows, delimiter in (
        ("OTB/Deer", [[307, 6, 95, 65], [314, 16, 98, 70]], "\t"),
        ("VOT/bag", [[11, 6, 21, 11, 16, 21, 6, 16], [12.5, 6, 21, 11, 16, 21.25, 6, 16]], ","),
        ("UAV123_10fps/building4", [[812, 369, 75.5, 43], [817, 369, 75, 43]], " "),
        ("clips/never", [[1, 1, 4, 4], [1, 1, 4, 4]], ","),
    ):
        write_pictures(tmp_path / place / "img", ["0001.jpg", "0002.jpg"])
        write_lines(tmp_path / place / "groundtruth_rect.txt", rows, delimiter)
    dataset = open_dataset(tmp_path, subset="OTB,VOT,UAV123_10fps")
    assert [sequence.name for sequence in dataset.sequences] == ["Deer", "bag", "building4"]
    for sequence, place in zip(dataset.sequences, ("OTB/Deer", "VOT/bag", "UAV123_10fps/building4"), strict=True):
        lines = (tmp_path / place / "groundtruth_rect.txt").read_text().replace("\t", ",").replace(" ", ",").split()
        points = [[float(part) for part in line.split(",")] for line in lines]
        expected = [
            [min(p[::2]) - 1, min(p[1::2]) - 1, max(p[::2]) - min(p[::2]), max(p[1::2]) - min(p[1::2])]
            if len(p) == 8
            else [p[0] - 1, p[1] - 1, p[2], p[3]]
            for p in points
        ]
        np.testing.assert_allclose(sequence.read_truth().boxes, expected, atol=1e-12)
        assert sequence.frames.paths() == sorted((tmp_path / place / "img").glob("*.jpg"))


def test_custom_follows_links_but_not_in_a_circle(tmp_path: Path) -> None:
    write_custom(tmp_path / "elsewhere")
    root = tmp_path / "mine"
    root.mkdir()
    (root / "run").symlink_to(tmp_path / "elsewhere" / "a" / "walk")
    (root / "more").symlink_to(tmp_path / "elsewhere" / "b")
    (root / "circle").symlink_to(root)
    assert [sequence.name for sequence in open_dataset(root).sequences] == ["walk", "flat", "run"]
    assert [sequence.name for sequence in open_dataset(root, subset="more").sequences] == ["walk", "flat"]


def test_custom_tells_videos_of_one_name_apart(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        for name in ("cat.mp4", "cat.txt"):
            (tmp_path / place / name).touch()
    assert [sequence.name for sequence in open_dataset(tmp_path).sequences] == ["a-cat", "b-cat"]


def test_custom_wants_names_that_differ(tmp_path: Path) -> None:
    for place in ("a-b/walk", "a/b/walk"):
        (tmp_path / place / "img").mkdir(parents=True)
        (tmp_path / place / "groundtruth_rect.txt").write_text("1,2,3,4\n")
    with pytest.raises(DataError, match="two sequences would be called a-b-walk"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("outside", ["..", "/tmp"])
def test_custom_stays_in_its_folder(tmp_path: Path, outside: str) -> None:
    with pytest.raises(UsageError, match="names folders in"):
        open_dataset(write_custom(tmp_path), subset=outside)


def test_pictures_are_counted_once(tmp_path: Path) -> None:
    """Scoring asks for the length of a sequence for every tracker."""
    frames = named(open_dataset(write_custom(tmp_path)), "a-walk").frames
    assert len(frames) == 3
    shutil.rmtree(tmp_path / "a")
    assert len(frames) == 3


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
    assert all("sequences of" in line and "are missing" in line for line in lines)


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
