"""The folder of a labelled video: key frames, and the sequences in OTB's layout that were made of them.

    OUT/NAME/keyframes.csv          what a person said, written at every change
    OUT/NAME/label.json             of which video, and how the rest was made
    OUT/NAME/img/0001.jpg ...       the pictures
    OUT/NAME/groundtruth_rect.txt   a box a picture, `x,y,w,h`, 1-based, nan where there is none

Further pieces of the same video are `OUT/NAME-2`, `OUT/NAME-3` and so on, with the last two only. The key frames are
the one thing that cannot be made again: they are never removed; everything else is replaced.
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
from siamtrack.labelling.annotations import Annotations, Key
from siamtrack.labelling.tracks import Boxes
from siamtrack.system.atomic_files import replace_file

KEYS, RECORD, TRUTH, IMAGES = "keyframes.csv", "label.json", "groundtruth_rect.txt", "img"
HEADER = "frame,x,y,w,h"


class Video(Frozen):
    """Which video was labelled."""

    name: str
    frames: int
    width: int
    """Of the first frame, in pixels."""
    height: int

    def shown(self) -> str:
        """For messages."""
        return f"{self.name} ({self.frames} frames of {self.width}x{self.height})"


class Method(Frozen):
    """How the frames between the key frames got their boxes."""

    between: str
    tracker: str | None = None
    agree: float | None = None
    """Least overlap of forwards and backwards; None: not checked."""
    every: int = 1
    """Frames of the video from one picture to the next."""


class Part(Frozen):
    """A sequence that was written."""

    folder: str
    first: int
    """Frame of the video that the first picture is, 0-based."""
    frames: int
    """Number of pictures."""


class Record(Frozen):
    """What is in `label.json`."""

    video: Video
    method: Method | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Piece:
    """A sequence to write."""

    frames: Sequence[int]
    """Frames of the video, one a picture."""
    pictures: Iterable[bytes]
    """JPEG files, one a frame."""
    boxes: Boxes
    """`(frames, 4)`, 0-based; NaN where there is none."""


class LabelFolder:
    """Where a video's labels are; made, or opened again to go on.

    Args:
        out: folder of all labelled videos.
        name: of this one.
        video: what is labelled.

    Raises:
        UsageError: when the name is none, or the folder holds something else: labels of another video, or a sequence
            that was not made here.
        DataError: when its record cannot be read.
        OutputError: when the folder cannot be written to.
    """

    def __init__(self, out: Path, name: str, video: Video) -> None:
        if not name or name.startswith(".") or Path(name).name != name:
            raise UsageError(f"name '{name}' cannot be that of a folder: give --name a word without '/'")
        self._out, self._name = out, name
        self.path = out / name
        old = _read_record(self.path / RECORD)
        if old is None:
            _refuse_foreign(self.path)
        elif old.video.model_copy(update={"name": video.name}) != video:
            raise UsageError(f"{self.path} holds labels of {old.video.shown()}, not of {video.shown()}: give a --name")
        self._record = old or Record(video=video)
        with _writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            replace_file(self.path / RECORD, self._record.model_dump_json(indent=1).encode())

    def read_keys(self) -> Annotations:
        """The key frames that were saved; none in a new folder.

        Raises:
            DataError: when they cannot be read.
        """
        path = self.path / KEYS
        return read_keys(path) if path.exists() else Annotations()

    def save_keys(self, annotations: Annotations) -> None:
        """Write the key frames in place of those before.

        Raises:
            OutputError: when they cannot be written; those before are untouched then.
        """
        with _writing(self.path / KEYS):
            replace_file(self.path / KEYS, format_keys(annotations).encode())

    def write(self, pieces: Sequence[Piece], method: Method) -> list[Path]:
        """Write the sequences, in place of those of an earlier time.

        A piece is a sequence when all of it is there, never before: without its boxes a folder is none.

        Returns:
            Their folders.

        Raises:
            UsageError: when there is another sequence in the place of a piece.
            OutputError: when they cannot be written.
        """
        names = [self._name if number == 1 else f"{self._name}-{number}" for number in range(1, len(pieces) + 1)]
        earlier = {part.folder for part in self._record.parts} | {self._name}
        for name in names:
            if name not in earlier:
                _refuse_foreign(self._out / name)
        parts = tuple(
            Part(folder=name, first=piece.frames[0], frames=len(piece.frames))
            for name, piece in zip(names, pieces, strict=True)
        )
        # All that may be there is on record before it is made, so that no later run takes it for somebody else's.
        known = {part.folder: part for part in (*self._record.parts, *parts)}
        self._save_record(Record(video=self._record.video, method=method, parts=tuple(known.values())))
        for name, piece in zip(names, pieces, strict=True):
            _write_sequence(self._out / name, piece)
        for name in earlier - set(names):
            _remove_sequence(self._out / name)
        self._save_record(Record(video=self._record.video, method=method, parts=parts))
        return [self._out / name for name in names]

    def _save_record(self, record: Record) -> None:
        with _writing(self.path / RECORD):
            replace_file(self.path / RECORD, record.model_dump_json(indent=1).encode())
        self._record = record


def read_keys(path: Path) -> Annotations:
    """Read key frames: `frame,x,y,w,h` a line, 0-based, `nan` or nothing for the box where the target is out of sight.

    A first line with the names of the columns is allowed.

    Raises:
        DataError: when the file cannot be read, holds no key frame, or a line is none.
    """
    keys: dict[int, Key] = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        if not line.strip() or (number == 1 and line.replace(" ", "") == HEADER):
            continue
        try:
            frame, *values = (part.strip() for part in line.split(","))
            box = [float(value or "nan") for value in values]
            key = Key(int(frame), None if all(map(math.isnan, box)) else Box(*box))
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{path}, line {number}: '{line}' is no key frame, {HEADER} (for example 0,120,80,64,48)"
            ) from error
        if len(box) != 4:
            raise DataError(f"{path}, line {number}: '{line}' is no key frame, {HEADER} (for example 0,120,80,64,48)")
        if key.frame in keys:
            raise DataError(
                f"{path}, line {number}: frame {key.frame} is there twice, one target is labelled at a time"
            )
        keys[key.frame] = key
    if not keys:
        raise DataError(f"{path} holds no key frame: write a line for each, {HEADER} (for example 0,120,80,64,48)")
    return Annotations.of(keys.values())


def format_keys(annotations: Annotations) -> str:
    """The text that `read_keys` reads."""
    lines = [HEADER]
    for frame, box in annotations.keys:
        values = ("nan",) * 4 if box is None else (repr(float(value)).removesuffix(".0") for value in box)
        lines.append(",".join((str(frame), *values)))
    return "\n".join(lines) + "\n"


def _read_record(path: Path) -> Record | None:
    if not path.exists():
        return None
    try:
        return Record.model_validate_json(read_text(path))
    except ValidationError as error:
        raise DataError(f"{path} is no record of siamtrack label: move it away, {KEYS} has the key frames") from error


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds pictures or boxes which were not made here."""
    if any((folder / name).exists() for name in (TRUTH, IMAGES)):
        raise UsageError(f"{folder} holds a sequence that siamtrack label did not make: give another --name or --out")


def _write_sequence(folder: Path, piece: Piece) -> None:
    partial, images, truth = folder / f"{IMAGES}.partial", folder / IMAGES, folder / TRUTH
    with _writing(folder):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            for number, picture in enumerate(piece.pictures, start=1):
                (partial / f"{number:04d}.jpg").write_bytes(picture)
            _remove_files(folder)
            partial.replace(images)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        lines = (otb_line(None if math.isnan(box[0]) else Box(*map(float, box))) for box in piece.boxes)
        replace_file(truth, "".join(lines).encode())


def _remove_sequence(folder: Path) -> None:
    with _writing(folder):
        _remove_files(folder)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _remove_files(folder: Path) -> None:
    (folder / TRUTH).unlink(missing_ok=True)  # first: without it, the folder is no sequence
    if (folder / IMAGES).exists():
        shutil.rmtree(folder / IMAGES)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_failure(path, error) from error
