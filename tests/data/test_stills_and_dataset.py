"""A folder of training data, from its files to a batch."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from siamtrack.data.augment import PhotometricSettings
from siamtrack.data.dataset import PairDataset, collate, make_sources, read_training_data
from siamtrack.data.pairs import GeometrySettings, MixSettings, PairMaker
from siamtrack.data.sequences import decode_frames
from siamtrack.data.stills import read_cutout, read_object, read_stills
from siamtrack.errors import DataError


def test_an_object_is_cut_out_with_its_mask(training_folder: Path) -> None:
    item = read_stills(training_folder / "stills").objects[0]
    cut = read_object(item)
    assert cut.shape == (40, 40, 4)
    assert cut[20, 20, 3] == 255
    assert cut[0, 0, 3] == 0


def test_a_cutout_is_trimmed_to_what_can_be_seen(training_folder: Path) -> None:
    (path,) = read_stills(training_folder / "stills").cutouts
    assert read_cutout(path).shape == (41, 41, 4)


def test_validation_sequences_are_kept_from_training(training_folder: Path) -> None:
    data = read_training_data(training_folder, ["airplane", "not there"])
    assert [track.name for track in data.tracks] == ["moving_square"]
    assert [track.name for track in data.validation] == ["airplane"]


def test_boxes_without_frames_are_refused(training_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(training_folder / "clips", tmp_path / "clips")
    truth = tmp_path / "clips" / "airplane" / "groundtruth_rect.txt"
    truth.write_text(truth.read_text() + "1,1,30,30\n")
    with pytest.raises(DataError, match="airplane: 9 boxes for 8 frames"):
        read_training_data(tmp_path)


def test_pictures_are_read_in_the_order_of_their_numbers(training_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "numbered"
    (folder / "img").mkdir(parents=True)
    for number in range(1, 12):
        cv2.imwrite(str(folder / "img" / f"{number}.png"), np.full((4, 4, 3), 10 * number, np.uint8))
    assert [int(frame[0, 0, 0]) for frame in decode_frames(folder)] == [10 * number for number in range(1, 12)]


def test_development_sequences_beside_the_data_are_never_read(training_folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(training_folder / "clips", root / "clips")
    shutil.copytree(training_folder / "clips" / "moving_square", root / "OTB" / "Deer")
    data = read_training_data(root)
    assert {track.folder.parent.name for track in (*data.tracks, *data.validation)} == {"clips"}


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        (MixSettings(video=1, stills=0, composed=0), "no sequence to train on"),
        (MixSettings(video=0, stills=0, composed=0), "no data at all"),
    ],
)
def test_a_mix_that_the_folder_cannot_serve_is_refused(
    training_folder: Path, tmp_path: Path, mix: MixSettings, message: str
) -> None:
    shutil.copytree(training_folder / "stills", tmp_path / "stills")
    with pytest.raises(DataError, match=message):
        make_sources(read_training_data(tmp_path), mix)


@pytest.mark.parametrize("make", [False, True])
def test_a_folder_without_data_is_refused(tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "nothing"
    if make:
        folder.mkdir()
    with pytest.raises(DataError, match="nothing"):
        read_training_data(folder)


def test_a_batch_is_rgb_and_knows_who_may_be_a_negative(training_folder: Path) -> None:
    data = read_training_data(training_folder)
    assert data.stills is not None
    maker = PairMaker(
        make_sources(data, MixSettings(video=1, stills=1, composed=1)),
        data.stills.photos,
        0.2,
        GeometrySettings(scales=3),
        PhotometricSettings(),
        128,
        256,
    )
    pairs = PairDataset(maker, seed=3, length=100)
    samples = [pairs[index] for index in range(12)]
    batch = collate(samples)
    assert batch.exemplars.shape == (12, 3, 3, 128, 128)
    assert batch.searches.shape == (12, 3, 256, 256)
    assert batch.searches.dtype == torch.uint8
    np.testing.assert_array_equal(batch.searches[5].permute(1, 2, 0).numpy()[..., ::-1], samples[5].search)
    same = [sample.group == sample.search_group for sample in samples]
    assert (batch.exemplar_groups == batch.search_groups).tolist() == same
    assert batch.centers.isnan().any(dim=1).tolist() == [not each for each in same]
