"""Training view of data sets: tracks with a box on most frames, and random access to their frames.

A sequence of our own format is a folder with a video `<name>.mp4`, or pictures in `img/`, and `groundtruth_rect.txt`
(`groundtruth_rect.1.txt`, `.2.txt` ... for several targets): one line per frame, `x,y,w,h`, 1-based, `nan` for no
box. This is the layout of OTB. A video of masks, `<name>_mask.mp4`, may accompany that of the frames.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box, Image
from siamtrack.datasets.annotations import read_boxes
from siamtrack.datasets.frames import NumberedFiles, Video, read_picture
from siamtrack.datasets.stills import Stills
from siamtrack.errors import DataError
from siamtrack.io.images import is_image_file, natural_key
from siamtrack.system.atomic_files import replacing

MASK_SUFFIX = "_mask"
"""Suffix of the name of a video of masks."""
MIN_SIDE = 4.0
"""Minimum side of a box for training, in pixels."""


@dataclass(frozen=True)
class Track:
    """One target through one sequence."""

    name: str
    folder: Path
    boxes: NDArray[np.float64]
    """`(frames, 4)` boxes `x, y, width, height`, 0-based; rows of NaN where there is none."""
    files: NumberedFiles | None = None
    """Picture files of the frames; None for a sequence whose frames are cached."""
    masks: bool = False
    """The sequence has only this target and a gray video of masks, `<name>_mask.mp4`; the target is above 127."""
    step: int = 1
    """Distance of two consecutive frames, in frames of a video of 25 to 30 frames per second."""
    video: str | None = None
    """Name of the video, if several folders may be parts of it; None when the folder is the whole video."""

    @property
    def group(self) -> str:
        """Name of the video. Tracks of one group may show the same object, or similar ones."""
        return self.video or self.folder.name

    @property
    def visible(self) -> NDArray[np.intp]:
        """Indices of the frames whose box has sides of `MIN_SIDE` or more."""
        usable = np.isfinite(self.boxes).all(axis=1) & (self.boxes[:, 2:] >= MIN_SIDE).all(axis=1)
        return np.flatnonzero(usable)

    def frames_within(self, frame: int, max_gap: int) -> NDArray[np.intp]:
        """Return the visible frames at most `max_gap` from a frame, in frames of 25 to 30 per second."""
        visible = self.visible
        return visible[np.abs(visible - frame) * self.step <= max_gap]

    def box(self, frame: int) -> Box:
        """Return the box in a frame."""
        return Box(*(float(value) for value in self.boxes[frame]))


@dataclass(frozen=True)
class TrainingSet:
    """Training data of one data set."""

    tracks: tuple[Track, ...] = ()
    validation: tuple[Track, ...] = ()
    """Tracks of the data set's own validation split."""
    stills: Stills | None = None


def read_tracks(root: Path) -> tuple[Track, ...]:
    """Read all targets of all sequences of our own format below `root`, sorted by name.

    Sequences that `siamtrack label` wrote get the name of their video from `label.json`.

    Raises:
        DataError: when there is none, or a file of a sequence cannot be read.
    """
    truths = sorted(root.glob("*/groundtruth_rect*.txt"))
    targets = Counter(truth.parent for truth in truths)
    videos = {part: video for record in sorted(root.glob("*/label.json")) for part, video in _read_label_record(record)}
    tracks = tuple(
        Track(
            truth.parent.name + truth.stem.removeprefix("groundtruth_rect"),
            truth.parent,
            read_boxes(truth),
            # Masks do not distinguish several targets.
            masks=targets[truth.parent] == 1 and _video(truth.parent, MASK_SUFFIX).is_file(),
            video=videos.get(truth.parent.name),
        )
        for truth in truths
    )
    if not tracks:
        raise DataError(f"{root} holds no sequence: each is a folder with a video and a groundtruth_rect.txt")
    return tracks


def _read_label_record(record: Path) -> list[tuple[str, str]]:
    """Read the folders that belong to a labelled video, each with the name of the video."""
    try:
        content = json.loads(record.read_bytes())
        return [(str(part["folder"]), str(content["video"]["name"])) for part in content["parts"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{record} cannot be read as a record of siamtrack label: run that again, or remove it"
        ) from error


def decode_frames(folder: Path) -> Iterator[Image]:
    """Decode the frames of a sequence folder, `(H, W, 3)` uint8 BGR, in order.

    Videos are decoded as in tracking, so that training sees the same pixels.

    Raises:
        DataError: when there are neither pictures nor a video, or one cannot be read.
    """
    pictures = _pictures(folder)
    if pictures:
        return (read_picture(picture, folder.name) for picture in pictures)
    if not _video(folder).is_file():
        raise DataError(f"{folder} holds neither img/*.jpg nor a readable {folder.name}.mp4")
    return iter(Video(_video(folder), folder.name))


def decode_masks(folder: Path) -> Iterator[Image]:
    """Decode the masks of a sequence folder, `(H, W, 3)` uint8, in order.

    Raises:
        DataError: when their video cannot be read.
    """
    return iter(Video(_video(folder, MASK_SUFFIX), folder.name))


CacheKind = Literal["frames", "masks"]
DECODER = "pyav"
"""Decoder of the videos, part of the digest of a cache: caches of another decoder have other colors."""
DECODERS: Mapping[CacheKind, Callable[[Path], Iterator[Image]]] = {"frames": decode_frames, "masks": decode_masks}
"""Functions that decode the cached pictures of a sequence folder."""


def _video(folder: Path, suffix: str = "") -> Path:
    return folder / f"{folder.name}{suffix}.mp4"


def _pictures(folder: Path) -> list[Path]:
    """Return the pictures of a sequence in natural order: 2 before 10."""
    return sorted(filter(is_image_file, (folder / "img").glob("*")), key=lambda file: natural_key(file.name))


class FrameStore(Protocol):
    """Random access to the frames of sequences, which are identified by their folders."""

    def count(self, folder: Path) -> int:
        """Return the number of frames of a sequence; no picture is decoded for it."""
        ...

    def frame(self, folder: Path, index: int) -> Image:
        """Return frame `index`, 0-based, of a sequence: `(H, W, 3)` uint8 BGR."""
        ...


class FrameFiles:
    """Frames that are read from their picture files: data sets of tens of gigabytes are not copied into a cache.

    A sequence is identified by its whole path, so that two data sets may use one name.

    Args:
        files: picture files by the folder of the sequence.
        others: frames of all other folders.
    """

    def __init__(self, files: Mapping[Path, NumberedFiles], others: FrameStore | None = None) -> None:
        self._files = dict(files)
        self._others = others

    def count(self, folder: Path) -> int:
        """Return the number of frames of a sequence."""
        if self._others is not None and folder not in self._files:
            return self._others.count(folder)
        return self._files[folder].count

    def frame(self, folder: Path, index: int) -> Image:
        """Return a frame of a sequence, `(H, W, 3)` uint8 BGR.

        Raises:
            DataError: when its file no longer exists or is not a picture.
        """
        if self._others is not None and folder not in self._files:
            return self._others.frame(folder, index)
        return read_picture(self._files[folder].path(folder, index), folder.name)


class FrameCache:
    """Random access to the frames of many sequences, stored as JPEG in one memory-mapped file that is written once.

    A video can only be read forwards; training reads frames at random. The file's name holds a digest of the decoder
    and of the videos' names, sizes and times, so that changed data gets a new cache. The cache can be pickled, and the
    operating system shares its memory between processes.
    """

    QUALITY = 92

    def __init__(self, path: Path) -> None:
        index = json.loads(path.with_suffix(".json").read_text())
        self._path = path
        self._offsets: dict[str, list[int]] = index["offsets"]
        self._data = np.memmap(path, np.uint8, mode="r")

    def __reduce__(self) -> tuple[type[FrameCache], tuple[Path]]:
        return FrameCache, (self._path,)

    def count(self, folder: Path) -> int:
        """Return the number of frames of a sequence."""
        return len(self._offsets[folder.name]) - 1

    def frame(self, folder: Path, index: int) -> Image:
        """Return a frame of a sequence, `(H, W, 3)` uint8 BGR."""
        first, last = self._offsets[folder.name][index : index + 2]
        image = cv2.imdecode(self._data[first:last], cv2.IMREAD_COLOR)
        if image is None:
            raise DataError(f"{self._path}: frame {index} of {folder.name} is damaged: delete the file and run again")
        return np.asarray(image, np.uint8)

    @classmethod
    def build(cls, folders: Iterable[Path], cache_dir: Path, kind: CacheKind = "frames") -> FrameCache:
        """Open the cache of these sequences, and write it first if it does not exist.

        Args:
            folders: folders of the sequences.
            cache_dir: folder of the caches.
            kind: cached pictures, frames or masks.

        Raises:
            DataError: when a sequence cannot be read, or two of them share a name.
        """
        ordered = sorted(set(folders))
        names = [folder.name for folder in ordered]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise DataError(f"two sequences are called {', '.join(sorted(twice))}: names must differ")
        path = cache_dir / f"{kind}-{_digest(ordered)}.bin"
        if not path.with_suffix(".json").is_file():
            try:
                cache_dir.mkdir(parents=True, exist_ok=True)
                cls._write(path, ordered, DECODERS[kind])
            except OSError as error:
                reason = error.strerror or error
                raise DataError(f"the frame cache {path} cannot be written: {reason}; it needs room there") from error
        return cls(path)

    @classmethod
    def _write(cls, path: Path, folders: Sequence[Path], decode: Callable[[Path], Iterator[Image]]) -> None:
        offsets: dict[str, list[int]] = {}
        with replacing(path) as file:
            for folder in folders:
                positions = [file.tell()]
                for image in decode(folder):
                    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, cls.QUALITY])
                    file.write(encoded.tobytes())
                    positions.append(file.tell())
                offsets[folder.name] = positions
        # The index is written last: a cache without it is incomplete and is written again.
        path.with_suffix(".json").write_text(json.dumps({"offsets": offsets}))


def _digest(folders: Sequence[Path]) -> str:
    digest = hashlib.sha256(DECODER.encode())
    for folder in folders:
        for file in (*sorted(folder.glob("*.mp4")), *_pictures(folder)):
            stat = file.stat()
            digest.update(f"{folder.name}/{file.name}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
