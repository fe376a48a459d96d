"""Where to look and at which sizes: the scale pyramid, and the geometry between response map and frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from siamtrack.config import TrackingSettings
from siamtrack.tracking.crops import Square


@dataclass(frozen=True, slots=True)
class ScalePyramid:
    """The sizes that are tried in every frame, as factors on the present one.

    A target that has grown by `f` looks like the exemplar in a search crop that is `f` times larger; it looks the same
    in an unchanged search crop to an exemplar that was cut `f` times smaller. Either side of the comparison
    can therefore carry the pyramid, and the other one has the single factor 1: the responses are those of every
    exemplar in every search crop, which in both cases is one map a scale. Or the scales take turns, one a frame.
    """

    factors: tuple[float, ...]
    """Size of the target relative to the present one, ascending; the middle one is 1."""
    exemplar_factors: tuple[float, ...]
    """The exemplar is cut once for each of these, with its side divided by the factor."""
    search_factors: tuple[float, ...]
    """The frame is cut once for each of these, with its side multiplied by the factor; or for one of them in turn."""
    in_turn: bool = False
    """Whether a frame is cut at one scale only: every other one at the present size, those between at the others."""

    @classmethod
    def from_settings(cls, settings: TrackingSettings) -> Self:
        """The pyramid of these settings: `scale_step` to the powers -n..n."""
        half = settings.scales // 2
        factors = tuple(settings.scale_step**power for power in range(-half, half + 1))
        if settings.scale_search == "exemplar":
            return cls(factors, factors, (1.0,))
        return cls(factors, (1.0,), factors, in_turn=settings.scale_search == "alternate")

    def tried(self, age: int) -> tuple[float, ...]:
        """The factors of the response maps of a frame, `age` frames after the first of the target."""
        if not self.in_turn:
            return self.factors
        middle = len(self.factors) // 2
        turn, changes = divmod(age, 2)
        if not changes or not middle:
            return (self.factors[middle],)
        order = sorted((index for index in range(len(self.factors)) if index != middle), key=lambda i: abs(i - middle))
        return (self.factors[order[turn % len(order)]],)

    def crops(self, age: int) -> tuple[float, ...]:
        """Factors on the sides of the search crops of a frame."""
        return self.tried(age) if self.in_turn else self.search_factors

    def search_factor(self, scale: int, age: int) -> float:
        """Factor on the side of the search crop that response map `scale` of a frame was seen in."""
        crops = self.crops(age)
        return crops[scale] if len(crops) > 1 else crops[0]


def whole_pixels(center: tuple[float, float], side: float) -> Square:
    """Move a square to whole pixels: its side and its left top corner are rounded.

    This is how the released SiamFC code and its ports cut their crops; the displacement is still measured from the
    unrounded center, as they do, so that a path with the same weights is the same.

    Args:
        center: center `(x, y)` in pixels, 0-based and continuous.
        side: side in pixels.
    """
    rounded = max(1, round(side))
    return Square(round(center[0] - rounded / 2), round(center[1] - rounded / 2), rounded)
