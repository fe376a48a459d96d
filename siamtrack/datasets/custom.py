"""Custom data sets: sequences in the folders below any folder, at any depth.

A sequence is a folder with `groundtruth_rect.txt` or `groundtruth.txt` (`groundtruth_rect.1.txt`, `.2.txt` for several
targets), 1-based, with one line per frame: `x,y,w,h`, the eight numbers of a polygon, or `nan` for no target. Its
pictures are in `img/` or in the folder itself, or it has a video. A video with a text file of the same name in its
folder is a sequence, too. An `attributes.txt` in the folder holds the sequence's attributes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from siamtrack.datasets.annotations import is_blank, read_ground_truth, read_text
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Frames, Kind
from siamtrack.datasets.frames import Pictures, Video, is_picture_name
from siamtrack.errors import DataError, UsageError
from siamtrack.io.images import natural_key

VIDEO_EXTENSIONS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
ANNOTATION_NAMES = ("groundtruth_rect", "groundtruth")
"""Prefixes of annotation files; the first one that is there counts."""


@dataclass(frozen=True)
class _Target:
    """Target of a sequence below the folder."""

    name: str
    parent: Path
    """Folder of the sequence, which distinguishes it from others of its name."""
    annotations: Path
    frames: Frames


def open_custom(root: Path, subset: str | None) -> EvaluationSet:
    """Open all sequences below a folder, or below some of the folders in it: `OTB,VOT`.

    Raises:
        DataError: when there is none, or two have the same name.
        UsageError: when one of the folders does not exist.
    """
    notes: list[str] = []
    parts = _parts(root, subset)
    targets = [item for part in parts for item in _find_targets(root, part, notes)]
    if not targets:
        raise DataError(
            f"{root} holds no sequence: one is a folder with groundtruth_rect.txt and pictures in img/, or a video with"
            " a text file of boxes beside it"
        )
    sequences = []
    for name, item in zip(_unique_names(root, targets), targets, strict=True):
        words = item.annotations.parent / "attributes.txt"
        attributes = frozenset(read_text(words).replace(",", " ").split()) if words.is_file() else frozenset()
        sequences.append(
            EvaluationSequence(name, item.frames, partial(read_ground_truth, item.annotations, item.frames), attributes)
        )
    name = _name(root)
    if subset is not None:
        # Another subset may have a sequence of the same name: the results of both must stay separate.
        name += "-" + "+".join("-".join(part.relative_to(root).parts) for part in parts)
    return EvaluationSet(name, Kind.CUSTOM, root, tuple(sequences), notes=tuple(notes))


def _parts(root: Path, subset: str | None) -> list[Path]:
    names = [] if subset is None else [name.strip() for name in subset.split(",")]
    for name in names:
        if not (root / name).is_dir() or Path(name).is_absolute() or ".." in Path(name).parts:
            raise UsageError(f"{root / name} is not there; --subset names folders in {root}, with commas between")
    return [root / name for name in names] or [root]


def _unique_names(root: Path, targets: list[_Target]) -> list[str]:
    """Return the names of the sequences; equal names get the folders above them as a prefix: `a-walk`, `b-walk`.

    A name is also that of a results file, so that it contains no `/`.
    """
    counts = Counter(item.name for item in targets)
    names = [
        item.name if counts[item.name] == 1 else "-".join([*item.parent.relative_to(root).parts, item.name])
        for item in targets
    ]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f"{root}: two sequences would be called {', '.join(twice)}; rename one of each")
    return names


def _find_targets(root: Path, part: Path, notes: list[str]) -> Iterator[_Target]:
    """Yield the targets of all sequences below a part of a data set; links are followed, but not in a circle."""
    for path, folders, files in os.walk(part, followlinks=True):
        folder = Path(path)
        if folder != part and folder.parent.resolve().is_relative_to(folder.resolve()):
            folders.clear()
            continue
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=natural_key)
        annotation_files = _annotation_files(files)
        for name in annotation_files:
            annotations = folder / name
            if len(annotation_files) > 1 and is_blank(annotations):
                notes.append(f"{annotations.relative_to(root)} is empty and left out")
                continue
            suffix = annotations.stem.removeprefix("groundtruth_rect").removeprefix("groundtruth")
            parent = root if folder == root else folder.parent
            yield _Target(_name(folder) + suffix, parent, annotations, _open_frames(folder, files))
        if annotation_files:
            folders.clear()
            continue
        for name in sorted(files, key=natural_key):
            video = folder / name
            if video.suffix.lower() in VIDEO_EXTENSIONS and f"{video.stem}.txt" in files:
                yield _Target(video.stem, folder, video.with_suffix(".txt"), Video(video, video.stem))


def _name(folder: Path) -> str:
    """Return the name of a folder; a link keeps its own name, and `.` has the name of the folder that it stands for."""
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def _annotation_files(files: list[str]) -> list[str]:
    texts = sorted((name for name in files if name.endswith(".txt")), key=natural_key)
    for start in ANNOTATION_NAMES:
        # `groundtruth_rect.1.txt`, but not `groundtruth_visibility.txt`.
        matching = [name for name in texts if name.startswith(start) and name[len(start) :][:1] == "."]
        if matching:
            return matching
    return []


def _open_frames(folder: Path, files: list[str]) -> Frames:
    name = _name(folder)
    if (folder / "img").is_dir():
        return Pictures(folder / "img", name)
    if any(is_picture_name(file) for file in files):
        return Pictures(folder, name)
    videos = [file for file in files if file.lower().endswith(VIDEO_EXTENSIONS)]
    own = [file for file in videos if Path(file).stem == name]
    if len(own or videos) == 1:
        return Video(folder / (own or videos)[0], name)
    if not videos:
        return Pictures(folder / "img", name)  # reading them reports that they are missing
    raise DataError(
        f"{folder} holds {len(videos)} videos: call the one that the boxes belong to {name}{Path(videos[0]).suffix}"
    )
