"""Frames of strangers."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving_clients import jpeg, picture

from siamtrack.errors import UsageError
from siamtrack.live.server.jpeg import decode_jpeg, encode_jpeg, jpeg_size
from siamtrack.live.server.limits import Limits

LIMITS = Limits(side=640)


def claimed(width: int, height: int) -> bytes:
    """A small picture whose header claims another size."""
    data = bytearray(jpeg())
    place = data.index(b"\xff\xc0")
    data[place + 5 : place + 9] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize(("width", "height"), [(64, 48), (7, 5), (1, 1), (640, 480)])
def test_the_size_is_that_of_the_decoder(width: int, height: int) -> None:
    data = jpeg(picture(width, height))
    assert jpeg_size(data) == (width, height)
    assert decode_jpeg(data, LIMITS).shape == (height, width, 3)


def test_gray_pictures_have_three_channels() -> None:
    data = jpeg(cv2.cvtColor(picture(), cv2.COLOR_BGR2GRAY))
    assert decode_jpeg(data, LIMITS).shape == (48, 64, 3)


def test_there_and_back() -> None:
    image = cv2.GaussianBlur(picture(), (0, 0), 3)
    assert np.abs(decode_jpeg(encode_jpeg(image), LIMITS).astype(int) - image).max() < 16


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "no JPEG"),
        (b"<html>", "no JPEG"),
        (cv2.imencode(".png", picture())[1].tobytes(), "no JPEG"),
        (b"\xff\xd8", "damaged"),
        (b"\xff\xd8\xff\xd9", "damaged"),
        (b"\xff\xd8" + 1000 * b"\xff", "damaged"),
        (jpeg()[:100], "damaged"),
        (jpeg()[:-40], "damaged"),  # half a picture: the rest would be gray
        (jpeg(None, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), "progressive"),
        (claimed(65535, 65535), "65535x65535 pixels is larger"),
        (claimed(641, 48), "641x48 pixels is larger"),
        (claimed(0, 48), "0x48 pixels shows nothing"),
        (claimed(64, 0), "64x0 pixels shows nothing"),
    ],
)
def test_what_is_no_frame_is_one_line(data: bytes, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        decode_jpeg(data, LIMITS)
    assert word in str(caught.value)


@given(st.binary(max_size=200), st.integers(0, 60))
def test_noise_never_does_harm(noise: bytes, at: int) -> None:
    good = jpeg()
    data = good[:at] + noise + good[at + len(noise) :]
    try:
        image = decode_jpeg(data, LIMITS)
    except UsageError:
        return
    assert max(image.shape[:2]) <= 640
