"""A template that follows the target: what it is made of, and when it is left alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scenes import Sequence, render, texture

from siamtrack.boxes import Box
from siamtrack.config import ConfidenceSettings, SignalWeights, TemplateUpdateSettings, TrackingSettings
from siamtrack.models.network import TrackingNetwork
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.state import TrackResult
from siamtrack.tracking.template import TemplateMean, update_template
from siamtrack.tracking.tracker import Tracker

BY_RESPONSE = ConfidenceSettings(
    intercept=-8.0, level_weights=SignalWeights(response=1.0), change_weights=SignalWeights(), lost_frames=2
)
"""The target's own response is 12 here, and that of the background 5 at the most."""
KEEPS = TrackingSettings(scale_search="exemplar", confidence=BY_RESPONSE)
FOLLOWS = KEEPS.model_copy(
    update={"template_update": TemplateUpdateSettings(interval=2, learning_rate=0.5, weight=0.5, threshold=0.6)}
)
PLACE = Box(120, 90, 44, 40)
GONE = 9
"""Frame from which the target is away."""


def fading(frames: int) -> Sequence:
    """One place, at which one texture slowly becomes another."""
    background = texture(240, 320, 100)
    first, last = (texture(40, 44, seed, 5.0).astype(np.float32) for seed in (1, 2))
    pictures = []
    for share in np.linspace(0, 0.6, frames):
        picture = background.copy()
        picture[90:130, 120:164] = np.rint((1 - share) * first + share * last)
        pictures.append(picture)
    return Sequence(pictures, [[PLACE]] * frames)


def follow(network: TrackingNetwork, settings: TrackingSettings, sequence: Sequence) -> list[TrackResult]:
    tracker = Tracker(network, settings)
    state = tracker.start(sequence.frames[0], sequence.boxes[0][0])
    results = []
    for frame in sequence.frames[1:]:
        (result,) = tracker.step(frame, [state])
        results.append(result)
        state = result.state
    return results


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=6), st.floats(0.01, 1), st.floats(0, 0.99))
def test_it_is_the_first_exemplar_and_a_running_mean_of_the_others(
    seen: list[float], rate: float, share: float
) -> None:
    settings = TemplateUpdateSettings(learning_rate=rate, weight=share)
    first = torch.tensor([0.5], dtype=torch.float64)
    template, mean = None, 0.5
    for value in seen:
        template = update_template(template, first, torch.tensor([value], dtype=torch.float64), settings)
        mean = (1 - rate) * mean + rate * value
    assert template is not None
    assert template.first is first
    assert template.recent.item() == pytest.approx(mean)
    assert template.mixed(share).item() == pytest.approx((1 - share) * 0.5 + share * mean)


def test_it_keeps_up_with_a_target_that_changes(network: TrackingNetwork) -> None:
    sequence = fading(40)
    kept, followed = (follow(network, settings, sequence) for settings in (KEEPS, FOLLOWS))
    assert kept[0].peak.value == pytest.approx(followed[0].peak.value)
    assert kept[-1].peak.value < 0.85 * kept[0].peak.value
    assert followed[-1].peak.value > kept[-1].peak.value + 0.5
    assert all(isinstance(result.state.template_mean, TemplateMean) for result in followed[1:])
    assert all(result.state.template_mean is None for result in kept)


def test_it_is_left_alone_while_the_target_is_not_tracked(network: TrackingNetwork) -> None:
    away = Box(-900, -900, 40, 40)
    sequence = render([[PLACE] * GONE + [away] * 9])
    results = follow(network, FOLLOWS, sequence)
    assert {result.status for result in results[GONE + 1 :]} <= {Status.UNCERTAIN, Status.LOST}
    template = results[GONE - 2].state.template_mean
    assert template is not None
    assert all(result.state.template_mean is template for result in results[GONE + 1 :])


def test_only_frames_that_are_due_are_learnt_from(network: TrackingNetwork) -> None:
    settings = FOLLOWS.model_copy(update={"template_update": TemplateUpdateSettings(interval=4, threshold=0.0)})
    results = follow(network, settings, render([[PLACE] * 14]))
    templates = [None, *(result.state.template_mean for result in results)]
    changed = [age for age in range(1, len(templates)) if templates[age] is not templates[age - 1]]
    assert changed == [4, 8, 12]


def test_several_targets_have_the_templates_that_they_have_alone(network: TrackingNetwork) -> None:
    tracks = [[Box(40 + 2 * i, 40, 40, 40) for i in range(8)], [Box(200, 60 + 3 * i, 44, 36) for i in range(8)]]
    sequence = render(tracks)
    tracker = Tracker(network, FOLLOWS)
    states = [tracker.start(sequence.frames[0], box) for box in sequence.boxes[0]]
    for frame in sequence.frames[1:]:
        states = [result.state for result in tracker.step(frame, states)]
    for target, state in enumerate(states):
        alone = follow(network, FOLLOWS, Sequence(sequence.frames, [[boxes[target]] for boxes in sequence.boxes]))[-1]
        torch.testing.assert_close(state.template.exemplars, alone.state.template.exemplars)
        assert state.box == pytest.approx(alone.box)
