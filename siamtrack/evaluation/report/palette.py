"""Colors: one a tracker, the same in plots, tables and pictures; and a scale for figures from 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

COLORS = ("#1f7fd6", "#d96a0b", "#0b9a6b", "#c9439a", "#7f62d9", "#8a7d1a", "#0b93a8", "#d33a3a")
"""Each is seen on a light and on a dark page (contrast above 3, WCAG 2.1 section 1.4.11), and told from the others by
most of those who see fewer colors; dashes help where it is not."""
DASHES: tuple[tuple[int, ...], ...] = ((), (6, 3), (2, 3))
"""Lengths of dashes and gaps in pixels, by turns; none is a full line."""
FULL_LINES = 4
"""Trackers with full lines; the next as many get the next dashes."""

CIVIDIS = ("#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838")
"""Grows lighter at an even rate, in all kinds of color vision (Nuñez, Anderton and Renslow 2018)."""
UNKNOWN = "#80808033"
"""Color of a cell without a figure."""


@dataclass(frozen=True, slots=True)
class Style:
    """Style of a tracker in plots."""

    number: int
    """0, 1, ...: of the tracker, in the order of names."""
    color: str
    """`#rrggbb`."""
    dash: tuple[int, ...]
    """One of `DASHES`."""

    @property
    def bgr(self) -> tuple[int, int, int]:
        """The color for pictures."""
        red, green, blue = _channels(self.color)
        return blue, green, red


def make_styles(trackers: Iterable[str]) -> Mapping[str, Style]:
    """Return a style a tracker. It depends on the names alone, so that it stays when figures change."""
    return {
        name: Style(number, COLORS[number % len(COLORS)], DASHES[number // FULL_LINES % len(DASHES)])
        for number, name in enumerate(sorted(trackers))
    }


def heat(value: float) -> str:
    """Return the `#rrggbb` of a figure from 0 (dark blue) to 1 (yellow); NaN gets `UNKNOWN`."""
    if math.isnan(value):
        return UNKNOWN
    place = min(max(value, 0.0), 1.0) * (len(CIVIDIS) - 1)
    table = np.array([_channels(color) for color in CIVIDIS], np.float64)
    channels = [round(float(np.interp(place, np.arange(len(CIVIDIS)), table[:, channel]))) for channel in range(3)]
    return "#{:02x}{:02x}{:02x}".format(*channels)


def text_color_on(color: str) -> str:
    """Return black or white, the more readable one on a color; the page's own ink on `UNKNOWN`."""
    if color == UNKNOWN:
        return "inherit"
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, color))


def contrast(a: str, b: str) -> float:
    """Return the contrast of two colors `#rrggbb`, from 1 to 21 (WCAG 2.1, "contrast ratio")."""
    dark, light = sorted((_luminance(a), _luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    """Return the relative luminance of sRGB (WCAG 2.1)."""
    shares = [channel / 255 for channel in _channels(color)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
