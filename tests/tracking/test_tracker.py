import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import reference_loop
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scenes import PixelBackbone, Sequence, growing_track, render, texture
from torch import nn

from siamtrack.boxes import Box, iou
from siamtrack.config import TrackingSettings
from siamtrack.errors import BoxError, UsageError
from siamtrack.models.cards import ModelCard
from siamtrack.models.heads import CorrelationHead
from siamtrack.models.network import TrackingNetwork
from siamtrack.models.registry import create_network
from siamtrack.models.weights import save_network
from siamtrack.runtime.base import Embedding
from siamtrack.runtime.devices import find_device
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.factory import load
from siamtrack.tracking.state import TrackResult
from siamtrack.tracking.tracker import Tracker

MODES = ("search", "exemplar", "alternate")
BOTH_MODES = pytest.mark.parametrize("mode", MODES)


def settings_for(mode: str) -> TrackingSettings:
    return TrackingSettings.model_validate({"scale_search": mode})


def follow(tracker: Tracker, sequence: Sequence, target: int = 0) -> list[TrackResult]:
    tracker.init(sequence.frames[0], sequence.boxes[target][0])
    return [tracker.update(frame) for frame in sequence.frames[1:]]


def overlaps(results: list[TrackResult], truth: list[Box]) -> NDArray[np.float64]:
    return iou(np.array([result.box for result in results]), np.array(truth[1:]))


@BOTH_MODES
@pytest.mark.parametrize("growth", [0.993, 1.0, 1.007])
def test_follows_position_and_scale(network: TrackingNetwork, mode: str, growth: float) -> None:
    sequence = render([growing_track(35, growth)])
    results = follow(Tracker(network, settings_for(mode)), sequence)
    assert overlaps(results, sequence.boxes[0]).mean() > 0.8
    assert results[-1].box.area == pytest.approx(sequence.boxes[0][-1].area, rel=0.2)
    assert {result.status for result in results} == {Status.TRACKED}


@BOTH_MODES
@pytest.mark.parametrize("size", [96, 112, 160])
def test_search_crops_of_another_size_follow_as_well(network: TrackingNetwork, mode: str, size: int) -> None:
    sequence = render([growing_track(20, 1.007)])
    smaller = Tracker(network, settings_for(mode).model_copy(update={"search_size": size}))
    assert overlaps(follow(smaller, sequence), sequence.boxes[0]).mean() > 0.8
    state = smaller.start(sequence.frames[0], sequence.boxes[0][0])
    assert smaller.observe(sequence.frames[1], state).crops.shape[1:] == (size, size, 3)


@pytest.mark.parametrize("size", [32, 100, 132])
def test_a_search_size_off_the_grid_is_refused(network: TrackingNetwork, size: int) -> None:
    with pytest.raises(
        UsageError, match=rf"a search crop of {size} pixels does not fit this network: give one of .*88, 96, 104, 112"
    ):
        Tracker(network, TrackingSettings(search_size=size))


@pytest.mark.parametrize(("architecture", "size"), [("alexnet_v1", 223), ("alexnet_v2", 239), ("lite0", 224)])
def test_the_response_of_another_search_size_is_as_the_network_gives_it(architecture: str, size: int) -> None:
    network = create_network(architecture)
    tracker = Tracker(network, TrackingSettings(search_size=size))
    exemplars = torch.zeros(1, 3, network.exemplar_size, network.exemplar_size)
    with torch.inference_mode():
        response = network.eval()(exemplars, torch.zeros(1, 3, size, size))
    assert response.shape[-1] == tracker.geometry.response_size


@BOTH_MODES
def test_a_target_that_stands_still_stays_where_it_is(network: TrackingNetwork, mode: str) -> None:
    sequence = render([[Box(120.5, 80.25, 44, 40)] * 12])
    result = follow(Tracker(network, settings_for(mode)), sequence)[-1]
    # One upsampled position is 4 / 16 pixels of the search crop, here a sixth of a pixel; nothing may add up.
    assert tuple(result.box) == pytest.approx(tuple(sequence.boxes[0][0]), abs=1.0)


@BOTH_MODES
def test_displacement_is_in_pixels_of_the_frame(network: TrackingNetwork, mode: str) -> None:
    for dx, dy in [(12.0, 0.0), (0.0, -9.0), (-15.0, 8.0)]:
        sequence = render([[Box(130, 90, 40, 40), Box(130 + dx, 90 + dy, 40, 40)]])
        (result,) = follow(Tracker(network, settings_for(mode)), sequence)
        assert result.box.center == pytest.approx((150 + dx, 110 + dy), abs=1.5)


@BOTH_MODES
def test_many_targets_in_one_pass_are_each_followed_as_if_alone(network: TrackingNetwork, mode: str) -> None:
    sequence = render([growing_track(12), growing_track(12, offset=(40, 60)), growing_track(12, 1.0, (100, -50))])
    tracker = Tracker(network, settings_for(mode))
    states = [tracker.start(sequence.frames[0], track[0]) for track in sequence.boxes]
    together: list[list[TrackResult]] = []
    for frame in sequence.frames[1:]:
        together.append(tracker.step(frame, states))
        states = [result.state for result in together[-1]]
    for target in range(3):
        alone = follow(Tracker(network, settings_for(mode)), sequence, target)
        assert [results[target].box for results in together] == [result.box for result in alone]
        scores = [results[target].score for results in together]
        assert scores == pytest.approx([result.score for result in alone], rel=1e-5)


def test_two_trackers_that_share_a_network_do_not_disturb_each_other(network: TrackingNetwork) -> None:
    sequence = render([growing_track(10), growing_track(10, offset=(60, 70))])
    expected = [[r.box for r in follow(Tracker(network), sequence, target)] for target in range(2)]
    trackers = [Tracker(network), Tracker(network)]
    for tracker, track in zip(trackers, sequence.boxes, strict=True):
        tracker.init(sequence.frames[0], track[0])
    found = [[tracker.update(frame).box for tracker in trackers] for frame in sequence.frames[1:]]
    assert [list(boxes) for boxes in zip(*found, strict=True)] == expected


def test_a_state_is_a_value(network: TrackingNetwork) -> None:
    sequence = render([growing_track(3)])
    tracker = Tracker(network)
    state = tracker.start(sequence.frames[0], sequence.boxes[0][0])
    first = tracker.step(sequence.frames[1], [state])[0]
    tracker.step(sequence.frames[2], [first.state])
    assert tracker.step(sequence.frames[1], [state])[0].box == first.box
    assert state.box == sequence.boxes[0][0]


def test_no_targets_no_results(network: TrackingNetwork) -> None:
    assert Tracker(network).step(texture(50, 60, 0), []) == []


@BOTH_MODES
def test_target_that_hangs_over_the_border(network: TrackingNetwork, mode: str) -> None:
    track = [Box(-12.0 + 1.5 * i, 200.0, 50, 60) for i in range(20)]
    sequence = render([track])
    assert overlaps(follow(Tracker(network, settings_for(mode)), sequence), track).mean() > 0.8


@BOTH_MODES
def test_target_that_leaves_keeps_a_center_in_the_frame(network: TrackingNetwork, mode: str) -> None:
    track = [Box(240.0 + 6 * i, 90.0, 50, 50) for i in range(25)]
    results = follow(Tracker(network, settings_for(mode)), render([track]))
    for result in results:
        x, y = result.box.center
        assert 0 <= x <= 320
        assert 0 <= y <= 240
        assert np.isfinite(result.box).all()


@BOTH_MODES
def test_size_stays_within_its_bounds(network: TrackingNetwork, mode: str) -> None:
    settings = TrackingSettings.model_validate({"scale_search": mode, "min_size": 0.9, "max_size": 1.1})
    for growth in (0.98, 1.02):
        sequence = render([growing_track(25, growth)])
        scales = [result.state.scale for result in follow(Tracker(network, settings), sequence)]
        assert min(scales) >= 0.9
        assert max(scales) <= 1.1
        assert {0.9, 1.1} & set(scales)


def test_frames_may_change_size(network: TrackingNetwork) -> None:
    sequence = render([growing_track(8, 1.0)])
    tracker = Tracker(network)
    tracker.init(sequence.frames[0], sequence.boxes[0][0])
    # The same picture, once with a margin to the right and below, once cut off there.
    for i, frame in enumerate(sequence.frames[1:], start=1):
        changed = np.pad(frame, ((0, 40), (0, 60), (0, 0))) if i % 2 else np.ascontiguousarray(frame[:200, :280])
        result = tracker.update(changed)
        assert iou(np.array(result.box), np.array(sequence.boxes[0][i])) > 0.7
    tiny = tracker.update(texture(30, 30, 0))
    assert all(0 <= value <= 30 for value in tiny.box.center)


def test_frames_without_content_hold_the_box(network: TrackingNetwork) -> None:
    sequence = render([growing_track(1)])
    black = np.zeros_like(sequence.frames[0])
    tracker = Tracker(network)
    tracker.init(black, sequence.boxes[0][0])
    for _ in range(20):
        result = tracker.update(black)
    assert tuple(result.box) == pytest.approx(tuple(sequence.boxes[0][0]), abs=1e-9)


def test_box_as_large_as_the_frame_and_the_smallest(network: TrackingNetwork) -> None:
    frame = texture(90, 120, 1)
    for box in (Box(0, 0, 120, 90), Box(50, 40, 2, 2)):
        tracker = Tracker(network)
        tracker.init(frame, box)
        assert iou(np.array(tracker.update(frame).box), np.array(box)) > 0.7


@BOTH_MODES
def test_the_bias_of_the_head_lowers_the_score_and_moves_no_path(network: TrackingNetwork, mode: str) -> None:
    sequence = render([growing_track(6)])
    before = follow(Tracker(network, settings_for(mode)), sequence)
    torch.nn.init.constant_(network.head.bias, -9.0)
    after = follow(Tracker(network, settings_for(mode)), sequence)
    assert [result.box for result in after] == [result.box for result in before]
    for result in after:
        assert result.signals.response == pytest.approx(result.peak.value - 9.0)
        assert 0 < result.score < before[0].score < 1


def test_the_status_is_part_of_the_state_and_falls_with_the_confidence(network: TrackingNetwork) -> None:
    sequence = render([[Box(120, 80, 44, 40)] * 4 + [Box(-900, -900, 44, 40)] * 12])
    results = follow(Tracker(network), sequence)
    said = [result.status for result in results]
    assert said[:3] == [Status.TRACKED] * 3
    assert said[-1] is Status.LOST
    assert all(result.status is result.state.status for result in results)
    assert max(result.score for result in results[3:]) < min(result.score for result in results[:3])


def test_an_absent_target_scores_lower_than_a_present_one(network: TrackingNetwork) -> None:
    sequence = render([[Box(120, 80, 44, 40)] * 2])
    tracker = Tracker(network)
    tracker.init(sequence.frames[0], sequence.boxes[0][0])
    present = tracker.step(sequence.frames[1], [tracker.start(sequence.frames[0], sequence.boxes[0][0])])[0]
    absent = tracker.update(texture(240, 320, 55))
    assert absent.score < present.score
    assert absent.peak.apce < present.peak.apce


def test_every_stage_is_timed(network: TrackingNetwork) -> None:
    sequence = render([growing_track(4)])
    tracker = Tracker(network)
    stages = {"crop", "transfer", "network", "correlation", "postprocess"}
    assert tracker.stage_seconds == dict.fromkeys(stages, 0.0)
    follow(tracker, sequence)
    assert all(seconds > 0 for seconds in tracker.stage_seconds.values())
    assert tracker.start_seconds > 0


class CoarseBackbone(PixelBackbone):
    """As its base, with a stride of 8 instead of 4: 13 x 13 responses instead of 25 x 25."""

    exemplar_margin = 2
    response_scale = 12 / 16

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(8, 8)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return F.normalize(F.pixel_unshuffle(images / 128 - 1, 8), dim=1)


def test_stride_and_response_size_are_those_of_the_backbone() -> None:
    network = TrackingNetwork(CoarseBackbone(), CorrelationHead(CoarseBackbone.response_scale))
    assert (network.stride, network.response_size) == (8, 13)
    sequence = render([[Box(130, 90, 40, 40), Box(146, 79, 40, 40)]])
    (result,) = follow(Tracker(network), sequence)
    assert result.box.center == pytest.approx((166, 99), abs=3)  # half the stride would be 8 off


def test_update_before_init(network: TrackingNetwork) -> None:
    with pytest.raises(UsageError, match=r"update\(\) before init\(\)"):
        Tracker(network).update(texture(50, 60, 0))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((50, 60), np.uint8), r"shape \(50, 60\) and type uint8"),
        (np.zeros((50, 60, 4), np.uint8), r"shape \(50, 60, 4\)"),
        (np.zeros((50, 60, 3), np.float32), "type float32"),
        (np.zeros((0, 60, 3), np.uint8), r"shape \(0, 60, 3\)"),
        ([[1, 2], [3, 4]], "this is a list"),
    ],
)
def test_frames_of_another_kind_are_refused(network: TrackingNetwork, frame: NDArray[np.uint8], message: str) -> None:
    tracker = Tracker(network)
    with pytest.raises(UsageError, match=message):
        tracker.start(frame, Box(10, 10, 20, 20))
    state = tracker.start(texture(50, 60, 0), Box(10, 10, 20, 20))
    with pytest.raises(UsageError, match=message):
        tracker.step(frame, [state])


@pytest.mark.parametrize("box", [(10, 10, 0, 5), (500, 10, 20, 20), (float("nan"), 1, 5, 5), (1, 2, 3)])
def test_impossible_boxes_are_refused(network: TrackingNetwork, box: tuple[float, float, float, float]) -> None:
    with pytest.raises(BoxError):
        Tracker(network).init(texture(50, 60, 0), box)


def test_frames_may_be_views(network: TrackingNetwork) -> None:
    sequence = render([growing_track(3)])
    flipped = Sequence([frame[..., ::-1] for frame in sequence.frames], sequence.boxes)
    copied = Sequence([np.ascontiguousarray(frame) for frame in flipped.frames], sequence.boxes)
    assert [r.box for r in follow(Tracker(network), flipped)] == [r.box for r in follow(Tracker(network), copied)]


def test_the_network_sees_rgb(network: TrackingNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    tracker = Tracker(network)
    embed: Callable[[torch.Tensor], Embedding] = tracker.backend.embed_exemplars
    monkeypatch.setattr(tracker.backend, "embed_exemplars", lambda images: (seen.append(images), embed(images))[1])
    frame = np.empty((80, 80, 3), np.uint8)
    frame[:] = (10, 20, 30)
    tracker.start(frame, Box(30, 30, 20, 20))
    assert seen[0].shape == (1, 3, 64, 64)
    assert seen[0][0, :, 32, 32].tolist() == [30.0, 20.0, 10.0]


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cpu:0", ""])
def test_unknown_device(name: str) -> None:
    with pytest.raises(UsageError, match="unknown device"):
        find_device(name)


def test_cuda_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert find_device("auto") == torch.device("cpu")
    for name in ("cuda", "cuda:0"):
        with pytest.raises(UsageError, match=f"device '{name}' does not exist here"):
            find_device(name)


def test_load_takes_the_settings_of_the_card_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = ModelCard(
        name="small", architecture="alexnet_v1", tracking=TrackingSettings(scales=5, scale_search="exemplar")
    )
    path = tmp_path / "small.safetensors"
    save_network(path, create_network("alexnet_v1", torch.Generator().manual_seed(0)), card)
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    tracker = load(path, device="cpu")
    assert (tracker.settings, tracker.card, threads) == (card.tracking, card, [])
    assert tracker.start(texture(80, 80, 0), Box(20, 20, 30, 30)).template.exemplars.shape == (5, 256, 6, 6)
    assert load(path, device="cpu", settings=TrackingSettings(), threads=3).settings == TrackingSettings()
    assert (set(threads[::2]), set(threads[1::2])) == ({3}, {1})  # inside the calls only
    changed = load(path, device="cpu", settings={"scales": 3}).settings
    assert changed == TrackingSettings(scales=3, scale_search="exemplar")
    with pytest.raises(UsageError, match="0 threads"):
        load(path, device="cpu", threads=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale_serach": "search"}, "these settings cannot be: scale_serach: Extra inputs are not permitted"),
        ({"scales": 4}, "these settings cannot be: scales must be odd"),
        ({"scale_search": "search"}, "these settings cannot be: online_filter learns from one search crop a frame"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load("siamtrack-lite", device="cpu", precision="float32", settings=changes)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["alexnet_v1", "lite0"])
def test_path_is_that_of_the_published_loop(architecture: str) -> None:
    follow_reference = reference_loop.follow
    network = create_network(architecture, torch.Generator().manual_seed(1))
    sequence = render([growing_track(25, 1.006, (-60.0, 40.0))])
    reference = list(follow_reference(network, sequence.frames, sequence.boxes[0][0]))
    results = follow(Tracker(network), sequence)
    assert iou(np.array([r.box for r in results]), np.array(reference[1:])).mean() > 0.98


def test_pixel_network_takes_the_path_of_the_published_loop(network: TrackingNetwork) -> None:
    follow_reference = reference_loop.follow
    sequence = render([growing_track(30, 1.006, (-60.0, 40.0))])  # starts over the left border
    reference = list(follow_reference(network, sequence.frames, sequence.boxes[0][0]))
    results = follow(Tracker(network), sequence)
    np.testing.assert_allclose([r.box for r in results], reference[1:], atol=1e-6)
    assert overlaps(results, sequence.boxes[0]).mean() > 0.8


def test_tracker_finds_the_same_boxes_in_every_color_order(network: TrackingNetwork) -> None:
    sequence = render([growing_track(5)])
    rgb = Sequence([np.ascontiguousarray(frame[..., ::-1]) for frame in sequence.frames], sequence.boxes)
    expected = [result.box for result in follow(Tracker(network), sequence)]
    assert [result.box for result in follow(Tracker(network, color="rgb"), rgb)] == expected
    for color in ("bgr", "rgb"):
        tracker = Tracker(network, color=color)
        tracker.init(PIL.Image.fromarray(rgb.frames[0]), sequence.boxes[0][0])
        assert [tracker.update(PIL.Image.fromarray(frame)).box for frame in rgb.frames[1:]] == expected


def test_tracker_refuses_an_unknown_color_order(network: TrackingNetwork) -> None:
    with pytest.raises(UsageError, match=r"unknown color order 'hsv' \(known: bgr, rgb\)"):
        Tracker(network, color="hsv")  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "found"), [("tracked", True), ("uncertain", True), ("lost", False)])
def test_result_is_found_unless_it_is_lost(network: TrackingNetwork, status: str, found: bool) -> None:
    sequence = render([growing_track(2)])
    (result,) = follow(Tracker(network), sequence)
    assert replace(result, status=Status(status)).found is found


USER_CODE = """
import cv2
import siamtrack

capture = cv2.VideoCapture("clip.mp4")
tracker, targets = siamtrack.load(), siamtrack.MultiTracker(siamtrack.load())
_, frame = capture.read()
tracker.init(frame, (120, 80, 64, 48))
state = tracker.start(frame, (120, 80, 64, 48))
targets.add(frame, (120, 80, 64, 48))
with siamtrack.VideoWriter("out.mp4") as video:
    while True:
        _, frame = capture.read()
        result = tracker.update(frame)
        print(result.found, tracker.step(frame, [state]), targets.update(frame))
        video.write(siamtrack.draw(frame, result))
        video.write(frame)
"""


def test_tracker_takes_the_array_types_of_opencv(tmp_path: Path) -> None:
    script = tmp_path / "user.py"
    script.write_text(USER_CODE)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(script)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
