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
    exemplar in every search crop, which in both cases is one map a scale.
    """

    factors: tuple[float, ...]
    """Size of the target relative to the present one, ascending; the middle one is 1."""
    exemplar_factors: tuple[float, ...]
    """The exemplar is cut once for each of these, with its side divided by the factor."""
    search_factors: tuple[float, ...]
    """The frame is cut once for each of these, with its side multiplied by the factor."""

    @classmethod
    def from_settings(cls, settings: TrackingSettings) -> Self:
        """The pyramid of these settings: `scale_step` to the powers -n..n."""
        half = settings.scales // 2
        factors = tuple(settings.scale_step**power for power in range(-half, half + 1))
        if settings.scale_search == "search":
            return cls(factors, (1.0,), factors)
        return cls(factors, factors, (1.0,))

    def search_factor(self, scale: int) -> float:
        """Factor on the side of the search crop that response map `scale` was seen in."""
        return self.search_factors[scale] if len(self.search_factors) > 1 else 1.0


def whole_pixels(center: tuple[float, float], side: float) -> Square:
    """Move a square to whole pixels: its side and its left top corner are rounded.

    This is how the released SiamFC code and its ports cut their crops; the displacement is still measured from the
    unrounded centre, as they do, so that a path with the same weights is the same.

    Args:
        center: centre `(x, y)` in pixels, 0-based and continuous.
        side: side in pixels.
    """
    rounded = max(1, round(side))
    return Square(round(center[0] - rounded / 2), round(center[1] - rounded / 2), rounded)
