"""`track`: every frame with its results, whatever the frames and the tracker are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

import siamtrack
from siamtrack.boxes import Image
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.tracking.factory import load
from siamtrack.tracking.loop import track
from siamtrack.tracking.multi import MultiTracker


@dataclass
class Held:
    image: Image | None


class Brightness:
    """A tracker of the least kind: its result is the first value of the frame."""

    def update(self, frame: Image) -> int:
        return int(frame[0, 0, 0])


def frame(value: int) -> Image:
    return np.full((4, 6, 3), value, np.uint8)


def test_track_yields_images_with_their_results() -> None:
    frames = [frame(3), frame(5)]
    found = list(track(frames, Brightness()))
    assert [image for image, _ in found] == frames
    assert [result for _, result in found] == [3, 5]


def test_track_yields_undecodable_frames_without_a_result() -> None:
    frames = [Held(frame(3)), Held(None), Held(frame(5))]
    assert list(track(frames, Brightness())) == list(zip(frames, [3, None, 5], strict=True))
    assert [result for _, result in track([frame(3), None], Brightness())] == [3, None]


def test_track_reads_a_frame_only_when_it_is_asked_for() -> None:
    read: list[int] = []

    def frames() -> Iterator[Image]:
        for value in range(3):
            read.append(value)
            yield frame(value)

    loop = track(frames(), Brightness())
    assert read == []
    next(loop)
    assert read == [0]


def test_track_follows_targets_that_come_and_go_between_frames() -> None:
    targets = MultiTracker(load("siamtrack-lite", device="cpu", precision="float32"))
    images, truth = zip(*SyntheticClip(160, 120, 5, targets=2), strict=True)
    targets.add(images[0], truth[0][0])
    seen = []
    for index, (image, results) in enumerate(siamtrack.track(images[1:], targets)):
        seen.append(list(results))
        if index == 0:
            targets.add(image, truth[1][1])
        if index == 2:
            targets.remove(1)
    assert seen == [[1], [1, 2], [1, 2], [2]]


def test_track_goes_on_after_an_undecodable_frame_from_the_last_state() -> None:
    tracker = load("siamtrack-lite", device="cpu", precision="float32")
    images, truth = zip(*SyntheticClip(160, 120, 4), strict=True)
    tracker.init(images[0], truth[0][0])
    direct = [tracker.update(image).box for image in images[2:]]
    tracker.init(images[0], truth[0][0])
    frames = [Held(None), *map(Held, images[2:])]
    assert [result.box for _, result in track(frames, tracker) if result is not None] == direct
