import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.config import TrackingSettings
from siamtrack.tracking.scales import ScalePyramid, whole_pixels


@pytest.mark.parametrize("scales", [1, 3, 5])
def test_factors_are_powers_around_one(scales: int) -> None:
    pyramid = ScalePyramid.from_settings(TrackingSettings(scales=scales, scale_step=1.1))
    assert pyramid.factors == pytest.approx([1.1**power for power in range(-(scales // 2), scales // 2 + 1)])


def test_one_side_carries_the_pyramid() -> None:
    search = ScalePyramid.from_settings(TrackingSettings(scale_search="search"))
    exemplar = ScalePyramid.from_settings(TrackingSettings(scale_search="exemplar"))
    assert search.factors == exemplar.factors
    assert (search.exemplar_factors, search.search_factors) == ((1.0,), search.factors)
    assert (exemplar.exemplar_factors, exemplar.search_factors) == (exemplar.factors, (1.0,))
    assert [search.crop_factor(i, 0) for i in range(3)] == list(search.factors)
    assert [exemplar.crop_factor(i, 0) for i in range(3)] == [1.0, 1.0, 1.0]
    assert search.map_factors(7) == exemplar.map_factors(7) == search.factors


def test_scales_take_turns_from_the_present_size_outwards() -> None:
    pyramid = ScalePyramid.from_settings(TrackingSettings(scale_search="alternate", scales=5, scale_step=1.5))
    turns = (1, 1 / 1.5, 1, 1.5, 1, 1 / 1.5**2, 1, 1.5**2, 1, 1 / 1.5)
    assert [pyramid.map_factors(age) for age in range(10)] == [(pytest.approx(factor),) for factor in turns]
    assert [pyramid.crop_factors(age) for age in range(10)] == [pyramid.map_factors(age) for age in range(10)]
    assert pyramid.crop_factor(0, 3) == 1.5
    assert pyramid.exemplar_factors == (1.0,)


@given(x=st.floats(-500, 500), y=st.floats(-500, 500), side=st.floats(0.01, 900))
def test_whole_pixels_moves_a_square_by_half_a_pixel_at_most(x: float, y: float, side: float) -> None:
    square = whole_pixels((x, y), side)
    assert square.side >= 1
    assert abs(square.side - max(side, 1)) <= 0.5 + 1e-9
    assert abs(square.left + square.side / 2 - x) <= 0.5 + 1e-9
    assert abs(square.top + square.side / 2 - y) <= 0.5 + 1e-9
