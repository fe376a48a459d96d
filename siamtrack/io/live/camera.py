"""Cameras at this machine, by number or device file."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import SourceError
from siamtrack.io.frames import DEFAULT_RATE
from siamtrack.io.images import natural_key, to_bgr8
from siamtrack.io.live.capture import Capture
from siamtrack.io.video.decoding import MAX_RATE

DEVICES = Path("/dev")
"""Folder of the device files of Linux."""
FAILURES = 10
"""Readings in a row that may fail before a camera counts as gone: a single picture may come damaged over USB."""
PAUSE = 0.05
"""Seconds after a reading that failed; the driver of a camera that is gone fails at once."""
EXACT_RATES = 1001
"""Greatest denominator of a frame rate: 30000/1001 is as fine as they come."""

_NUMBER = re.compile(r"\d{1,4}", re.ASCII)


class Device(Protocol):
    """Methods of `cv2.VideoCapture` that are used."""

    def read(self) -> tuple[bool, Any]:
        """Return whether there was a picture, and the picture: `(H, W, 3)` uint8 BGR."""

    def get(self, propId: int, /) -> float:
        """Return a property, such as `cv2.CAP_PROP_FPS`."""

    def release(self) -> None:
        """Let go of the device."""


def is_camera(source: str) -> bool:
    """Return whether a source names a camera: by number, or by a device file such as /dev/video2."""
    return _NUMBER.fullmatch(source) is not None or source.startswith("/dev/")


class CameraCapture(Capture):
    """A camera that is open. It ends when it is unplugged, and is not opened again: another may have its number then.

    Args:
        name: what messages call it.
        device: the open camera.
        present: whether the system still knows it.
        timeout: seconds without a picture after which it counts as gone.
    """

    def __init__(self, name: str, device: Device, present: Callable[[], bool], timeout: float) -> None:
        self._name, self._device, self._present, self._timeout = name, device, present, timeout
        self.rate = sensible_rate(device.get(cv2.CAP_PROP_FPS))
        self._interrupted = Event()
        self._pictures = self._failures = 0
        self._last = time.monotonic()

    def read(self) -> NDArray[np.uint8] | None:
        """See `Capture`; None after a reading that failed."""
        try:
            good, image = self._device.read()
        except cv2.error:  # a picture that its driver delivers and OpenCV cannot convert
            good, image = False, None
        if good and image is not None and image.size:
            self._pictures += 1
            self._failures, self._last = 0, time.monotonic()
            return to_bgr8(image)
        self._failures += 1
        patient = self._failures < FAILURES and time.monotonic() - self._last < self._timeout
        if not patient or not self._present():
            raise SourceError(self._why(good))
        self._interrupted.wait(PAUSE)
        return None

    def _why(self, empty: bool) -> str:
        if empty:
            return f"{self._name} gives empty pictures: unplug it and plug it in again, or give another camera"
        if self._pictures:
            return f"{self._name} gives no more pictures: it was unplugged, or its driver stopped"
        return f"{self._name} gives no picture: another program may use it, or it is no camera; give another one"

    def interrupt(self) -> None:
        """See `Capture`; a driver that waits for a picture is left to it, up to its own 10 seconds."""
        self._interrupted.set()

    def close(self) -> None:
        """Release the camera for others."""
        self._device.release()


def sensible_rate(stated: float) -> Fraction:
    """Return a driver's frames per second as an exact rate; 30 for 0, NaN and what else no camera does."""
    rate = Fraction(stated).limit_denominator(EXACT_RATES) if 0 < stated <= MAX_RATE else Fraction(0)
    return rate or DEFAULT_RATE


def open_camera(source: str, timeout: float) -> CameraCapture:
    """Open a camera.

    OpenCV does it, because it finds cameras by number on Linux, macOS and Windows alike.

    Args:
        source: what `is_camera` takes.
        timeout: seconds without a picture after which it counts as gone.

    Raises:
        SourceError: when there is no such camera, it is not permitted, or it cannot be opened.
    """
    if "OPENCV_LOG_LEVEL" not in os.environ:
        # OpenCV writes lines of its own to stderr for every driver that it tries; what matters is raised below.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    name = f"camera {source}"
    # The number is that of the device file; by it, no other driver is tried that numbers cameras in its own way.
    file = DEVICES / f"video{int(source)}" if _NUMBER.fullmatch(source) else Path(source)
    if sys.platform.startswith("linux") or file == Path(source):
        _check(name, file)
        device, present = cv2.VideoCapture(str(file), cv2.CAP_V4L2), file.exists
    else:
        device, present = cv2.VideoCapture(int(source)), _always
    if not device.isOpened():
        device.release()
        raise SourceError(f"{name} cannot be opened: another program uses it, or it is no camera{_others()}")
    return CameraCapture(name, device, present, timeout)


def _always() -> bool:
    return True


def _check(name: str, file: Path) -> None:
    if not file.exists():
        raise SourceError(f"there is no {name}{_others()}; plug one in, or give a stream's address or a video file")
    if not os.access(file, os.R_OK | os.W_OK):
        raise SourceError(
            f"permission denied on {file}: add yourself to the group video "
            "(sudo usermod -aG video $USER), and log in again"
        )


def _others() -> str:
    """Return the cameras that there are, where the system has a list."""
    if not sys.platform.startswith("linux"):
        return ""
    files = [file.name for file in DEVICES.glob("video*") if _NUMBER.fullmatch(file.name.removeprefix("video"))]
    known = ", ".join(name.removeprefix("video") for name in sorted(files, key=natural_key)) or "none"
    return f" (cameras here: {known})"
