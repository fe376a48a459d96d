"""From box maps to the reported box: by hand, and through a tracker whose head says what it is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scenes import PixelBackbone, growing_track, render
from torch import Tensor, nn

from siamtrack.boxes import Box
from siamtrack.config import TrackingSettings
from siamtrack.models.heads import BoxMaps, CorrelationHead
from siamtrack.models.network import BoxNetwork, TrackingNetwork
from siamtrack.runtime.pytorch import TorchBackend
from siamtrack.tracking.box_refinement import BoxPrediction, BoxRefinement, decode_box, refine
from siamtrack.tracking.tracker import Tracker

TRUSTING = TrackingSettings(box_size_lr=1, box_size_weight=1, box_center_weight=1)
KNOWN = BoxRefinement(torch.zeros(1, 2, 2), (20.0, 10.0), (0.0, 0.0), (math.log(40), math.log(20)), Box(80, 90, 40, 20))


def maps(truth: tuple[float, float], log_size: tuple[float, float], size: int = 9) -> np.ndarray:
    """All cells read a target whose center lies `truth` pixels from the middle; stride 8, full expectation."""
    cells = (np.arange(size) - (size - 1) / 2) * 8
    x, y = np.meshgrid(cells, cells)
    planes = [
        truth[0] - x,
        truth[1] - y,
        np.full_like(x, log_size[0]),
        np.full_like(x, log_size[1]),
        np.full_like(x, 30),
    ]
    return np.stack(planes).astype(np.float32)


@given(column=st.floats(-3, 12), row=st.floats(-3, 12))
def test_cells_that_agree_are_read_as_one_wherever_the_peak_is(column: float, row: float) -> None:
    reading = decode_box(maps((5.0, -11.0), (0.3, -0.2)), (column, row), 8)
    assert reading.center == pytest.approx((5, -11), abs=1e-4)
    assert reading.log_size == pytest.approx((0.3, -0.2), abs=1e-6)
    assert reading.quality == pytest.approx(1)


def test_cells_weigh_by_the_square_of_their_expectation() -> None:
    seen = maps((0.0, 0.0), (0.0, 0.0))
    seen[4] = -30  # expects nothing
    seen[4, 4, 4], seen[4, 4, 5] = math.log(0.8 / 0.2), math.log(0.4 / 0.6)
    seen[2, 4, 4], seen[2, 4, 5] = 0.5, 1.0
    reading = decode_box(seen, (4, 4), 8)
    assert reading.log_size[0] == pytest.approx((0.64 * 0.5 + 0.16 * 1.0) / 0.8)
    assert reading.quality == pytest.approx(0.8)


def test_cells_that_expect_nothing_are_no_division_by_zero() -> None:
    seen = maps((0.0, 0.0), (0.1, 0.1))
    seen[4] = -1e4
    assert np.isfinite(decode_box(seen, (4, 4), 8).log_size).all()


def test_a_trusted_reading_is_the_reported_box() -> None:
    found = Box.from_center(100, 100, 40, 20)
    # Two pixels of the frame in one of the crop; twice as wide and half as high as in the exemplar.
    reading = BoxPrediction((3.0, -4.0), (math.log(2), math.log(0.5)), 1.0)
    new = refine(KNOWN, reading, found, (100.0, 100.0), 2.0, TRUSTING)
    assert new.box == pytest.approx(Box.from_center(106, 92, 80, 10))


def test_the_bias_of_the_first_frame_is_taken_off() -> None:
    biased = replace(KNOWN, bias=(math.log(2), math.log(0.5)))
    reading = BoxPrediction((0.0, 0.0), (math.log(2), math.log(0.5)), 1.0)
    new = refine(biased, reading, Box.from_center(100, 100, 40, 20), (100.0, 100.0), 2.0, TRUSTING)
    assert new.box == pytest.approx(Box.from_center(100, 100, 40, 20))


def test_half_a_share_is_the_geometric_mean_and_quality_damps() -> None:
    settings = TrackingSettings(box_size_lr=0.5, box_size_weight=0.5, box_center_weight=0.5)
    reading = BoxPrediction((10.0, 0.0), (math.log(4), 0.0), 0.5)
    new = refine(KNOWN, reading, Box.from_center(100, 100, 40, 20), (100.0, 100.0), 2.0, settings)
    # A quarter of the way from 40 to 160 in logarithms, then half of it; a quarter of 20 pixels.
    assert math.exp(new.log_size[0]) == pytest.approx(40 * 4**0.25)
    assert new.box == pytest.approx(Box.from_center(105, 100, 40 * 4**0.125, 20))


def test_a_wild_reading_is_held_to_a_factor_of_e() -> None:
    reading = BoxPrediction((0.0, 0.0), (2.0, -2.0), 1.0)
    new = refine(KNOWN, reading, Box.from_center(100, 100, 40, 20), (100.0, 100.0), 2.0, TRUSTING)
    assert (new.box.width, new.box.height) == pytest.approx((40 * math.e, 20 / math.e))


class ToldHead(nn.Module):
    """In place of a box head: says the same everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = (0.0, 0.0)

    def kernel(self, levels: Sequence[Tensor], margin: int) -> Tensor:
        return levels[0][..., margin:-margin, margin:-margin]

    def forward(self, kernels: Tensor, levels: Sequence[Tensor], sizes: Tensor) -> BoxMaps:
        count, side = len(kernels), levels[0].shape[-1] - kernels.shape[-1] + 1
        answers = torch.tensor(self.answer)[None, :, None, None].expand(count, 2, side, side)
        return BoxMaps(torch.zeros(count, 2, side, side), answers, torch.full((count, side, side), 30.0))


def told_tracker(mode: str = "exemplar") -> Tracker:
    head = CorrelationHead(PixelBackbone.response_scale)
    settings = TRUSTING.model_copy(update={"scale_search": mode, "box_center_weight": 0.0})
    return Tracker(BoxNetwork(PixelBackbone(), head, ToldHead()), settings)  # type: ignore[arg-type]


def head_of(tracker: Tracker) -> ToldHead:
    assert isinstance(tracker.backend, TorchBackend)
    assert isinstance(tracker.backend.network, BoxNetwork)
    assert isinstance(tracker.backend.network.box_head, ToldHead)
    return tracker.backend.network.box_head


@pytest.mark.parametrize("mode", ["exemplar", "search"])
def test_what_is_read_changes_the_report_and_not_the_search(network: TrackingNetwork, mode: str) -> None:
    sequence = render([growing_track(12)])
    plain, told = Tracker(network, TrackingSettings.model_validate({"scale_search": mode})), told_tracker(mode)
    for tracker in (plain, told):
        tracker.init(sequence.frames[0], sequence.boxes[0][0])
    head_of(told).answer = (0.4, -0.4)
    for frame in sequence.frames[1:]:
        searched, reported = plain.update(frame), told.update(frame)
        assert reported.state.searched_box == pytest.approx(searched.box)
        assert reported.signals.box_quality > 5  # the head is sure of the overlap
        assert reported.box.width > 1.2 * searched.box.width
        assert reported.box.height < searched.box.height / 1.2


def test_the_search_follows_a_size_that_is_read_as_far_as_it_is_told_to() -> None:
    sequence = render([growing_track(2, growth=1.0)])
    plain, following = told_tracker(), told_tracker()
    following.settings = plain.settings.model_copy(update={"box_scale_lr": 0.5})
    scales = []
    for tracker in (plain, following):
        tracker.init(sequence.frames[0], sequence.boxes[0][0])
        head_of(tracker).answer = (0.3, 0.1)  # 0.2 larger than the exemplar, in the mean of both axes
        scales.append(tracker.update(sequence.frames[1]).state.scale)
    assert math.log(scales[1] / scales[0]) == pytest.approx(0.5 * (0.2 - math.log(scales[0])), abs=0.02)


@given(st.floats(-3, 3))
def test_one_reading_moves_the_search_by_a_bounded_share(change: float) -> None:
    grown = replace(KNOWN, log_size=(KNOWN.log_size[0] + change, KNOWN.log_size[1] + change))
    assert grown.growth(KNOWN.box) == pytest.approx(min(max(change, -0.3), 0.3))


def test_a_constant_error_is_learnt_in_the_first_frame() -> None:
    sequence = render([growing_track(6)])
    told = told_tracker()
    head_of(told).answer = (0.4, -0.3)  # from the first frame on: what the head takes the target for
    told.init(sequence.frames[0], sequence.boxes[0][0])
    result = told.update(sequence.frames[1])
    side = result.state.searched_box
    assert (result.box.width, result.box.height) == pytest.approx((side.width, side.height), rel=0.03)


def test_several_targets_are_read_as_each_alone() -> None:
    sequence = render([growing_track(4), growing_track(4, offset=(60.0, 40.0))])
    tracker = told_tracker()
    states = [tracker.start(sequence.frames[0], boxes[0]) for boxes in sequence.boxes]
    head_of(tracker).answer = (0.2, 0.1)
    together = tracker.step(sequence.frames[1], states)
    alone = [tracker.step(sequence.frames[1], [state])[0] for state in states]
    for a, b in zip(together, alone, strict=True):
        assert a.box == pytest.approx(b.box, abs=1e-3)
