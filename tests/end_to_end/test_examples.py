"""Every script of examples/ does what its docstring says, on a rendered clip."""

from __future__ import annotations

import ast
import csv
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import shown_clip

from siamtrack.boxes import Box, iou
from siamtrack.io.sources import open_source

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ONE, OTHER = (",".join(f"{value:g}" for value in box) for box in (shown_clip.FIRST, shown_clip.SECOND))

RunExample = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunExample:
    """`python examples/NAME.py ARGUMENTS` in a folder with clip.mp4, in this process; gives what it printed."""
    shown_clip.write_clip(tmp_path)
    monkeypatch.chdir(tmp_path)

    def call(name: str, *arguments: str) -> str:
        script = str(EXAMPLES / f"{name}.py")
        monkeypatch.setattr("sys.argv", [script, *arguments])
        runpy.run_path(script, run_name="__main__")
        return capsys.readouterr().out

    return call


def frames_of(path: Path) -> list[np.ndarray]:
    with open_source(path) as source:
        return [frame.image for frame in source if frame.image is not None]


def drawn_around(image: np.ndarray, index: int, box: Box) -> bool:
    """Whether a picture differs from its frame along the sides of a target, and not within it."""
    x, y, width, height = map(int, shown_clip.truth(box, index))
    changed = np.abs(image.astype(int) - shown_clip.images()[index]).max(2) > 50
    left, right = (changed[y + 10 : y + height - 10, side - 6 : side + 6].any(1).mean() for side in (x, x + width))
    return bool(min(left, right) > 0.7 and changed[y + 12 : y + height - 12, x + 12 : x + width - 12].mean() < 0.1)


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_and_says_how_it_is_run(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 40
    assert f"    python examples/{script.name} " in (ast.get_docstring(ast.parse(text), clean=False) or "")


def test_every_example_has_a_test_here() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    assert len(list(EXAMPLES.glob("*.py"))) == 5
    assert all(f'run("{script.stem}"' in tests for script in EXAMPLES.glob("*.py"))


def test_one_target(run: RunExample, tmp_path: Path) -> None:
    lines = run("one_target", "clip.mp4", ONE, "out.mp4").splitlines()
    assert len(lines) == shown_clip.FRAMES - 1
    last = np.array(lines[-1].split()[-4:], float)
    assert iou(last, np.array(shown_clip.truth(shown_clip.FIRST, shown_clip.FRAMES - 1))) > 0.8
    pictures = frames_of(tmp_path / "out.mp4")
    assert len(pictures) == shown_clip.FRAMES
    assert drawn_around(pictures[-1], shown_clip.FRAMES - 1, shown_clip.FIRST)
    assert not drawn_around(pictures[-1], shown_clip.FRAMES - 1, shown_clip.SECOND)


def test_several_targets(run: RunExample, tmp_path: Path) -> None:
    lines = run("several_targets", "clip.mp4", "out.mp4", ONE, OTHER).splitlines()
    assert lines[1].endswith("is target 2")
    assert lines[-1] == f"frame {shown_clip.FRAMES - 1}: 2 of 2 found, lost:"
    pictures = frames_of(tmp_path / "out.mp4")
    assert drawn_around(pictures[-1], shown_clip.FRAMES - 1, shown_clip.FIRST)
    assert drawn_around(pictures[-1], shown_clip.FRAMES - 1, shown_clip.SECOND)


def test_a_loop_of_your_own(run: RunExample, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and mouse are played; a click comes first, then both targets, and the first of them is dropped."""
    shown: list[np.ndarray] = []
    keys: Iterator[str] = iter("nnn  d  q")
    boxes = iter([(50, 50, 0, 0), tuple(map(int, shown_clip.truth(shown_clip.FIRST, 1))), None])

    def select(title: str, frame: np.ndarray) -> tuple[int, ...]:
        return next(boxes) or tuple(map(int, shown_clip.truth(shown_clip.SECOND, 2)))

    monkeypatch.setattr(cv2, "imshow", lambda title, picture: shown.append(picture))
    monkeypatch.setattr(cv2, "waitKey", lambda wait: ord(next(keys)))
    monkeypatch.setattr(cv2, "selectROI", select)
    assert "box 50,50,0,0 is empty" in run("camera_loop", "clip.mp4")
    assert len(shown) == len("nnn  d  q")  # q ends it before the clip does
    followed = [
        [drawn_around(picture, index, box) for box in (shown_clip.FIRST, shown_clip.SECOND)]
        for index, picture in enumerate(shown)
    ]
    assert followed == [[False, False]] * 2 + [[True, False]] + [[True, True]] * 3 + [[False, True]] * 3


def test_a_camera_that_is_not_there_is_named(run: RunExample) -> None:
    with pytest.raises(SystemExit, match=r"cannot open 'nothing\.mp4'"):
        run("camera_loop", "nothing.mp4")


def test_a_folder_of_videos(run: RunExample, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name, box in (("a", ONE), ("b", OTHER), ("c", "1,2,3")):
        shown_clip.write_clip(videos, f"{name}.mp4")
        (videos / f"{name}.txt").write_text(f"{box}\n")
    (videos / "d.txt").write_text(ONE)
    lines = run("folder_of_videos", "videos", "results").splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "wrote results/a.csv",
        "wrote results/b.csv",
        "left out c",
        "left out d",
    ]
    for name, first in (("a", shown_clip.FIRST), ("b", shown_clip.SECOND)):
        with (tmp_path / "results" / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [int(row["frame"]) for row in rows] == list(range(1, shown_clip.FRAMES))
        boxes = np.array([[float(row[key]) for key in "xywh"] for row in rows])
        truths = np.array([shown_clip.truth(first, index) for index in range(1, shown_clip.FRAMES)])
        assert iou(boxes, truths).min() > 0.8


def test_detections_for_supervision(run: RunExample, tmp_path: Path) -> None:
    pytest.importorskip("supervision", reason='pip install "supervision>=0.31" to run this example')
    run("supervision_detections", "clip.mp4", "out.mp4", ONE, OTHER)
    pictures = frames_of(tmp_path / "out.mp4")
    assert len(pictures) == shown_clip.FRAMES - 1
    assert drawn_around(pictures[-1], shown_clip.FRAMES - 1, shown_clip.SECOND)


def test_boxes_ids_and_scores_reach_supervision_and_lost_targets_do_not() -> None:
    pytest.importorskip("supervision", reason='pip install "supervision>=0.31" to run this example')
    from siamtrack.tracking.confidence import Status
    from siamtrack.tracking.state import TrackResult

    to_detections = runpy.run_path(str(EXAMPLES / "supervision_detections.py"))["to_detections"]
    unused: Any = None
    tracked = TrackResult(Box(10, 20, 30, 40), 0.75, Status.TRACKED, peak=unused, state=unused)
    lost = TrackResult(Box(10, 20, 30, 40), 0.1, Status.LOST, peak=unused, state=unused)
    found = to_detections({7: tracked, 8: lost})
    assert found.xyxy.tolist() == [[10, 20, 40, 60]]
    assert (found.confidence.tolist(), found.tracker_id.tolist()) == ([0.75], [7])
    assert len(to_detections({8: lost})) == len(to_detections({})) == 0
