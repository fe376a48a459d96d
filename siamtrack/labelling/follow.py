"""Following a target through the frames of a video, in either direction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from siamtrack.boxes import Box
from siamtrack.labelling.frames import FrameStore
from siamtrack.labelling.tracks import Follow
from siamtrack.tracking.confidence import Status
from siamtrack.tracking.loop import track

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker


def follower(load: Callable[[], Tracker], frames: FrameStore, tick: Callable[[], None]) -> Follow:
    """A way to follow a target through these frames.

    Args:
        load: gives the tracker, always the same one; it is called when something is followed.
        frames: of the video.
        tick: called after every frame.
    """

    def follow(order: range, box: Box) -> Iterator[Box | None]:
        from siamtrack.tracking.multi import MultiTracker  # noqa: PLC0415 - torch: only when something is followed

        targets = MultiTracker(load())
        target = targets.add(frames.image(order[0]), box)
        images = (None if index in frames.missing else frames.image(index) for index in order[1:])
        for _, results in track(images, targets):
            tick()
            result = results[target] if results else None
            yield None if result is None or result.status is Status.LOST else result.box

    return follow
