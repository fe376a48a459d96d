"""YouTube-BoundingBoxes (Real et al. 2017), for training. Its boxes are shares of width and height."""

from __future__ import annotations

import csv
import logging
import os
from array import array
from pathlib import Path

import numpy as np

from siamtrack.datasets.annotations import mask_boxes
from siamtrack.datasets.contents import Contents
from siamtrack.datasets.files import NumberedFiles, list_folders, picture_size
from siamtrack.datasets.training_tracks import Track
from siamtrack.errors import DataError

log = logging.getLogger(__name__)

FRAMES_PER_SECOND = 30
"""Frame rate of usual videos; YouTube-BB keeps one frame a second."""
YOUTUBE_BB = "yt_bb_detection_train"
"""Table and folder of the training set of YouTube-BoundingBoxes."""


def is_training_set(root: Path) -> bool:
    """Return whether `yt_bb_detection_train.csv` or a folder `yt_bb_detection_train` is there."""
    return (root / f"{YOUTUBE_BB}.csv").is_file() or (root / YOUTUBE_BB).is_dir()


def read_training_set(root: Path) -> Contents:
    """Read the training set: a frame a second with a box.

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
                Track(name, frames / kind / name, mask_boxes(boxes), files, video=video, step=FRAMES_PER_SECOND)
            )
    if not tracks:
        raise DataError(
            f"{frames} holds no two frames of one object in {table.name}: frames are called"
            " CLASS/VIDEO_TIME_CLASS_OBJECT.jpg"
        )
    return Contents(tuple(tracks))
