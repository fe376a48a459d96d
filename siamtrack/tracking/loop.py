"""The loop over frames that every command shares, and the protocols of what can run in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box

ResultT_co = TypeVar("ResultT_co", covariant=True)
FrameT = TypeVar("FrameT")


class DecodedFrame(Protocol):
    """Frame that has an image in any case, as those of a camera."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """`(H, W, 3)` uint8 BGR."""
        ...


DecodedT = TypeVar("DecodedT", bound=DecodedFrame)


class FrameTracker(Protocol[ResultT_co]):
    """Tracker of one or several targets that takes one frame after another: `Tracker`, `MultiTracker`, or another."""

    def update(self, frame: NDArray[np.uint8], /) -> ResultT_co:
        """Find the targets in the next frame, `(H, W, 3)` uint8 BGR."""
        ...


class SingleTracker(FrameTracker[ResultT_co], Protocol[ResultT_co]):
    """Tracker of one target, in the form that OpenCV and the GOT-10k toolkit share: `init`, then `update`."""

    def init(self, frame: NDArray[np.uint8], box: Box, /) -> None:
        """Set the target.

        Args:
            frame: `(H, W, 3)` uint8 BGR.
            box: the target in this frame, in pixels, 0-based and continuous.
        """
        ...


@overload
def track(
    frames: Iterable[NDArray[np.uint8]], tracker: FrameTracker[ResultT_co]
) -> Iterator[tuple[NDArray[np.uint8], ResultT_co]]: ...


@overload
def track(frames: Iterable[DecodedT], tracker: FrameTracker[ResultT_co]) -> Iterator[tuple[DecodedT, ResultT_co]]: ...


@overload
def track(
    frames: Iterable[FrameT], tracker: FrameTracker[ResultT_co]
) -> Iterator[tuple[FrameT, ResultT_co | None]]: ...


def track(frames: Iterable[Any], tracker: FrameTracker[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield every frame with the results that a tracker finds in it.

    A frame that could not be decoded has no image. It is yielded with None, and the tracker goes on from its last state
    in the frame after it. The targets of a `MultiTracker` may be added, restarted and removed between two frames.

    >>> with siamtrack.open_source("clip.mp4") as source:
    ...     tracker = siamtrack.load()
    ...     tracker.init(next(source).image, (120, 80, 64, 48))
    ...     boxes = [result.box for frame, result in siamtrack.track(source, tracker) if result is not None]

    Args:
        frames: images `(H, W, 3)` uint8 BGR, or objects whose `image` is one, or None instead of either.
        tracker: its targets are set already. `update` is called once for every image.
    """
    for frame in frames:
        image = getattr(frame, "image", frame)
        yield frame, None if image is None else tracker.update(image)
