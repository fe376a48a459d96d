"""Messages between a page and the server, over one WebSocket a page.

The server greets with `hello`. The page then says where frames come from: `webcam` (its own, frames go up), `upload`
(the video that it has posted before) or `camera` (one of the server's); each begins anew, without targets, and is
answered with `opened`.

**Frames up**, of the page's webcam: a binary message, little-endian, is the frame's number (uint32, growing), its time
in seconds since the first one (float64, growing) and the frame as baseline JPEG. Each is answered, in their order, by
`boxes`, or by a `problem` that names it. At most `IN_FLIGHT` frames may be without an answer; one more is refused.

**Frames down**, of the server's sources: a binary message is the length of a `boxes` message (uint32, little-endian),
that message as JSON, and the frame that it belongs to as JPEG. The page answers each with `shown`; the server never
sends more than `IN_FLIGHT` that are not answered yet. An uploaded video stands still at its first frame, until `pause`
says otherwise. `ended` comes last.

**Commands** are text messages, JSON objects whose `type` is the name of one of the classes here, in small letters:
`add` and `restart` give the box of a target in one of the last `HELD` frames, in pixels of it, 0-based and continuous,
as `x, y, width, height`; `drop` takes a target away. All three are answered by `changed`, which lists the targets that
there are now, in that frame. `problem` is the answer to whatever cannot be done; the connection goes on, unless
`MAX_PROBLEMS` of them come in a row.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from siamtrack.errors import UsageError
from siamtrack.io.results import Row
from siamtrack.tracking.confidence import Status

IN_FLIGHT = 2
"""Frames on their way, or waiting, in either direction."""
HELD = 4
"""Frames that a box can be drawn on: the one that is shown, and those that were on their way meanwhile."""
MAX_PROBLEMS = 20
"""Wrong messages in a row after which a connection is closed."""
MAX_ADDRESS = 2000
"""Characters of a camera's address."""

_HEADER = struct.Struct("<Id")
_LENGTH = struct.Struct("<I")

Number = Annotated[int, Field(ge=0, lt=2**32)]
Coordinates = tuple[float, float, float, float]


class Message(BaseModel):
    """A JSON message."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Webcam(Message):
    """Frames will come from the page."""

    type: Literal["webcam"]


class Upload(Message):
    """Play the video that was posted last."""

    type: Literal["upload"]


class Camera(Message):
    """Show a camera of the server."""

    type: Literal["camera"]
    address: Annotated[str, Field(min_length=1, max_length=MAX_ADDRESS)]
    """A number, `/dev/videoN`, `rtsp://...` or `http://...`."""


class Add(Message):
    """Follow another target."""

    type: Literal["add"]
    frame: Number
    box: Coordinates


class Restart(Message):
    """Show a target anew; it keeps its id."""

    type: Literal["restart"]
    target: int
    frame: Number
    box: Coordinates


class Drop(Message):
    """Stop following a target."""

    type: Literal["drop"]
    target: int


class Pause(Message):
    """Stop, or go on with, a source of the server."""

    type: Literal["pause"]
    paused: bool


class Shown(Message):
    """A frame of the server's source was shown."""

    type: Literal["shown"]
    frame: Number


Command = Webcam | Upload | Camera | Add | Restart | Drop | Pause | Shown
_COMMANDS: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="type")])


class Allowed(Message):
    """Limits that the page keeps by itself."""

    targets: int
    upload: int
    """Bytes."""
    side: int
    """Pixels."""
    seconds: float


class Hello(Message):
    """The first message."""

    type: Literal["hello"] = "hello"
    session: str
    """Name of the session in the addresses of uploads and downloads; a secret of this page."""
    version: str
    model: str
    cameras: bool
    """Allows `camera`."""
    allowed: Allowed


class Opened(Message):
    """A source begins."""

    type: Literal["opened"] = "opened"
    kind: Literal["webcam", "upload", "camera"]
    name: str
    frames: int | None = None
    """Number of frames, where it is known."""
    paused: bool = False


class Seen(Message):
    """A target in a frame."""

    id: int
    box: Coordinates
    score: float
    status: Status


class Boxes(Message):
    """The targets in a frame, as the tracker found them."""

    type: Literal["boxes"] = "boxes"
    frame: int
    time: float
    """Seconds since the source began."""
    milliseconds: float
    """Milliseconds from the frame's arrival to its boxes."""
    targets: tuple[Seen, ...]


class Changed(Message):
    """The targets that there are after a command."""

    type: Literal["changed"] = "changed"
    frame: int
    targets: tuple[Seen, ...]
    target: int | None = None
    """The one that was added or restarted."""


class Ended(Message):
    """The source is over; what was recorded of it can be downloaded."""

    type: Literal["ended"] = "ended"
    why: str | None = None
    """One line; None at the end of a video."""


class Notice(Message):
    """Present fault of the source; None when it works again."""

    type: Literal["notice"] = "notice"
    text: str | None


class Problem(Message):
    """Problem and remedy, in one line."""

    type: Literal["problem"] = "problem"
    text: str
    frame: int | None = None
    """Number of a frame that gets no boxes."""


class SentFrame(NamedTuple):
    """A frame of the page's webcam."""

    number: int
    time: float
    """Seconds since the first one."""
    jpeg: bytes


def read_command(text: str) -> Command:
    """Read a command of the page.

    Raises:
        UsageError: when it is none.
    """
    try:
        return _COMMANDS.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"a message cannot be read: {f'{where}: ' if where else ''}{first['msg']}") from error


def read_frame(data: bytes) -> SentFrame:
    """Take a binary message of the page apart; its JPEG is not looked at.

    Raises:
        UsageError: when it is too short, or the time is none.
    """
    if len(data) <= _HEADER.size:
        raise UsageError(f"a frame of {len(data)} bytes is empty: send its number, its time and a JPEG picture")
    number, time = _HEADER.unpack_from(data)
    if not (math.isfinite(time) and time >= 0):
        raise UsageError(f"frame {number} has the time {time:g}: give seconds since the first frame")
    return SentFrame(number, time, data[_HEADER.size :])


def pack_picture(boxes: Boxes, jpeg: bytes) -> bytes:
    """Return the binary message of a frame of the server's source."""
    text = boxes.model_dump_json().encode()
    return _LENGTH.pack(len(text)) + text + jpeg


def as_seen(rows: Iterable[Row]) -> tuple[Seen, ...]:
    """Return the rows of a frame as the page gets them; those without a box are left out."""
    return tuple(
        Seen(id=row.target, box=tuple(row.box), score=row.score or 0.0, status=row.status)
        for row in rows
        if row.box is not None
    )
