"""Speed and memory of the shipped models on a real clip: `pytest tests/benchmarks --benchmark-enable -s`.

Speed is a ratio to OpenCV's CSRT on the same frames in the same run: machines differ, and so does one from hour to
hour.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from siamtrack import runner
from siamtrack.boxes import Box
from siamtrack.io.sources import open_source
from siamtrack.io.video_sink import VideoSink

CLIP = Path(__file__).resolve().parents[2] / "data" / "demo" / "carphone_pristine.mp4"
BOX = Box(60, 15, 54, 84)
ROUNDS = 3
WANTED = {"siamtrack-box": 1.0, "siamtrack-lite": 1.5, "siamfc-alexnet": 0.4}
"""At least this many times the frame rate of CSRT."""

pytestmark = pytest.mark.usefixtures("only_when_asked")


@contextmanager
def no_progress(total: int | None) -> Iterator[runner.Advance]:
    yield lambda frames, fps: None


def csrt_fps(frames: list[NDArray[np.uint8]]) -> float:
    tracker = cv2.TrackerCSRT_create()
    tracker.init(frames[0], tuple(int(value) for value in BOX))
    began = time.perf_counter()
    for frame in frames[1:]:
        tracker.update(frame)
    return (len(frames) - 1) / (time.perf_counter() - began)


def test_speed_against_csrt(tmp_path: Path) -> None:
    if not CLIP.is_file():
        pytest.skip("data/demo has no clips: run tools/test.sh or tools/demo.sh once")
    with open_source(str(CLIP)) as source:
        frames = [frame.image for frame in source if frame.image is not None]
    ratios: dict[str, list[float]] = {name: [] for name in WANTED}
    csrt: list[float] = []
    summaries: dict[str, runner.Summary] = {}
    for _ in range(ROUNDS):  # in turn, so that a slow minute of the machine hits all of them
        csrt.append(csrt_fps(frames))
        for name in WANTED:
            job = runner.Job(str(CLIP), (BOX,), runner.Outputs(video=tmp_path / f"{name}.mp4"), model=name)
            summaries[name] = runner.run(job, no_progress)
            ratios[name].append(summaries[name].tracking_fps / csrt[-1])
    print(f"\nCSRT {statistics.median(csrt):.1f} fps on {CLIP.name}, {len(frames)} frames, {frames[0].shape}")
    for name, summary in summaries.items():
        stages = "  ".join(
            f"{stage} {1000 * seconds / summary.frames:.2f}" for stage, seconds in summary.stages.items()
        )
        print(f"{name}: {statistics.median(ratios[name]):.2f} x CSRT, {summary.tracking_fps:.1f} fps")
        print(f"    ms a frame: {stages}")
    for name, least in WANTED.items():
        assert statistics.median(ratios[name]) >= least, name


TRACK_AND_MEASURE = """
import resource, sys
from pathlib import Path
from siamtrack import runner
from siamtrack.boxes import Box
from contextlib import contextmanager

@contextmanager
def progress(total):
    def advance(frames, fps):
        if frames in (500, 5000):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            print("resident", frames, pages * resource.getpagesize() // 2**20, flush=True)
    yield advance

video, output = sys.argv[1:]
runner.run(runner.Job(video, (Box(900, 500, 120, 90),), runner.Outputs(video=Path(output))), progress)
print("peak", 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_a_long_1080p_video(tmp_path: Path) -> None:
    video = tmp_path / "long.mp4"
    rng = np.random.default_rng(0)
    background = cv2.resize(rng.integers(0, 256, (60, 100, 3), dtype=np.uint8), (1920, 1080))
    patch = cv2.resize(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8), (120, 90))
    with VideoSink(video, 1920, 1080, Fraction(30)) as sink:
        for index in range(5000):
            frame = background.copy()
            x, y = round(900 + 300 * np.sin(index / 90)), round(500 + 200 * np.cos(index / 70) - 200)
            frame[y : y + 90, x : x + 120] = patch
            sink.write(frame)
    done = subprocess.run(
        [sys.executable, "-c", TRACK_AND_MEASURE, video, tmp_path / "out.mp4"],
        capture_output=True,
        text=True,
        check=True,
    )
    print("\n" + done.stdout)
    lines = [line.split() for line in done.stdout.splitlines()]
    megabytes = {f"{name} {frames}": int(value) for name, frames, value in lines}
    assert megabytes["peak 0"] < 1000
    assert megabytes["resident 5000"] - megabytes["resident 500"] < 20
