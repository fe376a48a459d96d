"""Speed and memory of the shipped models on a real clip: `pytest tests/benchmarks --benchmark-enable -s`.

Speed is a ratio to OpenCV's CSRT on the same frames in the same run: machines differ, and so does one from hour to
hour.
"""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from siamtrack.boxes import Box
from siamtrack.io.video.encoder import VideoEncoder
from siamtrack.profiling.workflow import profile
from siamtrack.tracking.factory import RUNTIME_VARIABLE

CLIP = Path(__file__).resolve().parents[2] / "data" / "demo" / "carphone_pristine.mp4"
BOX = Box(60, 15, 54, 84)
WANTED = {"siamtrack-box": 1.0, "siamtrack-lite": 1.5, "siamfc-alexnet": 0.4}
"""At least this many times the frame rate of CSRT."""

pytestmark = pytest.mark.usefixtures("only_when_asked")


def test_speed_against_csrt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUNTIME_VARIABLE, "auto")  # as users have it
    if not CLIP.is_file():
        pytest.skip("data/demo has no clips: run tools/test.sh or tools/demo.sh once")
    report = profile(CLIP, boxes=[BOX], models=tuple(WANTED), peers=["opencv:csrt"])
    for tracker in report.trackers:
        stages = "  ".join(f"{stage} {1000 * figures.median:.2f}" for stage, figures in tracker.stages.items())
        ratio = tracker.ratios.get("opencv:csrt", 1.0)
        run_by = "" if tracker.limit is None else f" ({tracker.limit.runtime}, {tracker.limit.precision})"
        print(f"\n{tracker.name}{run_by}: {ratio:.2f} x CSRT, {tracker.mean_fps:.1f} fps\n    ms a frame: {stages}")
    for tracker in report.trackers[1:]:
        assert tracker.ratios["opencv:csrt"] >= WANTED[tracker.name], tracker.name


TRACK_AND_MEASURE = """
import resource, sys
from pathlib import Path
from siamtrack.workflows import track as runner
from siamtrack.boxes import Box

def report(progress):
    if progress.done in (500, 5000):
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        print("resident", progress.done, pages * resource.getpagesize() // 2**20, flush=True)

video, output = sys.argv[1:]
runner.run(runner.Job(video, (Box(900, 500, 120, 90),), runner.Outputs(video=Path(output))), report)
print("peak", 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_a_long_1080p_video(tmp_path: Path) -> None:
    video = tmp_path / "long.mp4"
    rng = np.random.default_rng(0)
    background = cv2.resize(rng.integers(0, 256, (60, 100, 3), dtype=np.uint8), (1920, 1080))
    patch = cv2.resize(rng.integers(0, 256, (8, 10, 3), dtype=np.uint8), (120, 90))
    with VideoEncoder(video, 1920, 1080, Fraction(30)) as sink:
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
