"""The picture of training pairs: what is drawn is where the pair says."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from siamtrack.errors import UsageError
from siamtrack.training.pairs import PairSample
from siamtrack.training.preview import GREEN, TILE, describe, draw_pair, write_preview
from siamtrack.training.recipe import Recipe, read_recipe

EXEMPLAR_SIDE, SEARCH_SIDE = 24, 64
GRAY = 128

SAMPLE = PairSample(
    exemplars=np.stack([np.full((EXEMPLAR_SIDE, EXEMPLAR_SIDE, 3), level, np.uint8) for level in (50, 100, 150)]),
    search=np.full((SEARCH_SIDE, SEARCH_SIDE, 3), GRAY, np.uint8),
    center=(30.0, 20.0),
    scale=math.nan,
    size=(16.0, 10.0),
    exemplar_size=(12.0, 7.5),
    group="bicycle",
    search_group="bicycle",
)
"""The target's box is 22, 15, 16, 10."""
NOT_HERE = replace(SAMPLE, center=(math.nan, math.nan))


def green(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a picture has the color of the box, up to what resizing does to a line."""
    return np.abs(image.astype(int) - GREEN).max(2) < 40


def search_part(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return picture[:, EXEMPLAR_SIDE:]


def test_the_box_of_the_target_is_drawn_in_the_search_crop() -> None:
    search = search_part(draw_pair(SAMPLE))
    rows, columns = np.nonzero((search == GREEN).all(2))
    left, top, right, bottom = columns.min(), rows.min(), columns.max(), rows.max()
    assert (left, top, right + 1, bottom + 1) == pytest.approx((22, 15, 38, 25), abs=1)
    expected = np.full((SEARCH_SIDE, SEARCH_SIDE, 3), GRAY)
    expected[top : bottom + 1, left : right + 1] = GREEN
    expected[top + 1 : bottom, left + 1 : right] = GRAY  # a whole line around, nothing in it and nothing elsewhere
    np.testing.assert_array_equal(search, expected)


def test_a_box_over_the_border_is_drawn_as_far_as_it_goes() -> None:
    search = search_part(draw_pair(replace(SAMPLE, center=(2.0, 20.0))))
    drawn = (search == GREEN).all(2)
    columns = np.flatnonzero(drawn.any(0))
    assert columns.min() == 0
    assert columns.max() + 1 == pytest.approx(10, abs=1)
    assert drawn[:, 0].sum() == 2  # its long sides; the left one is outside


def test_without_the_target_there_is_no_box() -> None:
    np.testing.assert_array_equal(search_part(draw_pair(NOT_HERE)), NOT_HERE.search)


def test_the_middle_exemplar_stands_to_the_left_at_its_own_size() -> None:
    picture = draw_pair(SAMPLE)
    assert picture.shape == (SEARCH_SIDE, EXEMPLAR_SIDE + SEARCH_SIDE, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[:EXEMPLAR_SIDE, :EXEMPLAR_SIDE], SAMPLE.exemplars[1])
    assert (picture[EXEMPLAR_SIDE:, :EXEMPLAR_SIDE] == 0).all()


def test_the_pair_itself_is_not_drawn_on() -> None:
    draw_pair(SAMPLE)
    assert (SAMPLE.search == GRAY).all()


@pytest.mark.parametrize(
    ("sample", "text"),
    [
        (SAMPLE, "bicycle"),
        (replace(SAMPLE, scale=1.26), "bicycle, +1.3 steps"),
        (replace(SAMPLE, scale=-0.5), "bicycle, -0.5 steps"),
        (replace(NOT_HERE, scale=0.5), "bicycle: not here"),
    ],
)
def test_the_caption_says_what_is_known(sample: PairSample, text: str) -> None:
    assert describe(sample) == text


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Four pairs of the rendered data, each with its target."""
    path = tmp_path / "tiny.toml"
    path.write_text(
        '[model]\nname = "tiny"\narchitecture = "alexnet_v1"\n'
        "[run]\nsteps = 2\nbatch_size = 2\nsearch_size = 143\n"
        '[mix]\nvideo = 1\nstills = 0\ncomposed = 0\nnegatives = 0\nvalidation = ["airplane"]\n'
    )
    return read_recipe(str(path))


def test_every_tile_of_the_sheet_shows_a_box(recipe: Recipe, training_folder: Path, tmp_path: Path) -> None:
    write_preview(recipe, training_folder, tmp_path / "sheet.png", range(100))
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    height, width = sheet.shape[:2]
    assert 4 * TILE[0] <= width < 5 * TILE[0]  # one row of the run's four pairs
    assert TILE[1] <= height < 2 * TILE[1]
    for tile in np.array_split(green(sheet), 4, axis=1):
        # A box is some 80 pixels wide here. What the texture has of this color is never in a line of 30.
        assert max(tile.sum(0).max(), tile.sum(1).max()) > 50


def test_pairs_beyond_the_run_are_refused(recipe: Recipe, training_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the run has 4 pairs, counted from 0: none of those asked for exists"):
        write_preview(recipe, training_folder, tmp_path / "sheet.png", range(4, 9))
    assert not (tmp_path / "sheet.png").exists()
