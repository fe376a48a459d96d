from __future__ import annotations

import numpy as np
import pytest

from siamtrack.errors import UsageError
from siamtrack.io.contact_sheet import BACKGROUND, CAPTION_HEIGHT, GAP, contact_sheet


def test_tiles_are_laid_out_row_by_row() -> None:
    images = [np.full((20, 30, 3), 50 + 40 * index, np.uint8) for index in range(5)]
    sheet = contact_sheet(images, 2, (30, 20))
    assert sheet.shape == (3 * (20 + GAP) + GAP, 2 * (30 + GAP) + GAP, 3)
    for index in range(5):
        top, left = GAP + index // 2 * (20 + GAP), GAP + index % 2 * (30 + GAP)
        assert (sheet[top : top + 20, left : left + 30] == 50 + 40 * index).all()
    empty = sheet[GAP + 2 * (20 + GAP) :, GAP + 30 :]
    assert (empty == BACKGROUND).all()


def test_images_of_any_size_and_kind_keep_their_aspect() -> None:
    sheet = contact_sheet([np.full((100, 50), 255, np.uint8), np.full((9, 9, 4), 255, np.uint8)], 4, (40, 20))
    assert sheet.shape == (20 + 2 * GAP, 2 * 40 + 3 * GAP, 3)
    first, second = sheet[GAP:-GAP, GAP : GAP + 40, 0], sheet[GAP:-GAP, 2 * GAP + 40 : -GAP, 0]
    assert (first[:, 15:25] == 255).all()
    assert (first[:, :15] == 0).all()
    assert (second[:, 10:30] == 255).all()


def test_captions_have_room_and_stay_in_their_tile() -> None:
    images = [np.zeros((40, 80, 3), np.uint8)] * 2
    sheet = contact_sheet(images, 2, (80, 40), ["one", "a caption that is far too long for its tile"])
    assert sheet.shape[0] == 40 + CAPTION_HEIGHT + 2 * GAP
    strip = (sheet[GAP + 40 :] != BACKGROUND).any(2)
    assert strip[:, GAP : GAP + 80].any()
    assert strip[:, 2 * GAP + 80 : -GAP].any()
    assert not strip[:, -GAP:].any()
    assert not strip[:, GAP + 80 : 2 * GAP + 80].any()
    assert not strip[-GAP + 1 :].any()


@pytest.mark.parametrize(
    ("images", "columns", "tile", "captions"),
    [(0, 2, (9, 9), None), (1, 0, (9, 9), None), (1, 1, (0, 9), None), (2, 1, (9, 9), ["one"])],
)
def test_what_makes_no_sheet_is_refused(
    images: int, columns: int, tile: tuple[int, int], captions: list[str] | None
) -> None:
    with pytest.raises(UsageError):
        contact_sheet([np.zeros((5, 5, 3), np.uint8)] * images, columns, tile, captions)
