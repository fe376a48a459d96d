"""Progress of long work: one value and one callback for all commands."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a piece of work; its text is one line for a log."""

    done: int
    """Number of finished units."""
    total: int | None = None
    """Number of all units; None where it is not known."""
    unit: str = "frames"
    """Name of the units, in the plural."""
    part: str = ""
    """Name of the current part of the work, such as `round 2 of 3`."""
    rate: float | None = None
    """Units per second."""
    figures: str = ""
    """Figures to watch the work by, such as `loss 0.312`."""

    def __str__(self) -> str:
        """Return one line, such as `120 of 300 frames, 41.5 fps`."""
        count = f"{self.done} {self.unit}" if self.total is None else f"{self.done} of {self.total} {self.unit}"
        return ", ".join(filter(None, (self.part, count, self.details)))

    @property
    def details(self) -> str:
        """Rate and figures in words."""
        unit = "fps" if self.unit == "frames" else f"{self.unit}/s"
        return ", ".join(filter(None, ("" if self.rate is None else f"{self.rate:.1f} {unit}", self.figures)))


Report = Callable[[Progress], None]
"""Callback of a long piece of work. `print` is one."""


def no_report(progress: Progress) -> None:
    """Ignore the progress."""


class ProgressCounter:
    """Counter of finished units that reports their number and their mean rate since the counter was made.

    Args:
        report: called at every count.
        total: number of all units; None where it is not known.
        unit: name of the units, in the plural.
    """

    def __init__(self, report: Report, total: int | None = None, unit: str = "frames") -> None:
        self._report, self._total, self._unit = report, total, unit
        self._done = 0
        self._start = time.perf_counter()

    def count(self, part: str = "") -> None:
        """Report one more finished unit, of this part of the work."""
        self._done += 1
        rate = self._done / max(time.perf_counter() - self._start, 1e-9)
        self._report(Progress(self._done, self._total, self._unit, part, rate))
