"""The real window on a real display (Xvfb), used with a real mouse and keys (xdotool)."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import webcam_process
from webcam_process import box_at

from siamtrack.boxes import iou

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Xvfb is a server of X11"),
    pytest.mark.skipif(
        shutil.which("Xvfb") is None or shutil.which("xdotool") is None,
        reason="needs Xvfb and xdotool (Debian: xvfb, xdotool)",
    ),
]
ZOOM = 2
"""Frames of 320 x 240 pixels are shown twice as large."""
PATIENCE = 40.0
"""Seconds, for a machine that is busy."""


@pytest.fixture
def display() -> Iterator[str]:
    """A display that nobody sees."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(read) as answer:
            yield f":{answer.readline().strip()}"
    finally:
        server.terminate()
        server.wait(20)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


@dataclass
class Hand:
    """Moves the mouse and presses keys."""

    env: dict[str, str]

    def do(self, *words: object) -> None:
        command = ["xdotool", *map(str, words)]
        return subprocess.run(
            command, env=self.env, capture_output=True, text=True, check=True, timeout=PATIENCE
        ).stdout

    def drag(self, box: tuple[float, float, float, float]) -> None:
        """Draw a box in a window at the upper left corner of the screen."""
        x, y, width, height = (round(ZOOM * value) for value in box)
        self.do("mousemove", x, y, "sleep", 0.1, "mousedown", 1, "sleep", 0.1)
        self.do("mousemove", x + width // 2, y + height // 2, "sleep", 0.1, "mousemove", x + width, y + height)
        self.do("sleep", 0.1, "mouseup", 1)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_box_is_drawn_followed_photographed_and_dropped(display: str, tmp_path: Path) -> None:
    table, video, pictures = tmp_path / "boxes.csv", tmp_path / "out.mp4", tmp_path / "pictures"
    env = {**os.environ, "DISPLAY": display, "OMP_NUM_THREADS": "1"}
    env.pop("QT_QPA_PLATFORM", None)
    options = ["--select-on-start", "--csv", table, "--record", video, "--snapshots", pictures]
    process = subprocess.Popen(
        [sys.executable, webcam_process.__file__, *options],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        hand = Hand(env)
        wait_for(video.exists, process)
        hand.do("search", "--sync", "--onlyvisible", "--name", "siamtrack webcam: camera")
        hand.drag((5, 5, 1, 1))  # a click does nothing
        hand.drag(box_at(0))
        hand.do("key", "space")
        wait_for(lambda: len(rows_of(table)) > 20, process)
        hand.do("key", "s")
        wait_for(lambda: pictures.is_dir() and any(pictures.iterdir()), process)
        hand.do("key", "h", "sleep", 0.2, "key", "h", "sleep", 0.2, "key", "d", "sleep", 0.2, "key", "q")
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, err
    assert out.startswith("followed 1 target through ")
    rows = rows_of(table)
    assert {row["target"] for row in rows} == {"1"}
    found = np.array([[float(row[name]) for name in "xywh"] for row in rows])
    truth = np.array([box_at(int(row["frame"])) for row in rows])
    assert iou(found, truth).min() > 0.6
    (picture,) = pictures.iterdir()
    assert f"wrote {picture}" in out
    with av.open(str(video)) as container:
        seconds = sum(1 for _ in container.decode(video=0)) / 25
    assert seconds == pytest.approx(float(rows[-1]["time"]), abs=3)  # dropped a moment before the end
    assert seconds > float(rows[-1]["time"])
