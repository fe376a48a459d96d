"""Folder of a labelled video: the key frames, and the sequences in OTB's layout that were made from them.

    OUT/NAME/keyframes.csv          key frames, written at every change
    OUT/NAME/label.json             record of the video and of the method
    OUT/NAME/img/0001.jpg ...       pictures
    OUT/NAME/groundtruth_rect.txt   a box for each picture, `x,y,w,h`, 1-based, nan where there is none

Further parts of the same video are `OUT/NAME-2`, `OUT/NAME-3` and so on, with pictures and boxes only. Key frames
cannot be made again, so they are never removed; everything else is replaced.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from siamtrack.boxes import Box
from siamtrack.config import Frozen
from siamtrack.datasets.annotations import read_text
from siamtrack.errors import DataError, UsageError
from siamtrack.io.results import otb_line, write_failure
from siamtrack.labelling.key_frames import KeyFrame, KeyFrames
from siamtrack.labelling.propagation import Boxes
from siamtrack.system.atomic_files import replace_file

KEY_FRAMES, RECORD, TRUTH, IMAGES = "keyframes.csv", "label.json", "groundtruth_rect.txt", "img"
HEADER = "frame,x,y,w,h"


class LabelledVideo(Frozen):
    """Video that is labelled."""

    name: str
    frames: int
    width: int
    """Width of the first frame in pixels."""
    height: int

    def __str__(self) -> str:
        """Return the name and the size."""
        return f"{self.name} ({self.frames} frames of {self.width}x{self.height})"


class LabelMethod(Frozen):
    """Origin of the boxes between the key frames."""

    between: str
    tracker: str | None = None
    agree: float | None = None
    """Minimum overlap of forward and backward tracking; None: no check."""
    every: int = 1
    """Frames of the video from one picture to the next."""


class PartRecord(Frozen):
    """Sequence on disk with a part of the video."""

    folder: str
    first: int
    """Frame of the video of the first picture, 0-based."""
    frames: int
    """Number of pictures."""


class LabelRecord(Frozen):
    """Content of `label.json`."""

    video: LabelledVideo
    method: LabelMethod | None = None
    parts: tuple[PartRecord, ...] = ()


@dataclass(frozen=True)
class LabelledPart:
    """Part of a video to write as a sequence."""

    frames: Sequence[int]
    """Frames of the video, one for each picture."""
    pictures: Iterable[bytes]
    """JPEG files, one for each frame."""
    boxes: Boxes
    """`(frames, 4)`, 0-based; NaN where there is no box."""


class LabelFolder:
    """Folder of a labelled video. It is made, or opened again to go on.

    Args:
        out: folder of all labelled videos.
        name: name of this folder.
        video: video to label.

    Raises:
        UsageError: when the name is not that of a folder, or the folder holds something else: labels of another video,
            or a sequence that was not made here.
        DataError: when the record cannot be read.
        OutputError: when the folder cannot be written to.
    """

    def __init__(self, out: Path, name: str, video: LabelledVideo) -> None:
        if not name or name.startswith(".") or Path(name).name != name:
            raise UsageError(f"name '{name}' cannot be that of a folder: give --name a word without '/'")
        self._out, self._name = out, name
        self.path = out / name
        old = _read_record(self.path / RECORD)
        if old is None:
            _refuse_foreign(self.path)
        elif old.video.model_copy(update={"name": video.name}) != video:
            raise UsageError(f"{self.path} holds labels of {old.video}, not of {video}: give a --name")
        self._record = old or LabelRecord(video=video)
        with _writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            replace_file(self.path / RECORD, self._record.model_dump_json(indent=1).encode())

    def read_key_frames(self) -> KeyFrames:
        """Return the saved key frames; none in a new folder.

        Raises:
            DataError: when they cannot be read.
        """
        path = self.path / KEY_FRAMES
        return read_key_frames(path) if path.exists() else KeyFrames()

    def save_key_frames(self, key_frames: KeyFrames) -> None:
        """Replace the key frames.

        Raises:
            OutputError: when they cannot be written; the key frames of before are unchanged then.
        """
        with _writing(self.path / KEY_FRAMES):
            replace_file(self.path / KEY_FRAMES, format_key_frames(key_frames).encode())

    def write(self, parts: Sequence[LabelledPart], method: LabelMethod) -> list[Path]:
        """Replace the sequences.

        The boxes of a part are written last: a folder without boxes is not a sequence.

        Returns:
            The folders of the parts.

        Raises:
            UsageError: when another sequence is in the place of a part.
            OutputError: when the parts cannot be written.
        """
        names = [self._name if number == 1 else f"{self._name}-{number}" for number in range(1, len(parts) + 1)]
        earlier = {part.folder for part in self._record.parts} | {self._name}
        for name in names:
            if name not in earlier:
                _refuse_foreign(self._out / name)
        records = tuple(
            PartRecord(folder=name, first=part.frames[0], frames=len(part.frames))
            for name, part in zip(names, parts, strict=True)
        )
        # A part is on record before it is made, so that no later run refuses its folder.
        possible = {part.folder: part for part in (*self._record.parts, *records)}
        self._save_record(LabelRecord(video=self._record.video, method=method, parts=tuple(possible.values())))
        for name, part in zip(names, parts, strict=True):
            _write_sequence(self._out / name, part)
        for name in earlier - set(names):
            _remove_sequence(self._out / name)
        self._save_record(LabelRecord(video=self._record.video, method=method, parts=records))
        return [self._out / name for name in names]

    def _save_record(self, record: LabelRecord) -> None:
        with _writing(self.path / RECORD):
            replace_file(self.path / RECORD, record.model_dump_json(indent=1).encode())
        self._record = record


def read_key_frames(path: Path) -> KeyFrames:
    """Read key frames, one a line: `frame,x,y,w,h`, 0-based; `nan` or nothing for the box of a hidden target.

    The first line may hold the names of the columns.

    Raises:
        DataError: when the file cannot be read, holds no key frame, or has a line that is not a key frame.
    """
    found: dict[int, KeyFrame] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or (number == 1 and line.replace(" ", "") == HEADER):
            continue
        try:
            frame, *values = (part.strip() for part in line.split(","))
            box = [float(value or "nan") for value in values]
            key_frame = KeyFrame(int(frame), None if all(map(math.isnan, box)) else Box(*box))
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{path}, line {number}: '{line}' is no key frame, {HEADER} (for example 0,120,80,64,48)"
            ) from error
        if len(box) != 4:
            raise DataError(f"{path}, line {number}: '{line}' is no key frame, {HEADER} (for example 0,120,80,64,48)")
        if key_frame.frame in found:
            raise DataError(
                f"{path}, line {number}: frame {key_frame.frame} is there twice, one target is labelled at a time"
            )
        found[key_frame.frame] = key_frame
    if not found:
        raise DataError(f"{path} holds no key frame: write a line for each, {HEADER} (for example 0,120,80,64,48)")
    return KeyFrames.of(found.values())


def format_key_frames(key_frames: KeyFrames) -> str:
    """Return the text that `read_key_frames` reads."""
    lines = [HEADER]
    for frame, box in key_frames:
        values = ("nan",) * 4 if box is None else (repr(float(value)).removesuffix(".0") for value in box)
        lines.append(",".join((str(frame), *values)))
    return "\n".join(lines) + "\n"


def _read_record(path: Path) -> LabelRecord | None:
    if not path.exists():
        return None
    try:
        return LabelRecord.model_validate_json(read_text(path))
    except ValidationError as error:
        raise DataError(
            f"{path} is no record of siamtrack label: move it away, {KEY_FRAMES} has the key frames"
        ) from error


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder with pictures or boxes that were not made here."""
    if any((folder / name).exists() for name in (TRUTH, IMAGES)):
        raise UsageError(f"{folder} holds a sequence that siamtrack label did not make: give another --name or --out")


def _write_sequence(folder: Path, part: LabelledPart) -> None:
    partial, images, truth = folder / f"{IMAGES}.partial", folder / IMAGES, folder / TRUTH
    with _writing(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            for number, picture in enumerate(part.pictures, start=1):
                (partial / f"{number:04d}.jpg").write_bytes(picture)
            _remove_files(folder)
            partial.replace(images)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        lines = (otb_line(None if math.isnan(box[0]) else Box(*map(float, box))) for box in part.boxes)
        replace_file(truth, "".join(lines).encode())


def _remove_sequence(folder: Path) -> None:
    with _writing(folder):
        _remove_files(folder)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _remove_files(folder: Path) -> None:
    (folder / TRUTH).unlink(missing_ok=True)  # first: a folder without it is not a sequence
    if (folder / IMAGES).exists():
        shutil.rmtree(folder / IMAGES)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_failure(path, error) from error
