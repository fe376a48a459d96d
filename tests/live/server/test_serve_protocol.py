"""What a page may say, and what is made of everything else."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving_clients import packed

from siamtrack.boxes import Box
from siamtrack.errors import UsageError
from siamtrack.io.results import Row
from siamtrack.live.server.protocol import Add, Boxes, Drop, as_seen, pack_picture, read_command, read_frame
from siamtrack.tracking.confidence import Status


def test_commands_are_told_by_their_type() -> None:
    assert read_command('{"type": "drop", "target": 3}') == Drop(type="drop", target=3)
    added = read_command('{"type": "add", "frame": 7, "box": [1, 2.5, 30, 40]}')
    assert added == Add(type="add", frame=7, box=(1, 2.5, 30, 40))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "JSON"),
        ("hello", "JSON"),
        ("[]", "object"),
        ("{}", "type"),
        ('{"type": "format"}', "format"),
        ('{"type": "drop"}', "target"),
        ('{"type": "drop", "target": 1, "and": 2}', "and"),
        ('{"type": "add", "frame": -1, "box": [1, 2, 3, 4]}', "frame"),
        ('{"type": "add", "frame": 1, "box": [1, 2, 3]}', "box"),
        ('{"type": "add", "frame": 1, "box": [1, 2, 3, NaN]}', "box"),
        ('{"type": "camera", "address": ""}', "address"),
        ('{"type": "camera", "address": "' + 5000 * "x" + '"}', "address"),
        (10_000 * "[", ""),
    ],
)
def test_what_is_no_command_is_one_line(text: str, word: str) -> None:
    with pytest.raises(UsageError, match=r"^a message cannot be read: ") as caught:
        read_command(text)
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@given(st.text())
def test_any_text_is_a_command_or_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        read_command(text)


def test_a_frame_is_number_time_and_picture() -> None:
    assert read_frame(packed(258, 1.5, b"jpeg")) == (258, 1.5, b"jpeg")
    assert packed(258, 1.5, b"")[:4] == b"\x02\x01\x00\x00"  # little-endian, as the page writes it


@pytest.mark.parametrize("data", [b"", b"short", packed(1, 0.5, b"")])
def test_a_frame_without_a_picture_is_empty(data: bytes) -> None:
    with pytest.raises(UsageError, match="is empty"):
        read_frame(data)


@pytest.mark.parametrize("time", [float("nan"), float("inf"), -1.0])
def test_a_time_that_is_none(time: float) -> None:
    with pytest.raises(UsageError, match="frame 4 has the time"):
        read_frame(packed(4, time, b"x"))


def test_a_picture_carries_the_boxes_of_its_own_frame() -> None:
    rows = [
        Row(5, 0.2, 1, Box(1, 2, 3, 4), 0.75, Status.UNCERTAIN),
        Row(5, 0.2, 2, None, None, Status.SKIPPED),  # there is no box to show
    ]
    data = pack_picture(Boxes(frame=5, time=0.2, milliseconds=8, targets=as_seen(rows)), b"jpeg")
    (length,) = struct.unpack_from("<I", data)
    message = json.loads(data[4 : 4 + length])
    assert (message["type"], message["frame"]) == ("boxes", 5)
    assert message["targets"] == [{"id": 1, "box": [1, 2, 3, 4], "score": 0.75, "status": "uncertain"}]
    assert data[4 + length :] == b"jpeg"
