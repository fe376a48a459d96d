"""The adapter to the GOT-10k toolkit's protocol, `init(image, box)` and `update(image) -> box`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, trackable_box

if TYPE_CHECKING:
    from siamtrack.tracking.tracker import Tracker


def as_got10k_tracker(tracker: Tracker, name: str | None = None) -> Any:
    """Make a `got10k.trackers.Tracker` of a tracker, for the toolkit's experiments.

    The toolkit hands over RGB images and boxes as they stand in the ground truth files, where the first pixel is 1; it
    gets boxes of that kind back.

    Args:
        tracker: does the work; its one target (`init`, `update`) belongs to the adapter from then on.
        name: name of the tracker in results and reports; None takes the model's.

    Returns:
        An instance of a sub-class of `got10k.trackers.Tracker`; its `init` and `update` take a PIL image or an
        `(H, W, 3)` uint8 RGB array.
    """
    from got10k.trackers import Tracker as Base  # noqa: PLC0415 - pulls in matplotlib: only for those who ask

    class Adapter(Base):  # type: ignore[misc]  # got10k has no types
        """A siamtrack tracker in the toolkit's protocol."""

        def init(self, image: Any, box: NDArray[np.float64]) -> None:
            """Set the target; `box` is `x, y, width, height`, 1-based."""
            frame = _to_bgr(image)
            height, width = frame.shape[:2]
            tracker.init(frame, trackable_box(Box.from_one_based(*(float(value) for value in box)), width, height))

        def update(self, image: Any) -> NDArray[np.float64]:
            """Follow it; returns `(4,)` `x, y, width, height`, 1-based."""
            return np.array(tracker.update(_to_bgr(image)).box.to_one_based())

    return Adapter(name=name or (tracker.card.name if tracker.card else "siamtrack"), is_deterministic=True)


def _to_bgr(image: Any) -> NDArray[np.uint8]:
    """A PIL image of any mode, or an `(H, W, 3)` uint8 RGB array, as `(H, W, 3)` uint8 BGR."""
    pixels = image if isinstance(image, np.ndarray) else np.asarray(image.convert("RGB"))
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8)
