"""What a step sees is kept by `observe`: the same step, the maps of the twin, the crops of the frame."""

from dataclasses import replace
from math import exp, log

import numpy as np
import peak_twin
import pytest
import torch
from scenes import growing_track, render
from test_box_refinement import head_of, told_tracker

from siamtrack.boxes import Box
from siamtrack.config import TrackingSettings
from siamtrack.errors import BoxError, UsageError
from siamtrack.models.network import TrackingNetwork
from siamtrack.tracking.crops import crop_whole_pixels_into
from siamtrack.tracking.observation import Observation
from siamtrack.tracking.state import TrackResult
from siamtrack.tracking.tracker import Tracker

BOTH_MODES = pytest.mark.parametrize("mode", ["search", "exemplar", "alternate"])
GROWTH = 1.06


def tracker_for(network: TrackingNetwork, mode: str) -> Tracker:
    return Tracker(network, TrackingSettings.model_validate({"scale_search": mode}))


def observed(tracker: Tracker, number: int = 4) -> tuple[Observation, TrackResult]:
    """A frame of a target that grows, observed and stepped."""
    sequence = render([growing_track(number + 1, GROWTH)])
    state = tracker.start(sequence.frames[0], sequence.boxes[0][0])
    for frame in sequence.frames[1:number]:
        state = tracker.step(frame, [state])[0].state
    seen = tracker.observe(sequence.frames[number], state)
    (result,) = tracker.step(sequence.frames[number], [state])
    return seen, result


def assert_same(one: TrackResult, other: TrackResult) -> None:
    assert (one.box, one.score, one.status, one.peak) == (other.box, other.score, other.status, other.peak)
    assert (one.state.center, one.state.scale) == (other.state.center, other.state.scale)


@BOTH_MODES
def test_observe_equals_step(network: TrackingNetwork, mode: str) -> None:
    seen, result = observed(tracker_for(network, mode))
    assert_same(seen.result, result)


@BOTH_MODES
def test_observe_returns_the_maps_of_the_decision(network: TrackingNetwork, mode: str) -> None:
    tracker = tracker_for(network, mode)
    seen, result = observed(tracker)
    settings, peak = tracker.settings, result.peak
    maps = peak_twin.upsampled(seen.responses, settings.upsample)
    np.testing.assert_allclose(seen.maps, maps, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(seen.penalized, peak_twin.penalized_maxima(maps, settings.scale_penalty), rtol=1e-9)
    np.testing.assert_allclose(seen.window, peak_twin.hann(len(maps[0])), rtol=1e-9, atol=1e-15)
    mixture = peak_twin.mixture(maps[peak.scale], settings.window_influence)
    np.testing.assert_allclose(seen.mixture, mixture, rtol=1e-9, atol=1e-15)
    assert np.argmax(seen.penalized) == peak.scale
    assert seen.factors[peak.scale] == pytest.approx(settings.scale_step)  # the target grows
    assert seen.maps[peak.scale].max() == pytest.approx(peak.peak)
    assert np.unravel_index(seen.mixture.argmax(), seen.mixture.shape) == (peak.row, peak.col)


@BOTH_MODES
def test_observe_returns_crops_of_the_frame(network: TrackingNetwork, mode: str) -> None:
    frame = render([growing_track(5, GROWTH)]).frames[4]
    seen, result = observed(tracker_for(network, mode))
    assert len(seen.crops) == len(seen.squares) == (3 if mode == "search" else 1)
    for crop, square in zip(seen.crops, seen.squares, strict=True):
        expected = np.empty_like(crop)
        crop_whole_pixels_into(expected, frame, square, result.state.border)
        np.testing.assert_array_equal(crop, expected)  # BGR, although the network takes RGB
    assert seen.crop_index == (result.peak.scale if mode == "search" else 0)


def test_observe_shows_only_the_window_for_a_flat_response(network: TrackingNetwork) -> None:
    black = np.zeros((120, 160, 3), np.uint8)
    tracker = Tracker(network)
    seen = tracker.observe(black, tracker.start(black, (50, 40, 30, 30)))
    assert seen.result.peak.apce == 0
    np.testing.assert_allclose(seen.mixture, tracker.settings.window_influence * seen.window)


def test_observe_shows_non_finite_responses_as_they_count(
    network: TrackingNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = render([growing_track(1)]).frames[0]
    tracker = Tracker(network)
    state = tracker.start(frame, growing_track(1)[0])
    responses = np.random.default_rng(0).normal(size=tracker.observe(frame, state).responses.shape).astype(np.float32)
    responses[:, 2, 3] = np.nan
    extractor = tracker._extractor
    (search_response,) = extractor.respond([state], extractor.cut_search_crops(frame, [state]))
    monkeypatch.setattr(extractor, "respond", lambda states, crops: [search_response._replace(responses=responses)])
    seen = tracker.observe(frame, state)
    np.testing.assert_allclose(seen.maps, peak_twin.upsampled(responses, 16), rtol=1e-9, atol=1e-9)
    assert np.isfinite(seen.mixture).all()


def test_observe_returns_no_box_without_a_box_head(network: TrackingNetwork) -> None:
    seen, _ = observed(Tracker(network))
    assert (seen.boxes, seen.box_read, seen.quality) == (None, None, None)


@BOTH_MODES
def test_observe_returns_the_predicted_box(mode: str) -> None:
    tracker = told_tracker(mode)
    sequence = render([growing_track(3)])
    state = tracker.start(sequence.frames[0], sequence.boxes[0][0])
    head_of(tracker).answer = (0.4, -0.4)
    seen = tracker.observe(sequence.frames[1], state)
    assert_same(seen.result, tracker.step(sequence.frames[1], [state])[0])
    assert seen.quality == pytest.approx(1)
    assert seen.box_read is not None
    # This tracker takes the whole size from the reading, and the center from the scale search.
    reported = seen.result.box
    assert (seen.box_read.width, seen.box_read.height) == pytest.approx((reported.width, reported.height))
    assert log(seen.box_read.width / seen.box_read.height) == pytest.approx(0.8 + log(40 / 48), abs=0.02)
    # The head says "here" in every cell, so the reading lies near the peak, within a cell of 4 pixels.
    assert np.hypot(*np.subtract(seen.box_read.center, reported.center)) < 4


def test_observe_subtracts_the_bias_of_the_prediction() -> None:
    tracker = told_tracker()
    sequence = render([growing_track(2)])
    state = tracker.start(sequence.frames[0], sequence.boxes[0][0])
    assert state.refinement is not None
    plain = tracker.observe(sequence.frames[1], state).box_read
    biased = replace(state, refinement=replace(state.refinement, bias=(state.refinement.bias[0] + 0.5, 0.0)))
    less = tracker.observe(sequence.frames[1], biased).box_read
    assert plain is not None
    assert less is not None
    assert less.width == pytest.approx(plain.width * exp(-0.5))


@BOTH_MODES
def test_observe_returns_the_first_exemplars(network: TrackingNetwork, mode: str) -> None:
    frame, box = render([growing_track(1)]).frames[0], growing_track(1)[0]
    tracker = tracker_for(network, mode)
    crops = tracker.cut_exemplars(frame, box)
    assert crops.shape == (3 if mode == "exemplar" else 1, 64, 64, 3)
    images = torch.from_numpy(crops[..., ::-1].copy()).permute(0, 3, 1, 2).float()
    torch.testing.assert_close(network.embed_exemplar(images), tracker.start(frame, box).template.exemplars)


def test_observe_rejects_invalid_input(network: TrackingNetwork) -> None:
    tracker, frame = Tracker(network), np.zeros((50, 60, 3), np.uint8)
    state = tracker.start(frame, Box(10, 10, 20, 20))
    with pytest.raises(UsageError, match="cannot be tracked"):
        tracker.observe(frame[..., 0], state)
    with pytest.raises(BoxError, match="outside"):
        tracker.cut_exemplars(frame, (100, 10, 20, 20))
