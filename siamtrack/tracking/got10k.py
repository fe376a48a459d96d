"""Adapter to the protocol of the GOT-10k toolkit, `init(image, box)` and `update(image) -> box`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, Image, trackable_box
from siamtrack.tracking.crops import as_bgr

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker


def as_got10k_tracker(tracker: Tracker, name: str | None = None) -> Any:
    """Wrap a tracker as a `got10k.trackers.Tracker`, for the experiments of the toolkit.

    The toolkit passes RGB images, and boxes in the convention of ground truth files, whose first pixel is 1. It gets
    boxes in this convention back.

    Args:
        tracker: the tracker to wrap; the adapter uses its `init` and `update`.
        name: name of the tracker in results and reports; None takes the name of the model.

    Returns:
        An instance of a subclass of `got10k.trackers.Tracker`. Its `init` and `update` take an image of Pillow or an
        `(H, W, 3)` uint8 RGB array, whatever the color order of the tracker.
    """
    from got10k.trackers import Tracker as Base  # noqa: PLC0415 - pulls in matplotlib: only for those who ask

    def frame_of(image: Any) -> Image:
        bgr = as_bgr(image, "rgb")
        return bgr if tracker.color == "bgr" else bgr[..., ::-1]

    class Adapter(Base):  # type: ignore[misc]  # got10k has no types
        """A siamtrack tracker in the toolkit's protocol."""

        def init(self, image: Any, box: NDArray[np.float64]) -> None:
            """Set the target; `box` is `x, y, width, height`, 1-based."""
            frame = frame_of(image)
            height, width = frame.shape[:2]
            tracker.init(frame, trackable_box(Box.from_one_based(*(float(value) for value in box)), width, height))

        def update(self, image: Any) -> NDArray[np.float64]:
            """Return the box in the next frame, `(4,)` `x, y, width, height`, 1-based."""
            return np.array(tracker.update(frame_of(image)).box.to_one_based())

    return Adapter(name=name or (tracker.card.name if tracker.card else "siamtrack"), is_deterministic=True)
