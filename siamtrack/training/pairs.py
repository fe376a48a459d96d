"""Training pairs: an exemplar crop (at one or several scales) and a search crop that shows the same object or not.

A pair is a pure function of the data, the settings and a random generator: pair `i` of a run is always the same one,
whoever makes it, so that a run can be resumed at any step and any number of processes can feed it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from pydantic import Field

from siamtrack.boxes import Box, Image
from siamtrack.config import Frozen
from siamtrack.datasets.frames import read_picture
from siamtrack.tracking.crops import exemplar_side, mean_color
from siamtrack.training.augmentation import PhotometricSettings, photometric, to_gray
from siamtrack.training.scenes import Scene, ScenePair, SceneSource, SearchArea


class GeometrySettings(Frozen):
    """Geometry of training crops."""

    context: float = Field(0.5, ge=0, le=2)
    """Context around the target, as in tracking."""
    scales: int = Field(1, ge=1, le=9)
    """Scales at which the exemplar is cut."""
    scale_step: float = Field(1.0375, gt=1, lt=2)
    """Ratio of neighboring scales."""
    shift: float = Field(16.0, ge=0)
    """Largest distance of the target from the center of the search crop, in its pixels, along each axis."""
    scale_jitter: float = Field(0.0, ge=0, le=3)
    """Largest change of the target's size in the search crop, in scale steps, where its size is known."""
    rotation: float = Field(0.0, ge=0, le=90)
    """Largest turn between the two crops of a photograph, in degrees."""
    stretch: float = Field(0.0, ge=0, lt=1)
    """Largest change of the aspect ratio between the two crops of a photograph."""
    zoom: float = Field(0.0, ge=0, le=1)
    """Largest change of the target's size in the search crop of every pair, in natural logarithms, for networks that
    read boxes. It goes far beyond the steps of the scale search: the scale in steps then counts as not known."""
    squeeze: float = Field(0.0, ge=0, le=1)
    """Largest change of width and height of every pair, two frames of a video too, against each other, in natural
    logarithms."""
    box_jitter: float = Field(0.0, ge=0, lt=0.5)
    """Largest move of each side of the target's box, as a share of its width or height, the same in both pictures: the
    target is then a part of the object, or more than it. A network that reads boxes learns to follow what was marked
    instead of the outline of objects."""
    gray: float = Field(0.1, ge=0, le=1)
    """Probability of a pair without color."""
    surround: float = Field(0.5, ge=0, le=1)
    """Probability that another photograph stands outside the picture instead of its mean color. Objects fill more of
    a photograph than of a video's frame; without this, most search crops would be largely empty."""


class MixSettings(Frozen):
    """Shares of the sources in the pairs; they need not sum to 1."""

    video: float = Field(0.65, ge=0)
    """Two frames of one video."""
    stills: float = Field(0.15, ge=0)
    """Twice the same object of a photograph."""
    composed: float = Field(0.2, ge=0)
    """A cut-out object on two backgrounds or two places of one."""
    composed_video: float = Field(0.0, ge=0)
    """Pair with an object that is cut out of two frames of a video with masks."""
    distractors: float = Field(0.0, ge=0)
    """An object, and another one of the same photograph or video in the search crop: hard negatives."""
    negatives: float = Field(0.1, ge=0, lt=1)
    """Share of all pairs whose search crop shows another object, of another picture."""
    max_gap: int = Field(100, ge=1)
    """Largest distance of the two frames of a video."""
    validation: tuple[str, ...] = ()
    """Sequences that are kept from training and tracked at its end; keep those of one source together."""


@dataclass(frozen=True)
class PairSample:
    """Input of the network; crops are uint8 BGR."""

    exemplars: Image
    """`(S, z, z, 3)`, smallest apparent size of the target first."""
    search: Image
    """`(x, x, 3)`."""
    center: tuple[float, float]
    """Center `(x, y)` of the target in the search crop in pixels, continuous; NaN when it is not there."""
    scale: float
    """Apparent size of the target in the search crop relative to the exemplar, in scale steps; NaN when it is not known
    that well."""
    size: tuple[float, float]
    """Width and height of the target in the search crop, in pixels, stretched and not yet turned."""
    exemplar_size: tuple[float, float]
    """Width and height of the target in the middle exemplar, in pixels."""
    group: str
    """See `ScenePair`, of the exemplar."""
    search_group: str
    """See `ScenePair`, of the search crop."""


class PairMaker:
    """Draws scenes from a mix of sources and cuts pairs from them.

    Args:
        sources: each with its share.
        photos: pictures to stand around others; may be empty.
        negatives: share of pairs whose search crop shows another object.
        geometry: how crops are cut.
        light: photometric changes.
        exemplar_size: side of the exemplar crop in pixels.
        search_size: side of the search crop in pixels.
    """

    def __init__(
        self,
        sources: Sequence[tuple[SceneSource, float]],
        photos: Sequence[Path],
        negatives: float,
        geometry: GeometrySettings,
        light: PhotometricSettings,
        exemplar_size: int,
        search_size: int,
    ) -> None:
        shares = np.array([share for _, share in sources], np.float64)
        self._sources = [source for source, _ in sources]
        self._shares = shares / shares.sum()
        self._photos = photos
        self._negatives = negatives
        self._geometry = geometry
        self._light = light
        self._exemplar_size = exemplar_size
        self._search_size = search_size

    def make(self, rng: np.random.Generator) -> PairSample:
        """Return the next pair."""
        scenes = self._draw(rng)
        if self._geometry.box_jitter:
            scenes = jitter_box(scenes, self._geometry.box_jitter, rng)
        if not scenes.same:
            return replace(self._cut(scenes, scenes.group, rng), center=(math.nan, math.nan))
        other = self._draw(rng) if rng.random() < self._negatives else scenes
        if other.group == scenes.group:  # another target of the same video may be a twin: no negative
            return self._cut(scenes, scenes.group, rng)
        sample = self._cut(replace(scenes, search=other.search, sizes=None), other.group, rng)
        return replace(sample, center=(math.nan, math.nan))

    def _draw(self, rng: np.random.Generator) -> ScenePair:
        return self._sources[int(rng.choice(len(self._sources), p=self._shares))].draw(rng)

    def _surround(self, rng: np.random.Generator) -> Image | None:
        """Part of another photograph, the size of a search crop."""
        if not self._photos:
            return None
        photo = read_picture(self._photos[int(rng.integers(len(self._photos)))])
        side = int(min(photo.shape[:2]) * rng.uniform(0.5, 1))
        top, left = (int(rng.integers(length - side + 1)) for length in photo.shape[:2])
        part = photo[top : top + side, left : left + side]
        return np.asarray(cv2.resize(part, (self._search_size, self._search_size)), np.uint8)

    def _cut(self, scenes: ScenePair, search_group: str, rng: np.random.Generator) -> PairSample:
        geometry = self._geometry
        turn = math.radians(rng.uniform(-geometry.rotation, geometry.rotation)) if scenes.warp else 0.0
        stretch = 1 + rng.uniform(-geometry.stretch, geometry.stretch) if scenes.warp else 1.0
        flip = rng.random() < 0.5
        grow = rng.uniform(-geometry.scale_jitter, geometry.scale_jitter) if scenes.sizes else 0.0
        shift = rng.uniform(-geometry.shift, geometry.shift, size=2)
        zoom = math.exp(rng.uniform(-geometry.zoom, geometry.zoom)) if geometry.zoom else 1.0
        if geometry.squeeze:
            stretch *= math.exp(rng.uniform(-geometry.squeeze, geometry.squeeze))

        box = scenes.exemplar.box
        side = exemplar_side(box.width, box.height, geometry.context)
        steps = np.arange(geometry.scales) - geometry.scales // 2
        sides = side / geometry.scale_step**steps
        exemplars = np.stack(
            [view(scenes.exemplar.image, box.center, each, self._exemplar_size, flip=flip) for each in sides]
        )
        exemplar_size = (box.width * self._exemplar_size / side, box.height * self._exemplar_size / side)
        box = scenes.search.box
        size = self._search_size
        search_side = exemplar_side(box.width, box.height, geometry.context)
        # Turned or stretched, an object of the same size has a box of another.
        scale = math.nan
        if scenes.sizes and not geometry.zoom:
            ratio = (scenes.sizes[1] / search_side) / (scenes.sizes[0] / side)
            scale = grow + math.log(ratio) / math.log(geometry.scale_step)
        side = search_side * size / self._exemplar_size / geometry.scale_step**grow * zoom
        step = side / size
        offset = shift * step
        # A flipped view mirrors the offset too: choose it so that the target lands at `size / 2 - shift` either way.
        center = (box.center[0] + (-offset[0] if flip else offset[0]), box.center[1] + offset[1])
        surround = self._surround(rng) if rng.random() < geometry.surround else None
        search = view(
            scenes.search.image,
            center,
            side,
            size,
            turn=turn,
            stretch=stretch,
            flip=flip,
            pivot=box.center,
            surround=surround,
        )
        if rng.random() < geometry.gray:
            exemplars = np.stack([to_gray(exemplar) for exemplar in exemplars])
            search = to_gray(search)
        # One draw for all scales of the exemplar: they show the same moment.
        light = int(rng.integers(2**63))
        exemplars = np.stack(
            [photometric(exemplar, self._light, np.random.default_rng(light)) for exemplar in exemplars]
        )
        search = photometric(search, self._light, rng)
        place = (size / 2 - float(shift[0]), size / 2 - float(shift[1]))
        return PairSample(
            exemplars,
            search,
            place,
            float(scale),
            (box.width * stretch / step, box.height / stretch / step),
            exemplar_size,
            scenes.group,
            search_group,
        )


def largest_search(geometry: GeometrySettings, exemplar_size: int, search_size: int) -> SearchArea:
    """Return the largest area that search crops of a geometry show.

    Args:
        geometry: how crops are cut.
        exemplar_size: side of the exemplar crop in pixels.
        search_size: side of the search crop in pixels.
    """
    turn = math.radians(min(geometry.rotation, 45))  # a square is widest when it stands on a corner
    largest = geometry.scale_step**geometry.scale_jitter * math.exp(geometry.zoom + geometry.squeeze)
    largest *= (math.cos(turn) + math.sin(turn)) / (1 - geometry.stretch) * (1 + 2 * geometry.box_jitter)
    # The center of a reframed box moves by a share of its width: with a context of 0.25, 1.8 exemplar sides at most.
    drift = 2 * geometry.box_jitter
    return SearchArea(geometry.context, largest * (search_size / 2 + geometry.shift) / exemplar_size + drift)


def jitter_box(scenes: ScenePair, largest: float, rng: np.random.Generator) -> ScenePair:
    """Mark another part of the object, the same in both pictures: every side moves by up to a share of the box.

    Args:
        scenes: any pair.
        largest: share of width and height, below 0.5; how much of it is used is drawn for every pair.
        rng: source of randomness.
    """
    reach = largest * rng.random()
    left, top, right, bottom = (float(move) for move in rng.uniform(-reach, reach, size=4))

    def moved(scene: Scene) -> Scene:
        x, y, width, height = scene.box
        box = Box(x + left * width, y + top * height, width * (1 + right - left), height * (1 + bottom - top))
        return replace(scene, box=box)

    return replace(scenes, exemplar=moved(scenes.exemplar), search=moved(scenes.search))


def view(
    image: Image,
    center: tuple[float, float],
    side: float,
    size: int,
    *,
    turn: float = 0.0,
    stretch: float = 1.0,
    flip: bool = False,
    pivot: tuple[float, float] | None = None,
    surround: Image | None = None,
) -> Image:
    """Cut a square as `siamtrack.tracking.crops.crop` does, with more freedom.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        center: center `(x, y)` of the square in the picture, pixels, continuous.
        side: side of the square in pixels of the picture.
        size: side of the crop in pixels.
        turn: angle in radians by which the content is turned about the pivot.
        stretch: factor of the content's width about the pivot; its height is divided by it.
        flip: mirror left and right.
        pivot: the point `(x, y)` of the picture that turning and stretching leave in place; None is the center.
        surround: `(size, size, 3)` what stands outside the picture; None is its mean color.

    Returns:
        `(size, size, 3)` uint8 BGR.
    """
    pivot = pivot or center
    step = side / size
    cos, sin = math.cos(turn), math.sin(turn)
    # Crop pixel -> offset from the center in the picture (mirrored) -> undo turn and stretch about the pivot.
    mirror = np.diag([-step if flip else step, step])
    undo = np.diag([1 / stretch, stretch]) @ np.array([[cos, sin], [-sin, cos]])
    linear = undo @ mirror
    origin = undo @ (np.array(center) - np.array(pivot)) + np.array(pivot) - linear @ np.full(2, size / 2 - 0.5) - 0.5
    if surround is None:
        out = np.empty((size, size, 3), np.uint8)
        out[:] = mean_color(image)
    else:
        out = surround.copy()
    cv2.warpAffine(
        image,
        np.column_stack([linear, origin]),
        (size, size),
        dst=out,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_TRANSPARENT,
    )
    return out
