"""Sequences in OTB's layout, and the cache of their frames."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from siamtrack.datasets import training_tracks
from siamtrack.datasets.annotations import read_boxes
from siamtrack.datasets.training_tracks import FrameCache, decode_frames, read_tracks
from siamtrack.errors import DataError
from siamtrack.io.sources import open_source


def test_boxes_are_read_from_every_separator_and_become_zero_based(tmp_path: Path) -> None:
    path = tmp_path / "groundtruth_rect.txt"
    path.write_text("1,2,30,40\n11\t12\t5\t6\n3 4 5.5 6\nnan,nan,nan,nan\n\n \n")
    expected = [[0, 1, 30, 40], [10, 11, 5, 6], [2, 3, 5.5, 6], [np.nan] * 4]
    np.testing.assert_array_equal(read_boxes(path), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n", "line 1: 3 numbers"),
        ("1,2,3,4\na,b,c,d\n", "line 2"),
        ("1,2,3,4\n\n5,6,7,8\n", "line 2 is blank"),
        ("\n1,2,3,4\n", "line 1 is blank"),
        ("", "is empty"),
        ("\n \n", "is empty"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "groundtruth_rect.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_boxes(path)
    assert str(path) in str(caught.value)


def test_tracks_know_in_which_frames_they_are_visible(training_folder: Path) -> None:
    tracks = read_tracks(training_folder / "clips")
    assert [track.name for track in tracks] == ["airplane", "moving_square"]
    assert tracks[1].visible.tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert tracks[1].box(4) == (48, 34, 30, 30)


def test_a_folder_of_several_targets_gives_a_track_each(training_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pair"
    folder.mkdir()
    (folder / "groundtruth_rect.1.txt").write_text("1,1,9,9\n")
    (folder / "groundtruth_rect.2.txt").write_text("5,5,9,9\n")
    assert [track.name for track in read_tracks(tmp_path)] == ["pair.1", "pair.2"]


def sequence(folder: Path) -> None:
    folder.mkdir()
    (folder / "groundtruth_rect.txt").write_text("1,1,9,9\n")


def test_labelled_sequences_of_one_video_are_one_group(tmp_path: Path) -> None:
    for name in ("street", "street-2", "other"):
        sequence(tmp_path / name)
    parts = [{"folder": "street", "first": 0, "frames": 1}, {"folder": "street-2", "first": 9, "frames": 1}]
    record = {"video": {"name": "street.mp4", "frames": 20, "width": 64, "height": 48}, "parts": parts}
    (tmp_path / "street" / "label.json").write_text(json.dumps(record))
    groups = {track.name: track.group for track in read_tracks(tmp_path)}
    assert groups == {"other": "other", "street": "street.mp4", "street-2": "street.mp4"}


@pytest.mark.parametrize("text", ["", "[]", '{"video": {}, "parts": [{"folder": "street"}]}', '{"parts": 1}'])
def test_a_broken_record_of_labels_is_named(tmp_path: Path, text: str) -> None:
    sequence(tmp_path / "street")
    (tmp_path / "street" / "label.json").write_text(text)
    with pytest.raises(DataError, match=r"label\.json cannot be read as a record of siamtrack label"):
        read_tracks(tmp_path)


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no sequence"):
        read_tracks(tmp_path)


def test_the_cache_gives_any_frame_in_any_order(training_folder: Path, tmp_path: Path) -> None:
    folders = sorted((training_folder / "clips").iterdir())
    cache = FrameCache.build(folders, tmp_path)
    for folder in folders:
        frames = list(decode_frames(folder))
        assert cache.count(folder) == len(frames) == 8
        for index in (7, 0, 3):
            difference = cache.frame(folder, index).astype(int) - frames[index]
            assert np.abs(difference).mean() < 6  # it is JPEG again; another frame differs by more than 20


def test_the_cache_is_made_once_and_anew_for_changed_data(training_folder: Path, tmp_path: Path) -> None:
    folders = sorted((training_folder / "clips").iterdir())
    FrameCache.build(folders, tmp_path)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    FrameCache.build(folders, tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == made
    FrameCache.build(folders[:1], tmp_path)
    assert len(list(tmp_path.glob("*.bin"))) == 2


def test_decode_frames_gives_the_same_pixels_as_tracking(tmp_path: Path) -> None:
    folder = tmp_path / "walk"
    folder.mkdir()
    writer = cv2.VideoWriter(str(folder / "walk.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 30, (64, 48))
    for index in range(6):
        writer.write(np.full((48, 64, 3), (40 * index, 200, 255 - 30 * index), np.uint8))
    writer.release()
    with open_source(folder / "walk.mp4") as source:
        tracked = [frame.image for frame in source]
    assert len(tracked) == 6
    np.testing.assert_array_equal(list(decode_frames(folder)), tracked)


def test_frame_cache_of_another_decoder_is_not_used(
    training_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = sorted((training_folder / "clips").iterdir())
    FrameCache.build(folders, tmp_path)
    monkeypatch.setattr(training_tracks, "DECODER", "another")
    FrameCache.build(folders, tmp_path)
    assert len(list(tmp_path.glob("*.bin"))) == 2


def test_an_interrupted_cache_is_made_anew(training_folder: Path, tmp_path: Path) -> None:
    folders = sorted((training_folder / "clips").iterdir())
    FrameCache.build(folders, tmp_path)
    (binary,) = tmp_path.glob("*.bin")
    binary.with_suffix(".json").unlink()  # the index is written last
    binary.write_bytes(b"half")
    assert FrameCache.build(folders, tmp_path).frame(folders[0], 7).shape == (120, 160, 3)


def test_the_cache_travels_to_other_processes(training_folder: Path, tmp_path: Path) -> None:
    folder = training_folder / "clips" / "airplane"
    cache = FrameCache.build([folder], tmp_path)
    copy = pickle.loads(pickle.dumps(cache))
    np.testing.assert_array_equal(copy.frame(folder, 5), cache.frame(folder, 5))


def test_sequences_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two sequences are called dog"):
        FrameCache.build([tmp_path / "a" / "dog", tmp_path / "b" / "dog"], tmp_path)
