"""Base of cameras and network streams: pictures come by the clock, and may stop coming."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray


class Capture(ABC):
    """Pictures as they come; belongs to one thread, but for `interrupt`."""

    rate: Fraction
    """Frames per second as the driver or the stream says, or 30 where it says nothing sensible."""
    notice: str | None = None
    """One line about what is wrong at present; None when all is well."""

    @abstractmethod
    def read(self) -> NDArray[np.uint8] | None:
        """Wait for the next picture: `(H, W, 3)` uint8 BGR, upright; None when there is none yet.

        Raises:
            SourceError: when no more will come.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """Have `read`, on another thread, return as soon as it can; what it waits for elsewhere it waits for."""

    @abstractmethod
    def close(self) -> None:
        """Release the device or the connection."""
