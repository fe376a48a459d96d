"""A target that is gone, what is said about it, and how it is found again: with a network that matches pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scenes import Sequence, render
from test_observe import assert_same

from siamtrack.boxes import Box, iou
from siamtrack.config import ConfidenceSettings, RedetectionSettings, SignalWeights, TrackingSettings
from siamtrack.models.network import TrackingNetwork
from siamtrack.runtime.base import Embedding
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.state import TargetState, TrackResult
from siamtrack.tracking.tracker import Tracker

T, U, L = Status.TRACKED, Status.UNCERTAIN, Status.LOST

BY_RESPONSE = ConfidenceSettings(
    intercept=-8.0, level_weights=SignalWeights(response=1.0), change_weights=SignalWeights(), lost_frames=2
)
"""The target's own response is 12 here, and that of the background 5 at the most."""
SEARCHES = TrackingSettings(scale_search="exemplar", confidence=BY_RESPONSE, redetection=RedetectionSettings(crops=3))
STAYS = SEARCHES.model_copy(update={"redetection": None})

HERE, NOWHERE, THERE = Box(40, 50, 40, 40), Box(-900, -900, 40, 40), Box(250, 170, 40, 40)
GONE, BACK, END = 6, 14, 26
"""Frames in which it is away, back at another place, and the number of frames."""


def place(index: int) -> Box:
    return HERE if index < GONE else NOWHERE if index < BACK else THERE


@pytest.fixture(scope="module")
def away() -> Sequence:
    """Target 0 disappears and returns elsewhere; 1 and 2 move on and are always there."""
    others = [
        [Box(120 + 2 * i, 20 + i, 44, 40) for i in range(END)],
        [Box(60 + 3 * i, 180, 40, 44) for i in range(END)],
    ]
    return render([[place(index) for index in range(END)], *others])


def follow(tracker: Tracker, sequence: Sequence, targets: list[int]) -> dict[int, list[TrackResult]]:
    """The results of these targets, followed together."""
    states = [tracker.start(sequence.frames[0], sequence.boxes[target][0]) for target in targets]
    results: dict[int, list[TrackResult]] = {target: [] for target in targets}
    for frame in sequence.frames[1:]:
        stepped = tracker.step(frame, states)
        states = [result.state for result in stepped]
        for target, result in zip(targets, stepped, strict=True):
            results[target].append(result)
    return results


def test_redetection_finds_a_lost_target_across_the_frame(network: TrackingNetwork, away: Sequence) -> None:
    results = follow(Tracker(network, SEARCHES), away, [0])[0]
    said = [result.status for result in results]
    assert said[: GONE - 1] == [T] * (GONE - 1)
    assert T not in said[GONE + 1 : BACK - 1]
    assert L in said[GONE - 1 : GONE + 4]
    found = said.index(T, BACK - 1)
    assert said[found - 1] is U  # once is no proof
    assert said[found:] == [T] * len(said[found:])
    for result in results[found:]:
        assert iou(np.array(result.box), np.array(THERE)) > 0.7


def test_redetection_switched_off_leaves_the_target_lost(network: TrackingNetwork, away: Sequence) -> None:
    results = follow(Tracker(network, STAYS), away, [0])[0]
    assert {result.status for result in results[GONE + 3 :]} == {L}


def test_redetection_keeps_the_last_size_of_a_lost_target(network: TrackingNetwork, away: Sequence) -> None:
    results = follow(Tracker(network, SEARCHES), away, [0])[0]
    assert results[-1].state.scale == pytest.approx(1.0, abs=0.05)
    assert results[BACK - 3].state.last_confident.center == pytest.approx(HERE.center, abs=1.5)


def test_redetection_does_not_disturb_other_targets(network: TrackingNetwork, away: Sequence) -> None:
    tracker = Tracker(network, SEARCHES)
    together = follow(tracker, away, [1, 0, 2])
    for target in (0, 1, 2):
        alone = follow(tracker, away, [target])[target]
        assert [result.status for result in together[target]] == [result.status for result in alone]
        for one, other in zip(together[target], alone, strict=True):
            assert one.box == pytest.approx(other.box, abs=0.01)


def test_redetection_searches_all_crops_in_one_forward_pass(
    network: TrackingNetwork, away: Sequence, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracker(network, SEARCHES)
    sizes: list[int] = []
    embed = tracker.backend.embed

    def counted(images: torch.Tensor) -> Embedding:
        sizes.append(len(images))
        return embed(images)

    states = [tracker.start(away.frames[0], away.boxes[target][0]) for target in (0, 1)]
    monkeypatch.setattr(tracker.backend, "embed", counted)
    for frame in away.frames[1:BACK]:
        lost = states[0].track_state.frames_lost > 0
        states = [result.state for result in tracker.step(frame, states)]
        assert sizes.pop() == (2 + 3 if lost else 2)
        assert not sizes
    assert lost


def test_redetection_observe_equals_step(network: TrackingNetwork, away: Sequence) -> None:
    tracker = Tracker(network, SEARCHES)
    state = tracker.start(away.frames[0], HERE)
    jumps = 0
    for frame in away.frames[1:]:
        seen = tracker.observe(frame, state)
        (result,) = tracker.step(frame, [state])
        assert_same(seen.result, result)
        square = seen.squares[seen.crop_index]
        assert square.left <= result.state.center[0] <= square.left + square.side
        assert len(seen.crops) == len(seen.squares) == 1
        jumps += np.hypot(*np.subtract(result.state.center, state.center)) > 100
        state = result.state
    assert jumps == 1


def test_redetection_does_not_update_the_target_while_it_is_lost(network: TrackingNetwork, away: Sequence) -> None:
    # Where this filter sees the target its response is 4, and elsewhere 1.
    rules = BY_RESPONSE.model_copy(update={"intercept": -2.0, "smoothing": 1.0, "lost_frames": 4})
    settings = TrackingSettings.model_validate(
        SEARCHES.model_dump()
        | {"confidence": rules, "lost_threshold": 0.4, "online_filter": {"interval": 1, "min_response": 0.0}}
    )
    tracker = Tracker(network, settings)
    state = tracker.start(away.frames[0], HERE)
    seen: list[tuple[Status, bool]] = []
    for frame in away.frames[1:]:
        before: TargetState = state
        (result,) = tracker.step(frame, [state])
        state = result.state
        updated = (
            state.template.filter is not before.template.filter
            and state.template.filter is not before.last_confident.template.filter
        )
        assert updated == (not state.track_state.frames_lost)
        seen.append((result.status, updated))
    assert {(T, True), (U, True), (L, False)} <= set(seen)


@pytest.mark.parametrize("mode", ["search", "exemplar", "alternate"])
def test_redetection_switched_off_keeps_the_path_independent_of_the_status(
    network: TrackingNetwork, away: Sequence, mode: str
) -> None:
    never = ConfidenceSettings(intercept=-12.0, level_weights=SignalWeights(), change_weights=SignalWeights())
    always = never.model_copy(update={"intercept": 12.0})
    paths = []
    for rules in (never, always):
        settings = TrackingSettings.model_validate({"scale_search": mode, "confidence": rules})
        paths.append([result.box for result in follow(Tracker(network, settings), away, [0])[0]])
    assert paths[0] == paths[1]


@pytest.mark.parametrize("mode", ["search", "alternate"])
def test_redetection_works_with_every_scale_search(network: TrackingNetwork, away: Sequence, mode: str) -> None:
    settings = TrackingSettings.model_validate(SEARCHES.model_dump() | {"scale_search": mode})
    results = follow(Tracker(network, settings), away, [0])[0]
    assert results[-1].status is T
    assert iou(np.array(results[-1].box), np.array(THERE)) > 0.7


def test_redetection_searches_a_frame_of_another_size(network: TrackingNetwork, away: Sequence) -> None:
    tracker = Tracker(network, SEARCHES)
    state = tracker.start(away.frames[0], HERE)
    for frame in away.frames[1:BACK]:
        state = tracker.step(frame, [state])[0].state
    for frame in away.frames[BACK:]:
        wide = np.pad(frame, ((100, 0), (300, 0), (0, 0)))
        (result,) = tracker.step(wide, [state])
        state = result.state
    assert result.status is T
    assert result.box.center == pytest.approx((THERE.center[0] + 300, THERE.center[1] + 100), abs=3)
