"""`MultiTracker`: targets that come and go do not disturb each other."""

from __future__ import annotations

import pytest

from siamtrack.boxes import Box
from siamtrack.errors import BoxError, UsageError
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.factory import load
from siamtrack.tracking.multi import MultiTracker
from siamtrack.tracking.tracker import Tracker

FRAMES = 12


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    return load("siamtrack-lite", device="cpu", precision="float32")


@pytest.fixture(scope="module")
def clip() -> SyntheticClip:
    return SyntheticClip(320, 240, FRAMES, targets=3)


def alone(tracker: Tracker, clip: SyntheticClip, target: int, first: int, stop: int) -> list[Box]:
    """The boxes of one target of the clip in the frames after `first`, with nothing else followed."""
    frames = list(clip)[first:stop]
    tracker.init(frames[0][0], frames[0][1][target])
    return [tracker.update(image).box for image, _ in frames[1:]]


def test_multi_tracker_gives_each_target_the_boxes_it_has_alone(tracker: Tracker, clip: SyntheticClip) -> None:
    targets = MultiTracker(tracker)
    boxes: dict[int, list[Box]] = {1: [], 2: [], 3: []}
    for index, (image, truth) in enumerate(clip):
        for target, result in targets.update(image).items():
            boxes[target].append(result.box)
        if index == 0:
            assert [targets.add(image, truth[0]), targets.add(image, truth[1])] == [1, 2]
        if index == 4:
            assert targets.add(image, truth[2]) == 3
        if index == 7:
            targets.remove(1)
    # Sums in a larger batch are rounded otherwise: a hundredth of a pixel is nothing.
    assert boxes[1] == [pytest.approx(box, abs=0.01) for box in alone(tracker, clip, 0, 0, 8)]
    assert boxes[2] == [pytest.approx(box, abs=0.01) for box in alone(tracker, clip, 1, 0, FRAMES)]
    assert boxes[3] == [pytest.approx(box, abs=0.01) for box in alone(tracker, clip, 2, 4, FRAMES)]


def test_multi_tracker_lost_target_does_not_disturb_the_others(clip: SyntheticClip) -> None:
    tracker = load("siamtrack-lite", device="cpu", precision="float32", settings={"redetection": {}})
    targets = MultiTracker(tracker)
    boxes: dict[int, list[Box]] = {1: [], 2: [], 3: []}
    said: list[Status] = []
    for index, (image, truth) in enumerate(clip):
        if index >= 4:  # the first target is gone
            x, y, width, height = (round(value) for value in truth[0])
            window = slice(y - 2, y + height + 3), slice(x - 2, x + width + 3)
            image[window] = clip.background(index)[window]
        for target, result in targets.update(image).items():
            boxes[target].append(result.box)
            said.append(result.status)
        if index == 0:
            assert [targets.add(image, box) for box in truth] == [1, 2, 3]
    assert said[-3:] == [Status.LOST, Status.TRACKED, Status.TRACKED]
    for target in (1, 2):
        expected = alone(tracker, clip, target, 0, FRAMES)
        assert boxes[target + 1] == [pytest.approx(box, abs=0.01) for box in expected]


def test_multi_tracker_never_uses_an_id_again(tracker: Tracker, clip: SyntheticClip) -> None:
    targets = MultiTracker(tracker)
    image, truth = next(iter(clip))
    targets.add(image, truth[0])
    targets.remove(1)
    assert targets.add(image, truth[1]) == 2
    assert targets.ids == (2,)


def test_multi_tracker_restart_keeps_the_id(tracker: Tracker, clip: SyntheticClip) -> None:
    targets = MultiTracker(tracker)
    image, truth = next(iter(clip))
    targets.add(image, truth[0])
    targets.restart(1, image, truth[1])
    result = targets.update(image)[1]
    assert result.box.center == pytest.approx(truth[1].center, abs=3)


def test_multi_tracker_refused_box_changes_nothing(tracker: Tracker, clip: SyntheticClip) -> None:
    targets = MultiTracker(tracker)
    image, truth = next(iter(clip))
    targets.add(image, truth[0])
    with pytest.raises(BoxError):
        targets.add(image, (10, 10, 0, 0))
    with pytest.raises(BoxError):
        targets.restart(1, image, (10, 10, 0, 0))
    assert targets.ids == (1,)
    assert targets.add(image, truth[1]) == 2


def test_multi_tracker_names_an_unknown_target(tracker: Tracker) -> None:
    with pytest.raises(UsageError, match=r"no target 4 \(there are: none\)"):
        MultiTracker(tracker).remove(4)
