from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendering import numbered

from siamtrack.datasets.frames import read_picture
from siamtrack.errors import UsageError
from siamtrack.io.images import is_image_file, letterbox, natural_key, read_image, to_bgr8

RNG = np.random.default_rng(3)
BGR = RNG.integers(0, 256, (9, 7, 3), np.uint8)
GRAY = BGR[..., 0]


def test_numbers_in_names_are_ordered_by_value() -> None:
    names = ["frame10.png", "frame2.png", "Frame3.png", "frame1b.png", "frame1.png", "a.png", "010.png", "9.png"]
    expected = ["9.png", "010.png", "a.png", "frame1.png", "frame1b.png", "frame2.png", "Frame3.png", "frame10.png"]
    assert sorted(names, key=natural_key) == expected


@given(st.lists(st.integers(0, 10**6), unique=True), st.text(max_size=5).filter(lambda text: not text[-1:].isdigit()))
def test_numbered_names_sort_like_their_numbers(numbers: list[int], prefix: str) -> None:
    names = sorted((f"{prefix}{number}.jpg" for number in numbers), key=natural_key)
    assert names == [f"{prefix}{number}.jpg" for number in sorted(numbers)]


@given(st.lists(st.text(max_size=8)))
def test_any_names_sort_the_same_whatever_their_order(names: list[str]) -> None:
    other = names[::-1]
    assert sorted(names, key=natural_key) == sorted(other, key=natural_key)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param(BGR, BGR, id="bgr"),
        pytest.param(GRAY, np.dstack([GRAY] * 3), id="gray"),
        pytest.param(GRAY[..., None], np.dstack([GRAY] * 3), id="gray with an axis"),
        pytest.param(np.dstack([GRAY, 255 - GRAY]), np.dstack([GRAY] * 3), id="gray and alpha"),
        pytest.param(np.dstack([BGR, GRAY]), BGR, id="bgra"),
        pytest.param(BGR.astype(np.uint16) * 257, BGR, id="16 bit"),
        pytest.param(GRAY.astype(np.uint16) * 257, np.dstack([GRAY] * 3), id="16 bit gray"),
        pytest.param(GRAY > 99, np.dstack([np.where(GRAY > 99, 255, 0)] * 3), id="bool"),
        pytest.param(BGR[:, ::-1], BGR[:, ::-1], id="not contiguous"),
    ],
)
def test_every_kind_of_image_becomes_bgr(image: np.ndarray, expected: np.ndarray) -> None:
    before = image.copy()
    result = to_bgr8(image)
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(image, before)


def test_all_16_bit_values_are_rounded_to_the_nearest_8_bit_value() -> None:
    values = np.arange(65536, dtype=np.uint16)
    expected = np.floor(values.astype(np.float64) / 257 + 0.5)
    np.testing.assert_array_equal(to_bgr8(values.reshape(256, 256))[..., 0].ravel(), expected)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 5), np.uint8), r"\(4, 4, 5\)"),
        (np.zeros(4, np.uint8), r"\(4,\)"),
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
        (np.zeros((4, 4, 3), np.float32), "float32"),
    ],
)
def test_other_arrays_are_refused_by_name(image: np.ndarray, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        to_bgr8(image)


@pytest.mark.parametrize("extension", ["png", "bmp", "tif", "tiff"])
def test_lossless_files_are_read_exactly(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"image.{extension}"
    cv2.imwrite(str(path), BGR)
    np.testing.assert_array_equal(read_image(path), BGR)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (GRAY, np.dstack([GRAY] * 3)),
        (np.dstack([BGR, GRAY]), BGR),
        (BGR.astype(np.uint16) * 257, BGR),
        (GRAY.astype(np.uint16) * 257, np.dstack([GRAY] * 3)),
    ],
    ids=["gray", "bgra", "16 bit", "16 bit gray"],
)
def test_png_of_every_kind_is_read_as_bgr(tmp_path: Path, stored: np.ndarray, expected: np.ndarray) -> None:
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), stored)
    np.testing.assert_array_equal(read_image(path), expected)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89PNG\r\n\x1a\n" + bytes(40)])
def test_what_is_no_image_gives_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(content)
    assert read_image(path) is None


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    image = np.zeros((32, 48, 3), np.uint8)
    image[:16, :16] = 255
    path = tmp_path / "photo.jpg"
    cv2.imwrite(str(path), image)
    content = path.read_bytes()
    # A minimal EXIF segment with orientation 6: the camera was held upright, show it turned clockwise.
    tiff = b"II*\0\x08\0\0\0" + b"\x01\0" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0" + bytes(4)
    segment = b"Exif\0\0" + tiff
    path.write_bytes(content[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + content[2:])
    upright = read_image(path)
    assert upright is not None
    expected = np.rot90(image, -1)
    assert upright.shape == expected.shape
    assert np.abs(upright.astype(int) - expected).mean() < 3


def test_only_visible_image_files_count(tmp_path: Path) -> None:
    for name in ("a.JPG", "b.tiff", "c.txt", "._d.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert sorted(path.name for path in tmp_path.iterdir() if is_image_file(path)) == ["a.JPG", "b.tiff"]


class TestLetterbox:
    @given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
    def test_the_picture_is_whole_and_centerd(self, rows: int, columns: int, height: int, width: int) -> None:
        result = letterbox(np.full((rows, columns, 3), 255, np.uint8), width, height)
        assert result.shape == (height, width, 3)
        shown = result[..., 0] > 0
        ys, xs = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
        assert len(ys) == height or len(xs) == width
        scale = min(width / columns, height / rows)
        assert abs(len(ys) - max(1, rows * scale)) <= 0.5 + 1e-9
        assert abs(len(xs) - max(1, columns * scale)) <= 0.5 + 1e-9
        assert abs(ys[0] - (height - 1 - ys[-1])) <= 1
        assert abs(xs[0] - (width - 1 - xs[-1])) <= 1
        assert shown[np.ix_(ys, xs)].all()

    def test_the_same_size_is_untouched(self) -> None:
        image = numbered(1)
        assert letterbox(image, 96, 64) is image


def test_read_image_accepts_a_truncated_jpeg_only_on_request(tmp_path: Path) -> None:
    path = tmp_path / "half.jpg"
    image = cv2.GaussianBlur(RNG.integers(0, 256, (64, 64, 3), np.uint8), (0, 0), 3)
    content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    path.write_bytes(content[: len(content) // 2])
    assert read_image(path) is None
    partial = read_image(path, allow_truncated=True)
    assert partial is not None
    assert np.abs(partial[:16].astype(int) - image[:16]).mean() < 3


def test_read_picture_of_a_data_set_rounds_16_bits_as_tracking_does(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), np.array([[[0, 200, 65535]]], np.uint16))
    assert read_picture(path).tolist() == [[[0, 1, 255]]]
