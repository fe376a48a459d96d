"""Operations, times and reports of `siamtrack.profile`, compared with numbers by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

import siamtrack
from siamtrack.boxes import Box
from siamtrack.errors import SourceError, UsageError
from siamtrack.evaluation.peers import Peer, list_peers, opencv_threads
from siamtrack.io.results import Row
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.io.video.encoder import VideoEncoder
from siamtrack.models.registry import build_network, list_architectures
from siamtrack.profiling.limit import NetworkLimit, count_flops, network_flops
from siamtrack.profiling.measurement import WARM_UP, FrameTimes, measure
from siamtrack.profiling.report import summarize_stages, summarize_tracker
from siamtrack.profiling.workflow import SYNTHETIC_RATE
from siamtrack.runtime.fused import fold_batch_norm
from siamtrack.system.machine import measure_peak
from siamtrack.system.progress import Progress
from siamtrack.tracking.confidence import Status

# Operations


def test_count_flops_of_a_small_network() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2),  # 20 -> 8
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, groups=4, padding=1),
        nn.Flatten(),
        nn.Linear(16 * 8 * 8, 10),
    ).to("meta")
    multiply_adds = 8 * 8 * 8 * (3 * 5 * 5) + 16 * 8 * 8 * (2 * 3 * 3) + 10 * (16 * 8 * 8)
    assert count_flops(network, torch.empty(2, 3, 20, 20, device="meta")) == 2 * 2 * multiply_adds


ALEXNET = [
    # side of the output, its channels, kernel, channels that each output sees (the input's, divided by the groups)
    (123, 96, 11, 3),  # 255 -> 123, pooled to 61
    (57, 256, 5, 96 // 2),  # pooled to 28
    (26, 384, 3, 256),
    (24, 384, 3, 384 // 2),
    (22, 256, 3, 384 // 2),
]
"""SiamFC's AlexNet on a search crop of 255 pixels (Bertinetto et al. 2016, table 1)."""


@pytest.mark.parametrize("crops", [1, 3])
def test_network_flops_of_alexnet(crops: int) -> None:
    multiply_adds = sum(side**2 * channels * kernel**2 * seen for side, channels, kernel, seen in ALEXNET)
    assert multiply_adds == 2_719_701_792
    network = build_network("alexnet_v1").eval()
    assert network_flops(network, crops, 255) == 2 * crops * multiply_adds


@pytest.mark.parametrize("architecture", list_architectures())
def test_network_flops_do_not_change_with_folded_batch_norm(architecture: str) -> None:
    network = build_network(architecture).eval()
    assert network_flops(fold_batch_norm(network), 1, 255) == network_flops(network, 1, 255) > 0
    assert next(network.parameters()).device.type == "cpu"


def test_network_flops_include_the_box_head() -> None:
    assert network_flops(build_network("lite0_box").eval(), 2, 256) > network_flops(
        build_network("lite0").eval(), 2, 256
    )


def test_network_limit_is_operations_at_the_peak() -> None:
    limit = NetworkLimit("torch", "float32", flops=2_000_000, peak=1e9, measured=0.008)
    assert limit.seconds == pytest.approx(0.002)
    assert limit.reached == pytest.approx(0.25)
    assert NetworkLimit("torch", "float32", 1, 1.0, 0.0).reached == 0.0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_measure_peak_is_a_positive_rate(dtype: str) -> None:
    assert 0 < measure_peak("cpu", dtype, sizes=(16, 32), repeats=2) < math.inf


# Statistics


def test_summarize_stages_of_known_times() -> None:
    samples = [{"crop": 0.001 * i, "network": 0.003} for i in range(1, 101)]
    figures = summarize_stages(samples)
    assert list(figures) == ["crop", "network"]
    assert figures["crop"].median == pytest.approx(0.0505)
    assert figures["crop"].p95 == pytest.approx(0.09505)
    assert figures["network"].median == figures["network"].p95 == pytest.approx(0.003)
    assert figures["network"].share == pytest.approx(0.3 / (0.3 + 5.05))


def test_summarize_stages_with_a_stage_of_some_frames() -> None:
    figures = summarize_stages([{"crop": 1.0}, {"crop": 1.0, "filter": 2.0}, {"crop": 1.0}])
    assert (figures["filter"].median, figures["filter"].share) == (0.0, pytest.approx(0.4))


seconds = st.floats(0, 1e3, allow_nan=False)


@given(samples=st.lists(st.dictionaries(st.sampled_from("abcd"), seconds), min_size=1, max_size=30))
def test_summarize_stages_shares_sum_to_one(samples: list[dict[str, float]]) -> None:
    figures = summarize_stages(samples)
    total = sum(sum(sample.values()) for sample in samples)
    assert sum(each.share for each in figures.values()) == pytest.approx(1.0 if total else 0.0)
    for name, each in figures.items():
        assert 0 <= each.median <= each.p95 <= max(sample.get(name, 0.0) for sample in samples)


def test_summarize_tracker_compares_with_a_peer_of_the_same_rounds() -> None:
    own = [[FrameTimes({"crop": 0.01, "draw": 0.03}, 0.01)] * 2, [FrameTimes({"crop": 0.04, "draw": 0.0}, 0.04)] * 2]
    profile = summarize_tracker("own", own, {"peer": [50.0, 25.0], "own": [1.0, 1.0]})
    assert profile.frames == 4
    assert profile.round_fps == pytest.approx((100.0, 25.0))
    assert profile.median_fps == profile.mean_fps == pytest.approx(40.0)
    assert profile.ratios == {"peer": pytest.approx(1.5)}  # the median of 2 and 1
    assert profile.frame.median == pytest.approx(0.04)
    assert profile.frame.share == 1.0


# Measurement


class Slow:
    """Tracker that reports long times for its first frames."""

    name = "slow"

    def __init__(self) -> None:
        self.steps = 0

    def init(self, frame: NDArray[np.uint8], boxes: Sequence[Box]) -> None:
        self.steps = 0

    def update(self, frame: NDArray[np.uint8]) -> tuple[FrameTimes, list[Row]]:
        self.steps += 1
        seconds = 1000.0 if self.steps <= WARM_UP else 1e-3 * self.steps
        return FrameTimes({"network": seconds}, seconds), [Row(0, 0.0, 1, Box(4, 4, 20, 20), 1.0, Status.TRACKED)]


def write_clip(path: Path, frames: int) -> Box:
    clip = SyntheticClip(96, 64, frames)
    with VideoEncoder(path, 96, 64, SYNTHETIC_RATE) as sink:
        for image, _ in clip:
            sink.write(image)
    return clip.boxes[0][0]


@pytest.mark.parametrize(("wanted", "measured"), [(3, 3), (4, 4), (100, 6)])
def test_measure_leaves_out_the_warm_up(tmp_path: Path, wanted: int, measured: int) -> None:
    source = tmp_path / "clip.mp4"
    box = write_clip(source, 1 + WARM_UP + 6)
    counted = []
    samples = measure(Slow(), str(source), [box], wanted, tmp_path / "drawn.mp4", lambda: counted.append(1))
    assert [sample.tracking for sample in samples] == [1e-3 * (WARM_UP + 1 + i) for i in range(measured)]
    assert all(list(sample.stages) == ["decode", "network", "draw", "encode"] for sample in samples)
    assert len(counted) == WARM_UP + measured


def test_measure_refuses_a_source_that_is_warm_up_only(tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    box = write_clip(source, 1 + WARM_UP)
    with pytest.raises(SourceError, match=f"has {1 + WARM_UP} frames .* {WARM_UP + 2} or more"):
        measure(Slow(), str(source), [box], 10, tmp_path / "drawn.mp4", lambda: None)


def test_profile_returns_its_report_and_leaves_the_threads_alone(tmp_path: Path) -> None:
    box = write_clip(tmp_path / "clip.mp4", 1 + WARM_UP + 6)
    before, reports = torch.get_num_threads(), list[Progress]()
    result = siamtrack.profile(
        tmp_path / "clip.mp4",
        boxes=[tuple(box)],
        models=["siamtrack-lite"],
        peers=["opencv:mil"],
        frames=2,
        rounds=2,
        threads=1,
        precision="float32",
        runtime="torch",
        report=reports.append,
    )
    assert torch.get_num_threads() == before
    assert (result.boxes, result.synthetic, result.rounds) == ((box,), False, 2)
    peer, model = result.trackers
    assert (peer.name, peer.frames, peer.limit) == ("opencv:mil", 4, None)
    assert (model.name, model.frames, set(model.ratios)) == ("siamtrack-lite", 4, {"opencv:mil"})
    assert model.limit is not None
    assert set(result.peaks) == {"float32"}
    assert [each.done for each in reports] == list(range(1, 4 * (WARM_UP + 2) + 1))
    assert json.dumps(result.as_json())


# Peers


@pytest.mark.parametrize("name", list_peers())
def test_peer_tracks_each_target_of_a_clip(name: str) -> None:
    clip = SyntheticClip(160, 120, 3, targets=2)
    (first, boxes), *others = clip
    peers = [Peer(name) for _ in range(3)]
    for peer, box in zip(peers, [*boxes, Box(-20, -20, 60.4, 60)], strict=True):  # the last one hangs over the border
        peer.init(first, box)
    for frame, now in others:
        found = [peer.update(frame) for peer in peers]
        for box, truth in zip(found, now, strict=False):
            if box is not None:
                assert math.dist(box.center, truth.center) < 20  # MIL is coarse


def test_peer_with_an_unknown_name_or_a_missing_tracker(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"did you mean 'opencv:csrt'.*opencv:kcf"):
        Peer("opencv:crst")
    monkeypatch.delattr("cv2.TrackerCSRT_create")
    with pytest.raises(UsageError, match=r"opencv:csrt.*opencv-contrib-python"):
        Peer("opencv:csrt")


def test_peer_of_nanotrack_needs_its_two_files(tmp_path: Path) -> None:
    (tmp_path / "nanotrack_backbone_sim.onnx").touch()
    with pytest.raises(UsageError, match=r"the folder has 0 files '\*head\*.onnx' instead of one"):
        Peer(f"opencv:nano={tmp_path}")
    with pytest.raises(UsageError, match=r"the folder has 0 files '\*backbone\*.onnx' instead of one"):
        Peer("opencv:nano")


def test_opencv_threads_are_set_back() -> None:
    import cv2

    before = cv2.getNumThreads()
    with opencv_threads(1):
        assert cv2.getNumThreads() == 1
    assert cv2.getNumThreads() == before
    with opencv_threads(None):
        assert cv2.getNumThreads() == before
