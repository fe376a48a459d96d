"""From a video and key frames to sequences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from labelled_videos import COVERED, behind_a_board, straight_on, write_pictures

from siamtrack.boxes import Box, iou
from siamtrack.datasets.training_tracks import decode_frames, read_tracks
from siamtrack.errors import BoxError, DataError, OutputError, UsageError
from siamtrack.labelling import window, workflow
from siamtrack.labelling.folder import format_key_frames, read_key_frames
from siamtrack.labelling.key_frames import KeyFrame, KeyFrames
from siamtrack.labelling.session import LabellingSession, Stage
from siamtrack.labelling.workflow import LabelJob, LabelSummary, label
from siamtrack.tracking.tracker import Tracker


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch: pytest.MonkeyPatch, tracker: Tracker) -> None:
    """Use the tracker that matches pixels for every model."""
    monkeypatch.setattr(workflow, "_load", lambda job: tracker)


@pytest.fixture(scope="session")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("straight") / "street", straight_on()[0])


@pytest.fixture(scope="session")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("board") / "board", behind_a_board()[0])


TRUTH = np.array(straight_on()[1])
"""Boxes of both videos."""


def write_keys(path: Path, *frames: int, gone: tuple[int, ...] = ()) -> Path:
    keys = [*(KeyFrame(frame, Box(*TRUTH[frame])) for frame in frames), *(KeyFrame(frame, None) for frame in gone)]
    path.write_text(format_key_frames(KeyFrames.of(keys)))
    return path


def test_label_interpolates_steady_motion_exactly(straight: Path, tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.csv", 4, 40)
    summary = label(LabelJob(str(straight), tmp_path / "out", boxes=keys, between="interpolate"))
    assert summary == LabelSummary(tmp_path / "out" / "street", 2, [(tmp_path / "out" / "street", 37)])
    (track,) = read_tracks(tmp_path / "out")
    assert track.boxes == pytest.approx(TRUTH[4:41], abs=1e-3)
    frames = straight_on()[0][4:41]
    for image, frame in zip(decode_frames(track.folder), frames, strict=True):
        assert np.abs(image.astype(int) - frame).mean() < 3


def test_label_tracks_close_to_the_truth(straight: Path, tmp_path: Path) -> None:
    label(LabelJob(str(straight), tmp_path, boxes=write_keys(tmp_path / "keys.csv", 0, 49), name="mine"))
    (track,) = read_tracks(tmp_path)
    assert track.name == "mine"
    assert iou(track.boxes, TRUTH).min() > 0.8


def test_label_writes_frames_with_a_hidden_target_without_a_box(straight: Path, tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.csv", 0, 20, 30, 40, gone=(21,))
    label(LabelJob(str(straight), tmp_path, boxes=keys, between="interpolate"))
    (track,) = read_tracks(tmp_path)
    assert np.flatnonzero(np.isnan(track.boxes[:, 0])).tolist() == list(range(21, 30))


def test_label_keeps_the_boxes_of_every_nth_frame(straight: Path, tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.csv", 2, 41)
    label(LabelJob(str(straight), tmp_path, boxes=keys, between="interpolate", every=4))
    (track,) = read_tracks(tmp_path)
    assert track.boxes == pytest.approx(TRUTH[2:42:4], abs=1e-3)


def test_label_with_a_check_writes_confirmed_runs(board: Path, tmp_path: Path) -> None:
    summary = label(LabelJob(str(board), tmp_path, boxes=write_keys(tmp_path / "keys.csv", 0), check=True))
    first, second = read_tracks(tmp_path)
    assert [first.name, second.name] == ["board", "board-2"]
    assert iou(first.boxes, TRUTH[: len(first.boxes)]).min() > 0.7
    assert iou(second.boxes, TRUTH[-len(second.boxes) :]).min() > 0.7
    assert 16 <= len(first.boxes) <= COVERED.start + 1
    assert COVERED.stop - 1 <= 50 - len(second.boxes) <= 34
    assert summary.confirmed is not None
    kept, tried = summary.confirmed
    assert tried == 50
    assert kept >= len(first.boxes) + len(second.boxes)


def test_label_leaves_out_frames_that_cannot_be_decoded(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "street", straight_on()[0][:12])
    (folder / "5.png").write_bytes(b"")
    job = LabelJob(str(folder), tmp_path / "out", boxes=write_keys(tmp_path / "keys.csv", 0, 11), between="interpolate")
    label(job)
    (track,) = read_tracks(tmp_path / "out")
    assert track.boxes == pytest.approx(np.delete(TRUTH[:12], 5, axis=0), abs=1e-3)
    assert len(list(decode_frames(track.folder))) == 11
    with pytest.raises(UsageError, match=r"keys.csv: frame 5 cannot be decoded: take the one before or after"):
        label(replace(job, boxes=write_keys(tmp_path / "keys.csv", 0, 5, 11)))


def test_label_resumes_after_an_interruption_with_the_same_result(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracker: Tracker
) -> None:
    keys = write_keys(tmp_path / "keys.csv", 0, 30)
    job = LabelJob(str(straight), tmp_path / "out", boxes=keys)

    def interrupt(job: LabelJob) -> Tracker:
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "_load", interrupt)
    with pytest.raises(KeyboardInterrupt):
        label(job)
    assert read_key_frames(tmp_path / "out" / "street" / "keyframes.csv") == read_key_frames(keys)
    with pytest.raises(DataError, match="holds no sequence"):
        read_tracks(tmp_path / "out")
    monkeypatch.setattr(workflow, "_load", lambda job: tracker)
    label(replace(job, boxes=tmp_path / "out" / "street" / "keyframes.csv"))
    label(replace(job, out=tmp_path / "other"))
    assert read_tracks(tmp_path / "out")[0].boxes == pytest.approx(read_tracks(tmp_path / "other")[0].boxes)


def test_label_refuses_to_lose_key_frames(straight: Path, tmp_path: Path) -> None:
    job = LabelJob(str(straight), tmp_path, boxes=write_keys(tmp_path / "keys.csv", 0, 20, 30), between="interpolate")
    label(job)
    with pytest.raises(UsageError, match=r"street has key frames that .*few.csv lacks or changes \(frame 20\)"):
        label(replace(job, boxes=write_keys(tmp_path / "few.csv", 0, 30)))
    label(replace(job, boxes=write_keys(tmp_path / "more.csv", 0, 20, 30, 40)))
    assert len(read_tracks(tmp_path)[0].boxes) == 41


def by_hand(monkeypatch: pytest.MonkeyPatch, *ends: Stage) -> list[LabellingSession]:
    """Play a user who draws two boxes and ends as given, and return the first states of the sessions."""
    started: list[LabellingSession] = []
    stages = iter(ends)

    def in_window(
        session: LabellingSession, frames: object, follow: object, save: object, title: str
    ) -> LabellingSession:
        started.append(session)
        keys = KeyFrames.of([KeyFrame(0, Box(*TRUTH[0])), KeyFrame(9, Box(*TRUTH[9]))])
        assert callable(save)
        save(keys)
        return replace(session, key_frames=keys, stage=next(stages))

    monkeypatch.setattr(workflow, "require_display", lambda purpose, instead: None)
    monkeypatch.setattr(window, "label_in_window", in_window)
    return started


def test_label_keeps_key_frames_when_the_user_leaves(
    straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = by_hand(monkeypatch, Stage.LEAVE, Stage.SAVE)
    job = LabelJob(str(straight), tmp_path, between="interpolate")
    assert label(job) == LabelSummary(tmp_path / "street", 2)
    assert not (tmp_path / "street" / "img").exists()
    assert label(job).parts == [(tmp_path / "street", 10)]
    assert len(started[0].key_frames) == 0
    assert [key.frame for key in started[1].key_frames] == [0, 9]
    assert started[1].frame == 9
    assert not started[1].can_track


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        ("60,10,90,40,48", UsageError, r"frame 60 is outside the video, which has 50 frames \(0 to 49\)"),
        ("-1,10,90,40,48", UsageError, "frame -1 is outside the video"),
        ("0,10,90,0,48", BoxError, "frame 0: box 10,90,0,48 is empty"),
        ("0,10,90,40,nan", BoxError, "frame 0: .* is not finite"),
        ("0,400,90,40,48", BoxError, "frame 0: .* lies outside the frame"),
        ("0,10,90,40,48", DataError, "fewer than two pictures would have a box: .* --check"),
        ("0,nan,nan,nan,nan", DataError, "fewer than two pictures would have a box"),
    ],
)
def test_label_names_impossible_key_frames(
    straight: Path, tmp_path: Path, lines: str, error: type[Exception], message: str
) -> None:
    keys = tmp_path / "keys.csv"
    keys.write_text(lines)
    with pytest.raises(error, match=message):
        label(LabelJob(str(straight), tmp_path, boxes=keys))


def test_label_says_when_a_check_confirms_nothing(straight: Path, tmp_path: Path) -> None:
    keys = write_keys(tmp_path / "keys.csv", 0, gone=(5,))
    with pytest.raises(DataError, match="agree in no 10 frames in a row: add key frames, or accept less with --agree"):
        label(LabelJob(str(straight), tmp_path, boxes=keys, check=True))


def test_label_refuses_wrong_options_before_it_reads(tmp_path: Path) -> None:
    job = LabelJob("missing.mp4", tmp_path, boxes=write_keys(tmp_path / "keys.csv", 0, 9))
    for changed, message in (
        (replace(job, agree=1.5), "--agree 1.5"),
        (replace(job, every=0), "--every 0"),
        (replace(job, check=True, between="interpolate"), "leave out --between interpolate"),
        (replace(job, tracker="siamtrack-bax"), "did you mean 'siamtrack-box'"),
    ):
        with pytest.raises(UsageError, match=message):
            label(changed)


def test_label_refuses_to_overwrite_the_video(tmp_path: Path) -> None:
    write_pictures(tmp_path / "clips" / "street" / "img", straight_on()[0][:12])
    job = LabelJob(
        str(tmp_path / "clips" / "street" / "img"),
        tmp_path / "clips",
        name="street",
        boxes=write_keys(tmp_path / "keys.csv", 0, 9),
    )
    with pytest.raises(UsageError, match="holds the video itself"):
        label(job)
    assert len(list((tmp_path / "clips" / "street" / "img").iterdir())) == 12


def test_label_names_an_output_folder_that_is_a_file(straight: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="out"):
        label(LabelJob(str(straight), tmp_path / "out", boxes=write_keys(tmp_path / "keys.csv", 0, 9)))
