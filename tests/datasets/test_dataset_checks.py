"""What is wrong with data sets: every damage gets a line that names the sequence, all of them at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from rendered_layouts import (
    write_custom,
    write_davis,
    write_got10k,
    write_lasot,
    write_nfs,
    write_trackingnet,
    write_uav123,
    write_video,
    write_vot,
)

from siamtrack.datasets import check_dataset, open_dataset
from siamtrack.datasets.evaluation_sequences import Kind
from siamtrack.errors import DataError

Writer = Callable[[Path], Path]


def drop_line(path: Path) -> None:
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


def spoil(path: Path) -> None:
    path.write_text(path.read_text().replace("1", "one", 1))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def lose(path: Path) -> None:
    """What a link to a disk that has been taken away looks like."""
    path.unlink()
    path.symlink_to("gone.jpg")


def stand_alone(path: Path) -> None:
    path.write_text("7\n" + path.read_text().split("\n", 1)[1])


DAMAGES = [
    (write_got10k, "val/GOT-10k_Val_000002/groundtruth.txt", drop_line, "5 boxes for 6 pictures"),
    (write_got10k, "val/GOT-10k_Val_000002/groundtruth.txt", remove, "cannot be read"),
    (write_got10k, "val/GOT-10k_Val_000002/groundtruth.txt", spoil, "line 1: 'one"),
    (write_got10k, "val/GOT-10k_Val_000002/cover.label", drop_line, "5 numbers for 6 boxes"),
    (write_got10k, "val/GOT-10k_Val_000002/absence.label", remove, "cannot be read"),
    (write_got10k, "val/GOT-10k_Val_000002/00000003.jpg", remove, "picture 3 is missing before 00000004.jpg"),
    (write_got10k, "val/GOT-10k_Val_000002/00000006.jpg", remove, "6 boxes for 5 pictures"),
    (write_got10k, "val/GOT-10k_Val_000002/00000001.jpg", empty, "is empty"),
    (write_got10k, "val/GOT-10k_Val_000002/meta_info.ini", empty, "no line 'resolution"),
    (write_got10k, "val/GOT-10k_Val_000002/meta_info.ini", remove, "cannot be read"),
    (write_got10k, "val/GOT-10k_Val_000002/00000002.jpg", lose, "is empty or cannot be read"),
    (write_uav123, "data_seq/UAV123/bird1/000007.jpg", remove, "000007.jpg is missing"),
    (write_uav123, "anno/UAV123/bird1_1.txt", drop_line, "252 boxes for 253 pictures"),
    (write_lasot, "airplane/airplane-1/out_of_view.txt", spoil, "is not whole numbers"),
    (write_trackingnet, "TEST/frames/a-1/5.jpg", remove, "picture 5 is missing"),
    (write_trackingnet, "TEST/anno/a-1.txt", empty, "is empty"),
    (write_nfs, "ball/240/ball.txt", spoil, "is not id xmin ymin xmax ymax frame lost"),
    (write_vot, "bag/groundtruth.txt", drop_line, "2 boxes for 3 pictures"),
    (write_vot, "bag/00000002.jpg", remove, "picture 2 is missing"),
    (write_davis, "Annotations/480p/bear/00001.png", remove, "cannot be read as a picture"),
    (write_vot, "bag/groundtruth.txt", stand_alone, "line 1: one number"),
    (write_custom, "b/flat/groundtruth.txt", drop_line, "1 boxes for 2 pictures"),
]


@pytest.mark.parametrize(("write", "name", "damage", "words"), DAMAGES)
def test_a_damage_is_named(
    tmp_path: Path, write: Writer, name: str, damage: Callable[[Path], None], words: str
) -> None:
    root = write(tmp_path)
    before = check_dataset(root)
    damage(root / name)
    lines = [line for line in check_dataset(root) if line not in before]
    assert len(lines) == 1
    assert words in lines[0]
    sequence = lines[0].split(": ")[0]
    assert sequence in {each.name for each in open_dataset(root).sequences}
    assert "\n" not in lines[0]


def test_all_damages_are_listed_at_once(tmp_path: Path) -> None:
    root = write_got10k(tmp_path)
    folders = [root / "val" / f"GOT-10k_Val_{number:06d}" for number in (1, 2)]
    drop_line(folders[0] / "groundtruth.txt")
    remove(folders[1] / "00000002.jpg")
    listing = root / "val" / "list.txt"
    listing.write_text(listing.read_text() + "GOT-10k_Val_000003\n")
    lines = check_dataset(root)
    assert {line.split(": ")[0] for line in lines} == {f"GOT-10k_Val_{number:06d}" for number in (1, 2, 3)}


def test_the_same_lines_are_raised_when_a_sequence_is_read(tmp_path: Path) -> None:
    root = write_vot(tmp_path)
    drop_line(root / "bag" / "groundtruth.txt")
    (line,) = check_dataset(root)
    with pytest.raises(DataError) as raised:
        open_dataset(root).sequences[0].read_truth()
    assert line == f"bag: {raised.value}"


def test_tracking_cannot_start_without_a_box(tmp_path: Path) -> None:
    root = write_custom(tmp_path)
    truth = root / "b" / "flat" / "groundtruth.txt"
    truth.write_text("nan,nan,nan,nan\n1,2,3,4\n")
    assert check_dataset(root) == ["flat: the target has no box in the first frame, and tracking starts there"]


def test_what_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (line,) = check_dataset(tmp_path, Kind.VOT)
    assert str(tmp_path / "list.txt") in line


def test_two_videos_for_one_truth(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    (tmp_path / "groundtruth_rect.txt").write_text("1,2,3,4\n")
    (line,) = check_dataset(tmp_path)
    assert "holds 2 videos" in line


def test_a_video_is_read_to_its_end(tmp_path: Path) -> None:
    """What its header promises is not always there."""
    write_video(tmp_path / "cut.avi", 12)
    header, *frames = (tmp_path / "cut.avi").read_bytes().split(b"00dc")
    (tmp_path / "cut.avi").write_bytes(b"00dc".join([header, *frames[:5]]))
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("cut", "text"):
        (tmp_path / f"{name}.txt").write_text("1,2,30,40\n" * 12)
    cut, text = check_dataset(tmp_path)
    assert re.fullmatch(r"cut: \d of 12 frames of the video are there: copy it again", cut)
    assert text.startswith("text: sequence text: cannot open")


def test_an_empty_truth_beside_another_is_told(tmp_path: Path) -> None:
    root = write_custom(tmp_path)
    (root / "a" / "walk" / "groundtruth_rect.2.txt").write_text("\n")
    assert check_dataset(root) == ["a/walk/groundtruth_rect.2.txt is empty and left out"]
