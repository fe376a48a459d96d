"""Several targets under ids, found together in every frame."""

from __future__ import annotations

from siamtrack.boxes import ImageLike
from siamtrack.errors import UsageError
from siamtrack.tracking.state import TargetState, TrackResult
from siamtrack.tracking.tracker import Tracker


class MultiTracker:
    """Tracker of any number of targets, which come and go; all are found in one batched forward pass a frame.

    Every target has an id. An id is never used again.

    >>> source = siamtrack.open_source("clip.mp4")
    >>> image = next(source).image
    >>> targets = siamtrack.MultiTracker(siamtrack.load())
    >>> targets.add(image, (120, 80, 64, 48)), targets.add(image, (20, 30, 40, 40))
    (1, 2)
    >>> list(targets.update(next(source).image))
    [1, 2]
    >>> targets.remove(1)
    >>> for target, result in targets.update(next(source).image).items():
    ...     print(target, result.status)
    2 tracked

    Args:
        tracker: finds the targets. It keeps no state of them and may serve other targets at the same time.
    """

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self._states: dict[int, TargetState] = {}
        self._last_id = 0

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of the present targets, ascending; the first id is 1."""
        return tuple(self._states)

    @property
    def states(self) -> dict[int, TargetState]:
        """The states of the targets after the last frame, by id; see `Tracker.step` and `Tracker.observe`."""
        return dict(self._states)

    def add(self, frame: ImageLike, box: tuple[float, float, float, float]) -> int:
        """Start to follow another target and return its id.

        Args:
            frame: `(H, W, 3)` uint8 in the color order of the tracker, or an image of Pillow.
            box: `x, y, width, height` of the target in the frame, in pixels, 0-based and continuous.

        Raises:
            BoxError: when the box cannot be tracked; no id is used then.
        """
        state = self.tracker.start(frame, box)
        self._last_id += 1
        self._states[self._last_id] = state
        return self._last_id

    def update(self, frame: ImageLike) -> dict[int, TrackResult]:
        """Find all targets in the next frame (see `add`); return the results by id, ascending."""
        results = dict(zip(self._states, self.tracker.step(frame, list(self._states.values())), strict=True))
        self._states = {target: result.state for target, result in results.items()}
        return results

    def restart(self, target: int, frame: ImageLike, box: tuple[float, float, float, float]) -> None:
        """Initialize a target again, with a new box and the id that it has.

        Args:
            target: id of the target.
            frame: `(H, W, 3)` uint8 in the color order of the tracker, or an image of Pillow.
            box: see `add`.

        Raises:
            UsageError: when no target has this id.
            BoxError: when the box cannot be tracked; the target goes on as before.
        """
        self._check(target)
        self._states[target] = self.tracker.start(frame, box)

    def remove(self, target: int) -> None:
        """Stop following a target.

        Raises:
            UsageError: when no target has this id.
        """
        self._check(target)
        del self._states[target]

    def _check(self, target: int) -> None:
        if target not in self._states:
            known = ", ".join(map(str, self._states)) or "none"
            raise UsageError(f"there is no target {target} (there are: {known})")
