"""Result files: writers of rows (CSV, JSON, OTB text), the fan-out to all of a run, and checks of outputs."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol, Self

import numpy as np

from siamtrack.boxes import Box, Image
from siamtrack.errors import OutputError, UsageError
from siamtrack.tracking.confidence import Status

if TYPE_CHECKING:
    import av.error

    from siamtrack.io.frames import Frame
    from siamtrack.io.live.base import LiveFrame
    from siamtrack.tracking.state import TrackResult

logger = logging.getLogger(__name__)

CSV_HEADER = "frame,time,target,x,y,w,h,score,status"


@dataclass(frozen=True, slots=True)
class Row:
    """One target in one frame."""

    frame: int
    """Index of the frame in the source, 0-based."""
    time: float
    """Seconds since the start of the source."""
    target: int
    """Number of the target."""
    box: Box | None
    """Box in pixels, 0-based continuous; None for a skipped frame."""
    score: float | None
    """Confidence; None for a skipped frame."""
    status: Status


def rows_of(frame: Frame | LiveFrame, results: Mapping[int, TrackResult] | None, targets: Iterable[int]) -> list[Row]:
    """Return one row a target.

    Args:
        frame: the frame that the results belong to.
        results: by target; None for a frame that could not be decoded, whose rows have no box.
        targets: ids of all targets.
    """
    if results is None:
        return [Row(frame.index, frame.time, target, None, None, Status.SKIPPED) for target in targets]
    return [
        Row(frame.index, frame.time, target, result.box, result.score, result.status)
        for target, result in results.items()
    ]


class ResultWriter(Protocol):
    """Receiver of rows."""

    def write(self, row: Row) -> None:
        """Take one row."""

    def close(self) -> None:
        """Finish the file."""


class PictureWriter(Protocol):
    """Receiver of annotated pictures: `AnnotatedVideo`, or a video in parts."""

    def put(self, draw: Callable[[], Image], places: int = 1) -> None:
        """Append a picture, which `draw` returns as `(H, W, 3)` uint8 BGR, for a number of frames of the video."""


class ResultFiles:
    """All files of results of a run: final rows go to every table, pictures to the video.

    Args:
        tables: open writers of rows.
        video: open writer of pictures; None: there is no video.
    """

    def __init__(self, tables: Sequence[ResultWriter], video: PictureWriter | None) -> None:
        self._tables = tables
        self._video = video

    def write_rows(self, rows: Sequence[Row]) -> None:
        """Append the rows of a frame to every table.

        Raises:
            OutputError: when one cannot be written.
        """
        for table in self._tables:
            for row in rows:
                table.write(row)

    def show(self, draw: Callable[[], Image], places: int = 1) -> None:
        """Append a picture to the video, if there is one; see `PictureWriter.put`.

        Raises:
            OutputError: when it, or an earlier one, cannot be written.
        """
        if self._video is not None:
            self._video.put(draw, places)


def check_outputs(outputs: Mapping[str, Path]) -> None:
    """Check before the work that all files of a command can be written.

    Args:
        outputs: the files by the option that asked for them.

    Raises:
        UsageError: when one is a folder, has no folder to be in, or is named twice.
        OutputError: when one is not writable.
    """
    taken: dict[Path, str] = {}
    for option, path in outputs.items():
        if path.is_dir():
            raise UsageError(f"{option} {path} is a folder: give the name of a file")
        if not path.parent.is_dir():
            raise UsageError(f"{option} {path}: the folder '{path.parent}' does not exist, make it first")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise OutputError(f"{option} {path} is not writable: choose another folder or change its permissions")
        other = taken.setdefault(path.resolve(), option)
        if other != option:
            raise UsageError(f"{other} and {option} name the same file, {path}: give each its own")


def refuse_inputs(output: str | Path, inputs: Iterable[Path]) -> None:
    """Refuse to write over a file that is read, also when a link leads to it.

    Raises:
        UsageError: when the output is one of the inputs.
    """
    path = Path(output)
    if path.exists() and any(source.exists() and path.samefile(source) for source in inputs):
        raise UsageError(f"output '{output}' is the input: give another name, nothing was overwritten")


def checked_output(path: str | Path) -> Path:
    """Return the path of an output whose folder exists."""
    target = Path(path).expanduser()
    if target.is_dir():
        raise OutputError(f"output '{path}' is a folder: give the name of a file in it")
    if not target.parent.is_dir():
        raise OutputError(f"output folder '{target.parent}' does not exist: create it (mkdir -p '{target.parent}')")
    return target


def write_failure(path: Path, error: OSError | av.error.FFmpegError) -> OutputError:
    """Return the error to raise for a file that the system does not let be written, with the remedy."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(f"disk full: '{path}' could not be written to the end; free space or choose another disk")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OutputError(
            f"output '{path}' is not writable ({reason}): choose another folder or change its permissions"
        )
    return OutputError(f"output '{path}' cannot be written: {reason}; choose another path")


def close_after(close: Callable[[], None], error: BaseException | None) -> None:
    """Close a sink at the end of its block; the block's own error is the one to be told."""
    try:
        close()
    except OutputError as failure:
        if error is None:
            raise
        logger.debug("while closing after %r: %s", error, failure)


class _FileWriter(ABC):
    """A file that is written line by line, each of them on disk before the next."""

    def __init__(self, path: str | Path, target: Path | None = None) -> None:
        self.path = checked_output(path)
        self._written = target or self.path
        try:
            self._file: IO[bytes] = self._written.open("wb")
        except OSError as error:
            raise write_failure(self.path, error) from error

    def _put(self, text: str) -> None:
        try:
            self._file.write(text.encode())
            self._file.flush()
        except OSError as error:
            failure = write_failure(self.path, error)
            where = f"; the rows so far are in '{self._written}'" if self._written != self.path else ""
            raise OutputError(f"{failure}{where}") from error

    def close(self) -> None:
        """Finish the file.

        Raises:
            OutputError: when the last lines cannot be written.
        """
        try:
            self._file.close()
        except OSError as error:
            raise write_failure(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        close_after(self.close, error)

    @abstractmethod
    def write(self, row: Row) -> None:
        """Append a row."""


class CsvWriter(_FileWriter):
    """Rows under the header `CSV_HEADER`, each flushed as it comes; boxes are 0-based, skipped frames have no numbers.

    Args:
        path: file to write.

    Raises:
        OutputError: when it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._put(CSV_HEADER + "\n")

    def write(self, row: Row) -> None:
        """Append a row: time with 6, box with 3 and score with 4 decimals."""
        box = ",,," if row.box is None else ",".join(_decimals(value, 3) for value in row.box)
        score = "" if row.score is None else _decimals(row.score, 4)
        self._put(f"{row.frame},{_decimals(row.time, 6)},{row.target},{box},{score},{row.status.value}\n")


class OtbWriter(_FileWriter):
    """Boxes of one target, a line a frame, as OTB and GOT-10k store them: `x,y,w,h` from 1, nan for a skipped frame.

    Args:
        path: file to write.

    Raises:
        OutputError: when it cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self._target: int | None = None

    def write(self, row: Row) -> None:
        """Append a line.

        Raises:
            UsageError: for a second target; the format has no place for it.
        """
        if self._target not in (None, row.target):
            raise UsageError(f"OTB text '{self.path}' holds one target: use CSV or JSON for several")
        self._target = row.target
        self._put(otb_line(row.box))


def otb_line(box: Box | None) -> str:
    """Return a box as a line of a file of OTB or GOT-10k, 1-based, with three decimals; nan for a frame without one."""
    numbers = (math.nan,) * 4 if box is None else box.to_one_based()
    return ",".join(_decimals(value, 3) for value in numbers) + "\n"


class JsonWriter(_FileWriter):
    """One JSON object: the header's fields, `frames` with the rows, and what `finish` adds.

    Rows go to `.NAME.partial` beside the file as they come; `close` makes it a whole object and renames it, so that
    the file is valid JSON after Ctrl-C too and never half written. Each row has the names of the CSV columns, with
    null where the CSV is empty. Numbers that JSON does not have (nan, inf) become null; paths and fractions, text.

    Args:
        path: file to write.
        header: fields that are known at the start (settings, model card, machine, source).

    Raises:
        UsageError: when the header has a field `frames`, or the path is a device or a pipe.
        OutputError: when it cannot be written.
    """

    def __init__(self, path: str | Path, header: Mapping[str, Any]) -> None:
        self._target = checked_output(path).resolve()  # a link stays a link, to a new file
        if self._target.exists() and not self._target.is_file():
            raise UsageError(f"JSON '{path}' is no file but a device or a pipe: give a file, or take CSV for a pipe")
        self._partial = self._target.with_name(f".{self._target.name}.partial")
        self._names = {"frames"}
        self._check(header)
        super().__init__(path, self._partial)
        self._extra: dict[str, Any] = {}
        self._put("{\n" + "".join(f"{_field(name, value)},\n" for name, value in header.items()) + '"frames": [')
        self._head = self._file.tell()

    def write(self, row: Row) -> None:
        """Append a row."""
        x, y, width, height = row.box or (None,) * 4
        values: dict[str, Any] = {"frame": row.frame, "time": _rounded(row.time, 6), "target": row.target}
        values |= {"x": _rounded(x, 3), "y": _rounded(y, 3), "w": _rounded(width, 3), "h": _rounded(height, 3)}
        values |= {"score": _rounded(row.score, 4), "status": row.status.value}
        # Asked of the file rather than remembered: Ctrl-C may come between writing a row and noting it.
        lead = "\n" if self._file.tell() == self._head else ",\n"
        self._put(lead + _json(values))

    def finish(self, extra: Mapping[str, Any]) -> None:
        """Add fields that are known at the end only (stage times); they are written by `close`.

        Raises:
            UsageError: when a field is there already.
        """
        self._check(extra)
        self._extra.update(extra)

    def close(self) -> None:
        """Complete the object and give the file its name.

        Raises:
            OutputError: when it cannot be written; the rows stay in `.NAME.partial`.
        """
        if self._file.closed:
            return
        try:
            self._put("\n]" + "".join(f",\n{_field(name, value)}" for name, value in self._extra.items()) + "\n}\n")
            os.fsync(self._file.fileno())
            self._file.close()
            self._partial.replace(self._target)
        except OSError as error:
            raise write_failure(self.path, error) from error

    def _check(self, fields: Mapping[str, Any]) -> None:
        repeated = self._names & fields.keys()
        if repeated:
            raise UsageError(f"JSON field '{min(repeated)}' is there already: choose another name")
        self._names |= fields.keys()


def _rounded(value: float | None, digits: int) -> float | None:
    # Adding zero turns -0.0, which reads like a mistake, into 0.0.
    return None if value is None else round(float(value), digits) + 0.0


def _decimals(value: float, digits: int) -> str:
    return f"{_rounded(value, digits):.{digits}f}"


def _field(name: str, value: Any) -> str:
    return f"{json.dumps(name)}: {_json(value)}"


def _json(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)
