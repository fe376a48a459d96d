"""Online filter: its arithmetic against slow references, and its effect on a tracker."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scenes import PixelBackbone, growing_track, render

from siamtrack.boxes import Box, iou
from siamtrack.config import OnlineFilterSettings, TrackingSettings
from siamtrack.models.heads import CorrelationHead
from siamtrack.models.network import TrackingNetwork
from siamtrack.tracking.online_filter.filter import (
    BACKGROUND,
    OnlineFilter,
    Part,
    box_coverage,
    gaussian,
    init_filter,
    solve,
    update_filter,
)
from siamtrack.tracking.online_filter.fourier import add_over_channels, add_to_channels, to_spectra
from siamtrack.tracking.online_filter.solver import respond
from siamtrack.tracking.template import TemplateFeatures
from siamtrack.tracking.tracker import Tracker


class ColorBackbone(PixelBackbone):
    """Embeds 4 x 4 pixels as their mean shares of six gray levels in each color: smooth, as learnt features are."""

    out_channels = 18

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        levels = torch.linspace(0, 255, 6)[None, None, :, None, None]
        shares = torch.exp(-(images[:, :, None] - levels).square() / (2 * 40**2)).flatten(1, 2)
        return F.normalize(F.avg_pool2d(shares, 4), dim=1)


@pytest.fixture
def network() -> TrackingNetwork:
    return TrackingNetwork(ColorBackbone(), CorrelationHead(ColorBackbone.response_scale))


ADAPTING = TrackingSettings(
    scale_search="exemplar", online_filter=OnlineFilterSettings(interval=2, max_samples=3, tolerance=0)
)


def problem(seed: int, count: int = 3, channels: int = 2, size: int = 2, side: int = 5) -> OnlineFilter:
    """A small regression in double precision; labels of noise about 0.5, where the hinge is idle."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    shares = draw(count).square() + 0.1
    weights, features = draw(channels, size, size), draw(count, channels, side, side)
    labels = 0.5 + 0.1 * draw(count, side - size + 1, side - size + 1).clamp(-2, 2)
    return OnlineFilter(
        weights=weights.numpy(),
        part=Part(slice(size), slice(size)),
        size=size,
        support=np.ones((size, size)),
        mean=torch.zeros(channels, 1, 1, dtype=torch.float64),
        spectra=tuple(to_spectra(features)),
        responses=F.conv2d(features, weights[None])[:, 0].numpy(),
        labels=labels.numpy(),
        sample_weights=(shares / shares.sum()).numpy(),
        first_samples=1,
    )


def features_of(known: OnlineFilter) -> torch.Tensor:
    """What the spectra are made of, without the mean: `(M, C, H, W)` of what the filter sees."""
    _, size, _ = known.labels.shape
    rows, columns = (size + side - 1 for side in known.support.shape)
    spectra = torch.from_numpy(np.stack(known.spectra)).unflatten(-1, (rows // 2 + 1, columns))
    return torch.fft.irfftn(torch.complex(*spectra.unbind(2)), s=(columns, rows), dim=(-1, -2))


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 20), st.integers(1, 4), st.integers(0, 3))
def test_online_filter_is_correlated_with_every_sample(seed: int, count: int, size: int, more: int) -> None:
    known = problem(seed, count, size=size, side=size + more)
    expected = F.conv2d(features_of(known), torch.from_numpy(known.weights)[None])[:, 0]
    np.testing.assert_allclose(respond(known.weights, known.spectra, more + 1), expected, atol=1e-9)


def slow_fit(known: OnlineFilter, regularization: float, steps: int) -> torch.Tensor:
    """The descent with gradients that PyTorch works out and answers of convolutions, `(C, a, b)`."""
    features, labels, shares = (
        features_of(known),
        torch.from_numpy(known.labels),
        torch.from_numpy(known.sample_weights),
    )
    weights, support = torch.from_numpy(known.weights), torch.from_numpy(known.support)
    direction = previous = torch.zeros_like(weights)
    for _ in range(steps):
        leaf = weights.clone().requires_grad_()
        filter_responses = F.conv2d(features, leaf[None])[:, 0]
        counted = shares[:, None, None] * ((labels >= BACKGROUND) | (filter_responses > 0))
        (gradient,) = torch.autograd.grad((counted * (filter_responses - labels).square()).sum() / 2, leaf)
        gradient = support * gradient + regularization * weights
        bend = ((gradient - previous) * gradient).sum() / previous.square().sum() if previous.any() else torch.zeros(())
        direction = bend.clamp(min=0) * direction - gradient
        change = F.conv2d(features, direction[None])[:, 0]
        curvature = (counted * change.square()).sum() + regularization * direction.square().sum()
        weights = weights - (gradient * direction).sum() / curvature * direction
        previous = gradient
    return weights


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 20), st.integers(1, 4))
def test_online_filter_fit_is_the_conjugate_gradient(seed: int, count: int, steps: int) -> None:
    known = problem(seed, count, channels=3, size=4, side=8)
    support = np.outer([0.5, 1, 1, 0.5], [0.2, 1, 1, 0.2])
    labels = np.where(known.labels > 0.5, known.labels, 0)  # half of the cells are of the background
    known = replace(known, support=support, labels=labels)
    before = known.weights.copy(), known.responses.copy()
    fitted = solve(known, 0.1, steps)
    np.testing.assert_allclose(fitted.weights, slow_fit(known, 0.1, steps), atol=1e-8)
    np.testing.assert_allclose(fitted.responses, respond(fitted.weights, fitted.spectra, 5), atol=1e-8)
    assert all(map(np.array_equal, before, (known.weights, known.responses)))  # a filter is a value


def test_online_filter_long_fit_is_the_closed_form_ridge_regression() -> None:
    known, regularization = problem(5), 0.3
    rows = F.unfold(features_of(known), known.weights.shape[-1]).transpose(1, 2).reshape(-1, known.weights.size).numpy()
    shares = known.sample_weights.repeat(known.labels[0].size)
    normal = (rows.T * shares) @ rows + regularization * np.eye(rows.shape[1])
    expected = np.linalg.solve(normal, rows.T @ (shares * known.labels.flatten()))
    np.testing.assert_allclose(solve(known, regularization, 60).weights.flatten(), expected, rtol=1e-6, atol=1e-8)


def test_online_filter_ignores_background_below_zero() -> None:
    known = problem(6)
    labels = torch.from_numpy(np.where(known.labels > 0.5, known.labels, 0))
    fitted = solve(replace(known, labels=labels.numpy()), 0.1, 300)
    weights = torch.from_numpy(fitted.weights).requires_grad_()
    filter_responses = F.conv2d(features_of(known), weights[None])[:, 0]
    wrong = torch.where(labels < BACKGROUND, filter_responses.clamp(min=0), filter_responses - labels)
    loss = (torch.from_numpy(known.sample_weights)[:, None, None] * wrong.square()).sum() + 0.1 * weights.square().sum()
    (gradient,) = torch.autograd.grad(loss, weights)
    assert (filter_responses[labels < BACKGROUND] < -0.01).any()  # the hinge is in use
    assert gradient.abs().max() < 1e-4


@settings(deadline=None)
@given(st.integers(0, 1000))
def test_online_filter_fit_improves_with_more_steps(seed: int) -> None:
    known = problem(seed)

    def loss(steps: int) -> float:
        fitted = solve(known, 0.1, steps)
        np.testing.assert_allclose(fitted.responses, respond(fitted.weights, known.spectra, 4), atol=1e-9)
        wrong = fitted.responses - known.labels
        return float((known.sample_weights[:, None, None] * wrong**2).sum() + 0.1 * (fitted.weights**2).sum())

    # Labels of about 0.5 are no background: the problem is quadratic, and every step is exact.
    losses = [loss(steps) for steps in range(5)]
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(losses))


@settings(deadline=None)
@given(st.integers(1, 12), st.floats(0.01, 0.9), st.floats(0, 0.9))
def test_online_filter_memory_is_bounded_and_keeps_the_first_frame(frames: int, rate: float, least: float) -> None:
    settings = OnlineFilterSettings(
        learning_rate=rate, max_samples=3, first_sample_weight=least, iterations=1, init_iterations=1, tolerance=0
    )
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(2, 4, 9, 9, generator=generator)
    known = init_filter(torch.randn(4, 3, 3, generator=generator), first, (3.0, 3.0), 1.0, settings)
    for number in range(frames):
        known = update_filter(
            known, torch.full((4, 9, 9), float(number)), known.responses[0], (2.0, 3.0), 1.0, settings
        )
    assert len(known.spectra) == len(known.labels) == len(known.sample_weights) == 2 + min(frames, 3)
    features = features_of(known) + known.mean
    torch.testing.assert_close(features[:2], first)
    assert float(features[-1].mean()) == pytest.approx(frames - 1, abs=1e-3)
    assert float(known.sample_weights.sum()) == pytest.approx(1, abs=1e-5)
    assert float(known.sample_weights[:2].sum()) >= least - 1e-5
    assert known.labels[-1].argmax() == 3 * 7 + 2  # column 2, row 3


def test_online_filter_skips_a_frame_with_a_correct_response() -> None:
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(2, 4, 9, 9, generator=generator)
    settings = OnlineFilterSettings(tolerance=0.1)
    known = init_filter(torch.randn(4, 3, 3, generator=generator), first, (3.0, 3.0), 1.0, settings)
    right = gaussian(7, (2.0, 3.0), 1.0)
    below = right - (right < BACKGROUND)  # the background may be below zero
    weak = right * np.float32(1 - np.sqrt(0.09))
    for answer in (right, below, weak):
        assert update_filter(known, first[0], answer, (2.0, 3.0), 1.0, settings) is known
    for answer in (right * np.float32(1 - np.sqrt(0.11)), right + np.float32(0.2), gaussian(7, (4.0, 3.0), 1.0)):
        assert len(update_filter(known, first[0], answer, (2.0, 3.0), 1.0, settings).spectra) == 3


@given(st.integers(2, 9), st.floats(0.1, 12), st.floats(0.1, 12))
def test_online_filter_support_is_the_box_area_in_cells(size: int, width: float, height: float) -> None:
    support = box_coverage(size, (width, height))
    fine = 200
    centers = (np.arange(size * fine) + 0.5) / fine - size / 2
    inside = [np.abs(centers) <= max(length, 1) / 2 for length in (height, width)]
    counted = np.outer(*inside).reshape(size, fine, size, fine).mean((1, 3))
    np.testing.assert_allclose(support, counted, atol=0.02)


def test_online_filter_is_zero_outside_the_box() -> None:
    settings = OnlineFilterSettings(init_iterations=10)
    generator = torch.Generator().manual_seed(0)
    kernel, features = torch.randn(4, 8, 8, generator=generator), torch.randn(3, 4, 16, 16, generator=generator)
    known = init_filter(kernel, features, (2.0, 8.0), 1.0, settings)
    known = update_filter(known, features[0], known.responses[0], (4.0, 4.0), 1.0, settings)
    assert known.weights.shape == (4, 8, 2)
    assert known.kernel[:, :, [0, 1, 2, 5, 6, 7]].abs().max() == 0
    assert known.kernel[:, :, 3:5].abs().min() > 0


def test_online_filter_label_is_one_at_its_cell() -> None:
    made = gaussian(5, (3.0, 1.0), 0.7)
    assert made[1, 3] == made.max() == 1
    assert made[1, 2] == pytest.approx(np.exp(-1 / (2 * 0.49)))


def test_online_filter_response_is_one_at_the_first_target(network: TrackingNetwork) -> None:
    sequence = render([growing_track(2)])
    tracker = Tracker(network, ADAPTING)
    state = tracker.start(sequence.frames[0], sequence.boxes[0][0])
    seen = tracker.observe(sequence.frames[0], state)
    assert seen.filter_response is not None
    middle = len(seen.filter_response) // 2
    assert seen.filter_response[middle, middle] == pytest.approx(1, abs=0.1)
    assert np.unravel_index(seen.filter_response.argmax(), seen.filter_response.shape) == (middle, middle)
    row, col = np.unravel_index(seen.mixture.argmax(), seen.mixture.shape)
    assert (row, col) == (seen.result.peak.row, seen.result.peak.col)


def twins() -> list[list[Box]]:
    """A target that stands still, and the same thing beside it coming nearer."""
    return [[Box(120, 90, 40, 48)] * 12, [Box(220 - 3.0 * i, 96, 40, 48) for i in range(12)]]


def test_online_filter_separates_a_distractor_of_the_first_frame(network: TrackingNetwork) -> None:
    tracks = twins()
    sequence = render(tracks)
    # The second thing shows the first one's picture, but for a dark band.
    frames = []
    for frame, (target, other) in zip(sequence.frames, zip(*tracks, strict=True), strict=True):
        painted = frame.copy()
        patch = frame[90:138, 120:160].copy()
        patch[:10] //= 3
        left = round(other.x)
        painted[96:144, left : left + 40] = patch
        frames.append(painted)
        assert target == tracks[0][0]
    filter_responses = {}
    for name, chosen in (("exemplar", TrackingSettings(scale_search="exemplar")), ("learnt", ADAPTING)):
        tracker = Tracker(network, chosen)
        state = tracker.start(frames[0], tracks[0][0])
        seen = tracker.observe(frames[0], state)
        middle = len(seen.responses[0]) // 2
        shown = seen.filter_response if seen.filter_response is not None else seen.responses[1]
        # Five cells of the response around the target are the target; beyond 6 begins the other one.
        filter_responses[name] = float(shown[:, middle + 8 :].max() / shown[middle, middle])
    assert filter_responses["learnt"] < 0.5 * filter_responses["exemplar"]


def test_online_filter_tracker_follows_a_target(network: TrackingNetwork) -> None:
    sequence = render([growing_track(30)])
    tracker = Tracker(network, ADAPTING)
    tracker.init(sequence.frames[0], sequence.boxes[0][0])
    found = [tracker.update(frame).box for frame in sequence.frames[1:]]
    assert iou(np.array(found), np.array(sequence.boxes[0][1:])).min() > 0.65
    assert tracker.stage_seconds["filter"] > 0


def test_online_filter_targets_are_independent_values(network: TrackingNetwork) -> None:
    sequence = render([growing_track(7), growing_track(7, offset=(60.0, 40.0))])
    tracker = Tracker(network, ADAPTING)
    states = [tracker.start(sequence.frames[0], boxes[0]) for boxes in sequence.boxes]
    alone = list(states)
    for frame in sequence.frames[1:]:
        before = [state.template.filter.weights.copy() for state in states if state.template.filter]
        results = tracker.step(frame, states)
        single = [tracker.step(frame, [state])[0] for state in alone]
        for weights, state in zip(before, states, strict=True):
            assert state.template.filter is not None
            assert np.array_equal(weights, state.template.filter.weights)  # the old state is as it was
        for together, one in zip(results, single, strict=True):
            assert together.box == pytest.approx(one.box, abs=1e-3)
        states, alone = [result.state for result in results], [result.state for result in single]
    counts = [
        len(state.template.filter.spectra) - state.template.filter.first_samples
        for state in states
        if state.template.filter
    ]
    assert counts == [3, 3]  # of every second of six frames


def test_template_features_change_with_exemplars_and_filter_only(network: TrackingNetwork) -> None:
    sequence = render([growing_track(2)])
    tracker = Tracker(network, ADAPTING)
    state = tracker.start(sequence.frames[0], sequence.boxes[0][0])
    exemplars, known = state.template.exemplars, state.template.filter
    assert known is not None
    torch.testing.assert_close(state.template.kernels, torch.cat([exemplars, known.kernel[None]]))
    assert state.template.offset == pytest.approx(known.offset)
    doubled = TemplateFeatures.of(exemplars, replace(known, weights=2 * known.weights))
    torch.testing.assert_close(doubled.kernels[-1], 2 * known.kernel)
    torch.testing.assert_close(TemplateFeatures.of(3 * exemplars, known).kernels[:-1], 3 * exemplars)
    for index, frame in enumerate(2 * sequence.frames):  # the filter is updated in every second frame
        before, state = state, tracker.step(frame, [state])[0].state
        assert (state.template is before.template) == (index % 2 == 0)


def test_online_filter_is_compiled_before_the_first_frame(network: TrackingNetwork) -> None:
    sequence = render([growing_track(4)])
    tracker = Tracker(network, ADAPTING)
    compiled = [len(kernel.signatures) for kernel in (add_over_channels, add_to_channels)]
    tracker.init(sequence.frames[0], sequence.boxes[0][0])
    for frame in sequence.frames[1:]:
        tracker.update(frame)
    assert [len(kernel.signatures) for kernel in (add_over_channels, add_to_channels)] == compiled


def test_online_filter_skips_a_frame_without_the_target(network: TrackingNetwork) -> None:
    sequence = render([growing_track(2)])
    tracker = Tracker(network, ADAPTING)
    state = tracker.start(sequence.frames[0], sequence.boxes[0][0])
    for _ in range(4):
        state = tracker.step(np.full_like(sequence.frames[0], 90), [state])[0].state
    assert state.template.filter is not None
    assert len(state.template.filter.spectra) == state.template.filter.first_samples


def test_online_filter_needs_scale_search_on_the_exemplar() -> None:
    with pytest.raises(ValidationError, match="online_filter learns from one search crop a frame"):
        TrackingSettings(scale_search="search", online_filter=OnlineFilterSettings())


@settings(deadline=None)
@given(st.integers(0, 1000), st.floats(0.5, 4), st.floats(0.5, 4))
def test_online_filter_kernel_and_offset_match_the_filter_on_raw_features(
    seed: int, width: float, height: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(4, 9, 9, generator=generator) + 0.1 * torch.randn(3, 4, 9, 9, generator=generator)
    known = init_filter(
        features[0, :, 3:6, 3:6], features, (width, height), 1.0, OnlineFilterSettings(init_iterations=3)
    )
    filter_responses = F.conv2d(features, known.kernel[None])[:, 0] - known.offset
    np.testing.assert_allclose(filter_responses, known.responses, atol=1e-4)
