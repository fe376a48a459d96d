"""OpenCV's trackers, by name: what siamtrack is measured against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.errors import SiamTrackError, UsageError, unknown_name

_CLASSES = {"opencv:csrt": "TrackerCSRT", "opencv:kcf": "TrackerKCF", "opencv:mil": "TrackerMIL"}
"""Trackers of OpenCV that need no weights of their own."""

_NANO, _VIT = "opencv:nano", "opencv:vit"

_RANDOM = {"opencv:mil"}
"""Trackers that draw random features without a seed."""


def list_peers() -> list[str]:
    """Return the names that `Peer` takes for trackers without files."""
    return list(_CLASSES)


class Peer:
    """A tracker of OpenCV for one target.

    Args:
        name: one of `list_peers()`, `opencv:nano=DIR` with the folder of NanoTrack's two ONNX files, or
            `opencv:vit=FILE` with the ONNX file of VitTrack.

    Raises:
        UsageError: for an unknown name, when the installed OpenCV lacks the tracker, or when its files are not there.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.deterministic = name not in _RANDOM
        """Finds the same boxes in every run."""
        kind, _, place = name.partition("=")
        self._factory: Callable[[], Any]
        if kind == _NANO:
            self._factory = partial(_find("TrackerNano", name), _nano_files(name, Path(place).expanduser()))
        elif kind == _VIT:
            self._factory = partial(_find("TrackerVit", name), _vit_file(name, Path(place).expanduser()))
        elif name in _CLASSES:
            self._factory = _find(_CLASSES[name], name)
        else:
            raise UsageError(unknown_name("peer", name, [*_CLASSES, f"{_NANO}=DIR", f"{_VIT}=FILE"]))
        self._tracker: Any = None

    def init(self, frame: NDArray[np.uint8], box: Box) -> None:
        """Set the target, in whole pixels and inside the frame, as OpenCV requires it.

        Args:
            frame: `(H, W, 3)` uint8 BGR.
            box: in pixels, 0-based and continuous.

        Raises:
            UsageError: when OpenCV cannot read the tracker's files.
            SiamTrackError: when the tracker refuses the target.
        """
        try:
            with _without_warnings():
                self._tracker = self._factory()
        except cv2.error as error:
            raise UsageError(f"'{self.name}' cannot be loaded: {error.err}") from error
        inside = _whole_pixels(box, frame.shape[1], frame.shape[0])
        try:
            self._tracker.init(frame, inside)
        except cv2.error as error:
            shown = ",".join(map(str, inside))
            raise SiamTrackError(f"'{self.name}' cannot track the box {shown}: {error.err}") from error

    def update(self, frame: NDArray[np.uint8]) -> Box | None:
        """Return the box in the next frame, `(H, W, 3)` uint8 BGR; None where the target is lost."""
        found, box = self._tracker.update(frame)
        return Box(*map(float, box)) if found else None


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Inside, OpenCV prints errors only: its networks warn on stderr each time that one is read."""
    log = cv2.utils.logging
    before = log.setLogLevel(log.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        log.setLogLevel(before)


def _find(kind: str, name: str) -> Callable[..., Any]:
    """Return the constructor of a tracker of OpenCV.

    Raises:
        UsageError: when the installed build lacks it.
    """
    create: Callable[..., Any] | None = getattr(cv2, f"{kind}_create", None)
    if create is None:
        raise UsageError(
            f"'{name}' is not in the installed OpenCV {cv2.__version__}: put the contrib build in its place with "
            "pip uninstall -y opencv-python && pip install opencv-contrib-python"
        )
    return create


def _nano_files(name: str, folder: Path) -> Any:
    """Return NanoTrack's parameters with the files of its backbone and head.

    Raises:
        UsageError: when the folder does not hold one file of each.
    """
    parameters = cv2.TrackerNano.Params()
    for part, setting in (("backbone", "backbone"), ("head", "neckhead")):
        files = sorted(folder.glob(f"*{part}*.onnx"))
        if len(files) != 1:
            raise UsageError(f"'{name}': the folder has {len(files)} files '*{part}*.onnx' instead of one")
        setattr(parameters, setting, str(files[0]))
    return parameters


def _vit_file(name: str, file: Path) -> Any:
    """Return VitTrack's parameters with the file of its network.

    Raises:
        UsageError: when it is not there.
    """
    if not file.is_file():
        raise UsageError(f"'{name}': there is no such file, the ONNX file of VitTrack is needed")
    parameters = cv2.TrackerVit.Params()
    parameters.net = str(file)
    return parameters


def _whole_pixels(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the part of a box inside a frame: left, top, width and height, at least a pixel each."""
    left, top = min(max(round(box.x), 0), width - 1), min(max(round(box.y), 0), height - 1)
    right, bottom = min(round(box.x + box.width), width), min(round(box.y + box.height), height)
    return left, top, max(right - left, 1), max(bottom - top, 1)


@contextmanager
def opencv_threads(threads: int | None) -> Iterator[None]:
    """Inside, OpenCV computes on so many threads; None leaves them as they are."""
    before = cv2.getNumThreads()
    if threads is not None:
        cv2.setNumThreads(threads)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
