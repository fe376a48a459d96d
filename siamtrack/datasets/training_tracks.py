"""Video sequences with a box on (almost) every frame, and access to any of their frames.

A sequence of our own is a folder with a video `<name>.mp4`, or pictures in `img/`, and `groundtruth_rect.txt` (or
`groundtruth_rect.1.txt`, `.2.txt` ... for several targets): one line a frame, `x,y,w,h`, 1-based, `nan` where the
target has no box. This is the layout of OTB. A video of masks, `<name>_mask.mp4`, may stand beside that of the frames.
`siamtrack.datasets.training_sets` reads the layouts of the large training sets.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.datasets.annotations import read_boxes
from siamtrack.datasets.files import NumberedFiles, read_picture
from siamtrack.errors import DataError
from siamtrack.system.atomic_files import replacing

MASKS = "_mask"
"""What the name of a video of masks has at its end."""
MIN_SIDE = 4.0
"""Shortest side of a box to train on, in pixels."""


@dataclass(frozen=True)
class Track:
    """One target through one sequence."""

    name: str
    folder: Path
    boxes: NDArray[np.float64]
    """`(frames, 4)` boxes `x, y, width, height`, 0-based; rows of NaN where there is none."""
    files: NumberedFiles | None = None
    """Where the frames are read from, one by one; None for a sequence whose frames are cached."""
    masks: bool = False
    """There is a video of masks beside that of the frames, `<name>_mask.mp4`, gray, the target above 127; it is the
    only target of its sequence."""
    step: int = 1
    """How many frames of a usual video, of 25 to 30 a second, lie between two of its frames."""
    video: str | None = None
    """The video that the frames are of, where several folders may be of one; None: the folder is all of it."""

    @property
    def group(self) -> str:
        """What the target belongs to: tracks of one group may show the same object, or twins of it."""
        return self.video or self.folder.name

    @property
    def visible(self) -> NDArray[np.intp]:
        """Indices of the frames with a box of `MIN_SIDE` or more."""
        usable = np.isfinite(self.boxes).all(axis=1) & (self.boxes[:, 2:] >= MIN_SIDE).all(axis=1)
        return np.flatnonzero(usable)

    def near(self, frame: int, max_gap: int) -> NDArray[np.intp]:
        """The visible frames at most `max_gap` frames of a usual video from one."""
        visible = self.visible
        return visible[np.abs(visible - frame) * self.step <= max_gap]

    def box(self, frame: int) -> Box:
        """The box in a frame."""
        return Box(*(float(value) for value in self.boxes[frame]))


def read_tracks(root: Path) -> tuple[Track, ...]:
    """All targets of all sequences below `root`, in order of their names.

    Sequences that `siamtrack label` made know their video from its `label.json`.

    Raises:
        DataError: when there is none, or when a file of theirs cannot be read.
    """
    truths = sorted(root.glob("*/groundtruth_rect*.txt"))
    targets = Counter(truth.parent for truth in truths)
    videos = {part: video for record in sorted(root.glob("*/label.json")) for part, video in _labelled(record)}
    tracks = tuple(
        Track(
            truth.parent.name + truth.stem.removeprefix("groundtruth_rect"),
            truth.parent,
            read_boxes(truth),
            # Masks do not tell several targets apart.
            masks=targets[truth.parent] == 1 and _video(truth.parent, MASKS).is_file(),
            video=videos.get(truth.parent.name),
        )
        for truth in truths
    )
    if not tracks:
        raise DataError(f"{root} holds no sequence: each is a folder with a video and a groundtruth_rect.txt")
    return tracks


def _labelled(record: Path) -> list[tuple[str, str]]:
    """The folders that were made of a labelled video, and its name."""
    try:
        content = json.loads(record.read_bytes())
        return [(str(part["folder"]), str(content["video"]["name"])) for part in content["parts"]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"{record} cannot be read as a record of siamtrack label: run that again, or remove it"
        ) from error


def decode_frames(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """The frames of a sequence folder, `(H, W, 3)` uint8 BGR, in order.

    Raises:
        DataError: when there are neither pictures nor a video, or one cannot be read.
    """
    pictures = _pictures(folder)
    if not pictures:
        yield from _decode_video(_video(folder), f"{folder} holds neither img/*.jpg nor a readable {folder.name}.mp4")
    for picture in pictures:
        yield read_picture(picture, folder.name)


def decode_masks(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """The masks of a sequence folder, `(H, W, 3)` uint8, in order.

    Raises:
        DataError: when their video cannot be read.
    """
    video = _video(folder, MASKS)
    yield from _decode_video(video, f"{video} cannot be read as a video: copy it again, or remove it")


CacheKind = Literal["frames", "masks"]
DECODERS: Mapping[CacheKind, Callable[[Path], Iterator[NDArray[np.uint8]]]] = {
    "frames": decode_frames,
    "masks": decode_masks,
}
"""What can be cached of a sequence folder, and how it is read."""


def _video(folder: Path, ending: str = "") -> Path:
    return folder / f"{folder.name}{ending}.mp4"


def _decode_video(video: Path, problem: str) -> Iterator[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(video))
    if not capture.isOpened():
        raise DataError(problem)
    try:
        while True:
            ok, image = capture.read()
            if not ok:
                return
            yield np.asarray(image, np.uint8)
    finally:
        capture.release()


def _pictures(folder: Path) -> list[Path]:
    """The numbered pictures of a sequence in the order of their numbers: 2 before 10."""
    pictures = [file for file in (folder / "img").glob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png")]
    return sorted(pictures, key=lambda file: [int(part) for part in re.findall(r"\d+", file.stem)])


class Frames(Protocol):
    """Random access to the frames of sequences, which are named by their folders."""

    def count(self, folder: Path) -> int:
        """Number of frames of a sequence; no picture is decoded for it."""
        ...

    def frame(self, folder: Path, index: int) -> NDArray[np.uint8]:
        """A frame of a sequence, counted from 0: `(H, W, 3)` uint8 BGR."""
        ...


class FrameFiles:
    """Frames that are read straight from their files: data sets of tens of gigabytes are not copied into a cache.

    Sequences are told apart by their whole path, so that two data sets may use one name.

    Args:
        files: where the frames are, by the folder of the sequence.
        rest: has the frames of all other folders.
    """

    def __init__(self, files: Mapping[Path, NumberedFiles], rest: Frames | None = None) -> None:
        self._files = dict(files)
        self._rest = rest

    def count(self, folder: Path) -> int:
        """Number of frames of a sequence."""
        if self._rest is not None and folder not in self._files:
            return self._rest.count(folder)
        return self._files[folder].count

    def frame(self, folder: Path, index: int) -> NDArray[np.uint8]:
        """A frame of a sequence, `(H, W, 3)` uint8 BGR.

        Raises:
            DataError: when its file has gone or is no picture.
        """
        if self._rest is not None and folder not in self._files:
            return self._rest.frame(folder, index)
        return read_picture(self._files[folder].path(folder, index), folder.name)


class FrameCache:
    """Random access to the frames of many sequences: JPEG in one memory-mapped file, made once.

    A video can only be read forwards; training reads frames at random. The file's name holds a digest of the videos'
    names, sizes and times, so changed data makes a new one. It is picklable and shared between processes by the system.
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
        """Number of frames of a sequence."""
        return len(self._offsets[folder.name]) - 1

    def frame(self, folder: Path, index: int) -> NDArray[np.uint8]:
        """A frame of a sequence, `(H, W, 3)` uint8 BGR."""
        first, last = self._offsets[folder.name][index : index + 2]
        image = cv2.imdecode(self._data[first:last], cv2.IMREAD_COLOR)
        if image is None:
            raise DataError(f"{self._path}: frame {index} of {folder.name} is damaged; delete the file to make it anew")
        return np.asarray(image, np.uint8)

    @classmethod
    def build(cls, folders: Iterable[Path], cache_dir: Path, kind: CacheKind = "frames") -> FrameCache:
        """Open the cache of these sequences, made first where it does not exist.

        Args:
            folders: of the sequences.
            cache_dir: where it is kept.
            kind: which pictures of theirs.

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
    def _write(cls, path: Path, folders: Sequence[Path], decode: Callable[[Path], Iterator[NDArray[np.uint8]]]) -> None:
        offsets: dict[str, list[int]] = {}
        with replacing(path) as file:
            for folder in folders:
                marks = [file.tell()]
                for image in decode(folder):
                    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, cls.QUALITY])
                    file.write(encoded.tobytes())
                    marks.append(file.tell())
                offsets[folder.name] = marks
        # The index is written last: a cache without it was interrupted and is made anew.
        path.with_suffix(".json").write_text(json.dumps({"offsets": offsets}))


def _digest(folders: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for file in (*sorted(folder.glob("*.mp4")), *_pictures(folder)):
            stat = file.stat()
            digest.update(f"{folder.name}/{file.name}:{stat.st_size}:{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
