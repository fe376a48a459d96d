"""Following a target through the frames of a video, in either direction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from siamtrack.boxes import Box
from siamtrack.labelling.frames import FrameStore
from siamtrack.labelling.tracks import Follow
from siamtrack.tracking.status import Status

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
        tracker = load()
        state = tracker.start(frames.image(order[0]), box)
        for index in order[1:]:
            found: Box | None = None
            if index not in frames.missing:  # else the target is looked for where it was, in the frame after
                result = tracker.step(frames.image(index), [state])[0]
                state = result.state
                found = None if result.status is Status.LOST else result.box
            tick()
            yield found

    return follow
