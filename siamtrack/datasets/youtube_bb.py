"""YouTube-BoundingBoxes (Real et al. 2017), its training set: one frame per second with a box.

The table `yt_bb_detection_train.csv` is Google's, without a header line: video, time in milliseconds, class, its name,
object, `present` or `absent`, and `xmin, xmax, ymin, ymax` as fractions of the picture. The frames have PySOT's layout,
`yt_bb_detection_train/CLASS/VIDEO_TIME_CLASS_OBJECT.jpg`.
"""

from __future__ import annotations

import csv
import logging
import os
from array import array
from pathlib import Path

import numpy as np

from siamtrack.datasets.annotations import mask_boxes
from siamtrack.datasets.frames import NumberedFiles, list_folders, picture_size
from siamtrack.datasets.training_tracks import Track, TrainingSet
from siamtrack.errors import DataError

log = logging.getLogger(__name__)

FRAMES_PER_SECOND = 30
"""Frame rate of the original videos; YouTube-BB keeps one frame of a second."""
NAME = "yt_bb_detection_train"
"""Name of the table and of the folder of the training set."""


def is_youtube_bb(root: Path) -> bool:
    """Return True if `yt_bb_detection_train.csv` or a folder `yt_bb_detection_train` is there."""
    return (root / f"{NAME}.csv").is_file() or (root / NAME).is_dir()


def read_youtube_bb(root: Path) -> TrainingSet:
    """Read the tracks of all objects with two frames or more, `VIDEO_CLASS_OBJECT`.

    Many videos are no longer on the web: rows without a frame are skipped.
    """
    table, frames = root / f"{NAME}.csv", root / NAME
    existing = {folder.name: {entry.name for entry in os.scandir(folder)} for folder in list_folders(frames)}
    log.info("reading the annotations in %s; of the whole set, this takes minutes", table)
    if not table.is_file():
        raise DataError(f"{table} does not exist: YouTube-BB's table of boxes is needed beside {frames}")
    corners: dict[tuple[str, str, str], dict[int, list[float]]] = {}
    with table.open(newline="", encoding="utf-8") as handle:
        for line, row in enumerate(csv.reader(handle), start=1):
            try:
                video, time, category, _, target, presence, left, right, top, bottom = row
                milliseconds, box = int(time), [float(each) for each in (left, top, right, bottom)]
            except ValueError as error:
                raise DataError(
                    f"{table}, line {line} is no row of YouTube-BB (ten cells, without a head line): copy it again"
                ) from error
            name = f"{video}_{milliseconds}_{category}_{target}.jpg"
            if presence == "present" and name in existing.get(category, ()):
                corners.setdefault((video, category, target), {})[milliseconds] = box
    tracks: list[Track] = []
    for (video, category, target), rows in sorted(corners.items()):
        if len(rows) > 1:
            times = array("q", sorted(rows))
            folder = frames / category
            files = NumberedFiles(f"{video}_{{:d}}_{category}_{target}.jpg", times, folder)
            name = f"{video}_{category}_{target}"
            width, height = picture_size(files.path(frames, 0))
            edges = np.clip([rows[time] for time in times], 0, 1) * [width, height, width, height]
            boxes = mask_boxes(np.hstack([edges[:, :2], edges[:, 2:] - edges[:, :2]]))
            tracks.append(Track(name, folder / name, boxes, files, video=video, step=FRAMES_PER_SECOND))
    if not tracks:
        raise DataError(
            f"{frames} holds no two frames of one object in {table.name}: frames are called"
            " CLASS/VIDEO_TIME_CLASS_OBJECT.jpg"
        )
    return TrainingSet(tuple(tracks))
