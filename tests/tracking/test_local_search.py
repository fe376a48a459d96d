"""Local search: when the small crop is enough, and that it loses nothing; with a network that matches pixels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scenes import Sequence, render

from siamtrack.boxes import Box, iou
from siamtrack.config import (
    ConfidenceSettings,
    LocalSearchSettings,
    OnlineFilterSettings,
    SignalWeights,
    TrackingSettings,
)
from siamtrack.errors import UsageError
from siamtrack.models.network import TrackingNetwork
from siamtrack.runtime.base import Embedding
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.local_search import ResponseContext, is_stationary, needs_full_search
from siamtrack.tracking.state import TrackResult
from siamtrack.tracking.tracker import Tracker

BY_RESPONSE = ConfidenceSettings(
    intercept=-8.0, level_weights=SignalWeights(response=1.0), change_weights=SignalWeights()
)
"""The target's own response is 12 here, and that of the background 5 at the most."""
WIDE = TrackingSettings(scale_search="exemplar", confidence=BY_RESPONSE)
NEAR = WIDE.model_copy(
    update={"local_search": LocalSearchSettings(search_size=96, max_displacement=0.25, threshold=0.5, interval=4)}
)
USUAL, SMALL = 128, 96


def walk(steps: Iterable[tuple[float, float]]) -> Sequence:
    """A target of 40 pixels a side that moves by these steps; its search crop shows 160 of the frame."""
    places = np.cumsum([(60.0, 60.0), *steps], axis=0)
    return render([[Box(x, y, 40, 40) for x, y in places]])


class Watched:
    """A tracker of one target, and the sides of the search crops that it embeds for each frame."""

    def __init__(self, network: TrackingNetwork, settings: TrackingSettings) -> None:
        self.tracker = Tracker(network, settings)
        self.sides: list[list[int]] = []

    def follow(self, sequence: Sequence) -> list[TrackResult]:
        """Follow it, with the sizes noted down."""
        state = self.tracker.start(sequence.frames[0], sequence.boxes[0][0])
        embed, results = self.tracker.backend.embed, []

        def noted(images: torch.Tensor) -> Embedding:
            self.sides[-1] += [images.shape[-1]] * len(images)
            return embed(images)

        self.tracker.backend.embed = noted  # type: ignore[method-assign]
        for frame in sequence.frames[1:]:
            self.sides.append([])
            (result,) = self.tracker.step(frame, [state])
            results.append(result)
            state = result.state
        return results


def test_local_search_crops_a_stationary_target_except_at_the_interval(network: TrackingNetwork) -> None:
    sequence = walk([(2, 1)] * 11)
    watched = Watched(network, NEAR)
    results = watched.follow(sequence)
    # Frame 1 has nothing around it yet, 4 and 8 are due.
    assert watched.sides == [[USUAL if frame in (1, 4, 8) else SMALL] for frame in range(1, 12)]
    assert iou(np.array([result.box for result in results]), np.array(sequence.boxes[0][1:])).min() > 0.8


@pytest.mark.parametrize(("mode", "crops"), [("exemplar", 1), ("search", 3)])
def test_local_search_follows_the_path_of_the_full_crop(network: TrackingNetwork, mode: str, crops: int) -> None:
    sequence = walk([(2, 1)] * 8 + [(-3, 2)] * 8)
    local, wide = (Watched(network, settings.model_copy(update={"scale_search": mode})) for settings in (NEAR, WIDE))
    # The network has no padding: it answers the same in the middle, and what is around it changes little.
    for one, other in zip(local.follow(sequence), wide.follow(sequence), strict=True):
        assert one.box == pytest.approx(other.box, abs=0.1)
        assert one.status is other.status
    assert local.sides[1] == [SMALL] * crops


def test_local_search_sees_a_jump_in_the_same_frame(network: TrackingNetwork) -> None:
    sequence = walk([(1, 0)] * 5 + [(30, 10)] + [(1, 0)] * 3)
    watched = Watched(network, NEAR)
    results = watched.follow(sequence)
    assert watched.sides[5] == [SMALL, USUAL]
    # It may go on as it went; frame 8 is due; after that all is calm.
    assert watched.sides[6:] == [[USUAL], [USUAL], [SMALL]]
    assert iou(np.array([result.box for result in results]), np.array(sequence.boxes[0][1:])).min() > 0.8


def test_local_search_ends_when_a_target_disappears(network: TrackingNetwork) -> None:
    sequence = walk([(1, 0)] * 5 + [(-900, 0)] + [(0, 0)] * 4)
    watched = Watched(network, NEAR)
    results = watched.follow(sequence)
    assert watched.sides[5] == [SMALL, USUAL]
    assert all(sides == [USUAL] for sides in watched.sides[6:])
    assert results[-1].status is not Status.TRACKED


def test_local_search_crops_are_no_samples_of_the_online_filter(network: TrackingNetwork) -> None:
    sequence = walk([(2, 1)] * 12)
    # Pixels make a poor filter, which is not what is looked at here.
    confident = ConfidenceSettings(intercept=9.0, level_weights=SignalWeights(), change_weights=SignalWeights())
    local, adaptation = (
        LocalSearchSettings(search_size=96, max_displacement=0.5, interval=4),
        OnlineFilterSettings(interval=3, min_response=0.0),
    )
    watched = Watched(
        network, NEAR.model_copy(update={"local_search": local, "online_filter": adaptation, "confidence": confident})
    )
    results = watched.follow(sequence)
    assert watched.sides == [[USUAL if frame in (1, 3, 4, 6, 8, 9, 12) else SMALL] for frame in range(1, 13)]
    filters = [result.state.template.filter for result in results]
    updates = [index + 1 for index in range(1, len(filters)) if filters[index] is not filters[index - 1]]
    assert updates == [3, 6, 9, 12]


def test_local_search_chooses_the_crop_of_each_target(network: TrackingNetwork) -> None:
    calm, jumps = [(1, 1)] * 6, [(1, 0)] * 4 + [(30, 0), (1, 0)]
    tracks = [np.cumsum([start, *steps], axis=0) for start, steps in (((40, 40), calm), ((120, 150), jumps))]
    sequence = render([[Box(x, y, 40, 40) for x, y in track] for track in tracks])
    tracker = Tracker(
        network,
        NEAR.model_copy(
            update={
                "local_search": LocalSearchSettings(search_size=96, max_displacement=0.25, threshold=0.5, interval=50)
            }
        ),
    )
    states = [tracker.start(sequence.frames[0], boxes[0]) for boxes in sequence.boxes]
    for index, frame in enumerate(sequence.frames[1:], 1):
        before = dict(tracker.crops_seen)
        results = tracker.step(frame, states)
        states = [result.state for result in results]
        seen = {side: count - before.get(side, 0) for side, count in tracker.crops_seen.items()}
        assert seen == ({USUAL: 2} if index == 1 else {USUAL: int(index in (5, 6)), SMALL: 1 if index == 6 else 2})
        for result, boxes in zip(results, sequence.boxes, strict=True):
            assert iou(np.array(result.box), np.array(boxes[index])) > 0.8


@pytest.mark.parametrize(
    ("local", "message"),
    [
        ({"search_size": 100}, "a search crop of 100 pixels does not fit this network"),
        (
            {"search_size": 96, "max_displacement": 2.0},
            "local_search.max_displacement 2 is more than crops of local_search.search_size 96 show: give 1 or less",
        ),
    ],
)
def test_local_search_rejects_an_impossible_crop(
    network: TrackingNetwork, local: dict[str, float], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Tracker(network, TrackingSettings.model_validate({"scale_search": "exemplar", "local_search": local}))


@pytest.mark.parametrize("size", [USUAL, USUAL + 32])
def test_local_search_is_unused_for_a_crop_that_is_no_smaller(network: TrackingNetwork, size: int) -> None:
    watched = Watched(
        network, TrackingSettings.model_validate({"scale_search": "exemplar", "local_search": {"search_size": size}})
    )
    watched.follow(walk([(2, 1)] * 5))
    assert {side for sides in watched.sides for side in sides} == {USUAL}


def test_local_search_is_unused_with_alternating_scales(network: TrackingNetwork) -> None:
    watched = Watched(network, NEAR.model_copy(update={"scale_search": "alternate"}))
    results = watched.follow(walk([(2, 1)] * 5))
    assert {side for sides in watched.sides for side in sides} == {USUAL}
    assert all(result.state.context is None for result in results)


def around(seed: int, size: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(3, size, size)).astype(np.float32)


@given(st.integers(1, 6), st.integers(0, 4))
def test_local_search_replaces_only_the_middle_of_the_response(half: int, margin: int) -> None:
    whole, part = around(0, 2 * (half + margin) + 1), around(1, 2 * half + 1)
    made = ResponseContext(whole, whole[0]).with_center(part, part[0])
    inner = slice(margin, margin + part.shape[-1])
    np.testing.assert_array_equal(made.responses[:, inner, inner], part)
    assert made.filter_response is not None
    np.testing.assert_array_equal(made.filter_response[inner, inner], part[0])
    outside = np.ones(whole.shape[1:], bool)
    outside[inner, inner] = False
    np.testing.assert_array_equal(made.responses[:, outside], whole[:, outside])
    assert ResponseContext(whole, None).with_center(part, None).filter_response is None


def test_local_search_conditions() -> None:
    settings = LocalSearchSettings(max_displacement=0.2, threshold=0.8, interval=4)
    assert is_stationary((0.2, -0.2), 0.8, settings)
    assert not is_stationary((0.0, -0.21), 0.9, settings)
    assert not is_stationary((0.0, 0.0), 0.79, settings)
    assert [age for age in range(1, 13) if needs_full_search(age, settings, None)] == [4, 8, 12]
    assert [age for age in range(1, 13) if needs_full_search(age, settings, 5)] == [4, 5, 8, 10, 12]
