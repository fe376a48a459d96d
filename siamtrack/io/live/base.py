"""Base of all live sources: frames that say when they were captured, and a count of those left out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from siamtrack.io.frames import SourceInfo


@dataclass(frozen=True, slots=True, eq=False)
class LiveFrame:
    """One frame as it came from a camera, a stream or a file."""

    index: int
    """Number of the frame in the source (0-based); those that were left out are counted."""
    time: float
    """Seconds since the first frame: by the clock for a camera or a stream, by its rate for a file."""
    image: NDArray[np.uint8]
    """`(H, W, 3)` uint8 BGR, upright."""
    captured: float
    """`time.monotonic()` at which it was handed over by the driver, the network or the decoder."""


class LiveSource(ABC, Iterator[LiveFrame]):
    """An iterator over the newest frames and a context manager; made by `open_live`.

    A camera or a stream gives the newest frame each time and leaves out those that came before it and were not asked
    for; a file gives every frame, when it is asked for. The iteration ends with the file, or where a camera is gone.
    """

    info: SourceInfo
    """`rate` is that of the driver, or 30 where it says nothing sensible."""
    is_file: bool
    """Every frame is given, as fast as they are asked for."""
    dropped: int
    """Frames that were left out so far."""
    notice: str | None
    """One line about what is wrong at present (a stream that stalls and is opened again); None when all is well."""
    ended: str | None
    """One line that says why a camera or a stream ended; None while it goes on, and for a file."""

    @abstractmethod
    def poll(self, timeout: float) -> LiveFrame | None:
        """Return the newest frame that was not given yet; None when there is none within `timeout` seconds.

        Raises:
            StopIteration: at the end.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the camera; the iteration is over then."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
