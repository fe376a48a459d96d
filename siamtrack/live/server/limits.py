"""Limits of one server: for all pages together, and for each."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from siamtrack.errors import UsageError

MEGABYTE = 1_000_000
FASTEST = 120
"""Frames per second of a source at most, whatever their times say: more of them count as longer."""


class LimitError(UsageError):
    """A source that is longer, or takes more room, than allowed: it is over."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the requests of a page.

    Raises:
        UsageError: when one of them is not a positive number.
    """

    sessions: int = 8
    """Pages at once."""
    targets: int = 16
    """Targets that a page follows at once."""
    upload: float = 500.0
    """Size of an uploaded video, in megabytes."""
    minutes: float = 10.0
    """Length of what is followed and recorded of one source."""
    side: int = 1920
    """Longer side of a frame, in pixels."""
    message: float = 4.0
    """Size of one message, a frame most of all, in megabytes."""
    disk: float = 2000.0
    """Size of all files of a page, in megabytes: its upload, and what is recorded twice, as a download is a copy."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"--max-{field.name} {value:g} makes no sense: give more than 0")

    @property
    def upload_bytes(self) -> int:
        """`upload` in bytes."""
        return int(self.upload * MEGABYTE)

    @property
    def disk_bytes(self) -> int:
        """`disk` in bytes."""
        return int(self.disk * MEGABYTE)

    @property
    def message_bytes(self) -> int:
        """`message` in bytes."""
        return int(self.message * MEGABYTE)

    @property
    def seconds(self) -> float:
        """`minutes` in seconds."""
        return self.minutes * 60

    def check_size(self, width: int, height: int) -> None:
        """Check the size of a frame in pixels.

        Raises:
            UsageError: when it is larger than allowed, or nothing.
        """
        if width < 1 or height < 1:
            raise UsageError(f"a frame of {width}x{height} pixels shows nothing: send a picture")
        if max(width, height) > self.side:
            raise UsageError(
                f"a frame of {width}x{height} pixels is larger than this server takes ({self.side} a side): "
                "make it smaller, or start the server with --max-side"
            )

    def check_disk(self, size: int) -> None:
        """Check the size in bytes of all files of a page.

        Raises:
            LimitError: when they are larger than allowed.
        """
        if size > self.disk_bytes:
            raise LimitError(
                f"the files of this page have reached what this server keeps ({self.disk:g} MB): download what there "
                "is and begin anew, or start the server with --max-disk"
            )

    def check_length(self, seconds: float, frames: int = 0) -> None:
        """Check the length of a source up to a frame: its time in seconds, and how many there were.

        Raises:
            LimitError: when the source is longer than allowed.
        """
        if max(seconds, frames / FASTEST) > self.seconds:
            raise LimitError(
                f"this server follows {self.minutes:g} minutes of one source: download what there is and begin anew, "
                "or start the server with --max-minutes"
            )
