"""`siamtrack webcam` where there is no display, and what it says when something is wrong."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from command_clips import Clip, Outcome, Run, read_rows, read_video, render
from live_sources import Pictures

from siamtrack.boxes import iou
from siamtrack.io.live.base import LiveFrame, LiveSource
from siamtrack.io.sources import open_source


@pytest.fixture
def webcam(run: Run, weights: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command with the small model, before what a file shows."""

    def open_live(source: str) -> LiveSource:
        with open_source(source) as frames:
            images = [frame.image for frame in frames if frame.image is not None]
            return Pictures(images, rate=frames.info.rate, name=source)

    module = ModuleType("siamtrack.io.live.open")
    module.open_live = open_live  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def call(*arguments: object) -> Outcome:
        return run("webcam", *arguments, "--model", weights, "--threads", 1)

    return call


def test_a_file_is_followed_to_its_end(webcam: Run, clip: Clip, tmp_path: Path) -> None:
    table, video = tmp_path / "boxes.csv", tmp_path / "out.mp4"
    outcome = webcam("--camera", clip.path, "--box", clip.box, "--csv", table, "--record", video)
    assert outcome.code == 0
    first, *rest = outcome.out.splitlines()
    assert first.startswith("followed 1 target through 16 frames in ")
    assert first.endswith(" s, 0 dropped")
    assert rest == [f"wrote {video}", f"wrote {table}"]
    rows = read_rows(table)
    assert [int(row["frame"]) for row in rows] == list(range(16))
    boxes = np.array([[float(row[name]) for name in "xywh"] for row in rows])
    assert iou(boxes, np.array(clip.boxes)).min() > 0.6
    frames, rate = read_video(video)
    assert len(frames) == 16
    assert rate.limit_denominator(1001) == rate
    assert webcam("--camera", clip.path, "--box", clip.box, "--csv", table, "--quiet").out == ""


def test_the_real_live_source_is_followed(run: Run, clip: Clip, weights: Path, tmp_path: Path) -> None:
    pytest.importorskip("siamtrack.io.live.open")
    table, video = tmp_path / "boxes.csv", tmp_path / "out.mp4"
    options = ("--box", clip.box, "--csv", table, "--record", video, "--model", weights, "--threads", 1)
    assert run("webcam", "--camera", clip.path, *options).code == 0
    assert len(read_rows(table)) == len(read_video(video)[0]) == 16


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(
            lambda folder, box: (), ("a window, which needs a display", "--box X,Y,W,H with --record"), id="no box"
        ),
        pytest.param(
            lambda folder, box: ("--box", box, "--csv", folder / "a.csv", "--select-on-start"),
            ("needs a display", "no --select-on-start"),
            id="boxes to be drawn",
        ),
        pytest.param(
            lambda folder, box: ("--box", box),
            ("there would be no result", "--record FILE or --csv FILE"),
            id="no output",
        ),
        pytest.param(lambda folder, box: ("--box", "1,2,3"), ("box '1,2,3' has 3 numbers",), id="half a box"),
        pytest.param(
            lambda folder, box: ("--box", "900,1,20,20", "--csv", folder / "a.csv"),
            ("box 900,1,20,20 lies outside the frame (160x120)",),
            id="a box outside",
        ),
        pytest.param(
            lambda folder, box: ("--box", box, "--record", folder / "a.txt"), ("a.txt", "no video extension"), id="text"
        ),
        pytest.param(
            lambda folder, box: ("--box", box, "--csv", folder / "no" / "a.csv"), ("does not exist",), id="no folder"
        ),
    ],
)
def test_what_cannot_be_is_one_line(
    webcam: Run,
    clip: Clip,
    tmp_path: Path,
    options: Callable[[Path, str], tuple[object, ...]],
    words: tuple[str, ...],
) -> None:
    outcome = webcam("--camera", clip.path, *options(tmp_path, clip.box))
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith("siamtrack: error: ")
    assert outcome.err.count("\n") == 1
    for word in words:
        assert word in outcome.err


def test_the_video_that_is_followed_is_never_overwritten(webcam: Run, clip: Clip) -> None:
    before = clip.path.read_bytes()
    outcome = webcam("--camera", clip.path, "--box", clip.box, "--record", clip.path)
    assert outcome.code == 2
    assert "is the input" in outcome.err
    assert clip.path.read_bytes() == before


class Signalling(Pictures):
    """Has a signal sent to this process with its eleventh frame."""

    sent = signal.SIGINT

    def poll(self, timeout: float) -> LiveFrame | None:
        if self.asked == 10:
            signal.raise_signal(self.sent)
        return next(self)


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_leaves_whole_files(
    webcam: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: signal.Signals
) -> None:
    table, video = tmp_path / "boxes.csv", tmp_path / "out.mp4"
    frames, boxes = render(30)
    source = Signalling(frames, rate=Fraction(25), is_file=False)
    source.sent = sent
    monkeypatch.setattr(sys.modules["siamtrack.io.live.open"], "open_live", lambda name: source)
    box = ",".join(f"{value:g}" for value in boxes[0])
    outcome = webcam("--box", box, "--csv", table, "--record", video)
    assert outcome.code == 128 + sent
    assert outcome.err.endswith("siamtrack: error: interrupted\n")
    assert "through 11 frames" in outcome.out
    assert f"stopped by {sent.name}" in outcome.out
    assert [int(row["frame"]) for row in read_rows(table)] == list(range(11))
    assert len(read_video(video)[0]) == 11
    assert source.closed
