"""Scenes to make pairs of: two looks at one object, or at an object and another one, from videos and photographs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, Image
from siamtrack.datasets.frames import read_picture
from siamtrack.datasets.stills import StillObject, Stills, cut_out, read_cutout, read_object
from siamtrack.datasets.training_tracks import MIN_SIDE, FrameStore, Track
from siamtrack.errors import DataError
from siamtrack.io.compose import Pose, paste, shift_tone
from siamtrack.tracking.crops import exemplar_side

Item = TypeVar("Item")


@dataclass(frozen=True)
class Scene:
    """A picture with one object in it."""

    image: Image
    box: Box


@dataclass(frozen=True)
class ScenePair:
    """Two looks at one object."""

    exemplar: Scene
    search: Scene
    group: str
    """Group of the object: pairs of one group must not serve as each other's negatives."""
    warp: bool
    """The two scenes show the object in one pose: turn and stretch one of them."""
    sizes: tuple[float, float] | None
    """Linear size of the object in the two scenes, in any unit; None where it is not known to a percent or two, as in
    videos, whose boxes breathe and follow arms and legs more than distance."""
    same: bool = True
    """Both scenes show one object; otherwise the box of the search scene is that of another one."""


class SceneSource(Protocol):
    """Anything that gives pairs of scenes."""

    def draw(self, rng: np.random.Generator) -> ScenePair:
        """Two looks at one object, drawn at random."""
        ...


class VideoScenes:
    """Two frames of one track.

    Args:
        tracks: at least one with boxes in two frames; those with fewer are left out.
        cache: has their frames.
        max_gap: largest distance of the frames.

    Raises:
        DataError: when no track has boxes in two frames.
    """

    def __init__(self, tracks: Sequence[Track], cache: FrameStore, max_gap: int) -> None:
        self._tracks = [(track, track.visible) for track in tracks if len(track.visible) > 1]
        if not self._tracks:
            raise DataError(
                f"{_some_names(tracks)}: none has boxes of {MIN_SIDE:g} pixels or more in two frames:"
                " add a sequence that has, or set mix.video = 0"
            )
        # Between one vote a track and one a frame: long videos show more, but much of the same.
        weights = np.sqrt([len(visible) for _, visible in self._tracks])
        self._shares = weights / weights.sum()
        self._cache = cache
        self._max_gap = max_gap

    def draw(self, rng: np.random.Generator) -> ScenePair:
        """Two frames of a track, at most `max_gap` apart, in either order."""
        track, visible = self._tracks[int(rng.choice(len(self._tracks), p=self._shares))]
        first = int(rng.choice(visible))
        second = int(rng.choice(track.frames_within(first, self._max_gap)))
        exemplar, search = (
            Scene(self._cache.frame(track.folder, index), track.box(index)) for index in (first, second)
        )
        return ScenePair(exemplar, search, group=track.group, warp=False, sizes=None)


class StillScenes:
    """Pair of one object of a photograph: all the difference comes from the augmentation.

    Raises:
        DataError: when there is no object.
    """

    def __init__(self, objects: Sequence[StillObject]) -> None:
        if not objects:
            raise DataError("stills/ holds no object to show twice: add one to objects.csv, or set mix.stills = 0")
        self._objects = objects

    def draw(self, rng: np.random.Generator) -> ScenePair:
        """Return one photograph, shown twice."""
        item = self._objects[int(rng.integers(len(self._objects)))]
        scene = Scene(read_picture(item.photo), item.box)
        return ScenePair(scene, scene, group=item.photo.name, warp=True, sizes=(1, 1))


@dataclass(frozen=True)
class SearchArea:
    """The largest part of a picture that a search crop may show: a square around its target."""

    context: float
    """Context around the target, see `exemplar_side`."""
    reach: float
    """Half the side of the square, in exemplar sides of the target."""

    def shows(self, box: Box, target: Box) -> bool:
        """Return whether anything of a box may be seen in the search crop of a target."""
        half = self.reach * exemplar_side(target.width, target.height, self.context)
        x, y = target.center
        return box.x < x + half and box.x + box.width > x - half and box.y < y + half and box.y + box.height > y - half


class RivalScenes:
    """An object, and another one of the same photograph or moment: what resembles a target most, it is told apart from.

    Args:
        objects: in photographs.
        tracks: through videos.
        cache: has their frames; None without tracks.
        max_gap: largest distance of the frame of the exemplar from the other one.
        area: what a search crop may show: around the other object, the first one must be outside of it.

    Raises:
        DataError: when no picture shows two objects so far apart.
    """

    def __init__(
        self,
        objects: Sequence[StillObject],
        tracks: Sequence[Track],
        cache: FrameStore | None,
        max_gap: int,
        area: SearchArea,
    ) -> None:
        self._photos: list[tuple[Sequence[StillObject], NDArray[np.intp]]] = []
        for seen in _grouped((item.photo, item) for item in objects):
            apart = [
                (first, second)
                for first, second in permutations(range(len(seen)), 2)
                if not area.shows(seen[first].box, seen[second].box)
            ]
            if apart:
                self._photos.append((seen, np.array(apart)))
        self._videos: list[tuple[Track, Track, NDArray[np.intp]]] = []
        for targets in _grouped((track.folder, track) for track in tracks):
            for target, rival in permutations(targets, 2):
                both = np.intersect1d(target.visible, rival.visible)
                far = [not area.shows(target.box(frame), rival.box(frame)) for frame in both]
                if any(far):
                    self._videos.append((target, rival, both[far]))
        if not self._photos and not self._videos:
            raise DataError(
                "no photograph or video frame shows two objects far enough from each other: add some, or set"
                " mix.distractors = 0"
            )
        # Between one vote a picture and one a couple, as for `VideoScenes`.
        counts = [len(chosen) for _, chosen in self._photos] + [len(frames) for _, _, frames in self._videos]
        self._votes = np.cumsum(np.sqrt(counts))
        self._cache = cache
        self._max_gap = max_gap

    def draw(self, rng: np.random.Generator) -> ScenePair:
        """Return one object, and another one that was there at the same time."""
        index = int(np.searchsorted(self._votes, rng.random() * self._votes[-1], side="right"))
        if index < len(self._photos):
            seen, apart = self._photos[index]
            item, other = (seen[each] for each in rng.choice(apart))
            image = read_picture(item.photo)
            exemplar, search = Scene(image, item.box), Scene(image, other.box)
            return ScenePair(exemplar, search, group=item.photo.name, warp=True, sizes=None, same=False)
        track, rival, frames = self._videos[index - len(self._photos)]
        moment = int(rng.choice(frames))
        before = int(rng.choice(track.frames_within(moment, self._max_gap)))
        assert self._cache is not None  # where there are tracks, there are frames
        exemplar = Scene(self._cache.frame(track.folder, before), track.box(before))
        search = Scene(self._cache.frame(track.folder, moment), rival.box(moment))
        return ScenePair(exemplar, search, group=track.group, warp=False, sizes=None, same=False)


def _grouped(items: Iterable[tuple[Hashable, Item]]) -> Iterator[list[Item]]:
    """Yield the items of each group."""
    groups: dict[Hashable, list[Item]] = defaultdict(list)
    for group, item in items:
        groups[group].append(item)
    yield from groups.values()


@dataclass(frozen=True)
class PatchPair:
    """An object cut out twice."""

    exemplar: Image
    """`(h, w, 4)` uint8 BGRA."""
    search: Image
    """`(h, w, 4)` uint8 BGRA."""
    group: str
    """See `ScenePair`."""
    rigid: bool
    """The object looks the same in both, so that their sizes tell how far off it is."""


class PatchSource(Protocol):
    """Anything that gives objects to paste."""

    def draw(self, rng: np.random.Generator) -> PatchPair:
        """Return an object, drawn at random."""
        ...

    def other(self, rng: np.random.Generator) -> Image:
        """Something to stand beside it, `(h, w, 4)` uint8 BGRA."""
        ...


class StillPatches:
    """Objects with a mask from photographs, and cut-outs.

    Raises:
        DataError: when there is none.
    """

    def __init__(self, stills: Stills) -> None:
        self._objects = [item for item in stills.masked if item.trusted]
        self._cutouts = stills.cutouts
        if not self._objects and not self._cutouts:
            raise DataError(
                "stills/ holds nothing to compose scenes of, neither cutouts/*.webp nor a whole object with a"
                " mask that a person drew: add one, or set mix.composed = 0"
            )

    def draw(self, rng: np.random.Generator) -> PatchPair:
        """Return one object, twice the same."""
        patch, name = self._patch(rng)
        return PatchPair(patch, patch, name, rigid=True)

    def other(self, rng: np.random.Generator) -> Image:
        """See `PatchSource`."""
        return self._patch(rng)[0]

    def _patch(self, rng: np.random.Generator) -> tuple[Image, str]:
        choices = len(self._objects) + len(self._cutouts)
        index = int(rng.integers(choices))
        if index < len(self._objects):
            item = self._objects[index]
            return read_object(item), item.photo.name
        path = self._cutouts[index - len(self._objects)]
        return read_cutout(path), path.name


class VideoPatches:
    """Objects cut out of two frames of a video with masks: they move and turn as real ones do.

    Args:
        tracks: with masks.
        frames: of their videos.
        masks: of the same frames: gray pictures, in which the object is above 127.
        max_gap: largest distance of the two frames.

    Raises:
        DataError: when there is no track.
    """

    def __init__(self, tracks: Sequence[Track], frames: FrameStore, masks: FrameStore, max_gap: int) -> None:
        self._tracks = [(track, track.visible) for track in tracks if track.visible.size]
        if not self._tracks:
            raise DataError(
                "no sequence has a video of masks, NAME_mask.mp4 beside NAME.mp4: add one, or set"
                " mix.composed_video = 0"
            )
        self._frames = frames
        self._masks = masks
        self._max_gap = max_gap

    def draw(self, rng: np.random.Generator) -> PatchPair:
        """Return one object in two frames."""
        track, first = self._moment(rng)
        second = int(rng.choice(track.frames_within(first, self._max_gap)))
        return PatchPair(self._cut(track, first), self._cut(track, second), track.group, rigid=False)

    def other(self, rng: np.random.Generator) -> Image:
        """See `PatchSource`."""
        return self._cut(*self._moment(rng))

    def _moment(self, rng: np.random.Generator) -> tuple[Track, int]:
        track, visible = self._tracks[int(rng.integers(len(self._tracks)))]
        return track, int(rng.choice(visible))

    def _cut(self, track: Track, frame: int) -> Image:
        image, mask = (frames.frame(track.folder, frame) for frames in (self._frames, self._masks))
        if image.shape != mask.shape:
            raise DataError(
                f"{track.folder}: the mask of frame {frame} has {mask.shape[1]}x{mask.shape[0]} pixels and the frame"
                f" {image.shape[1]}x{image.shape[0]}: both must be of one size; remove the video of masks, or set"
                " mix.composed_video = 0"
            )
        patch = cut_out(image, np.asarray(mask[:, :, 0]), track.box(frame))
        if not patch[:, :, 3].any():
            raise DataError(
                f"{track.folder}: frame {frame} has a box with nothing of its mask in it: write nan,nan,nan,nan for it"
            )
        return patch


class ComposedScenes:
    """A cut-out object pasted on photographs, with look-alikes and things in front of it.

    Args:
        patches: the objects.
        photos: what they are pasted on.

    Raises:
        DataError: when there is no photograph.
    """

    def __init__(self, patches: PatchSource, photos: Sequence[Path]) -> None:
        self._patches = patches
        self._photos = photos
        if not self._photos:
            raise DataError(
                "stills/ holds no photograph to compose scenes on: add one, or set mix.composed and"
                " mix.composed_video to 0"
            )

    def draw(self, rng: np.random.Generator) -> ScenePair:
        """Return one object in two pictures; half of the time over the same background."""
        patches = self._patches.draw(rng)
        backgrounds = [self._background(rng)]
        backgrounds.append(backgrounds[0] if rng.random() < 0.5 else self._background(rng))
        others = [self._patches.other(rng) for _ in range(int(rng.integers(0, 4)))]
        if rng.random() < 0.3:
            others.append(shift_tone(patches.exemplar, rng, 0.4))  # a look-alike
        size = float(np.exp(rng.uniform(math.log(24), math.log(140))))
        exemplar, _ = self._scene(backgrounds[0], patches.exemplar, others, size, rng)
        larger = size * math.exp(rng.uniform(-0.4, 0.4))
        search, edge = self._scene(backgrounds[1], shift_tone(patches.search, rng, 0.15), others, larger, rng)
        if others and rng.random() < 0.3:
            occluder = Pose(edge, larger * float(rng.uniform(0.5, 0.9)))
            search = replace(search, image=paste(search.image, others[0], occluder)[0])
        sizes = (size, larger) if patches.rigid else None
        return ScenePair(exemplar, search, group=patches.group, warp=False, sizes=sizes)

    def _background(self, rng: np.random.Generator) -> Image:
        return read_picture(self._photos[int(rng.integers(len(self._photos)))])

    def _scene(
        self, background: Image, patch: Image, others: Sequence[Image], size: float, rng: np.random.Generator
    ) -> tuple[Scene, tuple[float, float]]:
        """Return the object among others; also a corner of its box, where something may stand in front of it."""
        height, width = background.shape[:2]
        center = (float(rng.uniform(0.15, 0.85)) * width, float(rng.uniform(0.15, 0.85)) * height)
        image = background
        for other in others:
            angle, reach = rng.uniform(0, 2 * math.pi), size * rng.uniform(0.8, 2.5)
            place = (center[0] + reach * math.cos(angle), center[1] + reach * math.sin(angle))
            image, _ = paste(image, other, Pose(place, size * rng.uniform(0.5, 1.3), float(rng.uniform(-0.4, 0.4))))
        pose = Pose(center, size, float(rng.uniform(-0.15, 0.15)), float(np.exp(rng.uniform(-0.1, 0.1))))
        image, box = paste(image, patch, pose)
        side = rng.choice([-0.5, 0.5], size=2)
        return Scene(image, box), (center[0] + side[0] * box.width, center[1] + side[1] * box.height)


def _some_names(tracks: Sequence[Track]) -> str:
    """Return how many tracks there are, and the first few names."""
    names = ", ".join([*(track.name for track in tracks[:4]), *(["..."] if len(tracks) > 4 else [])])
    return f"{len(tracks)} track{'' if len(tracks) == 1 else 's'}" + (f" ({names})" if names else "")
