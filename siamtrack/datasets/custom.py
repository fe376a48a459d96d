"""Any folder of sequences, at whatever depth.

A sequence is a folder with `groundtruth_rect.txt` or `groundtruth.txt` (`groundtruth_rect.1.txt`, `.2.txt` for several
targets), 1-based, a line a frame, `x,y,w,h` or the eight numbers of a polygon, `nan` where there is no target; and with
its pictures in `img/` or beside the truth, or a video. A video with a text file of the same name beside it is one, too.
An `attributes.txt` beside the truth holds words for what is difficult.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from siamtrack.datasets.annotations import read_text
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Frames, Kind
from siamtrack.datasets.frames import Pictures, Video
from siamtrack.datasets.ground_truth import is_blank, read_one_based
from siamtrack.errors import DataError, UsageError
from siamtrack.io.images import IMAGE_EXTENSIONS, natural_key

VIDEO_EXTENSIONS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
TRUTHS = ("groundtruth_rect", "groundtruth")
"""How the names of truths begin; the first that is there counts."""


@dataclass(frozen=True)
class Found:
    """A target that was found."""

    name: str
    place: Path
    """The folder that the sequence is in, which tells it from others of its name."""
    truth: Path
    frames: Frames


def open_custom(root: Path, subset: str | None) -> EvaluationSet:
    """All sequences below a folder, or below some of the folders in it: `OTB,VOT`.

    Raises:
        DataError: when there is none, or two cannot be told apart.
        UsageError: when one of the folders does not exist.
    """
    notes: list[str] = []
    parts = _parts(root, subset)
    found = [item for part in parts for item in _find(root, part, notes)]
    if not found:
        raise DataError(
            f"{root} holds no sequence: one is a folder with groundtruth_rect.txt and pictures in img/, or a video with"
            " a text file of boxes beside it"
        )
    sequences = []
    for name, item in zip(_unique_names(root, found), found, strict=True):
        words = item.truth.parent / "attributes.txt"
        attributes = frozenset(read_text(words).replace(",", " ").split()) if words.is_file() else frozenset()
        sequences.append(
            EvaluationSequence(name, item.frames, partial(read_one_based, item.truth, item.frames), attributes)
        )
    whole = _name(root)
    if subset is not None:
        # Another subset may have a sequence of the same name: its results must not be taken for those of this one.
        whole += "-" + "+".join("-".join(part.relative_to(root).parts) for part in parts)
    return EvaluationSet(whole, Kind.CUSTOM, root, tuple(sequences), notes=tuple(notes))


def _parts(root: Path, subset: str | None) -> list[Path]:
    names = [] if subset is None else [name.strip() for name in subset.split(",")]
    for name in names:
        if not (root / name).is_dir() or Path(name).is_absolute() or ".." in Path(name).parts:
            raise UsageError(f"{root / name} is not there; --subset names folders in {root}, with commas between")
    return [root / name for name in names] or [root]


def _unique_names(root: Path, found: list[Found]) -> list[str]:
    """The names of the sequences; those that several have are told apart by the folders above them: `a-walk`, `b-walk`.

    A name is also that of a file of results, so that there is no `/` in it.
    """
    counts = Counter(item.name for item in found)
    names = [
        item.name if counts[item.name] == 1 else "-".join([*item.place.relative_to(root).parts, item.name])
        for item in found
    ]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{root}: two sequences would be called {', '.join(twice)}; rename one of each")
    return names


def _find(root: Path, part: Path, notes: list[str]) -> Iterator[Found]:
    """Every sequence of a data set below a part of it; links are followed, but not in a circle."""
    for place, folders, files in os.walk(part, followlinks=True):
        folder = Path(place)
        if folder != part and folder.parent.resolve().is_relative_to(folder.resolve()):
            folders.clear()
            continue
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=natural_key)
        truths = _truths(files)
        for name in truths:
            truth = folder / name
            if len(truths) > 1 and is_blank(truth):
                notes.append(f"{truth.relative_to(root)} is empty and left out")
                continue
            suffix = truth.stem.removeprefix("groundtruth_rect").removeprefix("groundtruth")
            above = root if folder == root else folder.parent
            yield Found(_name(folder) + suffix, above, truth, _frames(folder, files))
        if truths:
            folders.clear()
            continue
        for name in sorted(files, key=natural_key):
            video = folder / name
            if video.suffix.lower() in VIDEO_EXTENSIONS and f"{video.stem}.txt" in files:
                yield Found(video.stem, folder, video.with_suffix(".txt"), Video(video, video.stem))


def _name(folder: Path) -> str:
    """That of a link is its own; `.` has the name of the folder that it stands for."""
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def _truths(files: list[str]) -> list[str]:
    texts = sorted((name for name in files if name.endswith(".txt")), key=natural_key)
    for start in TRUTHS:
        # `groundtruth_rect.1.txt`, but not `groundtruth_visibility.txt`.
        found = [name for name in texts if name.startswith(start) and name[len(start) :][:1] == "."]
        if found:
            return found
    return []


def _frames(folder: Path, files: list[str]) -> Frames:
    name = _name(folder)
    if (folder / "img").is_dir():
        return Pictures(folder / "img", name)
    if any(file.lower().endswith(IMAGE_EXTENSIONS) for file in files):
        return Pictures(folder, name)
    videos = [file for file in files if file.lower().endswith(VIDEO_EXTENSIONS)]
    own = [file for file in videos if Path(file).stem == name]
    if len(own or videos) == 1:
        return Video(folder / (own or videos)[0], name)
    if not videos:
        return Pictures(folder / "img", name)  # whose absence is an error when they are read
    raise DataError(
        f"{folder} holds {len(videos)} videos: call the one that the boxes belong to {name}{Path(videos[0]).suffix}"
    )
