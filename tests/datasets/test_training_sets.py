"""Layouts of the large training sets: rendered copies, their quirks, and what the got10k toolkit reads in them."""

from __future__ import annotations

import json
import pickle
import shutil
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from got10k.datasets import GOT10k, ImageNetVID, LaSOT
from got10k.datasets.trackingnet import TrackingNet
from numpy.typing import NDArray

from siamtrack.datasets import training_tracks
from siamtrack.datasets.coco import read_coco
from siamtrack.datasets.got10k import read_got10k
from siamtrack.datasets.lasot import read_lasot
from siamtrack.datasets.registry import TRAINING_FORMATS
from siamtrack.datasets.trackingnet import read_trackingnet
from siamtrack.datasets.training_tracks import Track
from siamtrack.datasets.vid import read_vid
from siamtrack.errors import DataError
from siamtrack.training.augmentation import PhotometricSettings
from siamtrack.training.dataset import TrainingData, make_sources, read_training_data
from siamtrack.training.pairs import GeometrySettings, MixSettings, PairMaker
from siamtrack.training.scenes import SearchArea

AREA = SearchArea(0.5, 2.0)
NONE = (np.nan,) * 4
Size = tuple[int, int]


def picture(path: Path, level: int, size: Size = (64, 48)) -> None:
    """A gray picture, `(width, height)`; its level tells which it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), level, np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 98])


def write_lines(path: Path, lines: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def write_got10k_sequence(
    folder: Path, boxes: Sequence[str], absence: str, cover: str, sizes: Sequence[Size] | None = None, level: int = 20
) -> None:
    for index in range(len(boxes)):
        picture(folder / f"{index + 1:08d}.jpg", level + 20 * index, sizes[index] if sizes else (64, 48))
    write_lines(folder / "groundtruth.txt", boxes)
    write_lines(folder / "absence.label", list(absence))
    write_lines(folder / "cover.label", list(cover))
    write_lines(folder / "cut_by_image.label", ["0"] * len(boxes))
    meta = ["url: none", "begin: 00:00:00", "anno_fps: 10Hz", "object_class: ship", "motion_class: sail"]
    write_lines(folder / "meta_info.ini", ["[METAINFO]", *meta, "resolution: (64, 48)"])


def write_got10k(root: Path) -> Path:
    """Train: one with an absent, a covered and an empty box, one that changes size. One in val, one in test."""
    write_got10k_sequence(
        root / "train" / "GOT-10k_Train_000001",
        [
            "11.0000,6.0000,20.5000,10.0000",
            "-1.0000,-1.0000,-1.0000,-1.0000",
            "13.0000,6.0000,20.0000,10.0000",
            "14.0000,6.0000,0.0000,10.0000",
            "15.0000,6.0000,20.0000,10.0000",
        ],
        absence="01000",
        cover="80088",
    )
    write_got10k_sequence(
        root / "train" / "GOT-10k_Train_000002",
        ["1,1,30,20", "2,3,20,30"],
        absence="00",
        cover="81",
        sizes=[(64, 48), (48, 64)],
    )
    write_got10k_sequence(root / "val" / "GOT-10k_Val_000001", ["5,5,9,9", "6,5,9,9"], absence="00", cover="88")
    write_got10k_sequence(root / "test" / "GOT-10k_Test_000001", ["5,5,9,9"], absence="0", cover="8")
    write_lines(root / "train" / "list.txt", ["GOT-10k_Train_000001", "GOT-10k_Train_000002"])
    write_lines(root / "val" / "list.txt", ["GOT-10k_Val_000001"])
    write_lines(root / "test" / "list.txt", ["GOT-10k_Test_000001"])
    return root


def write_lasot_sequence(folder: Path, boxes: Sequence[str], occluded: str, outside: str, level: int = 20) -> None:
    for index in range(len(boxes)):
        picture(folder / "img" / f"{index + 1:08d}.jpg", level + 20 * index)
    write_lines(folder / "groundtruth.txt", boxes)
    (folder / "full_occlusion.txt").write_text(",".join(occluded))  # one line, without an end
    (folder / "out_of_view.txt").write_text(",".join(outside))
    write_lines(folder / "nlp.txt", ["white airplane"])


def write_lasot(root: Path) -> Path:
    """Two training sequences of the published split and one of the test."""
    boxes = ["1,1,20,10", "2,1,20,10", "3,1,20,10", "0,0,0,0"]
    write_lasot_sequence(root / "airplane" / "airplane-10", boxes, occluded="0100", outside="0001")
    write_lasot_sequence(
        root / "airplane" / "airplane-2", ["4,4,8,8", "5,5,8,8"], occluded="00", outside="10", level=90
    )
    write_lasot_sequence(root / "airplane" / "airplane-1", ["4,4,8,8"], occluded="0", outside="0")
    return root


def write_trackingnet(root: Path) -> Path:
    """Two chunks with a sequence of one name, of more frames than ten: names are not in the order of numbers."""
    for chunk, shift in (("TRAIN_0", 0), ("TRAIN_11", 10)):
        for index in range(12):
            picture(root / chunk / "frames" / "-3TIfnTSM6c_2" / f"{index}.jpg", 20 * index + shift)
        lines = [f"{index - 0.43:.2f},{102.17 + shift:.2f},45.73,76.10" for index in range(12)]
        write_lines(root / chunk / "anno" / "-3TIfnTSM6c_2.txt", lines)
    picture(root / "TEST" / "frames" / "test_0" / "0.jpg", 5)
    write_lines(root / "TEST" / "anno" / "test_0.txt", ["0,102,45,76"])
    return root


VidObject = tuple[int, int, int, int, int]


def write_vid_sequence(root: Path, place: str, frames: Sequence[Sequence[VidObject]], level: int = 20) -> None:
    """Objects are track, xmin, ymin, xmax, ymax."""
    for index, objects in enumerate(frames):
        picture(root / "Data" / "VID" / place / f"{index:06d}.JPEG", level + 20 * index)
        items = [
            f"<object><trackid>{track}</trackid><name>n02691156</name><bndbox><xmax>{right}</xmax><xmin>{left}</xmin>"
            f"<ymax>{bottom}</ymax><ymin>{top}</ymin></bndbox><occluded>1</occluded><generated>0</generated></object>"
            for track, left, top, right, bottom in objects
        ]
        size = "<size><width>64</width><height>48</height></size>"
        page = root / "Annotations" / "VID" / place / f"{index:06d}.xml"
        write_lines(page, [f"<annotation><filename>{index:06d}</filename>{size}{''.join(items)}</annotation>"])


def write_vid(root: Path) -> Path:
    """A sequence with an object that comes late, one that goes away and one that is there once; a sequence of val."""
    frames: list[list[VidObject]] = [
        [(0, 0, 0, 9, 19)],
        [(0, 1, 0, 10, 19), (1, 30, 20, 63, 47)],
        [(1, 31, 20, 63, 47), (2, 5, 5, 9, 9)],
        [],
    ]
    write_vid_sequence(root, "train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000", frames)
    write_vid_sequence(root, "val/ILSVRC2015_val_00000000", [[(0, 2, 3, 11, 12)], [(0, 3, 3, 12, 12)]], level=100)
    picture(root / "Data" / "VID" / "test" / "ILSVRC2015_test_00000000" / "000000.JPEG", 5)
    return root


def write_coco(root: Path) -> Path:
    """Two photographs: an object, one at the border, a crowd and a small one."""
    for number in (9, 25):
        picture(root / "train2017" / f"{number:012d}.jpg", number, (160, 120))
    images = [{"id": number, "file_name": f"{number:012d}.jpg", "width": 160, "height": 120} for number in (9, 25)]

    def mark(image: int, box: Sequence[float], crowd: int = 0) -> dict[str, object]:
        outline: object = {"counts": [5, 2], "size": [120, 160]} if crowd else [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]
        return {"image_id": image, "bbox": box, "iscrowd": crowd, "segmentation": outline, "category_id": 1, "id": 1}

    marks = [
        mark(25, [10.25, 20.5, 40, 30.75]),
        mark(9, [100.0, 0.0, 60.0, 50.0]),
        mark(9, [0, 0, 160, 120], crowd=1),
        mark(9, [5, 5, 15.9, 40]),
    ]
    table = root / "annotations" / "instances_train2017.json"
    table.parent.mkdir(parents=True)
    categories = [{"id": 1, "name": "person", "supercategory": "person"}]
    table.write_text(json.dumps({"info": {}, "images": images, "annotations": marks, "categories": categories}))
    return root


def youtube_row(time: int, target: int, sides: Sequence[float], kind: int = 23, presence: str = "present") -> str:
    return f"-ABc_1,{time},{kind},car,{target},{presence},{','.join(map(str, sides))}"


def write_youtube_bb(root: Path) -> Path:
    """An object in three frames, once absent and once without its picture; one in two frames; one in a single frame."""
    place = root / "yt_bb_detection_train" / "23"
    for time, target in ((9000, 0), (10000, 0), (12000, 0), (9000, 1), (10000, 1), (9000, 2)):
        picture(place / f"-ABc_1_{time}_23_{target}.jpg", time // 100 + target)
    rows = [
        youtube_row(12000, 0, (0.25, 0.75, -0.1, 0.5)),
        youtube_row(9000, 0, (0.125, 0.5, 0.25, 0.75)),
        youtube_row(10000, 0, (0.5, 0.5, 0.25, 0.75)),
        youtube_row(11000, 0, (-1, -1, -1, -1), presence="absent"),
        youtube_row(13000, 0, (0.125, 0.5, 0.25, 0.75)),
        youtube_row(10000, 1, (0.5, 1.0, 0.5, 1.0)),
        youtube_row(9000, 1, (0.25, 0.5, 0.5, 1.0)),
        youtube_row(9000, 2, (0.25, 0.5, 0.5, 1.0)),
    ]
    write_lines(root / "yt_bb_detection_train.csv", rows)
    return root


WRITERS = {
    "GOT-10k": write_got10k,
    "LaSOT": write_lasot,
    "TrackingNet": write_trackingnet,
    "ILSVRC2015 VID": write_vid,
    "YouTube-BB": write_youtube_bb,
    "COCO": write_coco,
}


def levels(data: TrainingData, track: Track) -> list[int]:
    """Gray levels of all frames of a track."""
    assert data.cache is not None
    return [int(data.cache.frame(track.folder, index).mean().round()) for index in range(len(track.boxes))]


def by_name(tracks: Sequence[Track]) -> dict[str, NDArray[np.float64]]:
    return {track.name: track.boxes for track in tracks}


def test_got10k_is_one_based_and_absent_covered_and_empty_targets_have_no_box(tmp_path: Path) -> None:
    data = read_training_data(write_got10k(tmp_path))
    first, second = data.tracks
    assert (first.name, second.name) == ("GOT-10k_Train_000001", "GOT-10k_Train_000002")
    np.testing.assert_array_equal(first.boxes, [(10, 5, 20.5, 10), NONE, NONE, NONE, (14, 5, 20, 10)])
    np.testing.assert_array_equal(second.boxes, [(0, 0, 30, 20), (1, 2, 20, 30)])
    assert levels(data, first) == [20, 40, 60, 80, 100]
    (validation,) = data.validation
    np.testing.assert_array_equal(validation.boxes, [(4, 4, 9, 9), (5, 4, 9, 9)])


def test_frames_of_a_sequence_may_change_size(tmp_path: Path) -> None:
    data = read_training_data(write_got10k(tmp_path))
    assert data.cache is not None
    folder = data.tracks[1].folder
    assert [data.cache.frame(folder, index).shape for index in (0, 1)] == [(48, 64, 3), (64, 48, 3)]


def test_got10k_is_read_as_the_toolkit_reads_it(tmp_path: Path) -> None:
    contents = read_got10k(write_got10k(tmp_path))
    for subset, tracks in (("train", contents.tracks), ("val", contents.validation)):
        toolkit = GOT10k(str(tmp_path), subset=subset, return_meta=True)
        assert [track.name for track in tracks] == toolkit.seq_names
        for track in tracks:
            files, boxes, meta = toolkit[track.name]
            assert track.files is not None
            assert [str(track.files.path(track.folder, index)) for index in range(track.files.count)] == files
            shown = (meta["absence"] == 0) & (meta["cover"] > 0) & (boxes[:, 2:] > 0).all(axis=1)
            np.testing.assert_array_equal(np.isfinite(track.boxes).all(axis=1), shown)
            np.testing.assert_array_equal(track.boxes[shown], boxes[shown] - [1, 1, 0, 0])


def test_lasot_is_one_based_and_its_test_split_is_not_trained_on(tmp_path: Path) -> None:
    data = read_training_data(write_lasot(tmp_path))
    second, tenth = data.tracks
    assert (second.name, tenth.name) == ("airplane-2", "airplane-10")
    np.testing.assert_array_equal(second.boxes, [NONE, (4, 4, 8, 8)])
    np.testing.assert_array_equal(tenth.boxes, [(0, 0, 20, 10), NONE, (2, 0, 20, 10), NONE])
    assert levels(data, tenth) == [20, 40, 60, 80]
    assert data.validation == ()


def test_lasot_is_read_as_the_toolkit_reads_it(tmp_path: Path) -> None:
    (track,) = (track for track in read_lasot(write_lasot(tmp_path)).tracks if track.name == "airplane-10")
    # The constructor of 0.1.3 raises a TypeError whatever it is given; these are the attributes that it would set.
    toolkit = LaSOT.__new__(LaSOT)
    toolkit.return_meta = True
    toolkit.seq_names = ["airplane-10"]
    toolkit.seq_dirs = [str(tmp_path / "airplane" / "airplane-10" / "img")]
    toolkit.anno_files = [str(tmp_path / "airplane" / "airplane-10" / "groundtruth.txt")]
    files, boxes, meta = toolkit["airplane-10"]
    assert track.files is not None
    assert [str(track.files.path(track.folder, index)) for index in range(track.files.count)] == files
    shown = (meta["full_occlusion"] == 0) & (meta["out_of_view"] == 0)
    np.testing.assert_array_equal(np.isfinite(track.boxes).all(axis=1), shown)
    np.testing.assert_array_equal(track.boxes[shown], boxes[shown] - [1, 1, 0, 0])


def test_trackingnet_is_zero_based_and_equal_names_are_kept_apart(tmp_path: Path) -> None:
    data = read_training_data(write_trackingnet(tmp_path))
    first, last = data.tracks
    assert first.name == last.name == "-3TIfnTSM6c_2"
    np.testing.assert_allclose(first.boxes[[0, 11]], [(-0.43, 102.17, 45.73, 76.1), (10.57, 102.17, 45.73, 76.1)])
    np.testing.assert_allclose(last.boxes[0], (-0.43, 112.17, 45.73, 76.1))
    assert levels(data, first) == [20 * index for index in range(12)]
    assert levels(data, last) == [20 * index + 10 for index in range(12)]


def test_trackingnet_is_read_as_the_toolkit_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track = read_trackingnet(write_trackingnet(tmp_path)).tracks[0]
    # The constructor asks for all twelve chunks and forgets `frames`; names are sorted only if they have no folder.
    toolkit = TrackingNet.__new__(TrackingNet)
    toolkit.seq_names, toolkit.seq_dirs = [track.name], [""]
    toolkit.anno_files = [str(tmp_path / "TRAIN_0" / "anno" / f"{track.name}.txt")]
    monkeypatch.chdir(track.folder)
    files, boxes = toolkit[track.name]
    assert track.files is not None
    assert [track.files.path(track.folder, index).name for index in range(track.files.count)] == files
    np.testing.assert_array_equal(track.boxes, boxes)


def test_vid_counts_from_zero_and_has_a_track_for_every_object_that_stays(tmp_path: Path) -> None:
    data = read_training_data(write_vid(tmp_path))
    boxes = by_name(data.tracks)
    name = "ILSVRC2015_train_00000000"
    assert list(boxes) == [f"{name}.0", f"{name}.1", "ILSVRC2015_val_00000000.0"]
    np.testing.assert_array_equal(boxes[f"{name}.0"], [(0, 0, 10, 20), (1, 0, 10, 20), NONE, NONE])
    np.testing.assert_array_equal(boxes[f"{name}.1"], [NONE, (30, 20, 34, 28), (31, 20, 33, 28), NONE])
    assert levels(data, data.tracks[1]) == [20, 40, 60, 80]
    assert levels(data, data.tracks[2]) == [100, 120]


def test_vid_is_read_as_the_toolkit_reads_it(tmp_path: Path) -> None:
    tracks = read_vid(write_vid(tmp_path / "data")).tracks
    toolkit = ImageNetVID(str(tmp_path / "data"), cache_dir=str(tmp_path / "cache"))
    assert [track.name for track in tracks] == toolkit.seq_names
    for track in tracks:
        files, boxes = toolkit[track.name]
        assert track.files is not None
        shown = np.flatnonzero(np.isfinite(track.boxes).all(axis=1))
        assert [str(track.files.path(track.folder, int(index))) for index in shown] == files
        np.testing.assert_array_equal(track.boxes[shown], boxes)


def test_youtube_bb_is_in_shares_of_the_picture_and_in_the_order_of_time(tmp_path: Path) -> None:
    data = read_training_data(write_youtube_bb(tmp_path))
    boxes = by_name(data.tracks)
    assert list(boxes) == ["-ABc_1_23_0", "-ABc_1_23_1"]
    # Pictures have 64 x 48 pixels; what is above the picture is cut off, and a box without a width is none.
    np.testing.assert_allclose(boxes["-ABc_1_23_0"], [(8, 12, 24, 24), NONE, (16, 0, 32, 24)])
    np.testing.assert_allclose(boxes["-ABc_1_23_1"], [(16, 24, 16, 24), (32, 24, 32, 24)])
    assert [levels(data, track) for track in data.tracks] == [[90, 100, 120], [91, 101]]
    assert {track.group for track in data.tracks} == {"-ABc_1"}  # of one video: no negatives of each other
    # A frame a second: two seconds are sixty frames of a usual video.
    first = data.tracks[0]
    assert [first.frames_within(0, gap).tolist() for gap in (59, 60)] == [[0], [0, 2]]


def test_coco_gives_objects_of_photographs_without_crowds_and_small_ones(tmp_path: Path) -> None:
    stills = read_training_data(write_coco(tmp_path)).stills
    assert stills is not None
    whole, cut = stills.objects
    assert (whole.photo.name, whole.box, whole.whole) == ("000000000025.jpg", (10.25, 20.5, 40, 30.75), True)
    assert (cut.photo.name, cut.box, cut.whole) == ("000000000009.jpg", (100, 0, 60, 50), False)
    assert stills.masked == stills.cutouts == ()
    assert [photo.name for photo in stills.photos] == ["000000000009.jpg", "000000000025.jpg"]
    assert all(photo.is_file() for photo in stills.photos)


def write_white_box(root: Path, name: str) -> Path:
    """Two pictures with white pixels in columns 10 to 29 and rows 5 to 22, marked as the data set marks them."""
    if name == "GOT-10k":
        write_lines(root / "train" / "list.txt", ["GOT-10k_Train_000001"])
        write_got10k_sequence(root / "train" / "GOT-10k_Train_000001", ["11,6,20,18"] * 2, absence="00", cover="88")
    elif name == "LaSOT":
        write_lasot_sequence(root / "airplane" / "airplane-2", ["11,6,20,18"] * 2, occluded="00", outside="00")
    elif name == "TrackingNet":
        for index in range(2):
            picture(root / "TRAIN_3" / "frames" / "one" / f"{index}.jpg", 0)
        write_lines(root / "TRAIN_3" / "anno" / "one.txt", ["10.00,5.00,20.00,18.00"] * 2)
    elif name == "ILSVRC2015 VID":
        write_vid_sequence(root, "val/ILSVRC2015_val_00000000", [[(0, 10, 5, 29, 22)]] * 2)
    elif name == "YouTube-BB":
        for time in (0, 1000):
            picture(root / "yt_bb_detection_train" / "0" / f"a_{time}_0_0.jpg", 0)
        rows = [f"a,{time},0,person,0,present,{10 / 64},{30 / 64},{5 / 48},{23 / 48}" for time in (0, 1000)]
        write_lines(root / "yt_bb_detection_train.csv", rows)
    else:
        write_coco(root)
        table = root / COCO_TABLE
        content = json.loads(table.read_text())
        content["annotations"] = [{"image_id": 9, "bbox": [10, 5, 20, 18], "iscrowd": 0}]
        table.write_text(json.dumps(content))
    image = np.zeros((48, 64, 3), np.uint8)
    image[5:23, 10:30] = 255
    for path in root.rglob("*"):
        if path.suffix.lower() in (".jpg", ".jpeg"):
            cv2.imwrite(str(path), image, [cv2.IMWRITE_JPEG_QUALITY, 98])
    return root


@pytest.mark.parametrize("name", WRITERS)
def test_the_box_is_on_the_pixels_that_the_data_set_means(tmp_path: Path, name: str) -> None:
    data = read_training_data(write_white_box(tmp_path, name))
    if data.stills is not None:
        (item,) = data.stills.objects
        box, image = item.box, cv2.imread(str(item.photo))
    else:
        assert data.cache is not None
        (track,) = data.tracks
        box, image = track.box(1), data.cache.frame(track.folder, 1)
    assert image is not None
    white = np.argwhere(image[:, :, 0] > 127)
    (top, left), (bottom, right) = white.min(axis=0), white.max(axis=0) + 1
    assert box == (left, top, right - left, bottom - top)


@pytest.mark.parametrize("name", WRITERS)
def test_a_layout_is_recognized_by_what_is_in_it_alone(tmp_path: Path, name: str) -> None:
    root = WRITERS[name](tmp_path)
    assert [each.name for each in TRAINING_FORMATS if each.matches(root)] == [name]


def test_our_own_folders_are_no_layout(training_folder: Path) -> None:
    for folder in (training_folder, *training_folder.iterdir()):
        assert not [each.name for each in TRAINING_FORMATS if each.matches(folder)]


def test_several_data_sets_and_our_own_stand_side_by_side(
    training_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("clips", "stills"):
        shutil.copytree(training_folder / name, tmp_path / name)
    shutil.copytree(training_folder / "clips" / "airplane", tmp_path / "clips" / "airplane-10")
    for name, write in WRITERS.items():
        write(tmp_path / name)
    data = read_training_data(tmp_path, ["airplane"])
    assert len(data.tracks) == 2 + 2 + 2 + 2 + 3 + 2
    assert [track.name for track in data.validation] == ["airplane", "GOT-10k_Val_000001"]
    assert data.stills is not None
    assert len(data.stills.objects) == 3 + 2
    assert len(data.stills.photos) == 3 + 2
    twins = [track for track in data.tracks if track.name == "airplane-10"]  # a clip of ours and one of LaSOT
    assert [len(track.boxes) for track in twins] == [8, 4]
    assert data.cache is not None
    assert [data.cache.count(track.folder) for track in twins] == [8, 4]
    assert [data.cache.frame(track.folder, 3).shape for track in twins] == [(120, 160, 3), (48, 64, 3)]
    copied = next((tmp_path / "cache").glob("*.json")).read_text()
    assert sorted(json.loads(copied)["offsets"]) == ["airplane", "airplane-10", "moving_square"]


@pytest.mark.parametrize("name", WRITERS)
def test_reading_decodes_no_picture_and_writes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    WRITERS[name](tmp_path)
    before = sorted(tmp_path.rglob("*"))

    def refuse(*args: object) -> None:
        raise AssertionError("a picture was decoded")

    monkeypatch.setattr(training_tracks.cv2, "imread", refuse)
    read_training_data(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_thousands_of_sequences_take_little_memory(tmp_path: Path) -> None:
    count, frames = 100, 100
    names = [f"GOT-10k_Train_{number + 1:06d}" for number in range(count)]
    for name in names:
        folder = tmp_path / "train" / name
        folder.mkdir(parents=True)
        for index in range(frames):
            (folder / f"{index + 1:08d}.jpg").touch()
        write_lines(folder / "groundtruth.txt", ["1,1,20,20"] * frames)
        write_lines(folder / "absence.label", ["0"] * frames)
        write_lines(folder / "cover.label", ["8"] * frames)
    write_lines(tmp_path / "train" / "list.txt", names)
    tracemalloc.start()
    try:
        data = read_training_data(tmp_path)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(data.tracks) == count
    assert held < count * (frames * 4 * 8 + 2500)  # the boxes and a little more: no list of files


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "COCO"])
def test_pairs_are_made_of_every_layout_in_any_process(tmp_path: Path, name: str) -> None:
    data = read_training_data(WRITERS[name](tmp_path))
    sources = make_sources(data, MixSettings(video=1, stills=0, composed=0), AREA)
    maker = PairMaker(sources, (), 0.0, GeometrySettings(), PhotometricSettings(), 127, 239)
    copy = pickle.loads(pickle.dumps(maker))
    first, second = (made.make(np.random.default_rng(5)) for made in (maker, copy))
    np.testing.assert_array_equal(first.search, second.search)


def test_pairs_are_made_of_photographs_of_coco(tmp_path: Path) -> None:
    data = read_training_data(write_coco(tmp_path))
    assert data.stills is not None
    sources = make_sources(data, MixSettings(video=0, stills=1, composed=0), AREA)
    maker = PairMaker(sources, data.stills.photos, 0.0, GeometrySettings(), PhotometricSettings(), 127, 239)
    assert maker.make(np.random.default_rng(0)).search.shape == (239, 239, 3)


def remove(name: str) -> Callable[[Path], None]:
    """What takes a file or a folder away."""

    def apply(root: Path) -> None:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return apply


def write(name: str, text: str) -> Callable[[Path], None]:
    """What replaces a file."""
    return lambda root: (root / name).write_text(text) and None


GOT = "train/GOT-10k_Train_000001"
VID = "VID/train/ILSVRC2015_VID_train_0000/ILSVRC2015_train_00000000"
YTBB = "yt_bb_detection_train"
COCO_TABLE = "annotations/instances_train2017.json"


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("GOT-10k", remove("train/list.txt"), "train holds sequences of GOT-10k and no list.txt: copy it"),
        ("GOT-10k", write("train/list.txt", "\n"), "list.txt is empty"),
        ("GOT-10k", remove(GOT), f"list.txt names GOT-10k_Train_000001, and .*{GOT} does not exist: unpack it"),
        ("GOT-10k", remove(f"{GOT}/groundtruth.txt"), f"{GOT}/groundtruth.txt cannot be read: No such file.*unpack"),
        ("GOT-10k", remove(f"{GOT}/cover.label"), f"{GOT}/cover.label cannot be read: No such file.*unpack"),
        ("GOT-10k", write(f"{GOT}/absence.label", "0\n1\n"), f"{GOT}/absence.label has 2 numbers for 5 boxes.*unpack"),
        ("GOT-10k", write(f"{GOT}/absence.label", "0\nx\n"), f"{GOT}/absence.label is not whole numbers.*'x'"),
        ("GOT-10k", write(f"{GOT}/groundtruth.txt", "1,1,9\n"), f"{GOT}/groundtruth.txt, line 1: 3 numbers"),
        ("GOT-10k", write(f"{GOT}/groundtruth.txt", "1,1,9,9\n"), f"{GOT}/groundtruth.txt has 1 boxes for 5 pictures"),
        ("GOT-10k", remove(f"{GOT}/00000003.jpg"), f"{GOT}/00000003.jpg is missing.*unpack .*GOT-10k_Train_000001"),
        ("GOT-10k", remove(f"{GOT}/00000005.jpg"), f"{GOT}/groundtruth.txt has 5 boxes for 4 pictures"),
        ("LaSOT", remove("airplane/airplane-10/out_of_view.txt"), "airplane-10/out_of_view.txt cannot be read"),
        ("LaSOT", remove("airplane/airplane-10/img"), "airplane-10/img cannot be read.*unpack sequence airplane-10"),
        ("LaSOT", write("airplane/airplane-10/full_occlusion.txt", "0,0,0"), "full_occlusion.txt has 3 numbers for 4"),
        ("TrackingNet", remove("TRAIN_0/anno"), "TRAIN_0 lacks the folder anno/: unpack it"),
        ("TrackingNet", remove("TRAIN_0/anno/-3TIfnTSM6c_2.txt"), "TRAIN_0/anno holds no NAME.txt"),
        ("TrackingNet", remove("TRAIN_11/frames/-3TIfnTSM6c_2"), "TRAIN_11/anno/.*has no frames: unpack .*zip"),
        ("TrackingNet", remove("TRAIN_0/frames/-3TIfnTSM6c_2/0.jpg"), "0.jpg is missing from the 11"),
        ("TrackingNet", write("TRAIN_0/anno/-3TIfnTSM6c_2.txt", ""), "anno/-3TIfnTSM6c_2.txt is empty"),
        ("ILSVRC2015 VID", remove("Annotations"), "Annotations/VID does not exist"),
        ("ILSVRC2015 VID", remove(f"Annotations/{VID}"), f"Annotations/{VID} cannot be read.*unpack"),
        ("ILSVRC2015 VID", remove(f"Annotations/{VID}/000003.xml"), "has 3 annotations for the 4 pictures"),
        ("ILSVRC2015 VID", write(f"Annotations/{VID}/000001.xml", "<annotation>"), "000001.xml is no annotation"),
        (
            "ILSVRC2015 VID",
            write(f"Annotations/{VID}/000001.xml", "<annotation><object/></annotation>"),
            "000001.xml is no annotation",
        ),
        ("YouTube-BB", remove(f"{YTBB}.csv"), f"{YTBB}.csv does not exist: YouTube-BB's table"),
        ("YouTube-BB", write(f"{YTBB}.csv", "a,1,2\n"), f"{YTBB}.csv, line 1 is no row of YouTube-BB"),
        ("YouTube-BB", write(f"{YTBB}.csv", "id,time,class,name,n,p,0,1,0,1\n"), "without a head line"),
        ("YouTube-BB", remove(YTBB), f"{YTBB} holds no two frames of one object"),
        ("COCO", remove(COCO_TABLE), "instances_train2017.json cannot be read: No such file.*unpack"),
        ("COCO", write(COCO_TABLE, '{"images": ['), "instances_train2017.json is no table of COCO's instances"),
        ("COCO", write(COCO_TABLE, '{"images": []}'), "is no table of COCO's instances"),
        ("COCO", write(COCO_TABLE, '{"images": [], "annotations": []}'), "holds no object with sides of 16 pixels"),
        (
            "COCO",
            remove("train2017/000000000009.jpg"),
            "names 000000000009.jpg, and .* does not exist: unpack train2017",
        ),
    ],
)
def test_an_unusable_data_set_is_named_with_the_file_and_what_to_do(
    tmp_path: Path, name: str, damage: Callable[[Path], None], message: str
) -> None:
    root = WRITERS[name](tmp_path)
    damage(root)
    with pytest.raises(DataError, match=message):
        read_training_data(root)


@pytest.mark.parametrize("name", ["airplane-1", "lantern-3"])  # of the test split, and of the extension
def test_lasot_without_its_training_split_is_nothing_to_train_on(tmp_path: Path, name: str) -> None:
    write_lasot_sequence(tmp_path / name.split("-", maxsplit=1)[0] / name, ["4,4,8,8"], occluded="0", outside="0")
    with pytest.raises(DataError, match="no sequence of LaSOT's training split"):
        read_training_data(tmp_path)


@pytest.mark.parametrize("damage", ["gone", "no picture"])
def test_a_frame_that_cannot_be_read_later_is_named(tmp_path: Path, damage: str) -> None:
    data = read_training_data(write_got10k(tmp_path))
    assert data.cache is not None
    path = tmp_path / GOT / "00000002.jpg"
    path.unlink() if damage == "gone" else path.write_text("no picture")
    with pytest.raises(DataError, match=f"{GOT}/00000002.jpg cannot be read as a picture: unpack"):
        data.cache.frame(data.tracks[0].folder, 1)


def test_coco_objects_need_their_photograph_in_the_table(tmp_path: Path) -> None:
    table = write_coco(tmp_path) / COCO_TABLE
    content = json.loads(table.read_text())
    content["images"] = content["images"][:1]
    table.write_text(json.dumps(content))
    with pytest.raises(DataError, match="in image 25, which the table does not list"):
        read_coco(tmp_path)
