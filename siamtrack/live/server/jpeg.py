"""JPEG frames of strangers: looked at before they are decoded."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import UsageError
from siamtrack.live.server.limits import Limits

QUALITY = 80
"""Quality of the JPEG frames that the server sends, 0 to 100."""

_START, _END = b"\xff\xd8", b"\xff\xd9"
_BASELINE = (0xC0, 0xC1)
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG picture in pixels, from its header (ITU-T T.81, annex B).

    Only baseline and extended sequential pictures are taken, which is what browsers write: a progressive one of a few
    bytes can take its decoder minutes.

    Raises:
        UsageError: when it is no such picture.
    """
    if not data.startswith(_START):
        raise UsageError("a frame is no JPEG picture: send image/jpeg")
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # any number of them may stand before a marker
            place += 1
            continue
        length = int.from_bytes(data[place + 2 : place + 4])
        if marker == _SCAN or length < 2:
            break
        if marker in _SIZES:
            if marker not in _BASELINE:
                raise UsageError("a frame is a progressive or lossless JPEG picture: send a baseline one")
            if length < 8 or place + 2 + length > len(data):
                break
            height, width = (int.from_bytes(data[place + at : place + at + 2]) for at in (5, 7))
            return width, height
        place += 2 + length
    raise UsageError("a frame is a damaged JPEG picture: its header says no size")


def decode_jpeg(data: bytes, limits: Limits) -> NDArray[np.uint8]:
    """Decode a JPEG picture, `(H, W, 3)` uint8 BGR, as its pixels lie; its header is checked first.

    Raises:
        UsageError: when it is larger than allowed, cut short or damaged.
    """
    size = jpeg_size(data)
    limits.check_size(*size)
    image = None
    if data.endswith(_END):  # without its end half of it would be gray
        flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if image is None or image.shape[1::-1] != size:
        raise UsageError("a frame is a damaged JPEG picture: it cannot be decoded")
    return np.asarray(image, np.uint8)


def encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """Return a picture, `(H, W, 3)` uint8 BGR, as JPEG."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes()
