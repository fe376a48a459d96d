"""Rendered clips in which the target is gone for a while: what is in view is what the truth says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from disappearances import (
    ABSENT,
    BACK_ABOVE,
    GONE_BELOW,
    Cast,
    DisappearanceClip,
    Ending,
    Moment,
    Outcome,
    judge,
    pan_away,
)
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.tracking.confidence import Status

T, U, L = Status.TRACKED, Status.UNCERTAIN, Status.LOST
SIZE = (160, 120)
RED, BLUE = (0, 0, 255), (255, 0, 0)


def tile(height: int, width: int, color: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.dstack([np.full((height, width, 3), color, np.uint8), np.full((height, width), 255, np.uint8)])


def clip(ending: Ending, seed: int = 0, distractors: int = 0) -> DisappearanceClip:
    """A red target, blue covers and distractors, on gray: what is red is the target."""
    backdrop = np.full((150, 200, 3), 128, np.uint8)
    cast = Cast([backdrop], [tile(30, 24, RED)], tile(40, 40, BLUE), [tile(20, 20, BLUE)] * distractors)
    return DisappearanceClip(cast, ending, SIZE, 24.0, seed)


def red(moment: Moment) -> NDArray[np.bool_]:
    blue, green, red = (moment.image[:, :, channel].astype(int) for channel in range(3))
    return (red > blue + 100) & (red > green + 100)


@pytest.mark.parametrize("ending", Ending)
def test_what_is_shown_of_the_target_is_what_the_truth_says(ending: Ending) -> None:
    rendered = clip(ending)
    for moment in map(rendered.render, range(0, len(rendered), 7)):
        whole = moment.box.area if np.isfinite(moment.box).all() else 1.0
        # A turned tile fills most of its upright box.
        assert red(moment).sum() / whole == pytest.approx(moment.shown, abs=0.3)
        if moment.shown > 0.99:
            rows, columns = np.nonzero(red(moment))
            seen = (columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1)
            assert seen == pytest.approx(tuple(moment.box), abs=2.5)  # noise eats at its rim


@pytest.mark.parametrize("ending", [Ending.LEAVES, Ending.COVERED, Ending.VANISHES])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_target_is_gone_for_a_while_and_comes_back(ending: Ending, seed: int) -> None:
    shown = np.array([moment.shown for moment in clip(ending, seed)])
    gone = np.flatnonzero(shown < GONE_BELOW)
    assert shown[: gone[0] - 30].min() > 0.9 if ending is not Ending.LEAVES else shown[:40].max() > 0.9
    assert ABSENT[0] <= len(gone) <= ABSENT[1] + 60  # it takes a while to leave, and to return
    assert shown[-20:].min() > BACK_ABOVE


def test_a_target_that_stays_is_in_view_all_the_time() -> None:
    assert min(moment.shown for moment in clip(Ending.STAYS, 1, distractors=2)) > 0.9


def test_it_moves_smoothly_while_it_is_seen() -> None:
    rendered = clip(Ending.LEAVES)
    moments = [rendered.render(index) for index in range(45)]
    steps = [
        np.hypot(b.box.center[0] - a.box.center[0], b.box.center[1] - a.box.center[1]) for a, b in pairwise(moments)
    ]
    assert max(steps) < 0.15 * 24


def test_frames_are_the_same_every_time() -> None:
    first, second = clip(Ending.COVERED, 3), clip(Ending.COVERED, 3)
    np.testing.assert_array_equal(first.render(70).image, second.render(70).image)
    assert not np.array_equal(first.render(70).image, clip(Ending.COVERED, 4).render(70).image)


def test_a_camera_that_pans_away_loses_the_target_and_comes_back() -> None:
    picture = np.full((200, 320, 3), 128, np.uint8)
    picture[60:90, 250:280] = RED
    moments = list(pan_away([picture] * 5, [Box(250, 60, 30, 30)] * 5))
    shown = np.array([moment.shown for moment in moments])
    assert shown[0] == shown[-1] == 1.0
    assert (shown == 0).sum() >= ABSENT[0]
    for moment in moments[::9]:
        assert red(moment).sum() == pytest.approx(900 * moment.shown, abs=35)  # whole pixels are cut
        if moment.shown == 1:
            x, y, width, height = (round(value) for value in moment.box)
            assert red(moment)[y + 1 : y + height - 1, x + 1 : x + width - 1].all()


def test_a_target_that_fills_the_picture_cannot_be_left() -> None:
    picture = np.full((200, 320, 3), 128, np.uint8)
    assert list(pan_away([picture], [Box(10, 10, 300, 180)])) == []


def outcome(shown: str, on_target: str, said: str) -> Outcome:
    """From a line a kind, a letter a frame: share of the target in tenths, 1 where the box overlaps, t, u or l."""
    status = {"t": T, "u": U, "l": L}
    return judge(
        np.array([int(each) / 9 for each in shown]),
        np.array([float(each) for each in on_target]),
        [status[s] for s in said],
    )


def test_delays_are_counted_from_the_disappearance_and_from_the_return() -> None:
    seen = outcome("9998100000399", "1111000000001", "tttttuullllut")
    assert seen.disappeared == 4
    assert seen.returned == 11
    assert seen.signalled == 3
    assert seen.found == 1
    assert seen.followed


def test_a_tracker_that_says_nothing_and_one_that_never_returns() -> None:
    silent = outcome("999000999", "111000000", "ttttttttt")
    assert (silent.signalled, silent.found) == (None, None)  # certain, and elsewhere
    quiet = outcome("999000999", "111000111", "tttlllluu")
    assert (quiet.signalled, quiet.found) == (0, None)  # on the target again, and not sure of it


def test_a_target_that_was_lost_before_it_disappeared_was_not_followed() -> None:
    assert not outcome("999999000999", "111000000111", "tttttuulllut").followed


def test_a_target_that_stays_has_no_outcome_but_false_alarms() -> None:
    seen = outcome("9999999999", "1111111111", "tttttllutt")
    assert (seen.disappeared, seen.signalled, seen.found) == (None, None, None)
    assert seen.alarms == pytest.approx(0.2)


def test_frames_in_which_an_absent_target_is_believed_to_be_tracked() -> None:
    shown = "9" * 5 + "0" * 25 + "9" * 5
    said = "t" * 5 + "t" * 15 + "l" * 6 + "t" * 4 + "t" * 5
    assert outcome(shown, "1" * 5 + "0" * 25 + "1" * 5, said).certain == pytest.approx(0.4)  # of ten after fifteen
