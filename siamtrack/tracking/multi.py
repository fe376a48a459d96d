"""The targets that are followed at present: they come and go while the tracker runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import UsageError
from siamtrack.tracking.state import TargetState, TrackResult
from siamtrack.tracking.tracker import Tracker


class MultiTracker:
    """Any number of targets under ids that are never used again; all are found in one step a frame.

    >>> source = siamtrack.open_source("clip.mp4")
    >>> image = next(source).image
    >>> targets = siamtrack.MultiTracker(siamtrack.load())
    >>> targets.add(image, (120, 80, 64, 48)), targets.add(image, (20, 30, 40, 40))
    (1, 2)
    >>> list(targets.step(next(source).image))
    [1, 2]
    >>> targets.drop(1)
    >>> for target, result in targets.step(next(source).image).items():
    ...     print(target, result.status)
    2 tracked

    Args:
        tracker: finds them; it keeps nothing of them and may serve others too.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self._states: dict[int, TargetState] = {}
        self._last = 0

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of the targets, ascending; the first is 1."""
        return tuple(self._states)

    def add(self, image: NDArray[np.uint8], box: tuple[float, float, float, float]) -> int:
        """Follow another target.

        Args:
            image: `(H, W, 3)` uint8 BGR.
            box: `x, y, width, height` in it, in pixels, 0-based and continuous.

        Returns:
            The target's id.

        Raises:
            BoxError: when the box cannot be tracked; no id is used up.
        """
        state = self.tracker.start(image, box)
        self._last += 1
        self._states[self._last] = state
        return self._last

    def restart(self, target: int, image: NDArray[np.uint8], box: tuple[float, float, float, float]) -> None:
        """Show a target anew, under the id that it has.

        Args:
            target: its id.
            image: `(H, W, 3)` uint8 BGR.
            box: as of `add`.

        Raises:
            UsageError: when there is no such target.
            BoxError: when the box cannot be tracked; the target goes on as before.
        """
        self._check(target)
        self._states[target] = self.tracker.start(image, box)

    def drop(self, target: int) -> None:
        """Stop following a target.

        Raises:
            UsageError: when there is no such target.
        """
        self._check(target)
        del self._states[target]

    def step(self, image: NDArray[np.uint8]) -> dict[int, TrackResult]:
        """Find all targets in the next frame, `(H, W, 3)` uint8 BGR: the results by id, ascending."""
        results = dict(zip(self._states, self.tracker.step(image, list(self._states.values())), strict=True))
        self._states = {target: result.state for target, result in results.items()}
        return results

    def _check(self, target: int) -> None:
        if target not in self._states:
            known = ", ".join(map(str, self._states)) or "none"
            raise UsageError(f"there is no target {target} (there are: {known})")
