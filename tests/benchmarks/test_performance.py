"""The speeds that docs/performance.md tells: `pytest tests/benchmarks/test_performance.py --benchmark-enable -s`.

Every figure is a ratio of times from one run, in turns: machines differ, and so does one from hour to hour. NanoTrack's
files are looked for in the folder that SIAMTRACK_NANOTRACK names, training data in that of SIAMTRACK_DATA.
"""

from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmark_references import PlainSiamFC, plain_training_flops, plain_training_speed
from numpy.typing import NDArray

from siamtrack.boxes import Box, Image, iou
from siamtrack.config import Precision
from siamtrack.io.draw import draw_targets
from siamtrack.io.results import Row
from siamtrack.io.sources import open_source
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.io.video.encoder import VideoEncoder
from siamtrack.models.registry import find_model
from siamtrack.models.weights import load_network
from siamtrack.profiling.report import ProfileReport
from siamtrack.profiling.workflow import profile
from siamtrack.runtime.autotune import torch_precisions
from siamtrack.system.machine import measure_peak
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.factory import RUNTIME_VARIABLE, load
from siamtrack.tracking.tracker import Tracker
from siamtrack.workflows.export import export

CLIP = Path(__file__).resolve().parents[2] / "data" / "demo" / "carphone_pristine.mp4"
BOX = Box(60, 15, 54, 84)
ROUNDS = 3
DATA = os.environ.get("SIAMTRACK_DATA")
NANOTRACK = os.environ.get("SIAMTRACK_NANOTRACK")


pytestmark = pytest.mark.usefixtures("only_when_asked")


@pytest.fixture(scope="module")
def frames() -> list[Image]:
    if not CLIP.is_file():
        pytest.skip("data/demo has no clips: run tools/test.sh or tools/demo.sh once")
    with open_source(str(CLIP)) as source:
        return [frame.image for frame in source if frame.image is not None]


def follow(tracker: Tracker | PlainSiamFC, frames: list[Image]) -> tuple[NDArray[np.float64], float]:
    """The boxes of all frames but the first, and the median seconds of a frame."""
    tracker.init(frames[0], BOX)
    boxes, seconds = [], []
    for frame in frames[1:]:
        began = time.perf_counter()
        found = tracker.update(frame)
        seconds.append(time.perf_counter() - began)
        boxes.append(found if isinstance(found, Box) else found.box)
    return np.array(boxes), statistics.median(seconds)


@pytest.mark.parametrize(
    ("mode", "precision", "least"),
    [("search", "float32", 1.4), ("search", "bfloat16", 2.3), ("exemplar", "float32", 3), ("exemplar", "bfloat16", 5)],
)
def test_alexnet_against_plain_pytorch(frames: list[Image], mode: str, precision: Precision, least: float) -> None:
    if precision not in torch_precisions(torch.device("cpu")):
        pytest.skip(f"no {precision} on this processor")
    network, _ = load_network(find_model("siamfc-alexnet"))
    tracker = load("siamfc-alexnet", device="cpu", settings={"scale_search": mode}, precision=precision)
    plain = PlainSiamFC(network)
    ratios = []
    for _ in range(ROUNDS):
        expected, plain_seconds = follow(plain, frames[:40])
        found, seconds = follow(tracker, frames[:40])
        ratios.append(plain_seconds / seconds)
    overlap = float(iou(found, expected).mean())
    ratio = statistics.median(ratios)
    print(
        f"\nAlexNetV1, {mode}, {precision}: {ratio:.2f} x plain PyTorch ({1000 * plain_seconds:.1f} ms a frame there)"
    )
    print(f"    mean IoU of the paths {overlap:.3f}")
    if mode == "search":
        assert overlap > 0.98
    assert ratio >= least


@pytest.fixture(scope="module")
def openvino(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("openvino")
    folder = tmp_path_factory.mktemp("exported") / "siamtrack-lite-openvino"
    return str(export("siamtrack-lite", format="openvino", output=folder).folder)


@pytest.fixture(scope="module")
def openvino_int8(tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("nncf")
    folder = tmp_path_factory.mktemp("exported") / "siamtrack-lite-int8"
    # What it is calibrated on decides how well it tracks, not how fast it is.
    return str(export("siamtrack-lite", format="openvino", output=folder, frames=CLIP).folder)


def ratios_of(report: ProfileReport, model: str) -> dict[str, float]:
    (found,) = (tracker.ratios for tracker in report.trackers if tracker.name == model)
    return found


def test_lite_against_opencv(
    frames: list[Image], openvino: str, openvino_int8: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del frames  # asked for so that it is known whether there is a clip
    monkeypatch.setenv(RUNTIME_VARIABLE, "torch")  # what was not exported
    peers = ("opencv:csrt", *([f"opencv:nano={NANOTRACK}"] if NANOTRACK else []))
    lite, models = ("siamtrack-lite", openvino, openvino_int8), ("siamtrack-box", "siamfc-alexnet")
    report = profile(CLIP, boxes=(BOX,), models=lite + models, peers=peers)
    for name in lite + models:
        shown = ", ".join(f"{ratio:.2f} x {peer.partition('=')[0]}" for peer, ratio in ratios_of(report, name).items())
        print(f"\n{Path(name).name}: {shown}")
    assert ratios_of(report, "siamtrack-lite")["opencv:csrt"] >= 2.5
    assert max(ratios_of(report, name)["opencv:csrt"] for name in lite) >= 3.5
    if NANOTRACK:
        assert max(ratios_of(report, name)[peers[1]] for name in lite) >= 1


def test_what_is_outside_the_network() -> None:
    report = profile(synthetic=(640, 480), models=("siamtrack-lite",))
    stages = report.trackers[0].stages
    own = {stage: stages[stage] for stage in ("crop", "transfer", "network", "correlation", "postprocess", "filter")}
    outside = {stage: figures.median for stage, figures in own.items() if stage != "network"}
    median, share = sum(outside.values()), 1 - own["network"].share / sum(each.share for each in own.values())
    shown = ", ".join(f"{stage} {1000 * seconds:.2f}" for stage, seconds in outside.items())
    print(f"\noutside the network: {1000 * median:.2f} ms ({shown}), {share:.0%} of the tracker's time")
    assert median <= 1e-3
    assert share <= 0.15


@pytest.mark.parametrize(("name", "least"), [("siamfc-alexnet", 0.5), ("siamtrack-lite", 0.0), ("siamtrack-box", 0.0)])
def test_the_network_against_the_attainable_limit(name: str, least: float) -> None:
    report = profile(synthetic=(640, 480), models=(name,), frames=60)
    limit = report.trackers[0].limit
    assert limit is not None
    print(
        f"\n{name} in {limit.precision}: {limit.flops / 1e9:.2f} GFLOP a frame at {limit.peak / 1e9:.0f} GFLOP/s would "
        f"take {1000 * limit.seconds:.2f} ms, took {1000 * limit.measured:.2f}: {limit.reached:.0%}"
    )
    assert limit.reached >= least


def test_sixteen_targets() -> None:
    tracker = load("siamtrack-lite", device="cpu", autotune=True)
    (first, boxes), *rest = SyntheticClip(1280, 720, 30, targets=16)
    medians = []
    for count in (1, 16):
        states = [tracker.start(first, box) for box in boxes[:count]]
        seconds = []
        for frame, _ in rest:
            began = time.perf_counter()
            states = [result.state for result in tracker.step(frame, states)]
            seconds.append(time.perf_counter() - began)
        medians.append(statistics.median(seconds))
    print(f"\n16 targets take {medians[1] / medians[0]:.1f} times as long as one ({1000 * medians[0]:.1f} ms)")
    assert medians[1] <= 6 * medians[0]


def track(video: Path, box: Box, model: str, folder: Path, *outputs: str) -> dict[str, float]:
    """What the command says about its run, in a process of its own as it is used: the JSON's `run`."""
    where = ",".join(f"{value:.2f}" for value in box)
    report = folder / "run.json"
    command = [sys.executable, "-m", "siamtrack", "track", video, "--box", where, "--model", model, "--json", report]
    subprocess.run([*command, *outputs], check=True, capture_output=True, cwd=folder)
    run: dict[str, float] = json.loads(report.read_text())["run"]
    return run


@pytest.mark.parametrize("backend", ["torch", "openvino"])
def test_end_to_end_at_1080p(
    tmp_path: Path, backend: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUNTIME_VARIABLE, "torch")  # what was not exported
    model = "siamtrack-lite" if backend == "torch" else request.getfixturevalue("openvino")
    clip = SyntheticClip(1920, 1080, 150)
    video = tmp_path / "clip.mp4"
    with VideoEncoder(video, 1920, 1080, Fraction(30)) as sink:
        for frame, _ in clip:
            sink.write(frame)
    (box,) = clip.boxes[0]
    speeds: dict[str, list[float]] = {"tracker": [], "codec": [], "end to end": []}
    for _ in range(ROUNDS):
        speeds["tracker"].append(track(video, box, model, tmp_path, "--no-video")["tracking_fps"])
        began = time.perf_counter()
        with open_source(str(video)) as source, VideoEncoder(tmp_path / "copy.mp4", 1920, 1080, Fraction(30)) as sink:
            for read in source:
                assert read.image is not None
                sink.write(draw_targets(read.image, [Row(read.index, read.time, 1, box, 1.0, Status.TRACKED)], 30.0))
        speeds["codec"].append(len(clip) / (time.perf_counter() - began))
        speeds["end to end"].append(track(video, box, model, tmp_path, "--output", "tracked.mp4")["end_to_end_fps"])
    median = {name: statistics.median(values) for name, values in speeds.items()}
    share = median["end to end"] / min(median["tracker"], median["codec"])
    shown = ", ".join(f"{name} {fps:.1f} fps" for name, fps in median.items())
    print(f"\n1080p, {Path(model).name}: {shown}: {share:.0%} of the slower")
    assert share >= 0.9


@pytest.mark.skipif(DATA is None, reason="SIAMTRACK_DATA names no folder of training data")
def test_training_against_plain_pytorch(tmp_path: Path) -> None:
    plain = plain_training_speed(batch=8, steps=8)
    work = plain_training_flops()
    best = max(measure_peak("cpu", precision) for precision in torch_precisions(torch.device("cpu")))
    command = [sys.executable, "-m", "siamtrack", "train", "siamfc-alexnet", "--data", str(DATA), "--out", tmp_path]
    # Ended as soon as the speed is known: what follows the last step is validation.
    with subprocess.Popen([*command, "--steps", "2000", "--quiet"], stderr=subprocess.DEVNULL) as training:
        try:
            rows = wait_for_rows(tmp_path / "log.csv", 4)
        finally:
            training.terminate()
    speed, wait = (statistics.median(float(row[key]) for row in rows[1:]) for key in ("pairs_per_second", "wait"))
    print(
        f"\ntraining AlexNetV1, batch 8: {speed / plain:.2f} x plain PyTorch, {speed:.1f} pairs/s, waiting {wait:.0%}; "
        f"{work / 1e9:.1f} GFLOP a pair at the peak of {best / 1e9:.0f} GFLOP/s would be {best / work / plain:.2f} x"
    )
    assert wait < 0.1
    assert speed >= 5 * plain


def wait_for_rows(log: Path, count: int) -> list[dict[str, str]]:
    """The rows of a training's table when there are so many."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        rows = list(csv.DictReader(log.read_text().splitlines())) if log.is_file() else []
        if len(rows) >= count:
            return rows
        time.sleep(0.5)
    raise TimeoutError(f"{log} has no {count} rows after five minutes")


def test_peak_of_this_machine() -> None:
    peaks = {precision: measure_peak("cpu", precision) / 1e9 for precision in torch_precisions(torch.device("cpu"))}
    print("\nmatrix products: " + ", ".join(f"{name} {peak:.0f} GFLOP/s" for name, peak in peaks.items()))
    assert all(peak > 0 for peak in peaks.values())
