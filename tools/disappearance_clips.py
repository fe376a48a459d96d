"""Clips for `evaluate_lost.py` and `fit_confidence.py`: real cut-outs over real videos and photographs.

DIR holds `clips/` (sequences in the layout of OTB), `DAVIS2016/` (the same, with NAME_mask.mp4) and `stills/` (see
`siamtrack.datasets.stills`). Half of all objects and backdrops are for fitting and the others for judging.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from disappearances import (
    BACK_ABOVE,
    FOUND_OVERLAP,
    GONE_BELOW,
    Cast,
    DisappearanceClip,
    Ending,
    Moment,
)
from numpy.typing import NDArray

from siamtrack.boxes import Image, iou
from siamtrack.datasets.frames import read_picture
from siamtrack.datasets.stills import StillObject, read_object, read_stills
from siamtrack.datasets.training_tracks import Track, decode_frames, read_tracks
from siamtrack.errors import DataError
from siamtrack.tracking.confidence import Signals, Status
from siamtrack.tracking.loop import track
from siamtrack.tracking.tracker import Tracker
from siamtrack.training.recipe import read_recipe

SEQUENCES = ("OTB", "VOT", "UAV123_10fps")
"""Folders of sequences that no network was trained on, whose targets are always in view."""
DISAPPEAR = (Ending.LEAVES, Ending.COVERED, Ending.VANISHES)
STAYING = 100
"""Added to the seed of clips in which the target disappears: that of those in which it stays."""
FRAME = (426, 240)
"""Width and height of the frames in pixels."""
BACKDROP = (600, 340)
"""Minimum width and height of the background that the camera pans across."""
TARGET_SIZES = (36.0, 80.0)
"""Minimum and maximum geometric mean of a target's sides in pixels."""
POSES = 60
"""Frames of a video that are used."""
GROWN = 1.8
"""Maximum change of an object's area in the video that it is cut out of."""
SEGMENTS = "bsds"
"""Photographs whose segments are regions rather than things."""
DISTRACTED = 3
"""One clip in so many has things in it that look like the target."""
CANDIDATES = 40
"""Objects among which those most like the target are looked for."""


KEPT = read_recipe("siamtrack-lite").mix.validation
"""Names of the clips that no network was trained on."""


@dataclass(frozen=True)
class Stock:
    """Objects, photographs and videos that the clips of one half are made of."""

    objects: tuple[StillObject, ...]
    photos: tuple[Path, ...]
    actors: tuple[Path, ...]
    """Folders of videos with masks."""
    videos: tuple[Path, ...]
    """Folders of videos for backdrops."""


def read_stock(root: Path, half: int) -> Stock:
    """Return the stock of half 0 (fitting) or 1 (judging).

    Raises:
        DataError: when something is missing.
    """
    stills = read_stills(root / "stills", min_side=60)
    videos = sorted({track.folder for track in read_tracks(root / "clips")})
    actors = sorted({track.folder for track in read_tracks(root / "DAVIS2016")})
    return Stock(
        tuple(item for item in stills.masked if item.trusted and not item.photo.name.startswith(SEGMENTS))[half::2],
        stills.photos[half::2],
        tuple(actors[half::2]),
        # No network was trained on those that judge.
        tuple(folder for folder in videos if (folder.name in KEPT) == bool(half)),
    )


def kept_tracks(root: Path) -> list[Track]:
    """Return the tracks of the clips kept from training that have a box in every frame: one a clip."""
    tracks = [track for track in read_tracks(root / "clips") if track.folder.name in KEPT]
    whole_ones = {track.folder: track for track in tracks if len(track.visible) == len(track.boxes)}
    return list(whole_ones.values())


def pictures(track: Track) -> list[Image]:
    """Return all frames of a short sequence."""
    return list(decode_frames(track.folder))


def make_clips(
    stock: Stock, count: int, endings: Sequence[Ending], seed: int
) -> Iterator[tuple[str, DisappearanceClip]]:
    """Yield `count` clips with their names, the endings in turn."""
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        ending = endings[number % len(endings)]
        if rng.random() < 0.4:
            folder = stock.actors[int(rng.integers(len(stock.actors)))]
            name, target = folder.name, _moving_cutouts(folder)
        else:
            item = stock.objects[int(rng.integers(len(stock.objects)))]
            name, target = item.photo.stem, [read_object(item)]
        if rng.random() < 0.6:
            folder = stock.videos[int(rng.integers(len(stock.videos)))]
            place, backdrop = folder.name, [_enlarged(frame) for frame in islice(decode_frames(folder), POSES)]
        else:
            photo = stock.photos[int(rng.integers(len(stock.photos)))]
            place, backdrop = photo.stem, [_enlarged(read_picture(photo))]
        distractors = _alike(stock, target[0], rng) if number // len(endings) % DISTRACTED == 0 else []
        size = math.exp(rng.uniform(*np.log(TARGET_SIZES)))
        cast = Cast(backdrop, target, _cover(stock, rng), distractors)
        clip = DisappearanceClip(cast, ending, FRAME, size, int(rng.integers(2**31)))
        yield f"{number:02d} {ending.value:9s} {name} over {place}{' among others' if distractors else ''}", clip


def _moving_cutouts(folder: Path) -> list[Image]:
    """An object through a video until its size has changed much, `(h, w, 4)` BGRA, all pictures of one size."""
    capture = cv2.VideoCapture(str(folder / f"{folder.name}_mask.mp4"))
    cutouts: list[Image] = []
    first = 0
    for frame in islice(decode_frames(folder), POSES):
        ok, mask = capture.read()
        if not ok:
            raise DataError(f"{folder} has fewer masks than frames")
        alpha = np.where(mask[:, :, 0] > 127, 255, 0).astype(np.uint8)
        rows, columns = np.nonzero(alpha)
        first = first or rows.size
        if not first / GROWN <= rows.size <= first * GROWN:
            break
        window = slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)
        cutouts.append(np.dstack([frame, alpha])[window])
    height, width = (max(each.shape[axis] for each in cutouts) for axis in (0, 1))
    return [_centered(each, height, width) for each in cutouts]


def _centered(cutout: Image, height: int, width: int) -> Image:
    canvas = np.zeros((height, width, 4), np.uint8)
    top, left = (height - cutout.shape[0]) // 2, (width - cutout.shape[1]) // 2
    canvas[top : top + cutout.shape[0], left : left + cutout.shape[1]] = cutout
    return canvas


def _enlarged(image: Image) -> Image:
    factor = max(BACKDROP[0] / image.shape[1], BACKDROP[1] / image.shape[0])
    size = (math.ceil(image.shape[1] * factor), math.ceil(image.shape[0] * factor))
    return np.asarray(
        cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR), np.uint8
    )


def _cover(stock: Stock, rng: np.random.Generator) -> Image:
    """A photograph as a tile."""
    photo = read_picture(stock.photos[int(rng.integers(len(stock.photos)))])
    side = min(photo.shape[:2])
    tile = cv2.resize(photo[:side, :side], (200, 200), interpolation=cv2.INTER_AREA)
    return np.dstack([tile, np.full((200, 200), 255, np.uint8)])


def _alike(stock: Stock, target: Image, rng: np.random.Generator) -> list[Image]:
    """Two objects with the colors that are most like the target's."""
    picks = rng.choice(len(stock.objects), min(CANDIDATES, len(stock.objects)), replace=False)
    others = [read_object(stock.objects[int(pick)]) for pick in picks]
    wanted = _colors(target)
    others = [each for each in others if each.shape != target.shape or not np.array_equal(each, target)]
    return sorted(others, key=lambda each: float(np.abs(_colors(each) - wanted).sum()))[:2]


def _colors(cutout: Image) -> NDArray[np.float64]:
    """Return the shares of 4 x 4 x 4 colors in the opaque part."""
    opaque = cutout[cutout[:, :, 3] > 127][:, :3] // 64
    counts = np.bincount(opaque @ np.array([16, 4, 1]), minlength=64)
    shares: NDArray[np.float64] = counts / max(counts.sum(), 1)
    return shares


@dataclass(frozen=True, eq=False)
class Run:
    """Results of a tracker in a clip of N + 1 frames, for the frames after the first."""

    name: str
    shown: NDArray[np.float64]
    """`(N,)` share of the target that is in view."""
    overlap: NDArray[np.float64]
    """`(N,)` IoU of the box with that of the whole target; 0 where there is none."""
    said: tuple[Status, ...]
    logit: NDArray[np.float64]
    """`(N,)` logit of the network itself: of the overlap that its box head expects, else of the response."""
    score: NDArray[np.float64]
    """`(N,)` as reported."""
    signals: tuple[Signals, ...]

    @property
    def judged(self) -> NDArray[np.bool_]:
        """`(N,)` frames in which the target is clearly in view, or clearly not."""
        return (self.shown >= BACK_ABOVE) | (self.shown < GONE_BELOW)

    @property
    def right(self) -> NDArray[np.bool_]:
        """`(N,)` frames in which the box is on the target."""
        return (self.overlap > FOUND_OVERLAP) & (self.shown >= GONE_BELOW)


def follow(tracker: Tracker, name: str, moments: Iterable[Moment]) -> Run:
    """Set the tracker in the first frame and let it follow the target through the others."""
    shown, truth, results = [], [], []
    later = iter(moments)
    first = next(later)
    tracker.init(first.image, first.box)
    for moment, result in track(later, tracker):
        results.append(result)
        shown.append(moment.shown)
        truth.append(moment.box)
    overlap = iou(np.array([result.box for result in results]), np.array(truth))
    return Run(
        name,
        np.array(shown),
        np.nan_to_num(overlap),
        tuple(result.status for result in results),
        np.array([result.signals.box_quality or result.signals.response for result in results]),
        np.array([result.score for result in results]),
        tuple(result.signals for result in results),
    )


def whole(track: Track) -> Iterator[Moment]:
    """Yield the frames of a sequence whose target has a box in every frame."""
    for index, frame in enumerate(decode_frames(track.folder)):
        yield Moment(frame, track.box(index), 1.0)


def auc(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: probability that a right frame scores higher than a wrong one."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]  # equal scores share the mean of their ranks
    count = int(right.sum())
    return float((ranks[right].sum() - count * (count + 1) / 2) / (count * (len(right) - count)))
