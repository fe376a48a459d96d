"""Clips in which the target disappears and returns, and the scores of a tracker in them.

A target that is cut out of a photograph or a video moves over a background that a camera pans across. It leaves over
the border and returns elsewhere, is covered by something and comes out again, or is simply gone for a while; or it
stays in view all the time, which tells how often a tracker is lost without need. The truth is exact: the box, and how
much of the target is in view.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, Image
from siamtrack.io.compose import Pose, paste
from siamtrack.tracking.confidence import Status

Item = TypeVar("Item")

GONE_BELOW = 0.2
"""Visible share of a target below which it has disappeared."""
BACK_ABOVE = 0.5
"""Visible share of a target from which it has returned."""
FOUND_OVERLAP = 0.3
"""Overlap with the truth above which a box is on the target."""
SIGNAL_FRAMES = 15
"""Frames after the disappearance within which a tracker should report LOST."""
RETURN_FRAMES = 30
"""Frames after the return within which a tracker should be on its target again."""

BEFORE = (50, 80)
"""Frames before the target begins to disappear, least and most."""
ABSENT = (20, 80)
"""Frames without it."""
AFTER = (60, 90)
"""Frames after it has begun to return."""
TURN = 0.12
"""Share of the new direction in the velocity of a frame: what moves turns in a curve."""
SPEED = (0.02, 0.07)
"""Way from frame to frame, relative to the target's size."""
COVER = 1.9
"""Size of what covers the target, relative to it."""
BREATH = 0.15
"""Greatest change of the target's size, in natural logarithms."""
NOISE = 3.0
"""Standard deviation of the sensor's noise, in gray levels."""


class Ending(StrEnum):
    """How a target disappears."""

    LEAVES = "leaves"
    """Over the border; it returns over another part of it."""
    COVERED = "covered"
    """Something comes in front of it, goes with it and leaves."""
    VANISHES = "vanishes"
    """From one frame to the next, as at a cut; it is back at another place."""
    STAYS = "stays"
    """It is in view all the time."""


@dataclass(frozen=True, eq=False)
class Cast:
    """Pictures that a clip is made of."""

    backdrop: Sequence[Image]
    """Pictures `(H, W, 3)` uint8 BGR of one size, larger than the frames: a photograph, or the frames of a video, which
    are shown forwards and backwards."""
    target: Sequence[Image]
    """Cut-outs `(h, w, 4)` uint8 BGRA, shown in the same way."""
    cover: Image
    """`(h, w, 4)` uint8 BGRA, opaque around its middle."""
    distractors: Sequence[Image] = ()
    """Cut-outs `(h, w, 4)` uint8 BGRA of other things, which move about as the target does."""


class Moment(NamedTuple):
    """A frame and the truth about it."""

    image: Image
    """`(H, W, 3)` uint8 BGR."""
    box: Box
    """Of the whole target, also of what is not in view."""
    shown: float
    """Share of the target that is in view, in [0, 1]."""


@dataclass(frozen=True)
class _Scene:
    """Positions of all objects in a frame."""

    target: Pose | None
    cover: Pose | None
    distractors: tuple[Pose, ...]
    camera: tuple[float, float]
    """Left top corner of the frame in the backdrop, each as a share of the room there is."""


class DisappearanceClip:
    """A rendered clip; iterating gives a `Moment` a frame, the same every time.

    Args:
        cast: what is in it.
        ending: how the target disappears.
        size: width and height of the frames in pixels.
        target_size: geometric mean of the target's width and height, in pixels.
        seed: of every way and pause.
    """

    def __init__(self, cast: Cast, ending: Ending, size: tuple[int, int], target_size: float, seed: int) -> None:
        self.ending = ending
        self.width, self.height = size
        self._cast = cast
        self._seed = seed
        self._scenes = _direct(ending, size, target_size, len(cast.distractors), np.random.default_rng(seed))

    def __len__(self) -> int:
        return len(self._scenes)

    def __iter__(self) -> Iterator[Moment]:
        return (self.render(index) for index in range(len(self)))

    def render(self, index: int) -> Moment:
        """Render a frame; `index` counts from 0."""
        scene, cast = self._scenes[index], self._cast
        image = self._film(_to_and_fro(cast.backdrop, index), scene.camera)
        for patch, pose in zip(cast.distractors, scene.distractors, strict=True):
            image, _ = paste(image, patch, pose)
        box, shown = Box(math.nan, math.nan, math.nan, math.nan), 0.0
        if scene.target is not None:
            patch = _to_and_fro(cast.target, index)
            image, box = paste(image, patch, scene.target)
            shown = self._shown(patch, scene.target, scene.cover)
        if scene.cover is not None:
            image, _ = paste(image, cast.cover, scene.cover)
        rng = np.random.default_rng((self._seed, index))
        noisy = image + rng.normal(0, NOISE, image.shape)
        return Moment(np.clip(np.rint(noisy), 0, 255).astype(np.uint8), box, shown)

    def _film(self, backdrop: Image, camera: tuple[float, float]) -> Image:
        rows, columns = backdrop.shape[:2]
        shift = np.array(
            [[1, 0, -camera[0] * (columns - self.width)], [0, 1, -camera[1] * (rows - self.height)]], np.float64
        )
        return np.asarray(cv2.warpAffine(backdrop, shift, (self.width, self.height)), np.uint8)

    def _shown(self, patch: Image, target: Pose, cover: Pose | None) -> float:
        """Share of the target's opaque pixels that are inside the frame and not covered."""
        margin = math.ceil(2 * target.size)
        room = (self.height + 2 * margin, self.width + 2 * margin)
        whole = _silhouette(room, margin, patch, target)
        total = int(whole.sum())
        if cover is not None:
            whole &= ~_silhouette(room, margin, self._cast.cover, cover)
        inside = whole[margin : margin + self.height, margin : margin + self.width]
        return int(inside.sum()) / total if total else 0.0


def _silhouette(room: tuple[int, int], margin: int, patch: Image, pose: Pose) -> NDArray[np.bool_]:
    white = patch.copy()
    white[:, :, :3] = 255
    moved = Pose((pose.center[0] + margin, pose.center[1] + margin), pose.size, pose.angle, pose.stretch)
    image, _ = paste(np.zeros((*room, 3), np.uint8), white, moved)
    return np.asarray(image[:, :, 0] > 127)


def _to_and_fro(pictures: Sequence[Item], index: int) -> Item:
    count = len(pictures)
    if count == 1:
        return pictures[0]
    turn = index % (2 * count - 2)
    return pictures[turn if turn < count else 2 * count - 2 - turn]


class _Walker:
    """Something that goes from goal to goal at one speed, in curves."""

    def __init__(self, place: NDArray[np.float64], speed: float) -> None:
        self.place, self.speed = place, speed
        self.goal = place
        self._velocity = np.zeros(2)

    def step(self) -> None:
        way = self.goal - self.place
        wanted = way * min(self.speed / max(float(np.hypot(*way)), 1e-9), 1.0)
        self._velocity = (1 - TURN) * self._velocity + TURN * wanted
        self.place = self.place + self._velocity

    @property
    def arrived(self) -> bool:
        return float(np.hypot(*(self.goal - self.place))) < 3 * self.speed


def _direct(
    ending: Ending, size: tuple[int, int], target_size: float, distractors: int, rng: np.random.Generator
) -> list[_Scene]:
    """Return the positions of all objects in each frame."""
    room = np.array(size, np.float64)

    def inside() -> NDArray[np.float64]:
        margin = np.minimum(0.8 * target_size, 0.4 * room)
        return rng.uniform(margin, room - margin)

    before, absent, after = (int(rng.integers(low, high + 1)) for low, high in (BEFORE, ABSENT, AFTER))
    speed = float(rng.uniform(*SPEED)) * target_size
    target = _Walker(inside(), speed)
    others = [_Walker(inside(), float(rng.uniform(*SPEED)) * target_size) for _ in range(distractors)]
    sizes = target_size * rng.uniform(0.8, 1.2, distractors)
    cover = _Walker(np.zeros(2), 0.0)
    drift, phases = rng.uniform(0.005, 0.02, 4), rng.uniform(0, 2 * math.pi, 4)
    scenes: list[_Scene] = []

    def shoot(count: int, *, target_there: bool = True, cover_there: bool = False) -> None:
        """Let everything move on for some frames."""
        for _ in range(count):
            turns = phases + drift * len(scenes)
            breath = math.exp(BREATH * (math.sin(turns[0]) - math.sin(phases[0])) / 2)
            pose = Pose(
                (float(target.place[0]), float(target.place[1])), target_size * breath, 0.1 * math.sin(turns[1])
            )
            scenes.append(
                _Scene(
                    pose if target_there else None,
                    Pose((float(cover.place[0]), float(cover.place[1])), COVER * target_size) if cover_there else None,
                    tuple(
                        Pose((float(each.place[0]), float(each.place[1])), float(side))
                        for each, side in zip(others, sizes, strict=True)
                    ),
                    (0.5 + 0.5 * math.sin(turns[2]), 0.5 + 0.5 * math.sin(turns[3])),
                )
            )
            for walker in (target, *others):
                walker.step()
            for walker in (target, *others):
                if walker.arrived and _within(walker.goal, room):
                    walker.goal = inside()

    shoot(before)
    if ending is Ending.STAYS:
        shoot(absent)
    elif ending is Ending.VANISHES:
        shoot(absent, target_there=False)
        left = target.place
        target = _Walker(max((inside() for _ in range(8)), key=lambda place: float(np.hypot(*(place - left)))), speed)
    elif ending is Ending.LEAVES:
        fast = max(speed, 0.05 * target_size)
        target.speed, target.goal = fast, _beyond(target.place, room, target_size, rng)
        while not (target.arrived or len(scenes) > before + 400):
            shoot(1)
        shoot(absent, target_there=False)
        target = _Walker(_beyond(inside(), room, target_size, rng), fast)
        target.goal = inside()
    else:
        cover = _Walker(_beyond(target.place, room, COVER * target_size, rng), 0.25 * target_size)
        target.speed = speed / 3
        for _ in range(400):
            cover.goal = target.place
            cover.step()
            shoot(1, cover_there=True)
            if cover.arrived and float(np.hypot(*(cover.place - target.place))) < 0.1 * target_size:
                break
        for _ in range(absent):
            cover.place = target.place
            shoot(1, cover_there=True)
        cover = _Walker(cover.place, 0.15 * target_size)
        cover.goal = _beyond(cover.place, room, COVER * target_size, rng)
        for _ in range(after):
            cover.step()
            shoot(1, cover_there=not cover.arrived)
        target.speed = speed
    shoot(after)
    return scenes


def _within(place: NDArray[np.float64], room: NDArray[np.float64]) -> bool:
    return bool(((place >= 0) & (place <= room)).all())


def _beyond(
    place: NDArray[np.float64], room: NDArray[np.float64], size: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return a place outside the frame, straight over one of its borders."""
    axis, far = int(rng.integers(2)), bool(rng.integers(2))
    goal = place.copy()
    goal[axis] = room[axis] + 1.2 * size if far else -1.2 * size
    return goal


VIEW = 0.55
"""Width and height of the window of a camera that pans over a video, relative to the video's."""
PAN = 15
"""Frames that it takes to look away, and back."""
LOOK = 60
"""Frames that it looks at the target before it looks away, and after it has looked back."""
AWAY = 40
"""Frames that it looks elsewhere."""


def pan_away(frames: Sequence[Image], boxes: Sequence[Box]) -> Iterator[Moment]:
    """A window of a real video that follows the target, looks away from it and back again.

    Args:
        frames: `(H, W, 3)` uint8 BGR, shown forwards and backwards for as long as it takes.
        boxes: of the target, one a frame.

    Yields:
        A `Moment` a frame of the window; nothing where the target is so large that there is no looking away.
    """
    height, width = frames[0].shape[:2]
    size = np.array([round(VIEW * width), round(VIEW * height)])
    room = np.array([width, height]) - size
    if boxes[0].width > size[0] or boxes[0].height > size[1]:
        return
    turns = [_to_and_fro(range(len(frames)), index) for index in range(2 * LOOK + 2 * PAN + AWAY)]
    away = [boxes[turn] for turn in turns[LOOK + PAN : LOOK + PAN + AWAY]]
    corners = [np.array([x, y]) for x in (0, room[0]) for y in (0, room[1])]
    elsewhere = min(corners, key=lambda corner: max(_in_window(box, corner, size) for box in away))
    if max(_in_window(box, elsewhere, size) for box in away) >= GONE_BELOW:
        return
    for index, turn in enumerate(turns):
        box = boxes[turn]
        follow = np.clip(np.array(box.center) - size / 2, 0, room)
        share = min(max(min(index - LOOK, LOOK + 2 * PAN + AWAY - index) / PAN, 0.0), 1.0)
        smooth = share * share * (3 - 2 * share)
        left, top = (int(value) for value in np.rint(follow + smooth * (elsewhere - follow)))
        image = np.ascontiguousarray(frames[turn][top : top + size[1], left : left + size[0]])
        shown = _in_window(box, np.array([left, top]), size)
        yield Moment(image, box._replace(x=box.x - left, y=box.y - top), shown)


def _in_window(box: Box, corner: NDArray[np.int64], size: NDArray[np.int64]) -> float:
    """Return the share of a box that is inside a window."""
    width = min(box.x + box.width, corner[0] + size[0]) - max(box.x, corner[0])
    height = min(box.y + box.height, corner[1] + size[1]) - max(box.y, corner[1])
    return float(max(width, 0.0) * max(height, 0.0) / box.area)


@dataclass(frozen=True)
class Outcome:
    """Scores of a tracker in one clip."""

    disappeared: int | None
    """First frame in which the target is gone; None where it stays."""
    returned: int | None
    """First frame in which it is back; None where it stays, or stays away."""
    signalled: int | None
    """Frames from its disappearance to the first that is said to be lost; None where none is before it returns."""
    found: int | None
    """Frames from its return to the first in which it is tracked, and the box is on it; None where there is none."""
    followed: bool
    """The box was on the target in most of the last frames in which it was in view."""
    certain: float
    """Share of the frames without a target, after those that there are for the signal, that are said to be tracked."""
    alarms: float
    """Share of the frames that are said to be lost, of those before the target disappears."""


LAST_FRAMES = 8
"""Frames before a disappearance that tell whether the target was followed until then."""


def judge(shown: NDArray[np.float64], overlap: NDArray[np.float64], said: Sequence[Status]) -> Outcome:
    """Score the statuses of a tracker in the frames of a clip after the first.

    Args:
        shown: `(N,)` share of the target that is in view.
        overlap: `(N,)` IoU of the box with that of the whole target; 0 where there is none.
        said: N statuses.
    """
    lost, tracked = (np.array([each is status for each in said]) for status in (Status.LOST, Status.TRACKED))
    hit = overlap > FOUND_OVERLAP
    gone = np.flatnonzero(shown < GONE_BELOW)
    if not gone.size:
        return Outcome(None, None, None, None, bool(hit[-LAST_FRAMES:].mean() > 0.5), 0.0, float(lost.mean()))
    first = int(gone[0])
    back = np.flatnonzero(shown[first:] >= BACK_ABOVE)
    end = first + int(back[0]) if back.size else len(shown)
    signals, finds = np.flatnonzero(lost[first:end]), np.flatnonzero((tracked & hit)[end:])
    late = tracked[first + SIGNAL_FRAMES : end]
    in_view = shown[:first] >= BACK_ABOVE
    return Outcome(
        disappeared=first,
        returned=end if back.size else None,
        signalled=int(signals[0]) if signals.size else None,
        found=int(finds[0]) if finds.size else None,
        followed=bool(hit[:first][in_view][-LAST_FRAMES:].mean() > 0.5) if in_view.any() else False,
        certain=float(late.mean()) if late.size else 0.0,
        alarms=float(lost[:first].mean()) if first else 0.0,
    )
