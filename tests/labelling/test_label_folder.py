"""The folder of a labelled video: what is written is read again, and what ends the writing costs no key frame."""

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
from siamtrack.labelling.annotations import Annotations, Key
from siamtrack.labelling.folder import LabelFolder, Method, Piece, Video, format_keys, read_keys
from siamtrack.training.dataset import read_training_data

VIDEO = Video(name="street.mp4", frames=50, width=320, height=240)
METHOD = Method(between="interpolate")
KEYS = Annotations.of([Key(0, Box(10, 90, 40, 48)), Key(7, None)])
FRAMES, TRUTH = straight_on(12)
BOXES = np.array(TRUTH)


def pictures(frames: range) -> Iterator[bytes]:
    for index in frames:
        yield cv2.imencode(".jpg", FRAMES[index], [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def piece(frames: range) -> Piece:
    return Piece(frames, pictures(frames), BOXES[frames.start : frames.stop : frames.step])


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def test_training_reads_what_is_written(tmp_path: Path) -> None:
    boxes = BOXES.copy()
    boxes[3] = np.nan
    folder = LabelFolder(tmp_path / "clips", "street", VIDEO)
    folder.save_keys(KEYS)
    written = folder.write([Piece(range(12), pictures(range(12)), boxes)], METHOD)
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


def test_the_files_are_otbs(tmp_path: Path) -> None:
    folder = LabelFolder(tmp_path, "street", VIDEO)
    folder.save_keys(KEYS)
    folder.write([piece(range(2))], METHOD)
    assert files(tmp_path) == [
        "street/groundtruth_rect.txt",
        "street/img/0001.jpg",
        "street/img/0002.jpg",
        "street/keyframes.csv",
        "street/label.json",
    ]
    truth = (tmp_path / "street" / "groundtruth_rect.txt").read_text()
    assert truth == "11.000,91.000,40.000,48.000\n15.000,91.000,40.000,48.000\n"  # the first pixel is 1


def test_further_pieces_are_sequences_of_their_own_and_go_when_they_are_no_more(tmp_path: Path) -> None:
    LabelFolder(tmp_path, "street", VIDEO).write([piece(range(2, 5)), piece(range(6, 9)), piece(range(9, 12))], METHOD)
    assert [track.name for track in read_tracks(tmp_path)] == ["street", "street-2", "street-3"]
    record = json.loads((tmp_path / "street" / "label.json").read_text())
    assert record["parts"][1] == {"folder": "street-2", "first": 6, "frames": 3}
    (tmp_path / "street-3" / "notes.txt").write_text("mine")
    LabelFolder(tmp_path, "street", VIDEO).write([piece(range(12))], METHOD)
    assert [track.name for track in read_tracks(tmp_path)] == ["street"]
    assert not (tmp_path / "street-2").exists()
    assert files(tmp_path / "street-3") == ["notes.txt"]


def test_labelling_goes_on_with_the_key_frames_that_were_saved(tmp_path: Path) -> None:
    folder = LabelFolder(tmp_path, "street", VIDEO)
    assert folder.read_keys() == Annotations()
    folder.save_keys(KEYS)
    again = LabelFolder(tmp_path, "street", VIDEO.model_copy(update={"name": "moved.mp4"}))
    assert again.read_keys() == KEYS


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OutputError("disk full")])
def test_what_ends_the_writing_leaves_the_key_frames_and_the_sequence_of_before(
    tmp_path: Path, error: BaseException
) -> None:
    def failing() -> Iterator[bytes]:
        yield from pictures(range(2))
        raise error

    folder = LabelFolder(tmp_path, "street", VIDEO)
    folder.save_keys(KEYS)
    folder.write([piece(range(5))], METHOD)
    before = files(tmp_path)
    with pytest.raises(type(error)):
        folder.write([Piece(range(12), failing(), BOXES)], METHOD)
    assert files(tmp_path) == before
    assert LabelFolder(tmp_path, "street", VIDEO).read_keys() == KEYS
    assert len(read_tracks(tmp_path)[0].boxes) == 5


def test_a_folder_without_its_boxes_is_no_sequence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends between the pictures and the boxes."""
    folder = LabelFolder(tmp_path, "street", VIDEO)
    folder.write([piece(range(5))], METHOD)
    monkeypatch.setattr("siamtrack.labelling.folder.otb_line", lambda box: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        folder.write([piece(range(12))], METHOD)
    with pytest.raises(DataError, match="holds no sequence"):
        read_tracks(tmp_path)
    monkeypatch.undo()
    LabelFolder(tmp_path, "street", VIDEO).write([piece(range(12))], METHOD)
    assert len(read_tracks(tmp_path)[0].boxes) == 12


def test_labels_of_another_video_are_refused(tmp_path: Path) -> None:
    LabelFolder(tmp_path, "street", VIDEO).save_keys(KEYS)
    other = Video(name="other.mp4", frames=20, width=320, height=240)
    with pytest.raises(UsageError, match=r"labels of street.mp4 \(50 frames of 320x240\), not of other.mp4"):
        LabelFolder(tmp_path, "street", other)
    assert LabelFolder(tmp_path, "street", VIDEO).read_keys() == KEYS


@pytest.mark.parametrize("name", ["street", "street-2"])
def test_a_sequence_that_was_not_made_here_is_not_touched(tmp_path: Path, name: str) -> None:
    (tmp_path / name / "img").mkdir(parents=True)
    (tmp_path / name / "groundtruth_rect.txt").write_text("1,2,3,4\n")
    with pytest.raises(UsageError, match=f"{name} holds a sequence that siamtrack label did not make"):
        LabelFolder(tmp_path, "street", VIDEO).write([piece(range(3)), piece(range(5, 9))], METHOD)
    assert (tmp_path / name / "groundtruth_rect.txt").read_text() == "1,2,3,4\n"


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b"])
def test_a_name_is_that_of_a_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        LabelFolder(tmp_path, name, VIDEO)


def test_a_damaged_record_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "street").mkdir()
    (tmp_path / "street" / "label.json").write_text("{}")
    with pytest.raises(DataError, match=r"label.json is no record .* keyframes.csv has the key frames"):
        LabelFolder(tmp_path, "street", VIDEO)


def test_an_output_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "street").write_text("a file")
    with pytest.raises(OutputError, match="street"):
        LabelFolder(tmp_path, "street", VIDEO)


sides = st.floats(2, 1e4)
boxes = st.one_of(st.none(), st.builds(Box, st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), sides, sides))


@given(keys=st.dictionaries(st.integers(0, 10**6), boxes, min_size=1))
def test_key_frames_are_read_exactly_as_they_were(
    keys: dict[int, Box | None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    annotations = Annotations.of(Key(frame, box) for frame, box in keys.items())
    path = tmp_path_factory.getbasetemp() / "keys.csv"
    path.write_text(format_keys(annotations))
    assert read_keys(path) == annotations


def test_key_frames_may_be_written_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "keys.csv"
    path.write_text("30, 12.5, 4, 20, 30\n\n7,nan,nan,nan,nan\n9,,,,\n")
    assert read_keys(path).keys == (Key(7, None), Key(9, None), Key(30, Box(12.5, 4, 20, 30)))


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
def test_a_line_that_is_no_key_frame_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "keys.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_keys(path)


def test_a_file_of_key_frames_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.csv cannot be read"):
        read_keys(tmp_path / "missing.csv")
