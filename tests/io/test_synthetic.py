"""Rendered clips: the boxes are where the targets are."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siamtrack.boxes import Box, iou
from siamtrack.errors import UsageError
from siamtrack.io.synthetic import GROWTH, MIN_CELL, SPEED, SyntheticClip, parse_size, smooth_noise

clips = st.builds(
    SyntheticClip,
    width=st.integers(4 * MIN_CELL, 320),
    height=st.integers(4 * MIN_CELL, 240),
    frames=st.integers(1, 40),
    targets=st.integers(1, 5),
    seed=st.integers(0, 1000),
)


def inside(box: Box, shrink: float = 1.0) -> tuple[slice, slice]:
    """Rows and columns of the pixels that a box, shrunk around its middle, covers at least half."""
    (x, y), half_width, half_height = box.center, box.width / 2 * shrink, box.height / 2 * shrink
    rows = slice(max(round(y - half_height), 0), round(y + half_height))
    return rows, slice(max(round(x - half_width), 0), round(x + half_width))


@settings(max_examples=25, deadline=None)
@given(clip=clips, data=st.data())
def test_what_is_not_background_is_in_the_boxes(clip: SyntheticClip, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(clip) - 1))
    changed = (clip.render(index) != clip.background(index)).any(axis=2)
    outside = changed.copy()
    for box in clip.boxes[index]:
        assert changed[inside(box, 0.9)].mean() > 0.95
        rows, columns = inside(box, 1.0)
        # The soft edge reaches up to two pixels over the box.
        outside[max(rows.start - 2, 0) : rows.stop + 2, max(columns.start - 2, 0) : columns.stop + 2] = False
    assert not outside.any()


@settings(max_examples=25, deadline=None)
@given(clip=clips)
def test_targets_stay_inside_apart_and_slow(clip: SyntheticClip) -> None:
    for boxes in clip.boxes:
        for box in boxes:
            assert box.x >= 0
            assert box.x + box.width <= clip.width
            assert box.y >= 0
            assert box.y + box.height <= clip.height
        assert all(iou(np.array(a), np.array(b)) == 0 for a, b in combinations(boxes, 2))
    paths = np.array(clip.boxes)
    centers, sizes = paths[..., :2] + paths[..., 2:] / 2, paths[..., 2:]
    # Its speed is a share of its mean height, which it falls short of by GROWTH at most; a box is of whole texels.
    assert (np.abs(np.diff(centers, axis=0)) <= SPEED * sizes[:-1, :, 1:] / (1 - GROWTH) + 0.5).all()
    assert (np.abs(np.diff(np.log(sizes), axis=0)) < 0.02).all()


def test_a_template_of_the_target_is_found_in_its_box() -> None:
    clip = SyntheticClip(320, 240, 60)
    template = clip.render(0)[inside(clip.boxes[0][0])]
    for index in range(0, 60, 10):
        frame, box = clip.render(index), clip.boxes[index][0]
        sized = cv2.resize(template, (round(box.width), round(box.height)), interpolation=cv2.INTER_AREA)
        match = cv2.matchTemplate(frame, sized, cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(match)
        assert best > 0.8
        assert abs(x - box.x) <= 1
        assert abs(y - box.y) <= 1


def test_the_background_moves_slowly() -> None:
    clip = SyntheticClip(320, 240, 30, seed=3)
    first, later = clip.background(0), clip.background(20)
    assert (first != later).mean() > 0.5
    shift, _ = cv2.phaseCorrelate(*(np.float64(cv2.cvtColor(each, cv2.COLOR_BGR2GRAY)) for each in (first, later)))
    assert 0 < np.hypot(*shift) < 12


def test_a_clip_is_the_same_every_time() -> None:
    first, second = SyntheticClip(96, 64, 4, seed=5), SyntheticClip(96, 64, 4, seed=5)
    assert len(first) == 4
    for (frame, boxes), (other, same), known in zip(first, second, first.boxes, strict=True):
        assert frame.shape == (64, 96, 3)
        assert frame.dtype == np.uint8
        assert np.array_equal(frame, other)
        assert boxes == same == known
    assert not np.array_equal(first.render(0), SyntheticClip(96, 64, 4, seed=6).render(0))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((640, 480, 0), "0 frames"),
        ((640, 480, 5, 0), "0 targets"),
        ((40, 480, 5), "40x480"),
        ((100, 100, 5, 9), "no room for 9 targets"),
    ],
)
def test_clips_that_cannot_be(arguments: tuple[int, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        SyntheticClip(*arguments)


@pytest.mark.parametrize(("text", "size"), [("640x480", (640, 480)), (" 64X48 ", (64, 48))])
def test_sizes_that_are_read(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "640", "640x", "640*480", "640x-3", "64.5x48", "640x480x3", "99999x10"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="WxH"):
        parse_size(text)


def test_noise_covers_the_grey_levels() -> None:
    noise = smooth_noise(80, 120, np.random.default_rng(0), 4.0)
    assert noise.shape == (80, 120, 3)
    assert noise.min() < 30
    assert noise.max() > 225
