"""Folders of classes, the digits and the objects of photographs; pairs and batches drawn from them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from siamtrack.errors import DataError
from siamtrack.verification.dataset import (
    PatchDataset,
    choose_held_out,
    compose_classes,
    read_class_folders,
    read_dataset,
    read_digits,
    read_still_classes,
    sample_class_batch,
    sample_pairs,
    to_patch,
)


def write(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two reds and three greens; of the reds one has alpha, of the greens one is gray."""
    red, green = np.full((12, 20, 3), (0, 0, 200), np.uint8), np.full((9, 9, 3), (0, 150, 0), np.uint8)
    write(tmp_path / "red" / "a.png", red)
    write(tmp_path / "red" / "b.png", np.dstack([red, np.full((12, 20), 9, np.uint8)]))
    write(tmp_path / "green" / "a.png", green)
    write(tmp_path / "green" / "b.PNG", green)
    write(tmp_path / "green" / "gray.png", np.full((9, 9), 77, np.uint8))
    (tmp_path / "green" / "notes.txt").write_text("not a picture")
    return tmp_path


def small_set(*sizes: int) -> PatchDataset:
    """Classes of these sizes; each patch is one pixel whose value is its index."""
    classes = np.repeat(np.arange(len(sizes)), sizes)
    patches = np.arange(len(classes), dtype=np.uint8).reshape(-1, 1, 1, 1)
    return PatchDataset(tuple("abcdefgh"[: len(sizes)]), patches, classes)


def test_the_name_of_a_folder_is_the_class_and_pictures_become_rgb_patches(folder: Path) -> None:
    data = read_class_folders(folder, size=4, channels=3)
    assert data.names == ("green", "red")
    assert data.classes.tolist() == [0, 0, 0, 1, 1]
    assert data.patches.shape == (5, 3, 4, 4)
    assert data.patches[:, :, 0, 0].tolist() == [[0, 150, 0], [0, 150, 0], [77, 77, 77], [200, 0, 0], [200, 0, 0]]


def test_colored_pictures_become_gray_where_one_channel_is_asked_for(folder: Path) -> None:
    data = read_class_folders(folder, size=4, channels=1)
    assert data.patches.shape == (5, 1, 4, 4)
    assert data.patches[2].max() == data.patches[2].min() == 77
    assert data.patches[3, 0, 0, 0] == round(0.299 * 200)


@pytest.mark.parametrize("extra", ["blue", "blue/deeper"])
def test_an_empty_class_folder_is_named(folder: Path, extra: str) -> None:
    (folder / extra).mkdir(parents=True)
    with pytest.raises(DataError, match=rf"class folder {folder}/blue holds no picture"):
        read_class_folders(folder, 4, 3)


def test_a_damaged_picture_is_named(folder: Path) -> None:
    (folder / "red" / "c.png").write_bytes(b"not a png")
    with pytest.raises(DataError, match=r"red/c\.png cannot be read as a picture"):
        read_class_folders(folder, 4, 3)


def test_a_folder_that_is_missing_or_has_no_folders_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere is no folder: give a folder with one folder of pictures for each"):
        read_dataset(str(tmp_path / "nowhere"), 4, 3)
    with pytest.raises(DataError, match="holds no folders: put the pictures of each class"):
        read_dataset(str(tmp_path), 4, 3)


def test_two_classes_with_two_pictures_are_needed(folder: Path) -> None:
    (folder / "red" / "b.png").unlink()
    with pytest.raises(DataError, match="1 of 2 classes have two pictures or more"):
        read_class_folders(folder, 4, 3)


def test_a_class_with_one_picture_is_only_ever_the_different_one() -> None:
    data = small_set(3, 1, 2)
    pairs = sample_pairs(data, 400, np.random.default_rng(0))
    assert 3 not in np.concatenate([pairs.first[pairs.same], pairs.second[pairs.same]])
    assert 3 in np.concatenate([pairs.first[~pairs.same], pairs.second[~pairs.same]])
    assert 3 not in sample_class_batch(data, 3, 2, np.random.default_rng(0))


def test_pairs_are_balanced_shuffled_and_true() -> None:
    data = small_set(50, 2, 5)
    pairs = sample_pairs(data, 600, np.random.default_rng(1))
    assert pairs.same.sum() == 300
    assert 100 < pairs.same[:300].sum() < 200
    assert np.array_equal(data.classes[pairs.first] == data.classes[pairs.second], pairs.same)
    assert (pairs.first != pairs.second).all()
    # A class counts by itself and not by its size.
    shares = np.bincount(data.classes[pairs.first[pairs.same]]) / 300
    assert np.abs(shares - 1 / 3).max() < 0.1


def test_pairs_follow_from_the_generator() -> None:
    data = small_set(4, 4, 4)
    one, two, other = (sample_pairs(data, 20, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(one.first, two.first)
    assert np.array_equal(one.second, two.second)
    assert not np.array_equal(one.first, other.first)


def test_a_batch_has_equally_many_of_each_class() -> None:
    data = small_set(9, 6, 7, 5)
    batch = sample_class_batch(data, 3, 4, np.random.default_rng(0))
    assert sorted(np.bincount(data.classes[batch], minlength=4).tolist()) == [0, 4, 4, 4]
    assert len(set(batch.tolist())) == 12


def test_a_batch_is_smaller_where_there_is_less() -> None:
    data = small_set(2, 3, 1)
    assert sorted(sample_class_batch(data, 5, 10, np.random.default_rng(0)).tolist()) == [0, 1, 2, 3, 4]


def test_classes_are_split_by_name() -> None:
    data = small_set(3, 2, 2, 4)
    kept, held = data.exclude(("b", "d")), data.select(("d", "b"))
    assert kept.names == ("a", "c")
    assert kept.patches.ravel().tolist() == [0, 1, 2, 5, 6]
    assert kept.classes.tolist() == [0, 0, 0, 1, 1]
    assert held.names == ("d", "b")
    assert held.classes.tolist() == [1, 1, 0, 0, 0, 0]
    with pytest.raises(DataError, match="there is no class 'x' among a, b, c, d"):
        data.exclude(("x",))


def test_held_out_classes_have_pairs_and_leave_some_to_train_on() -> None:
    data = small_set(3, 1, 2, 4, 2)
    names = choose_held_out(data, 0.5, np.random.default_rng(0))
    assert len(names) == 2
    assert "b" not in names
    with pytest.raises(DataError, match="cannot be split in two"):
        choose_held_out(small_set(3, 3, 3), 0.5, np.random.default_rng(0))


def test_the_digits_are_those_of_scikit_learn() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    data = read_digits(8, 1)
    assert data.names == tuple("0123456789")
    assert data.patches.shape == (1797, 1, 8, 8)
    bunch = datasets.load_digits()
    assert np.array_equal(data.classes, bunch.target)
    assert np.abs(data.patches[:, 0] / (255 / 16) - bunch.images).max() < 0.05


def test_the_objects_of_photographs_are_classed_by_their_label(training_folder: Path) -> None:
    with pytest.raises(DataError, match="1 of 1 classes have two pictures or more; two such classes are needed"):
        read_still_classes(training_folder / "stills", 16, 3)


def test_objects_without_a_label_or_found_automatically_are_left_out(training_folder: Path, tmp_path: Path) -> None:
    stills = tmp_path / "stills"
    stills.mkdir()
    for name in ("photos", "masks"):
        (stills / name).symlink_to(training_folder / "stills" / name)
    header, *rows = (training_folder / "stills" / "objects.csv").read_text().splitlines()
    named = [row.replace("disc", name) for name in ("disc", "ring") for row in rows[:2]]
    others = [rows[2].replace("disc", ""), rows[2].replace("polygon", "pseudo (x)")]
    (stills / "objects.csv").write_text("\n".join([header, *named, *others]) + "\n")
    data = read_dataset(str(tmp_path), 16, 3)
    assert data.names == ("disc", "ring")
    assert data.classes.tolist() == [0, 0, 1, 1]
    assert data.patches.shape == (4, 3, 16, 16)
    assert data.patches.std() > 20


def test_composed_classes_are_halves_of_two_in_eight_positions() -> None:
    data = small_set(3, 2)
    flat = np.zeros((5, 1, 4, 4), np.uint8)
    for number in range(5):
        flat[number, 0] = np.arange(16).reshape(4, 4) + 16 * number  # a patch says which one it is, and where
    data = PatchDataset(data.names, flat, data.classes)
    made = compose_classes(data, 6, np.random.default_rng(0))
    assert len(made.names) == len(set(made.names)) == 8 * 2 * 2
    assert [len(members) for members in made.members] == [6] * len(made.names)
    for name, members in zip(made.names, made.members, strict=True):
        halves, position = name.split(", ", 1)
        upper, lower = halves.split(" over ")
        for patch in made.patches[members, 0]:
            back = np.rot90(patch, -int(position.split()[-2]) // 90)
            back = back[:, ::-1] if "mirrored" in position else back
            np.testing.assert_array_equal(back % 16, np.arange(16).reshape(4, 4))
            sources = back // 16
            for half, of in ((sources[:2], upper), (sources[2:], lower)):
                assert len(np.unique(half)) == 1
                assert data.names[data.classes[half[0, 0]]] == of
            if upper == lower:
                assert len(np.unique(sources)) == 1


def test_a_picture_becomes_a_patch_in_rgb() -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, :20] = (255, 0, 0)  # blue on the left
    patch = to_patch(image, 4, 3)
    assert patch.shape == (3, 4, 4)
    assert patch[:, 0, 0].tolist() == [0, 0, 255]
    assert patch[:, 0, 3].tolist() == [0, 0, 0]
