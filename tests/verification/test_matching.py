"""Comparing pictures, and looking for a patch in a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from siamtrack.boxes import Image, iou
from siamtrack.errors import SourceError, UsageError
from siamtrack.verification.matching import compare_pictures, draw_matches, find_matches, match_patch
from siamtrack.verification.verifier import Verifier, load_verifier


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    return load_verifier("siamtrack-lite")


@pytest.fixture(scope="module")
def picture() -> Image:
    """Smooth random colors, with a different object drawn twice: as it is, and half as large again."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(60, 190, (8, 12, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (360, 240), interpolation=cv2.INTER_CUBIC)
    image[60:120, 40:120] = thing()
    image[100:190, 210:330] = cv2.resize(thing(), (120, 90))
    return np.asarray(image, np.uint8)


def thing() -> Image:
    """A face of sorts, 80 x 60."""
    made = np.full((60, 80, 3), (40, 180, 230), np.uint8)
    for x in (25, 55):
        cv2.circle(made, (x, 22), 9, (20, 20, 20), -1)
    cv2.ellipse(made, (40, 42), (22, 8), 0, 0, 360, (30, 30, 200), -1)
    cv2.rectangle(made, (0, 0), (79, 59), (90, 20, 120), 3)
    return made


def test_both_sizes_of_a_thing_are_found(verifier: Verifier, picture: Image) -> None:
    found = match_patch(thing(), picture, verifier, top=2)
    wanted = np.array([[40, 60, 80, 60], [210, 100, 120, 90.0]])
    overlaps = [float(iou(np.array(match.box), box)) for match, box in zip(found.matches, wanted, strict=True)]
    assert min(overlaps) > 0.6, found.matches
    assert all(match.probability > 0.9 for match in found.matches)
    assert found.measure == "cosine"
    assert found.heat.shape == (240, 360)
    assert found.heat[90, 80] > 0.9
    assert found.heat[40, 250] < 0.5


def test_matches_do_not_overlap_and_the_best_is_first(verifier: Verifier, picture: Image) -> None:
    found = match_patch(thing(), picture, verifier, top=6, scales=5).matches
    assert len(found) == 6
    values = [match.value for match in found]
    assert values == sorted(values, reverse=True)
    for number, match in enumerate(found):
        for other in found[:number]:
            assert iou(np.array(match.box), np.array(other.box)) < 0.5  # cut to the picture after the choice


def test_the_drawing_leaves_the_picture_alone(verifier: Verifier, picture: Image) -> None:
    before = picture.copy()
    drawn = draw_matches(picture, match_patch(thing(), picture, verifier, top=1, scales=1))
    assert drawn.shape == picture.shape
    assert np.array_equal(picture, before)
    assert not np.array_equal(drawn, picture)


def test_a_patch_larger_than_the_picture_is_refused(verifier: Verifier, picture: Image) -> None:
    with pytest.raises(UsageError, match="the patch of 360x240 pixels fits into the picture of 80x60 in none"):
        match_patch(picture, thing(), verifier, scales=3)


def test_a_patch_that_is_too_small_is_refused(verifier: Verifier) -> None:
    with pytest.raises(UsageError, match=r"too small for a picture of 2000x1500: .* cut a part out of it"):
        match_patch(thing()[:8, :8], np.zeros((1500, 2000, 3), np.uint8), verifier, scales=1)


def test_a_picture_is_the_same_as_itself_in_gray_and_smaller(tmp_path: Path, picture: Image) -> None:
    for name, image in (
        ("thing.png", thing()),
        ("smaller.png", cv2.resize(thing(), (53, 41), interpolation=cv2.INTER_AREA)),
        ("gray.png", cv2.cvtColor(thing(), cv2.COLOR_BGR2GRAY)),
        ("other.png", picture[130:190, 40:120]),
    ):
        cv2.imwrite(str(tmp_path / name), image)
    same = compare_pictures(tmp_path / "thing.png", tmp_path / "smaller.png")
    assert same.same
    assert same.probability > 0.95
    gray = compare_pictures(tmp_path / "thing.png", tmp_path / "gray.png")
    assert gray.value < same.value
    other = compare_pictures(tmp_path / "thing.png", tmp_path / "other.png")
    assert not other.same
    assert other.probability < 0.05


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.png").write_text("hello")
    cv2.imwrite(str(tmp_path / "thing.png"), thing())
    with pytest.raises(SourceError, match=r"notes\.png is no picture that can be decoded"):
        compare_pictures(tmp_path / "thing.png", tmp_path / "notes.png")
    with pytest.raises(SourceError, match=r"gone\.png cannot be read: No such file"):
        compare_pictures(tmp_path / "gone.png", tmp_path / "thing.png")


def test_the_patch_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "thing.png"
    cv2.imwrite(str(path), thing())
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is the input"):
        find_matches(path, path, output=path)
    assert path.read_bytes() == before
