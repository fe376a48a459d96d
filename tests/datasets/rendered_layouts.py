"""Small copies of the layouts of benchmarks, with their quirks: a square moves over a few small pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import Kind


def moving_boxes(count: int, seed: int = 0) -> NDArray[np.float64]:
    """`(count, 4)` whole 0-based boxes inside of a picture of 48 x 36."""
    generator = np.random.default_rng(seed)
    return np.concatenate([generator.integers(2, 20, (count, 2)), generator.integers(6, 12, (count, 2))], 1) * 1.0


def write_pictures(folder: Path, names: list[str], size: tuple[int, int] = (48, 36)) -> None:
    """Gray pictures; each has another shade, which tells them apart."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((size[1], size[0], 3), 20 + 5 * index % 200, np.uint8))


def write_video(path: Path, frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25, (48, 36))
    for index in range(frames):
        writer.write(np.full((36, 48, 3), 20 + 5 * index, np.uint8))
    writer.release()


def write_lines(path: Path, rows: NDArray[np.float64] | list[list[float]], delimiter: str = ",") -> None:
    """A line a row, numbers as short as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(delimiter.join(f"{value:g}" for value in row) + "\n" for row in rows))


def one_based(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return boxes + np.array([1.0, 1.0, 0.0, 0.0])


def write_otb_sequence(
    root: Path, name: str, frames: int, *, pictures: int = 0, delimiter: str = ",", digits: int = 4, first: int = 1
) -> NDArray[np.float64]:
    """A sequence of OTB, with more pictures than boxes if wanted; gives its boxes."""
    numbers = range(first, first + (pictures or frames))
    write_pictures(root / name / "img", [f"{number:0{digits}d}.jpg" for number in numbers])
    boxes = moving_boxes(frames, seed=len(name))
    write_lines(root / name / "groundtruth_rect.txt", one_based(boxes), delimiter)
    return boxes


def write_otb(root: Path) -> Path:
    """Ten sequences with everything that is odd in OTB, the pictures of the long ones cut short where that is fair."""
    write_otb_sequence(root, "Coke", 4, delimiter="\t")
    write_otb_sequence(root, "Basketball", 3)
    write_otb_sequence(root, "Board", 3, digits=5)
    write_otb_sequence(root, "BlurCar1", 3, first=247)
    write_otb_sequence(root, "Football1", 74, pictures=76, delimiter=" ")
    write_otb_sequence(root, "Diving", 215, pictures=217)
    write_otb_sequence(root, "David", 471, pictures=770)
    for name in ("Jogging", "Skating2", "Human4"):
        boxes = write_otb_sequence(root, name, 3)
        (root / name / "groundtruth_rect.txt").unlink()
        write_lines(root / name / "groundtruth_rect.1.txt", one_based(boxes))
        write_lines(root / name / "groundtruth_rect.2.txt", one_based(boxes + 1))
    (root / "Human4" / "groundtruth_rect.1.txt").write_text("\n")
    (root / "anno" / "att").mkdir(parents=True)
    (root / "anno" / "att" / "coke.txt").write_text("1,1,0,1,0,0,1,1,0,1,0\n")
    (root / "anno" / "att" / "jogging-2.txt").write_text("0,1,0,1,1,0,0,0,0,0,0\n")
    return root


def write_otb_as_pysot(root: Path) -> Path:
    """A folder for each target, with everything of the whole sequence in it; of Human4, the second only."""
    for name in ("Jogging-1", "Jogging-2", "Human4-2"):
        boxes = write_otb_sequence(root, name, 3)
        (root / name / "groundtruth_rect.txt").unlink()
        for target in (1, 2):
            write_lines(root / name / f"groundtruth_rect.{target}.txt", one_based(boxes + 10 * target))
    (root / "Human4-2" / "groundtruth_rect.1.txt").write_text("")
    return root


def write_got10k_sequence(folder: Path, frames: int, *, test: bool = False) -> None:
    """A sequence of GOT-10k whose frames change size, in which the target is covered in one frame and absent in one."""
    write_pictures(folder, [f"{number:08d}.jpg" for number in range(1, frames)])
    write_pictures(folder, [f"{frames:08d}.jpg"], size=(40, 30))
    boxes = moving_boxes(frames, seed=frames)
    write_lines(folder / "groundtruth.txt", one_based(boxes[:1] if test else boxes))
    (folder / "meta_info.ini").write_text("[METAINFO]\nurl: none\nresolution: (48, 36)\n")
    if not test:
        labels = {"absence": [int(index == 2) for index in range(frames)], "cut_by_image": [0] * frames}
        labels["cover"] = [0 if index in (1, 2) else 8 for index in range(frames)]
        for name, values in labels.items():
            (folder / f"{name}.label").write_text("".join(f"{value}\n" for value in values))


def write_got10k(root: Path) -> Path:
    for subset, name in (("val", "GOT-10k_Val_"), ("test", "GOT-10k_Test_")):
        names = [f"{name}{number:06d}" for number in (1, 2)]
        for index, each in enumerate(names):
            write_got10k_sequence(root / subset / each, 5 + index, test=subset == "test")
        (root / subset / "list.txt").write_text("\n".join(names) + "\n")
    return root


def write_uav123(root: Path) -> Path:
    """Two sequences of one folder, of which the second starts late, and one of UAV20L."""
    write_pictures(root / "data_seq" / "UAV123" / "uav4", [f"{number:06d}.jpg" for number in range(1, 160)])
    boxes = one_based(moving_boxes(157, 1))
    boxes[5] = np.nan
    write_lines(root / "anno" / "UAV123" / "uav4.txt", boxes)
    write_pictures(root / "data_seq" / "UAV123" / "bird1", [f"{number:06d}.jpg" for number in range(1, 260)])
    write_lines(root / "anno" / "UAV123" / "bird1_1.txt", one_based(moving_boxes(253, 2)))
    (root / "anno" / "UAV123" / "att").mkdir()
    (root / "anno" / "UAV123" / "att" / "bird1_1.txt").write_text("1,0,0,0,0,0,1,0,0,0,0,1\n")
    for name in ("configSeqs.m", "readme.txt"):
        (root / name).touch()
    return root


def write_uav123_10fps(root: Path) -> Path:
    """Every third picture, numbered anew: the second sequence of `bird1` begins with picture 259, which was 775."""
    for name, folder, first, last in (("uav6", "uav6", 1, 37), ("bird1_2", "bird1", 259, 493)):
        place = root / "data_seq" / "UAV123_10fps" / folder
        write_pictures(place, [f"{number:06d}.jpg" for number in range(first, last + 2)])
        write_lines(root / "anno" / "UAV123_10fps" / f"{name}.txt", one_based(moving_boxes(last - first + 1, first)))
    return root


def write_lasot(root: Path) -> Path:
    """One sequence of the test split, with an occluded and an absent target, and one of the training split."""
    return write_lasot_sequences(root, root / "airplane")


def write_lasot_sequences(root: Path, place: Path) -> Path:
    for name in ("airplane-1", "airplane-2"):
        folder = place / name
        write_pictures(folder / "img", [f"{number:08d}.jpg" for number in range(1, 6)])
        write_lines(folder / "groundtruth.txt", one_based(moving_boxes(5, 3)))
        (folder / "full_occlusion.txt").write_text("0,1,0,0,0\n")
        (folder / "out_of_view.txt").write_text("0,0,0,1,0\n")
        (folder / "nlp.txt").write_text("an airplane\n")
    return root


def write_trackingnet(root: Path) -> Path:
    """`0.jpg` to `11.jpg`: names that letters would sort otherwise."""
    for chunk in ("TEST", "TRAIN_0"):
        write_pictures(root / chunk / "frames" / "a-1", [f"{number}.jpg" for number in range(12)])
        boxes = moving_boxes(1 if chunk == "TEST" else 12, 4)
        write_lines(root / chunk / "anno" / "a-1.txt", boxes)
    return root


def write_nfs(root: Path) -> Path:
    """Two sequences: in both, there are 8 lines for one of the pictures at 30 frames a second, and one more."""
    for name, pictures in (("airboard_1", 4), ("ball", 5)):
        boxes = moving_boxes(8 * pictures - 3, pictures)
        lines = [
            f'0 {x:g} {y:g} {x + w:g} {y + h:g} {index} {int(index == 16)} 0 1 "a thing"\n'
            for index, (x, y, w, h) in enumerate(boxes)
        ]
        for rate, count in (("30", pictures), ("240", len(boxes) + 1)):
            write_pictures(root / name / rate / name, [f"{number:05d}.jpg" for number in range(1, count + 1)])
            (root / name / rate / f"{name}.txt").write_text("".join(lines))
    return root


def write_vot(root: Path) -> Path:
    """A sequence with boxes, and one with polygons, a frame without target, and tags."""
    write_pictures(root / "bag", [f"{number:08d}.jpg" for number in range(1, 4)])
    write_lines(root / "bag" / "groundtruth.txt", one_based(moving_boxes(3, 6)))
    write_pictures(root / "ball1" / "color", [f"{number:08d}.jpg" for number in range(1, 4)])
    nan = [float("nan")]
    write_lines(root / "ball1" / "groundtruth.txt", [[11, 6, 21, 11, 16, 21, 6, 16], nan * 8, nan * 4])
    (root / "ball1" / "occlusion.tag").write_text("0\n1\n0\n")
    (root / "ball1" / "camera_motion.tag").write_text("0\n0\n0\n")
    (root / "list.txt").write_text("bag\nball1\n")
    return root


def write_davis(root: Path) -> Path:
    """A target in the second of three frames only hidden; its mask is a triangle."""
    write_pictures(root / "JPEGImages" / "480p" / "bear", [f"{number:05d}.jpg" for number in range(3)])
    folder = root / "Annotations" / "480p" / "bear"
    folder.mkdir(parents=True)
    for index in range(3):
        mask = np.zeros((36, 48, 3), np.uint8)
        if index != 1:
            mask[10 + index, 5] = mask[20, 5:15] = (0, 0, 128)
        cv2.imwrite(str(folder / f"{index:05d}.png"), mask)
    for name, lines in (("2016/val", "bear"), ("480p/val", "/JPEGImages/480p/bear/00000.jpg /Annotations/x.png")):
        path = root / "ImageSets" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines + "\n")
    return root


def write_custom(root: Path) -> Path:
    """Sequences at several depths, two of one name, in both ways to keep pictures."""
    for place in ("a/walk", "b/deep/walk"):
        write_pictures(root / place / "img", ["9.png", "10.png", "11.png"])
        write_lines(root / place / "groundtruth_rect.txt", one_based(moving_boxes(3, 7)))
    write_pictures(root / "b" / "flat", ["t0.JPG", "t7.JPG"])
    write_lines(root / "b" / "flat" / "groundtruth.txt", [[3, 4, 5, 6], [float("nan")] * 4], "\t")
    (root / "b" / "flat" / "attributes.txt").write_text("blur, night\n")
    return root


WRITERS: dict[Kind, Callable[[Path], Path]] = {
    Kind.OTB2015: write_otb,
    Kind.GOT10K: write_got10k,
    Kind.UAV123: write_uav123,
    Kind.LASOT: write_lasot,
    Kind.TRACKINGNET: write_trackingnet,
    Kind.NFS: write_nfs,
    Kind.VOT: write_vot,
    Kind.DAVIS: write_davis,
    Kind.CUSTOM: write_custom,
}
