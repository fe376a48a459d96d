"""Clock of the stages of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageClock:
    """Adds up the seconds of every stage; each stage belongs to one thread.

    Args:
        stages: those that are told also where nothing came of them.
    """

    def __init__(self, *stages: str) -> None:
        self.seconds = dict.fromkeys(stages, 0.0)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Count what happens inside as time of a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began
