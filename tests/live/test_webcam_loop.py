"""A run from the first frame to the last, with a screen that is played by the test, and without one."""

from __future__ import annotations

import csv
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from live_sources import Camera, Pictures
from played_screen import NO_KEY, Screen, Step, drag
from scenes import Sequence

from siamtrack.boxes import Box, iou
from siamtrack.errors import BoxError, OutputError, SourceError, UsageError
from siamtrack.io.live.base import LiveFrame
from siamtrack.live import loop, webcam
from siamtrack.live.loop import Summary
from siamtrack.live.overlay import Scene
from siamtrack.live.webcam import WebcamJob
from siamtrack.system.progress import Progress
from siamtrack.tracking.tracker import Tracker

SPACE, ESC = 32, 27
DOWN, MOVE, UP = cv2.EVENT_LBUTTONDOWN, cv2.EVENT_MOUSEMOVE, cv2.EVENT_LBUTTONUP


@pytest.fixture(autouse=True)
def _small_model(pixel_tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webcam, "_load", lambda job: pixel_tracker)


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def box_of(row: dict[str, str]) -> Box:
    return Box(*(float(row[name]) for name in "xywh"))


def placed(rows: list[dict[str, str]]) -> list[tuple[int, int]]:
    """Frame and target of each row."""
    return [(int(row["frame"]), int(row["target"])) for row in rows]


def measure(path: Path) -> tuple[int, Fraction]:
    """Frames and rate of a video, every frame of which decodes."""
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        assert rate is not None
        return sum(1 for _ in container.decode(video=0)), rate


# Without a window


def test_a_row_for_each_frame_and_target_and_boxes_where_they_are(two: Sequence, tmp_path: Path) -> None:
    table, video = tmp_path / "boxes.csv", tmp_path / "out.mp4"
    source = Pictures(two.frames)
    first = tuple(track[0] for track in two.boxes)
    summary = webcam.follow(WebcamJob("x", first, record=video, csv=table), lambda name: source)
    rows = read_rows(table)
    assert placed(rows) == list(itertools.product(range(30), (1, 2)))
    for row in rows:
        truth = two.boxes[int(row["target"]) - 1][int(row["frame"])]
        assert iou(np.array(box_of(row)), np.array(truth)) > 0.7
        assert float(row["time"]) == pytest.approx(int(row["frame"]) / 25)
    assert (rows[0]["score"], rows[0]["status"]) == ("1.0000", "tracked")
    assert measure(video) == (30, 25)
    assert (summary.frames, summary.targets, summary.dropped, summary.stopped_by) == (30, 2, 0, None)
    assert summary.files == [video, table]
    assert source.closed


def test_frames_at_irregular_times_play_at_their_own_speed(two: Sequence, tmp_path: Path) -> None:
    video = tmp_path / "out.mp4"
    gaps = np.random.default_rng(3).uniform(0.01, 0.2, 29)
    times = [0.0, *np.cumsum(gaps).tolist()]
    source = Pictures(two.frames, times, is_file=False)
    job = WebcamJob("x", (two.boxes[0][0],), record=video)
    webcam.follow(job, lambda name: source)
    frames, rate = measure(video)
    assert rate == 25
    assert frames / rate == pytest.approx(times[-1], abs=0.08)


class Stalling(Pictures):
    """A camera that pauses before its sixth picture for half a second more than pictures are waited for."""

    paused = False

    def poll(self, timeout: float) -> LiveFrame | None:
        if self.asked != 5 or time.monotonic() - self._last > 1.0:
            self._last = time.monotonic()
            return next(self)
        self.notice, self.paused = "no picture", True
        time.sleep(timeout)
        return None


def test_a_stall_is_seen_in_the_recording_as_it_was(two: Sequence, tmp_path: Path) -> None:
    video = tmp_path / "out.mp4"
    source = Stalling(two.frames[:8], [0.0, 0.04, 0.08, 0.12, 0.16, 1.2, 1.24, 1.28], is_file=False)
    webcam.follow(WebcamJob("x", (two.boxes[0][0],), record=video), lambda name: source)
    assert source.paused
    assert measure(video)[0] == pytest.approx(33, abs=1)


def test_progress_counts_the_frames(two: Sequence, tmp_path: Path) -> None:
    reports: list[Progress] = []
    job = WebcamJob("x", (two.boxes[0][0],), csv=tmp_path / "boxes.csv")
    webcam.follow(job, lambda name: Pictures(two.frames), reports.append)
    assert [(each.done, each.total) for each in reports] == [(frames, 30) for frames in range(1, 31)]


def test_frames_of_a_camera_that_nobody_had_time_for_are_counted(two: Sequence, tmp_path: Path) -> None:
    source = Camera(two.frames * 2, Fraction(120))
    source.dropped = 40  # while the model was loaded
    job = WebcamJob("x", (two.boxes[0][0],), csv=tmp_path / "boxes.csv")
    summary = webcam.follow(job, lambda name: source)
    assert summary.dropped == source.dropped - 40
    indices = [frame for frame, _ in placed(read_rows(tmp_path / "boxes.csv"))]
    assert indices == sorted(set(indices))
    assert len(indices) + summary.dropped == indices[-1] + 1


def test_a_box_that_cannot_be_tracked_ends_the_run_before_it_begins(two: Sequence, tmp_path: Path) -> None:
    video, table = tmp_path / "out.mp4", tmp_path / "boxes.csv"
    source = Pictures(two.frames)
    job = WebcamJob("x", (Box(400, 10, 20, 20),), record=video, csv=table)
    with pytest.raises(BoxError, match="lies outside the frame"):
        webcam.follow(job, lambda name: source)
    assert source.closed


def test_a_source_without_a_picture_is_named(tmp_path: Path) -> None:
    job = WebcamJob("x", (Box(1, 2, 30, 40),), csv=tmp_path / "boxes.csv")
    with pytest.raises(SourceError, match="'pictures' gives no picture"):
        webcam.follow(job, lambda name: Pictures([]))


def test_what_is_wrong_with_outputs_and_model_is_known_before_a_camera_is_opened(tmp_path: Path) -> None:
    def open_live(name: str) -> Pictures:
        pytest.fail("the camera was opened")

    for job in (
        WebcamJob("0", csv=tmp_path / "missing" / "boxes.csv"),
        WebcamJob("0", csv=tmp_path / "same.csv", record=tmp_path / "same.csv"),
        WebcamJob("0", model="no-such-model"),
    ):
        with pytest.raises(UsageError):
            webcam.follow(job, open_live)


def test_the_source_is_never_written_over(two: Sequence, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"a video")
    with pytest.raises(UsageError, match="is the input"):
        webcam.follow(WebcamJob(str(path), record=path), lambda name: Pictures(two.frames))
    assert path.read_bytes() == b"a video"


# In a window


@dataclass
class Outcome:
    summary: Summary
    screen: Screen
    rows: list[dict[str, str]]
    folder: Path


@pytest.fixture
def use(two: Sequence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Let somebody use the window: each step is one frame on, unless the picture is frozen."""

    def call(*steps: Step, boxes: tuple[Box, ...] = (), frozen: bool = False, is_file: bool = False) -> Outcome:
        screen = Screen(list(steps))
        monkeypatch.setattr("siamtrack.live.window.cv2", screen)
        monkeypatch.setattr("siamtrack.io.window.cv2", screen)
        job = WebcamJob(
            "x",
            boxes,
            record=tmp_path / "out.mp4",
            csv=tmp_path / "boxes.csv",
            snapshots=tmp_path / "pictures",
            frozen=frozen,
        )
        source = Pictures(two.frames, rate=Fraction(200), is_file=is_file)
        summary = webcam.watch(job, lambda name: source)
        assert screen.open == []
        assert source.closed
        assert measure(tmp_path / "out.mp4")[0] > 0
        return Outcome(summary, screen, read_rows(tmp_path / "boxes.csv"), tmp_path)

    return call


def corners(box: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    return (box.x, box.y), (box.x + box.width, box.y + box.height)


def test_a_box_drawn_while_it_runs_counts_for_the_frame_at_the_end_of_the_drag(
    use: Callable[..., Outcome], two: Sequence
) -> None:
    outcome = use(NO_KEY, *drag(*corners(two.boxes[0][3])), *[NO_KEY] * 4, ord("q"))
    assert placed(outcome.rows) == [(frame, 1) for frame in range(3, 9)]
    assert box_of(outcome.rows[0]) == two.boxes[0][3]
    assert iou(np.array(box_of(outcome.rows[-1])), np.array(two.boxes[0][8])) > 0.7
    assert (outcome.summary.frames, outcome.summary.targets) == (9, 1)


@pytest.mark.parametrize("is_file", [False, True], ids=["camera", "file"])
def test_a_box_drawn_in_a_frozen_picture_counts_for_that_one(
    use: Callable[..., Outcome], two: Sequence, is_file: bool
) -> None:
    steps = [NO_KEY, SPACE, *drag(*corners(two.boxes[0][1])), SPACE, NO_KEY, ESC]
    outcome = use(*steps, is_file=is_file)
    frames = [frame for frame, _ in placed(outcome.rows)]
    assert box_of(outcome.rows[0]) == two.boxes[0][1]
    if is_file:  # it waits
        assert [frame for frame in frames if frame > 3] == []
        assert frames == list(range(1, frames[-1] + 1))
    else:  # it goes on, and what it gave meanwhile was not too much for anybody
        assert frames == [1, 6, 7]
        assert outcome.summary.dropped == 0


def test_a_frozen_start_waits_for_boxes(use: Callable[..., Outcome], two: Sequence) -> None:
    first, second = two.boxes[0][0], two.boxes[1][0]
    outcome = use(*drag(*corners(first)), ord("n"), *drag(*corners(second)), SPACE, NO_KEY, ord("q"), frozen=True)
    assert placed(outcome.rows)[:2] == [(0, 1), (0, 2)]
    assert [box_of(row) for row in outcome.rows[:2]] == [first, second]
    assert {target for _, target in placed(outcome.rows)[2:]} == {1, 2}


def test_a_target_is_shown_anew_and_another_dropped(use: Callable[..., Outcome], two: Sequence) -> None:
    boxes = (two.boxes[0][0], Box(200, 100, 30, 30))
    anew = two.boxes[1][5]
    steps = [NO_KEY, ord("2"), ord("r"), *drag(*corners(anew)), NO_KEY, ord("1"), ord("d"), NO_KEY, ord("q")]
    outcome = use(*steps, boxes=boxes)
    at = {place: box_of(row) for place, row in zip(placed(outcome.rows), outcome.rows, strict=True)}
    assert at[5, 2] == anew
    assert iou(np.array(at[8, 2]), np.array(two.boxes[1][8])) > 0.6
    assert [frame for frame, target in at if target == 1] == list(range(8))  # dropped in the ninth
    assert len(at) == len(outcome.rows)
    assert outcome.summary.targets == 2


def test_a_click_and_a_box_that_cannot_be_tracked_are_hints(
    use: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = list[str]()

    def show(image: np.ndarray, scene: Scene) -> np.ndarray:
        notes.append(scene.session.note)
        return image

    def refuse(*_: object) -> int:
        raise BoxError("there is nothing in it")

    monkeypatch.setattr("siamtrack.live.window.draw_scene", show)
    monkeypatch.setattr("siamtrack.tracking.multi.MultiTracker.add", refuse)
    outcome = use((DOWN, 5, 5), (UP, 6, 6), NO_KEY, *drag((10, 10), (60, 60)), NO_KEY, NO_KEY, ord("q"))
    assert outcome.rows == []
    assert any(note.startswith("that was a click") for note in notes)
    assert "there is nothing in it" in notes


def test_a_note_goes_by_itself(use: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    notes = list[str]()

    def show(image: np.ndarray, scene: Scene) -> np.ndarray:
        notes.append(scene.session.note)
        return image

    monkeypatch.setattr("siamtrack.live.window.draw_scene", show)
    monkeypatch.setattr(loop, "FADING", 0.0)
    use((DOWN, 5, 5), (UP, 6, 6), NO_KEY, NO_KEY, NO_KEY, ord("q"))
    assert notes[-1] == ""


def test_pictures_are_saved_beside_each_other(use: Callable[..., Outcome], two: Sequence) -> None:
    outcome = use(NO_KEY, ord("s"), ord("s"), ord("q"), boxes=(two.boxes[0][0],))
    paths = sorted((outcome.folder / "pictures").iterdir())
    assert len(paths) == 2
    assert set(outcome.summary.files) == {*paths, outcome.folder / "out.mp4", outcome.folder / "boxes.csv"}
    picture = cv2.imread(str(paths[0]))
    assert picture.shape == two.frames[0].shape
    assert (picture != two.frames[0]).any()


def test_a_picture_that_cannot_be_saved_is_a_hint(use: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Path:
        raise OutputError("disk full")

    monkeypatch.setattr(loop, "save_snapshot", fail)
    assert use(NO_KEY, ord("s"), NO_KEY, ord("q")).summary.frames == 4


def test_closing_the_window_ends_the_run(use: Callable[..., Outcome], two: Sequence) -> None:
    outcome = use(NO_KEY, NO_KEY, boxes=(two.boxes[0][0],))
    assert placed(outcome.rows) == [(0, 1), (1, 1), (2, 1)]


def test_the_end_of_the_source_closes_the_window(use: Callable[..., Outcome], two: Sequence) -> None:
    outcome = use(*[NO_KEY] * 200, boxes=(two.boxes[0][0],), is_file=True)
    assert len(outcome.rows) == 30


def test_a_drag_that_leaves_the_window_ends_at_the_border(use: Callable[..., Outcome]) -> None:
    outcome = use((DOWN, 280, 200), (MOVE, 310, 230), (UP, 400, 300), NO_KEY, ord("q"))
    assert box_of(outcome.rows[0]) == Box(280, 200, 40, 40)


def test_an_error_in_the_middle_leaves_what_was_there(
    two: Sequence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(Pictures):
        def poll(self, timeout: float) -> LiveFrame | None:
            if self.asked == 6:
                raise SourceError("the decoder broke")
            return next(self)

    job = WebcamJob("x", (two.boxes[0][0],), record=tmp_path / "out.mp4", csv=tmp_path / "boxes.csv")
    with pytest.raises(SourceError, match="the decoder broke"):
        webcam.follow(job, lambda name: Breaking(two.frames))
    assert placed(read_rows(tmp_path / "boxes.csv")) == [(frame, 1) for frame in range(6)]
    assert measure(tmp_path / "out.mp4")[0] == 6
