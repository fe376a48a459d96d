"""The training data of a folder, as a PyTorch dataset of pairs."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from siamtrack.datasets.registry import TRAINING_FORMATS, read_training_sets
from siamtrack.datasets.stills import Stills, join_stills, read_stills
from siamtrack.datasets.training_tracks import FrameCache, FrameFiles, FrameStore, Track, read_tracks
from siamtrack.errors import DataError
from siamtrack.training.pairs import MixSettings, PairMaker, PairSample
from siamtrack.training.scenes import (
    ComposedScenes,
    RivalScenes,
    SceneSource,
    SearchArea,
    StillPatches,
    StillScenes,
    VideoPatches,
    VideoScenes,
)

log = logging.getLogger(__name__)

VIDEO_FOLDERS = ("clips", "DAVIS2016")
"""Folders of sequences to train on. Development and test sets beside them are never read."""


@dataclass(frozen=True)
class TrainingData:
    """Contents of a data folder."""

    tracks: tuple[Track, ...]
    validation: tuple[Track, ...]
    stills: Stills | None
    cache: FrameStore | None
    cache_dir: Path | None = None
    """Folder of the cache of frames and masks."""


def read_training_data(root: Path, validation: Collection[str] = ()) -> TrainingData:
    """Find everything to train on below `root`: `clips/`, `DAVIS2016/` and `stills/`, each of them optional.

    `root` may also be a data set in the layout of GOT-10k, LaSOT, TrackingNet, ILSVRC2015 VID, YouTube-BB or COCO, or
    hold several such folders: `siamtrack.datasets.registry` recognizes them by what is in them. What a set has
    for validation validates.

    Frames of our own videos are cached below `root/cache` the first time, which takes a minute or two; those of the
    data sets are read from their files.

    Args:
        root: the folder.
        validation: names of sequences to keep from training; a warning names those that are not there.

    Raises:
        DataError: when there is nothing, something cannot be read, a data set lacks a file, or a track has not one box
            a frame.
    """
    if not root.is_dir():
        raise DataError(f"training data folder {root} does not exist")
    own = [track for name in VIDEO_FOLDERS if (root / name).is_dir() for track in read_tracks(root / name)]
    sets = read_training_sets(root)
    stills = join_stills([read_stills(root / "stills") if (root / "stills").is_dir() else None, sets.stills])
    tracks = [*own, *sets.tracks, *sets.validation]
    if not tracks and stills is None:
        known = ", ".join(each.name for each in TRAINING_FORMATS)
        raise DataError(
            f"{root} holds none of clips/, DAVIS2016/ and stills/, and no folder in the layout of {known}:"
            " nothing to train on"
        )
    frames = _frames(tracks, root / "cache") if tracks else None
    if frames is not None:
        _check_lengths(tracks, frames)
        _warn_of_unknown(validation, tracks, root)
    training = [*own, *sets.tracks]
    return TrainingData(
        tuple(track for track in training if track.folder.name not in validation),
        (*(track for track in training if track.folder.name in validation), *sets.validation),
        stills,
        frames,
        root / "cache",
    )


def _frames(tracks: Sequence[Track], cache_dir: Path) -> FrameStore:
    """Return the frames of these tracks, from their own files where they have some, else from a cache that is made
    first.
    """
    files = {track.folder: track.files for track in tracks if track.files is not None}
    cached = [track.folder for track in tracks if track.files is None]
    cache = FrameCache.build(cached, cache_dir) if cached else None
    if cache is not None and not files:
        return cache
    return FrameFiles(files, cache)


def _masks(masked: Sequence[Track], cache_dir: Path) -> FrameStore:
    """Return the masks of these tracks, cached.

    Raises:
        DataError: when they cannot be read, or are not one a frame.
    """
    masks = FrameCache.build([track.folder for track in masked], cache_dir, "masks")
    for track in masked:
        if masks.count(track.folder) != len(track.boxes):
            raise DataError(
                f"{track.folder}: {masks.count(track.folder)} masks for {len(track.boxes)} frames: one a frame is"
                " needed; copy the video of masks again, or remove it"
            )
    return masks


def _check_lengths(tracks: Iterable[Track], frames: FrameStore) -> None:
    """Refuse tracks without exactly one line a frame: which frame a box belongs to would be a guess."""
    for track in tracks:
        boxes, count = len(track.boxes), frames.count(track.folder)
        if boxes != count:
            raise DataError(
                f"{track.folder}: track {track.name} has {boxes} boxes for {count} frames: one line a frame is needed,"
                " nan,nan,nan,nan for no box"
            )


def _warn_of_unknown(validation: Iterable[str], tracks: Iterable[Track], root: Path) -> None:
    """Say which sequences cannot be kept from training because they are not there: a typing error looks the same."""
    known = {track.folder.name for track in tracks}
    unknown = [name for name in validation if name not in known]
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        shown = ", ".join(unknown[:3]) + more
        log.warning("%s holds no sequence %s, which mix.validation keeps from training", root, shown)


def make_sources(data: TrainingData, mix: MixSettings, area: SearchArea) -> list[tuple[SceneSource, float]]:
    """Return the sources of scenes that a mix asks for, with their shares.

    Args:
        data: what there is.
        mix: what is wanted.
        area: what a search crop may show, see `siamtrack.training.pairs.largest_search`.

    Raises:
        DataError: when the mix asks for what the folder does not hold, or for nothing.
    """
    makers: list[tuple[Callable[[], SceneSource], float]] = [
        (lambda: VideoScenes(*_video_of(data), mix.max_gap), mix.video),
        (lambda: StillScenes(_stills_of(data).objects), mix.stills),
        (lambda: ComposedScenes(StillPatches(_stills_of(data)), _stills_of(data).photos), mix.composed),
        (lambda: ComposedScenes(_moving_patches(data, mix.max_gap), _stills_of(data).photos), mix.composed_video),
        (lambda: _distractors(data, mix.max_gap, area), mix.distractors),
    ]
    sources = [(make(), share) for make, share in makers if share]
    if not sources:
        names = "video, stills, composed, composed_video or distractors"
        raise DataError(f"the recipe's mix asks for no data at all: set {names}")
    return sources


def _video_of(data: TrainingData) -> tuple[Sequence[Track], FrameStore]:
    if not data.tracks or data.cache is None:
        raise DataError("the recipe asks for video, and the data folder holds no sequence to train on")
    return data.tracks, data.cache


def _stills_of(data: TrainingData) -> Stills:
    if data.stills is None:
        raise DataError("the recipe asks for stills or composed scenes, and the data folder holds no stills/")
    return data.stills


def _distractors(data: TrainingData, max_gap: int, area: SearchArea) -> RivalScenes:
    return RivalScenes(data.stills.objects if data.stills else (), data.tracks, data.cache, max_gap, area)


def _moving_patches(data: TrainingData, max_gap: int) -> VideoPatches:
    masked = [track for track in data.tracks if track.masks]
    if data.cache is None or data.cache_dir is None or not masked:
        raise DataError(
            "the recipe asks for moved objects, and no sequence of the data folder has a video of masks,"
            " NAME_mask.mp4 beside NAME.mp4: add one, or set mix.composed_video = 0"
        )
    return VideoPatches(masked, data.cache, _masks(masked, data.cache_dir), max_gap)


class PairDataset(Dataset[PairSample]):
    """Pair `i` of a run, a pure function of the seed and `i`."""

    def __init__(self, maker: PairMaker, seed: int, length: int) -> None:
        self._maker = maker
        self._seed = seed
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> PairSample:
        return self._maker.make(np.random.default_rng([self._seed, index]))


@dataclass(frozen=True)
class Batch:
    """A batch on its way to the network."""

    exemplars: Tensor
    """`(B, S, 3, z, z)` uint8 RGB."""
    searches: Tensor
    """`(B, 3, x, x)` uint8 RGB."""
    centers: Tensor
    """`(B, 2)` float `x, y` of the target in the search crop, NaN where it is not there."""
    scales: Tensor
    """`(B,)` float apparent size in scale steps, NaN where it is not known."""
    sizes: Tensor
    """`(B, 2)` float width and height of the target in the search crop, in pixels."""
    exemplar_sizes: Tensor
    """`(B, 2)` float width and height of the target in the middle exemplar, in pixels."""
    exemplar_groups: Tensor
    """`(B,)` int64: equal for pairs that must not be each other's negatives."""
    search_groups: Tensor
    """`(B,)` int64, in the same numbering."""


def collate(samples: Sequence[PairSample]) -> Batch:
    """Samples to a batch, BGR to RGB."""
    exemplars = np.stack([sample.exemplars for sample in samples])[..., ::-1]
    searches = np.stack([sample.search for sample in samples])[..., ::-1]
    return Batch(
        torch.from_numpy(np.ascontiguousarray(exemplars)).permute(0, 1, 4, 2, 3),
        torch.from_numpy(np.ascontiguousarray(searches)).permute(0, 3, 1, 2),
        torch.tensor([sample.center for sample in samples], dtype=torch.float32),
        torch.tensor([sample.scale for sample in samples], dtype=torch.float32),
        torch.tensor([sample.size for sample in samples], dtype=torch.float32),
        torch.tensor([sample.exemplar_size for sample in samples], dtype=torch.float32),
        torch.tensor([_number(sample.group) for sample in samples]),
        torch.tensor([_number(sample.search_group) for sample in samples]),
    )


def _number(group: str) -> int:
    return int.from_bytes(hashlib.blake2b(group.encode(), digest_size=7).digest(), "big")
