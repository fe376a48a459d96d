"""Scale pyramid, and the geometry between a response map, its search crop and the frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from siamtrack.config import TrackingSettings
from siamtrack.tracking.crops import Square, exemplar_side

if TYPE_CHECKING:
    from siamtrack.boxes import Box
    from siamtrack.runtime.base import Geometry
    from siamtrack.tracking.response import Peak
    from siamtrack.tracking.state import TargetState

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class ScalePyramid:
    """Sizes of the target that are tried in every frame, as factors on its present size.

    A target that has grown by `f` looks like the exemplar in a search crop that is `f` times larger. It looks the same
    in an unchanged search crop to an exemplar that was cut `f` times smaller. So either side of the comparison can
    carry the pyramid, and the other side has the single factor 1. In both cases every exemplar is compared with every
    search crop, which gives one response map a scale. As a third way, the scales alternate, one a frame.
    """

    factors: tuple[float, ...]
    """Size of the target relative to its present size, ascending; the middle factor is 1."""
    exemplar_factors: tuple[float, ...]
    """The exemplar is cut once for each of these factors, with its side divided by the factor."""
    search_factors: tuple[float, ...]
    """The frame is cut once for each of these factors, with the side multiplied by the factor; or for one of them."""
    alternates: bool = False
    """A frame is cut at one scale only: every second frame at the present size, the frames between at the others."""

    @classmethod
    def from_settings(cls, settings: TrackingSettings) -> Self:
        """Return the pyramid of these settings: `scale_step` to the powers -n..n."""
        half = settings.scales // 2
        factors = tuple(settings.scale_step**power for power in range(-half, half + 1))
        if settings.scale_search == "exemplar":
            return cls(factors, factors, (1.0,))
        return cls(factors, (1.0,), factors, alternates=settings.scale_search == "alternate")

    def map_factors(self, age: int) -> tuple[float, ...]:
        """Return the factors of the response maps of a frame, `age` frames after the first frame of the target."""
        if not self.alternates:
            return self.factors
        middle = len(self.factors) // 2
        turn, changes = divmod(age, 2)
        if not changes or not middle:
            return (self.factors[middle],)
        order = sorted((index for index in range(len(self.factors)) if index != middle), key=lambda i: abs(i - middle))
        return (self.factors[order[turn % len(order)]],)

    def crop_factors(self, age: int) -> tuple[float, ...]:
        """Return the factors on the sides of the search crops of a frame."""
        return self.map_factors(age) if self.alternates else self.search_factors

    def crop_factor(self, scale: int, age: int) -> float:
        """Return the factor on the side of the search crop that response map `scale` of a frame comes from."""
        factors = self.crop_factors(age)
        return factors[scale] if len(factors) > 1 else factors[0]


class SearchGeometry:
    """Squares that are cut around a target, and the way from a position in a response map back to the frame.

    Args:
        network: sizes of the network.
        settings: which crops to cut.

    Raises:
        UsageError: for a search size that does not fit the network.
    """

    def __init__(self, network: Geometry, settings: TrackingSettings) -> None:
        self.pyramid = ScalePyramid.from_settings(settings)
        self.sizes = network.with_search_size(settings.search_size)
        """Sizes of the network for search crops of the wanted side."""
        self.target_cells = self.sizes.exemplar_size / (2 * self.sizes.stride)
        """Side of the target in cells of the response map. The exemplar shows twice the side of the target."""
        self._context = settings.context
        self._upsample = settings.upsample
        self._center = (self.sizes.response_size * settings.upsample - 1) / 2  # of the upsampled map
        self._spacing = self.sizes.stride / settings.upsample  # pixels of the search crop between two positions

    def exemplar_squares(self, target: Box) -> list[Square]:
        """Return the square of each exemplar crop of a target: one, or one a scale."""
        side = exemplar_side(target.width, target.height, self._context)
        return [whole_pixels(target.center, side / factor) for factor in self.pyramid.exemplar_factors]

    def search_squares(self, state: TargetState) -> list[Square]:
        """Return the square of each search crop of the next frame: one, or one a scale."""
        return [self.search_square(state, factor) for factor in self.pyramid.crop_factors(state.age)]

    def search_square(self, state: TargetState, factor: float) -> Square:
        """Return the square of the search crop whose side is multiplied by a factor."""
        return whole_pixels(state.center, self.search_side(state) * factor)

    def search_side(self, state: TargetState) -> float:
        """Return the side of the search crop at the present size of the target, in pixels of the frame."""
        side = exemplar_side(*state.first_size, self._context) * state.scale
        return side * self.sizes.search_size / self.sizes.exemplar_size

    def reach(self, state: TargetState) -> float:
        """Return the side of the square around a crop's center in which the crop finds a target, in pixels."""
        sizes = self.sizes
        return self.search_side(state) * (sizes.response_size - 1) * sizes.stride / sizes.search_size

    def crop_scale(self, state: TargetState, peak: Peak) -> float:
        """Return how many pixels of the frame a pixel of the search crop spans in which the peak was found."""
        factor = self.pyramid.crop_factor(peak.scale, state.age)
        return self.search_side(state) * factor / self.sizes.search_size

    def position(self, state: TargetState, peak: Peak) -> Point:
        """Return the center `(x, y)` of the target in the frame, in pixels, 0-based and continuous."""
        # Positions of the upsampled map -> pixels of the search crop -> pixels of the frame.
        pixels = self._spacing * self.crop_scale(state, peak)
        return (
            state.center[0] + (peak.col - self._center) * pixels,
            state.center[1] + (peak.row - self._center) * pixels,
        )

    def cell(self, peak: Peak, size: int) -> Point:
        """Return column and row of the peak in a map of `size` cells, fractions allowed."""
        middle = (size - 1) / 2
        return (
            middle + (peak.col - self._center) / self._upsample,
            middle + (peak.row - self._center) / self._upsample,
        )

    def displacement(self, peak: Peak) -> Point:
        """Return the displacement since the last frame along x and y, in side lengths of the target."""
        x, y = self.cell(peak, 1)
        return x / self.target_cells, y / self.target_cells


def whole_pixels(center: Point, side: float) -> Square:
    """Move a square to whole pixels: round its side, and its left top corner.

    The released SiamFC code and its ports cut their crops in this way. The displacement is measured from the center
    that is not rounded, as they do, so that the same weights give the same path.

    Args:
        center: center `(x, y)` in pixels, 0-based and continuous.
        side: side in pixels.
    """
    rounded = max(1, round(side))
    return Square(round(center[0] - rounded / 2), round(center[1] - rounded / 2), rounded)
