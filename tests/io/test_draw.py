from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.errors import UsageError
from siamtrack.io.draw import COLORS, LOST_OPACITY, TARGET_COLORS, Color, draw, draw_targets, line_width
from siamtrack.io.results import Row
from siamtrack.tracking.confidence import Status


def row(box: Box | None, status: Status = Status.TRACKED, target: int = 1, score: float | None = 0.5) -> Row:
    return Row(0, 0.0, target, box, score, status)


def near(image: NDArray[np.uint8], color: tuple[float, float, float]) -> NDArray[np.bool_]:
    """Where an image has a color, up to smoothing."""
    return np.abs(image.astype(int) - color).max(2) < 40


def line_color(status: Status, background: int) -> tuple[float, float, float]:
    """What the line of a box looks like on a gray background: through that of a lost target it is seen."""
    opacity = LOST_OPACITY if status is Status.LOST else 1.0
    blue, green, red = (opacity * value + (1 - opacity) * background for value in COLORS[status])
    return blue, green, red


BACKGROUNDS = {"white": 255, "black": 0, "gray": 128}


def test_its_input_is_not_changed() -> None:
    image = np.full((120, 160, 3), 128, np.uint8)
    result = draw_targets(image, [row(Box(40, 40, 60, 50))], 25.0)
    assert (image == 128).all()
    assert not np.shares_memory(image, result)
    assert result.shape == image.shape


def test_without_anything_to_draw_the_frame_stays() -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    np.testing.assert_array_equal(draw_targets(image, [row(None, Status.SKIPPED)], None), image)


@pytest.mark.parametrize("size", [(80, 100), (240, 320), (400, 704), (1080, 1920), (2160, 3840)])
@pytest.mark.parametrize("background", BACKGROUNDS.values(), ids=BACKGROUNDS)
@pytest.mark.parametrize("status", [Status.TRACKED, Status.UNCERTAIN, Status.LOST])
def test_the_box_is_where_it_belongs(size: tuple[int, int], background: int, status: Status) -> None:
    height, width = size
    image = np.full((height, width, 3), background, np.uint8)
    box = Box(width * 0.3, height * 0.4, width * 0.4, height * 0.3)
    result = draw_targets(image, [row(box, status)], None)
    ys, xs = np.nonzero(near(result, line_color(status, background)))
    # The label's letters lie above or below; the box itself is the extent of the color around its middle row.
    middle = np.abs(ys - (box.y + box.height / 2)) < box.height * 0.4
    tolerance = 2 + np.sqrt(height * width) / 300
    assert abs(xs[middle].min() - box.x) <= tolerance
    assert abs(xs[middle].max() + 1 - (box.x + box.width)) <= tolerance
    bottom = ys[ys < box.y + box.height + tolerance].max() + 1
    assert abs(bottom - (box.y + box.height)) <= tolerance
    # Its inside is left to see the target.
    left, top = round(box.x + 2 * tolerance), round(box.y + 2 * tolerance)
    inside = result[top : round(box.y + box.height - 2 * tolerance), left : round(box.x + box.width - 2 * tolerance)]
    assert (inside == background).all()


def covered(status: Status) -> float:
    """Share of the left side of a box that is colored."""
    image = np.full((400, 600, 3), 128, np.uint8)
    result = draw_targets(image, [row(Box(200, 150, 200, 200), status)], None)
    return float(near(result, line_color(status, 128))[160:340, 197:204].any(1).mean())


def test_only_a_sure_box_has_a_whole_line() -> None:
    assert covered(Status.TRACKED) == 1
    for status in (Status.UNCERTAIN, Status.LOST):
        assert 0.3 < covered(status) < 0.8


def test_the_box_of_a_lost_target_is_thin_and_lets_the_picture_through() -> None:
    image = np.full((1080, 1920, 3), 128, np.uint8)
    widths, contrasts = [], []
    for status in (Status.TRACKED, Status.UNCERTAIN, Status.LOST):
        changed = np.abs(draw_targets(image, [row(Box(800, 400, 400, 400), status)], None).astype(int) - 128).max(2)
        across = changed[500:700, 780:820]  # the left side, without its corners
        widths.append((across > 20).sum(1).max())
        contrasts.append(across.max())
    assert widths[2] < widths[0] == widths[1]
    assert contrasts[2] < contrasts[0]


def test_what_is_sure_is_not_dimmed_by_what_is_lost() -> None:
    image = np.full((400, 600, 3), 128, np.uint8)
    sure, lost = row(Box(200, 150, 200, 200)), row(Box(220, 170, 160, 160), Status.LOST, 2, None)
    both, alone = (draw_targets(image, rows, None) for rows in ([sure, lost], [sure]))
    np.testing.assert_array_equal(both[160:340, 195:205], alone[160:340, 195:205])


def test_the_colors_of_a_status_and_of_a_target_are_not_taken_for_each_other() -> None:
    colors = [*TARGET_COLORS, COLORS[Status.UNCERTAIN], COLORS[Status.LOST], COLORS[Status.SKIPPED]]
    for index, color in enumerate(colors):
        for other in colors[index + 1 :]:
            assert np.abs(np.subtract(color, other)).max() > 60
    assert TARGET_COLORS[0] == COLORS[Status.TRACKED]


def side_color(number: int, status: Status) -> Color:
    """The color of the upper left corner of a box."""
    image = draw(np.full((400, 600, 3), 128, np.uint8), {number: row(Box(200, 150, 201, 201), status)})
    blue, green, red = image[150, 205].tolist()
    return blue, green, red


def test_tracked_targets_have_colors_of_their_own_and_others_that_of_their_status() -> None:
    assert tuple(side_color(number, Status.TRACKED) for number in range(1, 7)) == TARGET_COLORS
    assert side_color(7, Status.TRACKED) == TARGET_COLORS[0]
    assert {side_color(number, Status.UNCERTAIN) for number in range(1, 7)} == {COLORS[Status.UNCERTAIN]}


@pytest.mark.parametrize("score", [0.0, 0.25, 0.5, 1.0, -3.0, 7.0])
def test_the_bar_of_a_label_is_as_long_as_the_score(score: float) -> None:
    image = np.full((800, 1200, 3), 255, np.uint8)
    result = draw_targets(image, [row(Box(400, 400, 300, 200), score=score)], None)
    left, bottom = 400 - line_width(image), 400 - 2 * line_width(image)
    plate = (result[bottom - 10] != 255).any(1)
    width = int(np.argmin(plate[left:]))
    filled = near(result[bottom - 1 : bottom, left : left + width], COLORS[Status.TRACKED]).sum()
    assert filled == round(width * min(max(score, 0), 1))


def test_a_target_without_a_score_has_no_bar() -> None:
    image = np.full((800, 1200, 3), 255, np.uint8)
    result = draw_targets(image, [row(Box(400, 400, 300, 200), score=None)], None)
    bottom = 400 - 2 * line_width(image)
    assert not near(result[bottom - 1 : bottom], COLORS[Status.TRACKED]).any()


class TestDraw:
    IMAGE = np.full((240, 320, 3), 128, np.uint8)

    def test_what_tracker_and_targets_return_are_drawn_alike(self) -> None:
        one, two = row(Box(40, 60, 60, 50)), row(Box(180, 120, 60, 50), Status.UNCERTAIN, 2, 0.3)
        expected = draw_targets(self.IMAGE, [one, two], None)
        np.testing.assert_array_equal(draw(self.IMAGE, [one, two]), expected)
        np.testing.assert_array_equal(draw(self.IMAGE, iter([one, two])), expected)
        np.testing.assert_array_equal(draw(self.IMAGE, {1: one, 2: two}), expected)
        np.testing.assert_array_equal(draw(self.IMAGE, one), draw_targets(self.IMAGE, [one], None))

    def test_ids_are_those_of_the_mapping(self) -> None:
        found = row(Box(40, 60, 60, 50), target=5)
        np.testing.assert_array_equal(draw(self.IMAGE, {5: found}), draw_targets(self.IMAGE, [found], None))

    @pytest.mark.parametrize("nothing", [[], {}])
    def test_nothing_found_gives_a_copy(self, nothing: list[Row] | dict[int, Row]) -> None:
        result = draw(self.IMAGE, nothing)
        np.testing.assert_array_equal(result, self.IMAGE)
        assert not np.shares_memory(result, self.IMAGE)

    def test_gray_frames_become_color(self) -> None:
        assert draw(self.IMAGE[..., 0], []).shape == (240, 320, 3)

    def test_what_is_no_result_is_named(self) -> None:
        with pytest.raises(UsageError, match="takes results of a tracker: this is of type int"):
            draw(self.IMAGE, Box(1, 2, 3, 4))
        with pytest.raises(UsageError, match="this is a NoneType"):
            draw(None, [])


@pytest.mark.parametrize("background", BACKGROUNDS.values(), ids=BACKGROUNDS)
def test_labels_stand_on_a_dark_plate(background: int) -> None:
    image = np.full((400, 600, 3), background, np.uint8)
    result = draw_targets(image, [], 25.0)
    changed = (result != background).any(2)
    height, width = np.flatnonzero(changed.any(1)).max() + 1, np.flatnonzero(changed.any(0)).max() + 1
    assert width < 120
    assert height < 40
    plate = result[:height, :width].astype(int).max(2)
    assert np.median(plate) < 70
    assert plate.max() > 220


def test_labels_grow_with_the_frame_and_stay_readable() -> None:
    def plate_height(height: int, width: int) -> int:
        result = draw_targets(np.full((height, width, 3), 255, np.uint8), [], 25.0)
        return int((result != 255).any((1, 2)).sum())

    heights = [plate_height(*size) for size in ((80, 100), (400, 704), (1080, 1920), (2160, 3840))]
    assert heights == sorted(heights)
    assert heights[0] >= 11
    assert heights[2] >= 2 * heights[1]


def test_labels_do_not_hide_each_other() -> None:
    image = np.full((400, 600, 3), 128, np.uint8)
    box = Box(200, 100, 100, 80)
    changed = draw_targets(image, [row(box, Status.LOST), row(box, Status.UNCERTAIN, 2)], None)
    above, below = changed[100 - 25 : 100 - 5, 200:300], changed[180 + 5 : 180 + 25, 200:300]
    assert near(above, COLORS[Status.LOST]).sum() > 30
    assert near(below, COLORS[Status.UNCERTAIN]).sum() > 30


def test_a_label_at_the_top_goes_below_the_box() -> None:
    image = np.full((400, 600, 3), 128, np.uint8)
    result = draw_targets(image, [row(Box(200, 1, 100, 80))], None)
    assert near(result[90:110, 200:300], COLORS[Status.TRACKED]).sum() > 30
    assert (result[10:70, 210:290] == 128).all()


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
    st.tuples(*[st.one_of(st.floats(-100, 100), st.floats(allow_nan=True, allow_infinity=True))] * 4),
    st.sampled_from(list(Status)),
    st.one_of(st.none(), st.floats(0, 1)),
)
def test_no_frame_and_no_box_stops_it(
    size: tuple[int, int], box: tuple[float, float, float, float], status: Status, score: float | None
) -> None:
    image = np.zeros((*size, 3), np.uint8)
    assert draw_targets(image, [row(Box(*box), status, score=score)], 9.0).shape == image.shape
