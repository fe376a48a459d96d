"""Folders of labelled videos: they can be read again, and no interruption costs a key frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_videos import straight_on

from siamtrack.boxes import Box
from siamtrack.datasets.training_tracks import decode_frames, read_tracks
from siamtrack.errors import DataError, OutputError, UsageError
from siamtrack.labelling.folder import (
    LabelFolder,
    LabelledPart,
    LabelledVideo,
    LabelMethod,
    format_key_frames,
    read_key_frames,
)
from siamtrack.labelling.key_frames import KeyFrame, KeyFrames
from siamtrack.training.dataset import read_training_data

VIDEO = LabelledVideo(name="street.mp4", frames=50, width=320, height=240)
METHOD = LabelMethod(between="interpolate")
KEYS = KeyFrames.of([KeyFrame(0, Box(10, 90, 40, 48)), KeyFrame(7, None)])
FRAMES, TRUTH = straight_on(12)
BOXES = np.array(TRUTH)


def pictures(frames: range) -> Iterator[bytes]:
    for index in frames:
        yield cv2.imencode(".jpg", FRAMES[index], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def part(frames: range) -> LabelledPart:
    return LabelledPart(frames, pictures(frames), BOXES[frames.start : frames.stop : frames.step])


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_label_folder_is_read_by_training(tmp_path: Path) -> None:
    boxes = BOXES.copy()
    boxes[3] = np.nan
    folder = LabelFolder(tmp_path / "clips", "street", VIDEO)
    folder.save_key_frames(KEYS)
    written = folder.write([LabelledPart(range(12), pictures(range(12)), boxes)], METHOD)
    assert written == [tmp_path / "clips" / "street"]
    (track,) = read_tracks(tmp_path / "clips")
    assert track.name == "street"
    assert track.boxes == pytest.approx(boxes, abs=1e-3, nan_ok=True)
    for image, frame in zip(decode_frames(track.folder), FRAMES, strict=True):
        assert np.abs(image.astype(int) - frame).mean() < 3
    data = read_training_data(tmp_path)
    assert [each.name for each in data.tracks] == ["street"]
    assert data.cache is not None
    assert data.cache.count(track.folder) == 12


def test_label_folder_has_the_layout_of_otb(tmp_path: Path) -> None:
    folder = LabelFolder(tmp_path, "street", VIDEO)
    folder.save_key_frames(KEYS)
    folder.write([part(range(2))], METHOD)
    assert files(tmp_path) == [
        "street/groundtruth_rect.txt",
        "street/img/0001.jpg",
        "street/img/0002.jpg",
        "street/keyframes.csv",
        "street/label.json",
    ]
    truth = (tmp_path / "street" / "groundtruth_rect.txt").read_text()
    assert truth == "11.000,91.000,40.000,48.000\n15.000,91.000,40.000,48.000\n"  # the first pixel is 1


def test_label_folder_writes_further_parts_and_removes_old_ones(tmp_path: Path) -> None:
    LabelFolder(tmp_path, "street", VIDEO).write([part(range(2, 5)), part(range(6, 9)), part(range(9, 12))], METHOD)
    assert [track.name for track in read_tracks(tmp_path)] == ["street", "street-2", "street-3"]
    record = json.loads((tmp_path / "street" / "label.json").read_text())
    assert record["parts"][1] == {"folder": "street-2", "first": 6, "frames": 3}
    (tmp_path / "street-3" / "notes.txt").write_text("mine")
    LabelFolder(tmp_path, "street", VIDEO).write([part(range(12))], METHOD)
    assert [track.name for track in read_tracks(tmp_path)] == ["street"]
    assert not (tmp_path / "street-2").exists()
    assert files(tmp_path / "street-3") == ["notes.txt"]


def test_label_folder_returns_saved_key_frames(tmp_path: Path) -> None:
    folder = LabelFolder(tmp_path, "street", VIDEO)
    assert folder.read_key_frames() == KeyFrames()
    folder.save_key_frames(KEYS)
    again = LabelFolder(tmp_path, "street", VIDEO.model_copy(update={"name": "moved.mp4"}))
    assert again.read_key_frames() == KEYS


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OutputError("disk full")])
def test_label_folder_keeps_key_frames_and_sequence_after_an_interruption(tmp_path: Path, error: BaseException) -> None:
    def failing() -> Iterator[bytes]:
        yield from pictures(range(2))
        raise error

    folder = LabelFolder(tmp_path, "street", VIDEO)
    folder.save_key_frames(KEYS)
    folder.write([part(range(5))], METHOD)
    before = files(tmp_path)
    with pytest.raises(type(error)):
        folder.write([LabelledPart(range(12), failing(), BOXES)], METHOD)
    assert files(tmp_path) == before
    assert LabelFolder(tmp_path, "street", VIDEO).read_key_frames() == KEYS
    assert len(read_tracks(tmp_path)[0].boxes) == 5


def test_label_folder_without_boxes_is_not_a_sequence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop between the pictures and the boxes."""
    folder = LabelFolder(tmp_path, "street", VIDEO)
    folder.write([part(range(5))], METHOD)
    monkeypatch.setattr("siamtrack.labelling.folder.otb_line", lambda box: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        folder.write([part(range(12))], METHOD)
    with pytest.raises(DataError, match="holds no sequence"):
        read_tracks(tmp_path)
    monkeypatch.undo()
    LabelFolder(tmp_path, "street", VIDEO).write([part(range(12))], METHOD)
    assert len(read_tracks(tmp_path)[0].boxes) == 12


def test_label_folder_refuses_labels_of_another_video(tmp_path: Path) -> None:
    LabelFolder(tmp_path, "street", VIDEO).save_key_frames(KEYS)
    other = LabelledVideo(name="other.mp4", frames=20, width=320, height=240)
    with pytest.raises(UsageError, match=r"labels of street.mp4 \(50 frames of 320x240\), not of other.mp4"):
        LabelFolder(tmp_path, "street", other)
    assert LabelFolder(tmp_path, "street", VIDEO).read_key_frames() == KEYS


@pytest.mark.parametrize("name", ["street", "street-2"])
def test_label_folder_refuses_a_sequence_from_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / name / "img").mkdir(parents=True)
    (tmp_path / name / "groundtruth_rect.txt").write_text("1,2,3,4\n")
    with pytest.raises(UsageError, match=f"{name} holds a sequence that siamtrack label did not make"):
        LabelFolder(tmp_path, "street", VIDEO).write([part(range(3)), part(range(5, 9))], METHOD)
    assert (tmp_path / name / "groundtruth_rect.txt").read_text() == "1,2,3,4\n"


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b"])
def test_label_folder_refuses_a_name_that_is_not_of_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        LabelFolder(tmp_path, name, VIDEO)


def test_label_folder_names_a_damaged_record(tmp_path: Path) -> None:
    (tmp_path / "street").mkdir()
    (tmp_path / "street" / "label.json").write_text("{}")
    with pytest.raises(DataError, match=r"label.json is no record .* keyframes.csv has the key frames"):
        LabelFolder(tmp_path, "street", VIDEO)


def test_label_folder_names_an_output_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "street").write_text("a file")
    with pytest.raises(OutputError, match="street"):
        LabelFolder(tmp_path, "street", VIDEO)


sides = st.floats(2, 1e4)
boxes = st.one_of(st.none(), st.builds(Box, st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), sides, sides))


@given(keys=st.dictionaries(st.integers(0, 10**6), boxes, min_size=1))
def test_read_key_frames_returns_what_was_written(
    keys: dict[int, Box | None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    key_frames = KeyFrames.of(KeyFrame(frame, box) for frame, box in keys.items())
    path = tmp_path_factory.getbasetemp() / "keys.csv"
    path.write_text(format_key_frames(key_frames))
    assert read_key_frames(path) == key_frames


def test_read_key_frames_reads_files_written_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "keys.csv"
    path.write_text("30, 12.5, 4, 20, 30\n\n7,nan,nan,nan,nan\n9,,,,\n")
    assert read_key_frames(path).items == (KeyFrame(7, None), KeyFrame(9, None), KeyFrame(30, Box(12.5, 4, 20, 30)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no key frame"),
        ("frame,x,y,w,h\n", "holds no key frame"),
        ("0,1,2,3\n", "line 1: '0,1,2,3' is no key frame, frame,x,y,w,h"),
        ("0,1,2,3,4,5\n", "line 1: .* is no key frame"),
        ("0\n", "line 1: .* is no key frame"),
        ("frame,x,y,w,h\n0,a,2,3,4\n", "line 2: .* is no key frame"),
        ("0.5,1,2,3,4\n", "line 1: .* is no key frame"),
        ("3,1,2,30,40\n3,1,2,30,41\n", "line 2: frame 3 is there twice"),
    ],
)
def test_read_key_frames_names_a_wrong_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "keys.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_key_frames(path)


def test_read_key_frames_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.csv cannot be read"):
        read_key_frames(tmp_path / "missing.csv")
