"""The folder layouts of the large training sets: GOT-10k, LaSOT, TrackingNet, ILSVRC2015 VID, YouTube-BB and COCO.

Each reader is a function from a folder to what it holds; `LAYOUTS` is the list of them, with what each is known by. No
picture is decoded and none is copied: of a sequence, its boxes and the number of its frames are kept.

Where the first pixel is 0 and where it is 1 was looked up, not guessed; the got10k toolkit (0.1.3) gives the numbers of
all these files as they stand there. GOT-10k: 1 (got-10k/toolkit#6). LaSOT: 1 (HengLan/LaSOT_Evaluation_Toolkit#14).
TrackingNet: 0 (its devkit draws the boxes into OpenCV's pixels as they are). VID: 0, and its corners are the first and
the last pixel of the object, so that a width is `xmax - xmin + 1` (got-10k/toolkit#23). YouTube-BB: shares of width and
height. COCO: 0, continuous.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import re
import xml.etree.ElementTree as ET
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamtrack.boxes import Box
from siamtrack.datasets.annotations import fit_boxes, mask_boxes, read_boxes, read_labels, read_rows, read_text
from siamtrack.datasets.files import NumberedFiles, list_folders, numbered_files, picture_size
from siamtrack.datasets.stills import StillObject, Stills
from siamtrack.datasets.training_tracks import Track
from siamtrack.errors import DataError

log = logging.getLogger(__name__)

MIN_STILL_SIDE = 16.0
"""Shortest side of an object in a photograph, in pixels, as of `read_stills`."""


@dataclass(frozen=True)
class Contents:
    """What a data set holds for training."""

    tracks: tuple[Track, ...] = ()
    validation: tuple[Track, ...] = ()
    """Tracks that the data set itself keeps from training."""
    stills: Stills | None = None


@dataclass(frozen=True)
class Layout:
    """How the folders of a data set are arranged."""

    name: str
    fits: Callable[[Path], bool]
    """Whether a folder looks like it; it may still lack something."""
    read: Callable[[Path], Contents]


def read_layouts(root: Path) -> Contents:
    """Everything in the layout of a known data set, in `root` itself or else in the folders directly in it.

    Raises:
        DataError: when one of them lacks a file, or its boxes do not fit its frames.
    """
    found = _fitting(root)
    if not found:
        found = [fit for folder in list_folders(root) for fit in _fitting(folder)]
    parts: list[Contents] = []
    for layout, folder in found:
        part = layout.read(folder)
        objects = len(part.stills.objects) if part.stills else 0
        log.info(
            "%s has the layout of %s: %d tracks to train on, %d to validate with, %d objects in photographs",
            folder,
            layout.name,
            len(part.tracks),
            len(part.validation),
            objects,
        )
        parts.append(part)
    return Contents(
        tuple(track for part in parts for track in part.tracks),
        tuple(track for part in parts for track in part.validation),
        join_stills([part.stills for part in parts]),
    )


def join_stills(parts: Sequence[Stills | None]) -> Stills | None:
    """All photographs and objects of several folders; None where there are none."""
    given = [part for part in parts if part is not None]
    if len(given) < 2:
        return given[0] if given else None
    return Stills(
        tuple(item for part in given for item in part.objects),
        tuple(photo for part in given for photo in part.photos),
        tuple(cutout for part in given for cutout in part.cutouts),
    )


def _fitting(folder: Path) -> list[tuple[Layout, Path]]:
    return [(layout, folder) for layout in LAYOUTS if layout.fits(folder)]


def is_got10k(root: Path) -> bool:
    """`train/` or `val/` with `list.txt` or a folder `GOT-10k_...`."""
    return any(
        (root / subset / "list.txt").is_file() or next((root / subset).glob("GOT-10k_*"), None) is not None
        for subset in ("train", "val")
    )


def read_got10k(root: Path) -> Contents:
    """GOT-10k: `train/` to train on, `val/` to validate with; `test/` is never read.

    A subset has `list.txt` with the names of its sequences; a sequence has `00000001.jpg` and so on, `groundtruth.txt`,
    1-based, and a number a frame in `absence.label` (1: not in the picture) and `cover.label` (how much of the target
    is visible, from 0, nothing, to 8).
    """
    return Contents(_read_got10k_subset(root / "train"), _read_got10k_subset(root / "val"))


def _read_got10k_subset(subset: Path) -> tuple[Track, ...]:
    if not subset.is_dir():
        return ()
    tracks: list[Track] = []
    for name in got10k_names(subset):
        folder = subset / name
        if not folder.is_dir():
            raise DataError(
                f"{subset / 'list.txt'} names {name}, and {folder} does not exist: unpack it, or remove the line"
            )
        files = numbered_files(folder, "{:08d}.jpg", 1)
        truth = folder / "groundtruth.txt"
        boxes = fit_boxes(read_boxes(truth), files.count, truth)
        hidden, _ = got10k_visibility(folder, len(boxes))
        tracks.append(Track(name, folder, mask_boxes(boxes, hidden), files))
    return tuple(tracks)


def got10k_names(subset: Path) -> list[str]:
    """The sequences that `list.txt` of a subset of GOT-10k names.

    Raises:
        DataError: when there is no list, or it is empty.
    """
    listing = subset / "list.txt"
    if not listing.is_file():
        raise DataError(
            f"{subset} holds sequences of GOT-10k and no list.txt: copy it from the archive; it names them, one a line"
        )
    names = read_text(listing).split()
    if not names:
        raise DataError(f"{listing} is empty: it names the sequences, one a line")
    return names


def got10k_visibility(folder: Path, count: int) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Where the target of a sequence of GOT-10k cannot be seen, and how much of it can.

    Args:
        folder: of the sequence.
        count: of its boxes.

    Returns:
        `(count,)` whether it is absent or wholly covered, and `(count,)` `cover.label`, from 0, nothing, to 8.

    Raises:
        DataError: when a file of labels cannot be read, or does not have one a box.
    """
    absent = read_labels(folder / "absence.label", count) != 0
    cover = read_labels(folder / "cover.label", count)
    return absent | (cover == 0), cover


def is_lasot(root: Path) -> bool:
    """Some folder `car` with a folder `car-1`."""
    return next(lasot_folders(root), None) is not None


def read_lasot(root: Path) -> Contents:
    """LaSOT: the sequences of the training split; neither those of the test split nor the later extension are read.

    A sequence `car/car-1` has `img/00000001.jpg` and so on, `groundtruth.txt`, 1-based, and one line with a number a
    frame in `full_occlusion.txt` and `out_of_view.txt` (1: the target cannot be seen).
    """
    split = lasot_split("train")
    tracks: list[Track] = []
    for folder in lasot_folders(root):
        if folder.name not in split:
            continue
        files = numbered_files(folder, "img/{:08d}.jpg", 1)
        truth = folder / "groundtruth.txt"
        boxes = fit_boxes(read_boxes(truth), files.count, truth)
        tracks.append(Track(folder.name, folder, mask_boxes(boxes, lasot_hidden(folder, len(boxes))), files))
    if not tracks:
        raise DataError(f"{root} holds no sequence of LaSOT's training split, and others are not trained on: add some")
    return Contents(tuple(tracks))


def lasot_split(name: str) -> frozenset[str]:
    """Names of the sequences of a split of LaSOT, `train` or `test`, as the GOT-10k toolkit lists them."""
    return frozenset(json.loads((resources.files("got10k") / "datasets" / "lasot.json").read_text())[name])


def lasot_hidden(folder: Path, count: int) -> NDArray[np.bool_]:
    """Where the target of a sequence of LaSOT is fully occluded or out of view, `(count,)`.

    Raises:
        DataError: when a file of labels cannot be read, or does not have one a box.
    """
    occluded, outside = (read_labels(folder / f"{name}.txt", count) for name in ("full_occlusion", "out_of_view"))
    hidden: NDArray[np.bool_] = (occluded != 0) | (outside != 0)
    return hidden


def lasot_folders(root: Path) -> Iterator[Path]:
    """`root/car/car-1`, `root/car/car-2` ..., in the order of their numbers."""
    for category in list_folders(root):
        pattern = re.compile(re.escape(category.name) + r"-(\d+)")
        numbered = [
            (int(match[1]), folder) for folder in list_folders(category) if (match := pattern.fullmatch(folder.name))
        ]
        yield from (folder for _, folder in sorted(numbered))


def is_trackingnet(root: Path) -> bool:
    """Some folder `TRAIN_0` with `anno/` or `frames/`."""
    return bool(_trackingnet_chunks(root))


def read_trackingnet(root: Path) -> Contents:
    """TrackingNet: those of the twelve chunks `TRAIN_0` to `TRAIN_11` that are there; `TEST` is never read.

    A chunk has `frames/NAME/0.jpg` and so on, and `anno/NAME.txt`, 0-based.
    """
    tracks: list[Track] = []
    for chunk in _trackingnet_chunks(root):
        for part in ("anno", "frames"):
            if not (chunk / part).is_dir():
                raise DataError(f"{chunk} lacks the folder {part}/: unpack it, or take {chunk.name} away")
        truths = sorted((chunk / "anno").glob("*.txt"))
        if not truths:
            raise DataError(f"{chunk / 'anno'} holds no NAME.txt: unpack the annotations of {chunk.name}")
        for truth in truths:
            folder = chunk / "frames" / truth.stem
            if not folder.is_dir():
                raise DataError(f"{truth} has no frames: unpack {truth.stem}.zip to {folder}, or remove the file")
            files = numbered_files(folder, "{:d}.jpg", 0)
            boxes = fit_boxes(read_rows(truth), files.count, truth)
            tracks.append(Track(truth.stem, folder, mask_boxes(boxes), files))
    return Contents(tuple(tracks))


def _trackingnet_chunks(root: Path) -> list[Path]:
    chunks = [
        folder
        for folder in list_folders(root)
        if re.fullmatch(r"TRAIN_\d+", folder.name) and ((folder / "anno").is_dir() or (folder / "frames").is_dir())
    ]
    return sorted(chunks, key=lambda folder: int(folder.name.removeprefix("TRAIN_")))


def is_vid(root: Path) -> bool:
    """`Data/VID` or `Annotations/VID`."""
    return (root / "Data" / "VID").is_dir() or (root / "Annotations" / "VID").is_dir()


def read_vid(root: Path) -> Contents:
    """ILSVRC2015 VID: `train` and `val`, both to train on, as the paper does; `test` is never read.

    `Data/VID/train/GROUP/NAME/000000.JPEG` and so on (without GROUP in `val`), and an XML file a frame at the same
    place below `Annotations`, 0-based. Every `trackid` with boxes in two frames is a track, `NAME.ID`.
    """
    data = root / "Data" / "VID"
    for folder in (data, root / "Annotations" / "VID"):
        if not folder.is_dir():
            raise DataError(f"{folder} does not exist: ILSVRC2015 VID needs both Data/VID and Annotations/VID")
    sequences = [
        *(folder for group in list_folders(data / "train") for folder in list_folders(group)),
        *list_folders(data / "val"),
    ]
    if not sequences:
        raise DataError(f"{data} holds no sequence: train/GROUP/NAME/000000.JPEG or val/NAME/000000.JPEG is needed")
    if len(sequences) > 100:
        log.info("reading the annotations of %d sequences in %s; this takes minutes", len(sequences), root)
    tracks: list[Track] = []
    for folder in sequences:
        annotations = root / "Annotations" / folder.relative_to(root / "Data")
        files = numbered_files(folder, "{:06d}.JPEG", 0)
        pages = numbered_files(annotations, "{:06d}.xml", 0)
        if pages.count != files.count:
            raise DataError(
                f"{annotations} has {pages.count} annotations for the {files.count} pictures in {folder}:"
                f" unpack sequence {folder.name} again"
            )
        boxes: dict[str, NDArray[np.float64]] = {}
        for index in range(pages.count):
            for target, box in _read_vid_objects(pages.path(annotations, index)):
                boxes.setdefault(target, np.full((files.count, 4), np.nan))[index] = box
        for target, rows in sorted(boxes.items()):
            if np.isfinite(rows[:, 0]).sum() > 1:
                tracks.append(Track(f"{folder.name}.{target}", folder, mask_boxes(rows), files))
    return Contents(tuple(tracks))


def _read_vid_objects(path: Path) -> list[tuple[str, tuple[float, float, float, float]]]:
    """The track and the box of every object of a frame."""
    try:
        root = ET.parse(path).getroot()
        found = []
        for item in root.iterfind("object"):
            left, top, right, bottom = (
                float(item.findtext(f"bndbox/{side}", "")) for side in ("xmin", "ymin", "xmax", "ymax")
            )
            target = str(int(item.findtext("trackid", "")))
            found.append((target, (left, top, right - left + 1, bottom - top + 1)))
    except (ET.ParseError, ValueError) as error:
        raise DataError(f"{path} is no annotation of ILSVRC2015 VID: {error}; unpack it again") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}; unpack it again") from error
    return found


FRAMES_A_SECOND = 30
"""Of usual videos; YouTube-BB keeps one of them."""
YOUTUBE_BB = "yt_bb_detection_train"
"""Table and folder of the training set of YouTube-BoundingBoxes."""


def is_youtube_bb(root: Path) -> bool:
    """`yt_bb_detection_train.csv` or a folder `yt_bb_detection_train`."""
    return (root / f"{YOUTUBE_BB}.csv").is_file() or (root / YOUTUBE_BB).is_dir()


def read_youtube_bb(root: Path) -> Contents:
    """YouTube-BoundingBoxes (Real et al. 2017), its training set: a frame a second with a box.

    The table `yt_bb_detection_train.csv` is Google's, without a head line: video, time in milliseconds, class, its
    name, object, `present` or `absent`, and `xmin, xmax, ymin, ymax` as shares of the picture. Frames are where PySOT
    takes them from, `yt_bb_detection_train/CLASS/VIDEO_TIME_CLASS_OBJECT.jpg`. Many videos have gone from the web: rows
    without a frame are left out. Every object with two frames is a track, `VIDEO_CLASS_OBJECT`.
    """
    table, frames = root / f"{YOUTUBE_BB}.csv", root / YOUTUBE_BB
    there = {folder.name: {entry.name for entry in os.scandir(folder)} for folder in list_folders(frames)}
    log.info("reading the annotations in %s; of the whole set, this takes minutes", table)
    if not table.is_file():
        raise DataError(f"{table} does not exist: YouTube-BB's table of boxes is needed beside {frames}")
    sightings: dict[tuple[str, str, str], dict[int, list[float]]] = {}
    with table.open(newline="", encoding="utf-8") as handle:
        for line, row in enumerate(csv.reader(handle), start=1):
            try:
                video, time, kind, _, target, presence, left, right, top, bottom = row
                moment, corners = int(time), [float(each) for each in (left, top, right, bottom)]
            except ValueError as error:
                raise DataError(
                    f"{table}, line {line} is no row of YouTube-BB (ten cells, without a head line): copy it again"
                ) from error
            if presence == "present" and f"{video}_{moment}_{kind}_{target}.jpg" in there.get(kind, ()):
                sightings.setdefault((video, kind, target), {})[moment] = corners
    tracks: list[Track] = []
    for (video, kind, target), rows in sorted(sightings.items()):
        if len(rows) > 1:
            moments = array("q", sorted(rows))
            files = NumberedFiles(f"{video}_{{:d}}_{kind}_{target}.jpg", moments, frames / kind)
            name = f"{video}_{kind}_{target}"
            width, height = picture_size(files.path(frames, 0))
            sides = np.clip([rows[moment] for moment in moments], 0, 1) * [width, height, width, height]
            boxes = np.hstack([sides[:, :2], sides[:, 2:] - sides[:, :2]])
            tracks.append(
                Track(name, frames / kind / name, mask_boxes(boxes), files, video=video, step=FRAMES_A_SECOND)
            )
    if not tracks:
        raise DataError(
            f"{frames} holds no two frames of one object in {table.name}: frames are called"
            " CLASS/VIDEO_TIME_CLASS_OBJECT.jpg"
        )
    return Contents(tuple(tracks))


def is_coco(root: Path) -> bool:
    """`annotations/instances_train2017.json` or `train2017/`."""
    return (root / "annotations" / "instances_train2017.json").is_file() or (root / "train2017").is_dir()


def read_coco(root: Path) -> Contents:
    """COCO's `train2017`: photographs with boxes, which serve as stills without masks; crowds are left out."""
    table, photos = root / "annotations" / "instances_train2017.json", root / "train2017"
    try:
        with table.open(encoding="utf-8") as handle:
            # Objects are boiled down as they are parsed: their outlines are most of the half gigabyte.
            content = json.load(handle, object_hook=_boil_down)
        images = {image.number: image for image in content["images"] if isinstance(image, _CocoImage)}
        marks = [mark for mark in content["annotations"] if isinstance(mark, _CocoMark)]
    except OSError as error:
        raise DataError(
            f"{table} cannot be read: {error.strerror or error}; unpack COCO's annotations there"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{table} is no table of COCO's instances ({error!r}): unpack it again") from error
    there = {entry.name for entry in os.scandir(photos)} if photos.is_dir() else set()
    paths: dict[int, Path] = {}
    objects: list[StillObject] = []
    for mark in marks:
        if mark.crowd or min(mark.box.width, mark.box.height) < MIN_STILL_SIDE:
            continue
        image = images.get(mark.image)
        if image is None:
            raise DataError(
                f"{table}: an object is in image {mark.image}, which the table does not list: unpack it again"
            )
        if image.name not in there:
            raise DataError(
                f"{table} names {image.name}, and {photos / image.name} does not exist: unpack train2017.zip"
            )
        path = paths.setdefault(mark.image, photos / image.name)
        right, bottom = mark.box.x + mark.box.width, mark.box.y + mark.box.height
        whole = min(mark.box.x, mark.box.y, image.width - right, image.height - bottom) >= 1
        objects.append(StillObject(path, mark.box, mask=None, whole=whole, trusted=True))
    if not objects:
        raise DataError(f"{table} holds no object with sides of {MIN_STILL_SIDE:g} pixels or more")
    return Contents(stills=Stills(tuple(objects), tuple(sorted(paths.values())), ()))


@dataclass(frozen=True, slots=True)
class _CocoImage:
    """A photograph of COCO."""

    number: int
    name: str
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _CocoMark:
    """An object of COCO."""

    image: int
    box: Box
    crowd: bool


def _boil_down(item: dict[str, Any]) -> object:
    """What is needed of a dictionary of COCO's table."""
    if "bbox" in item:
        x, y, width, height = (float(value) for value in item["bbox"])
        return _CocoMark(int(item["image_id"]), Box(x, y, width, height), bool(item.get("iscrowd", 0)))
    if "file_name" in item:
        return _CocoImage(int(item["id"]), str(item["file_name"]), float(item["width"]), float(item["height"]))
    return item


LAYOUTS = (
    Layout("GOT-10k", is_got10k, read_got10k),
    Layout("LaSOT", is_lasot, read_lasot),
    Layout("TrackingNet", is_trackingnet, read_trackingnet),
    Layout("ILSVRC2015 VID", is_vid, read_vid),
    Layout("YouTube-BB", is_youtube_bb, read_youtube_bb),
    Layout("COCO", is_coco, read_coco),
)
"""All layouts that are recognized by what is in a folder, besides our own."""
