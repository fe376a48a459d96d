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
from functools import partial
from pathlib import Path

from siamtrack.data.annotations import read_text
from siamtrack.errors import DataError, UsageError
from siamtrack.evaluation.datasets.frames import Pictures, Video
from siamtrack.evaluation.datasets.truths import read_one_based
from siamtrack.evaluation.sequences import EvaluationSequence, EvaluationSet, Frames, Kind
from siamtrack.io.images import IMAGE_EXTENSIONS, natural_key

VIDEO_EXTENSIONS = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v")
TRUTHS = ("groundtruth_rect", "groundtruth")
"""How the names of truths begin; the first that is there counts."""


def open_custom(root: Path, subset: str | None) -> EvaluationSet:
    """All sequences below a folder, or below some of the folders in it: `OTB,VOT`.

    Raises:
        DataError: when there is none.
        UsageError: when one of the folders does not exist.
    """
    parts = [root] if subset is None else [root / part.strip() for part in subset.split(",")]
    for part in parts:
        if not part.is_dir():
            raise UsageError(f"{part} is not there; --subset names folders in {root}, with commas between")
    notes: list[str] = []
    found = [item for part in parts for item in _find(part, notes)]
    if not found:
        raise DataError(
            f"{root} holds no sequence: one is a folder with groundtruth_rect.txt and pictures in img/, or a video with"
            " a text file of boxes beside it"
        )
    counts = Counter(name for name, _, _ in found)
    sequences = []
    for name, truth, frames in found:
        # Two of one name are told apart by their folders; the name is also that of a file.
        unique = name if counts[name] == 1 else "-".join([*truth.parent.relative_to(root).parts[:-1], name])
        words = truth.parent / "attributes.txt"
        attributes = frozenset(read_text(words).replace(",", " ").split()) if words.is_file() else frozenset()
        sequences.append(EvaluationSequence(unique, frames, partial(read_one_based, truth, frames), attributes))
    whole = root.resolve().name
    # Another subset may have a sequence of the same name: its results must not be taken for those of this one.
    name = whole if subset is None else f"{whole}-{'+'.join(part.name for part in parts)}"
    return EvaluationSet(name, Kind.CUSTOM, root, tuple(sequences), notes=tuple(notes))


def _find(root: Path, notes: list[str]) -> Iterator[tuple[str, Path, Frames]]:
    """Name, truth and frames of every sequence."""
    for place, folders, files in os.walk(root):
        folder = Path(place)
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=natural_key)
        truths = _truths(files)
        for name in truths:
            truth = folder / name
            if not truth.read_bytes().strip():
                notes.append(f"{truth.relative_to(root)} is empty and left out")
                continue
            suffix = truth.stem.removeprefix("groundtruth_rect").removeprefix("groundtruth")
            yield folder.resolve().name + suffix, truth, _frames(folder, files)
        if truths:
            folders.clear()
            continue
        for name in sorted(files, key=natural_key):
            video = folder / name
            if video.suffix.lower() in VIDEO_EXTENSIONS and f"{video.stem}.txt" in files:
                yield video.stem, video.with_suffix(".txt"), Video(video, video.stem)


def _truths(files: list[str]) -> list[str]:
    texts = sorted((name for name in files if name.endswith(".txt")), key=natural_key)
    for start in TRUTHS:
        # `groundtruth_rect.1.txt`, but not `groundtruth_visibility.txt`.
        found = [name for name in texts if name.startswith(start) and name[len(start) :][:1] == "."]
        if found:
            return found
    return []


def _frames(folder: Path, files: list[str]) -> Frames:
    name = folder.resolve().name
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
