"""A folder of training data, from its files to a batch."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from siamtrack.boxes import Box
from siamtrack.datasets.stills import cut_out, read_cutout, read_object, read_stills
from siamtrack.datasets.training_tracks import decode_frames
from siamtrack.errors import DataError
from siamtrack.training import dataset
from siamtrack.training.augmentation import PhotometricSettings
from siamtrack.training.dataset import PairDataset, collate, make_sources, read_training_data
from siamtrack.training.pairs import GeometrySettings, MixSettings, PairMaker
from siamtrack.training.scenes import SearchArea

AREA = SearchArea(0.5, 2.0)


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


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Warnings of the module. Not by caplog: whether a record reaches it once or twice depends on the tests before."""
    lines: list[str] = []
    monkeypatch.setattr(dataset.log, "warning", lambda text, *values: lines.append(text % values))
    return lines


def test_validation_sequences_that_are_not_there_are_named_in_one_warning(
    training_folder: Path, warned: list[str]
) -> None:
    read_training_data(training_folder, ["airplane"])
    assert warned == []
    read_training_data(training_folder, ["airplan", "airplane", "moving"])
    (line,) = warned
    assert "airplan, moving," in line
    assert str(training_folder) in line


def test_validation_sequences_do_not_matter_without_videos(
    training_folder: Path, tmp_path: Path, warned: list[str]
) -> None:
    shutil.copytree(training_folder / "stills", tmp_path / "stills")
    read_training_data(tmp_path, ["airplane"])
    assert warned == []


@pytest.mark.parametrize(
    ("change", "count"),
    [(lambda lines: [*lines, "1,1,30,30"], 9), (lambda lines: lines[:-1], 7)],
    ids=["more", "fewer"],
)
def test_another_number_of_boxes_than_frames_is_refused(
    training_folder: Path, tmp_path: Path, change: Callable[[list[str]], list[str]], count: int
) -> None:
    shutil.copytree(training_folder / "clips", tmp_path / "clips")
    truth = tmp_path / "clips" / "airplane" / "groundtruth_rect.txt"
    truth.write_text("\n".join(change(truth.read_text().splitlines())) + "\n")
    with pytest.raises(DataError, match=f"track airplane has {count} boxes for 8 frames"):
        read_training_data(tmp_path)


def rewrite(table: Path, change: Callable[[list[list[str]]], object]) -> None:
    """Change the rows of a table, its head among them."""
    with table.open(newline="") as handle:
        rows = list(csv.reader(handle))
    change(rows)
    with table.open("w", newline="") as handle:
        csv.writer(handle).writerows(rows)


@pytest.mark.parametrize(
    ("row", "column", "text", "message"),
    [
        (0, 7, "height", "line 1: no column bh;"),
        (2, 4, "5o", "line 3, column x: '5o' is no number"),
        (2, 4, "", "line 3, column x: '' is no number"),
        (1, 6, "nan", "line 2, column bw: 'nan' is not a finite number"),
        (3, 0, "gone.jpg", "line 4, column photo: .*photos/gone.jpg is no file"),
        (3, 0, "", "line 4, column photo: .*photos is no file"),
        (2, 8, "gone.png", "line 3, column mask: .*masks/gone.png is no file"),
    ],
)
def test_a_broken_table_of_objects_is_named_with_line_and_column(
    training_folder: Path, tmp_path: Path, row: int, column: int, text: str, message: str
) -> None:
    root = tmp_path / "stills"
    shutil.copytree(training_folder / "stills", root)
    rewrite(root / "objects.csv", lambda rows: rows[row].__setitem__(column, text))
    with pytest.raises(DataError, match=message) as caught:
        read_stills(root)
    assert str(root / "objects.csv") in str(caught.value)


def test_a_line_that_ends_early_is_named(training_folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "stills"
    shutil.copytree(training_folder / "stills", root)
    rewrite(root / "objects.csv", lambda rows: rows[2].__delitem__(slice(9, None)))
    with pytest.raises(DataError, match="line 3, column touch: the line ends before it"):
        read_stills(root)


def test_an_empty_table_of_objects_lacks_its_columns(tmp_path: Path) -> None:
    (tmp_path / "objects.csv").touch()
    with pytest.raises(DataError, match="line 1: no column photo, x, y"):
        read_stills(tmp_path)


def test_files_of_objects_that_are_too_small_need_not_be_there(training_folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "stills"
    shutil.copytree(training_folder / "stills", root)
    rewrite(root / "objects.csv", lambda rows: rows[1].__setitem__(slice(6, 9), ["5", "5", "gone.png"]))
    assert len(read_stills(root).objects) == 2


def test_a_byte_order_mark_is_no_part_of_the_first_column(training_folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "stills"
    shutil.copytree(training_folder / "stills", root)
    table = root / "objects.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert len(read_stills(root).objects) == 3


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
        (MixSettings(video=0, composed_video=1), "no sequence .* has a video of masks"),
        (MixSettings(video=0, distractors=1), "shows two objects far enough from each other"),
    ],
)
def test_a_mix_that_the_folder_cannot_serve_is_refused(
    training_folder: Path, tmp_path: Path, mix: MixSettings, message: str
) -> None:
    shutil.copytree(training_folder / "stills", tmp_path / "stills")
    with pytest.raises(DataError, match=message):
        make_sources(read_training_data(tmp_path), mix, AREA)


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
        make_sources(data, MixSettings(video=1, stills=1, composed=1), AREA),
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


def write_masks(folder: Path, count: int) -> None:
    """A white square that moves as that of `moving_square` does, on black."""
    video = cv2.VideoWriter(str(folder / f"{folder.name}_mask.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 10, (160, 120))
    for index in range(count):
        mask = np.zeros((120, 160, 3), np.uint8)
        mask[30 + index : 60 + index, 40 + 2 * index : 70 + 2 * index] = 255
        video.write(mask)
    video.release()


def test_objects_of_a_video_with_masks_are_moved(training_folder: Path, tmp_path: Path) -> None:
    for name in ("clips", "stills"):
        shutil.copytree(training_folder / name, tmp_path / name)
    write_masks(tmp_path / "clips" / "moving_square", 8)
    data = read_training_data(tmp_path)
    assert [track.name for track in data.tracks if track.masks] == ["moving_square"]
    assert not list((tmp_path / "cache").glob("masks-*"))  # nobody has asked for them
    ((scenes, _),) = make_sources(data, MixSettings(video=0, stills=0, composed=0, composed_video=1), AREA)
    pair = scenes.draw(np.random.default_rng(0))
    assert (pair.group, pair.same, pair.sizes) == ("moving_square", True, None)
    assert list((tmp_path / "cache").glob("masks-*.bin"))


def test_one_mask_a_frame_is_needed(training_folder: Path, tmp_path: Path) -> None:
    for name in ("clips", "stills"):
        shutil.copytree(training_folder / name, tmp_path / name)
    write_masks(tmp_path / "clips" / "moving_square", 7)
    data = read_training_data(tmp_path)  # masks that nobody asks for stop nothing
    with pytest.raises(DataError, match="moving_square: 7 masks for 8 frames"):
        make_sources(data, MixSettings(video=0, stills=0, composed=0, composed_video=1), AREA)


def test_masks_do_not_tell_several_targets_apart(training_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips" / "moving_square"
    shutil.copytree(training_folder / "clips" / "moving_square", folder)
    write_masks(folder, 8)
    shutil.copy(folder / "groundtruth_rect.txt", folder / "groundtruth_rect.2.txt")
    assert not any(track.masks for track in read_training_data(tmp_path).tracks)


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ((-5.5, 10, 20, 20), (20, 15)),
        ((90, -3, 20, 10), (7, 10)),
        ((-40, 10, 20, 20), (20, 0)),
        ((10, 10, 5, 5), (5, 5)),
    ],
)
def test_what_is_left_in_the_picture_is_cut_out(box: tuple[float, float, float, float], size: tuple[int, int]) -> None:
    patch = cut_out(np.zeros((50, 100, 3), np.uint8), np.full((50, 100), 255, np.uint8), Box(*box))
    assert patch.shape == (*size, 4)
    assert (patch[:, :, 3] == 255).all()
