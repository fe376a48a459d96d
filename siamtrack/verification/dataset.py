"""Data sets of labeled patches: reading, held-out classes, composed classes, and sampling of pairs and batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.frames import list_folders, read_picture
from siamtrack.datasets.stills import read_stills
from siamtrack.errors import DataError, UsageError
from siamtrack.verification.augmentation import Patches

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
"""Files of a class folder with other endings are not looked at."""
DIGITS = "digits"
"""Name of the handwritten digits that scikit-learn brings along."""

Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PatchDataset:
    """Patches of several classes, in memory."""

    names: tuple[str, ...]
    """Names of the classes."""
    patches: Patches
    """`(N, C, S, S)` uint8."""
    classes: Indices
    """`(N,)`: the class of each patch, an index into `names`."""

    @cached_property
    def members(self) -> tuple[Indices, ...]:
        """Indices of the patches of each class."""
        return tuple(np.flatnonzero(self.classes == number) for number in range(len(self.names)))

    @cached_property
    def pairable(self) -> Indices:
        """Indices of the classes with two patches or more, from which a pair of the same class can be drawn."""
        return np.array([number for number, found in enumerate(self.members) if len(found) > 1], np.int64)

    def select(self, names: Sequence[str]) -> PatchDataset:
        """Return the patches of these classes.

        Raises:
            DataError: when there is no class of such a name.
        """
        if unknown := [name for name in names if name not in self.names]:
            raise DataError(f"there is no class '{unknown[0]}' among {listed(self.names)}")
        wanted = [self.names.index(name) for name in names]
        kept = np.flatnonzero(np.isin(self.classes, wanted))
        renumbered = {old: new for new, old in enumerate(wanted)}
        classes = np.array([renumbered[int(old)] for old in self.classes[kept]], np.int64)
        return PatchDataset(tuple(names), self.patches[kept], classes)

    def exclude(self, names: Sequence[str]) -> PatchDataset:
        """Return the patches of all other classes.

        Raises:
            DataError: when there is no class of such a name.
        """
        self.select(names)
        return self.select([name for name in self.names if name not in names])


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names for a message, which is cut where there are many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def check_pairs_exist(data: PatchDataset, what: str) -> None:
    """Check that pairs of the same and of different classes can be drawn.

    A class with a single patch is no mistake: it is only ever the different one.

    Raises:
        DataError: for fewer than two classes with two patches or more.
    """
    if len(data.pairable) < 2:
        raise DataError(
            f"{what}: {len(data.pairable)} of {len(data.names)} classes have two pictures or more; two such classes "
            "are needed to tell same from different: add pictures or classes"
        )


def to_patch(image: NDArray[np.uint8], size: int, channels: int) -> NDArray[np.uint8]:
    """Bring a picture to the form that a network for patches takes; its aspect ratio is not kept.

    Args:
        image: `(H, W, 3)` uint8 BGR.
        size: side of the patch in pixels.
        channels: 1 for gray, 3 for RGB. A gray picture has three equal channels then, a colored one loses its color.

    Returns:
        `(channels, size, size)` uint8.
    """
    shrinks = min(image.shape[:2]) > size
    resized = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    if channels == 1:
        return np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2GRAY), np.uint8)[None]
    return np.ascontiguousarray(resized[:, :, ::-1].transpose(2, 0, 1))


def read_class_folders(root: Path, size: int, channels: int) -> PatchDataset:
    """Read `root/CLASS/*.png` (or .jpg, .bmp, .webp, .tif); the name of a folder is that of the class.

    Pictures may differ in size and number of channels; all become as `to_patch` says.

    Args:
        root: folder of the class folders; hidden ones are left out.
        size: side of the patches in pixels.
        channels: 1 for gray, 3 for RGB.

    Raises:
        DataError: when the folder does not exist or holds no folders, a class folder has no picture, a picture cannot
            be read, or there are fewer than two classes with two pictures or more.
    """
    if not root.is_dir():
        raise DataError(f"{root} is no folder: give a folder with one folder of pictures for each class")
    folders = list_folders(root)
    if not folders:
        raise DataError(f"{root} holds no folders: put the pictures of each class in a folder of its own there")
    patches, classes = [], []
    for number, folder in enumerate(folders):
        files = sorted(
            path for path in folder.iterdir() if path.suffix.lower() in IMAGE_ENDINGS and path.name[0] != "."
        )
        if not files:
            raise DataError(
                f"class folder {folder} holds no picture: add some ({', '.join(IMAGE_ENDINGS)}) or remove it"
            )
        patches += [to_patch(read_picture(path), size, channels) for path in files]
        classes += [number] * len(files)
    data = PatchDataset(tuple(folder.name for folder in folders), np.stack(patches), np.array(classes, np.int64))
    check_pairs_exist(data, str(root))
    return data


def read_still_classes(
    root: Path, size: int, channels: int, context: float = 0.1, min_side: float = 24.0
) -> PatchDataset:
    """Read the objects of `stills/` by their label: those that a person has outlined and named.

    Args:
        root: the folder that holds `objects.csv`.
        size: side of the patches in pixels.
        channels: 1 for gray, 3 for RGB.
        context: share of its width and height that is seen on each side of an object.
        min_side: objects with a shorter side, in pixels of their photograph, are left out.

    Raises:
        DataError: as `siamtrack.datasets.stills.read_stills`, and for fewer than two labels with two objects or more.
    """
    objects = [item for item in read_stills(root, min_side).objects if item.label and item.mask and item.trusted]
    names = tuple(sorted({item.label for item in objects}))
    patches = np.empty((len(objects), channels, size, size), np.uint8)
    photo, image = None, np.empty((0, 0, 3), np.uint8)
    for item, patch in zip(objects, patches, strict=True):
        if item.photo != photo:  # the objects of a photograph follow each other
            photo, image = item.photo, read_picture(item.photo)
        x, y, width, height = item.box
        left, top = max(round(x - context * width), 0), max(round(y - context * height), 0)
        right, bottom = round(x + (1 + context) * width), round(y + (1 + context) * height)
        patch[:] = to_patch(image[top:bottom, left:right], size, channels)
    data = PatchDataset(names, patches, np.array([names.index(item.label) for item in objects], np.int64))
    check_pairs_exist(data, str(root))
    return data


def read_digits(size: int, channels: int) -> PatchDataset:
    """Return the 1,797 handwritten digits of 8 x 8 pixels that scikit-learn brings along, `0` to `9`.

    Args:
        size: side of the patches in pixels.
        channels: 1 for gray, 3 for RGB (of equal channels).

    Raises:
        UsageError: where scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise UsageError("the digits come with scikit-learn: pip install 'siamtrack[verify]'") from error
    bunch = load_digits()
    levels = np.rint(bunch.images * (255 / 16)).astype(np.uint8)  # 0..16 there
    patches = [to_patch(np.repeat(image[:, :, None], 3, axis=2), size, channels) for image in levels]
    return PatchDataset(tuple(map(str, bunch.target_names)), np.stack(patches), bunch.target.astype(np.int64))


def read_dataset(source: str, size: int, channels: int) -> PatchDataset:
    """Read `digits`, a folder with `objects.csv` (or with `stills/` in it), or a folder of class folders.

    Raises:
        DataError: as the readers of these.
        UsageError: for the digits without scikit-learn.
    """
    root = Path(source)
    if source == DIGITS and not root.exists():
        return read_digits(size, channels)
    for folder in (root, root / "stills"):
        if (folder / "objects.csv").is_file():
            return read_still_classes(folder, size, channels)
    return read_class_folders(root, size, channels)


def choose_held_out(data: PatchDataset, share: float, rng: np.random.Generator) -> tuple[str, ...]:
    """Draw the held-out classes: about this share of the classes with two patches or more, at least two.

    Raises:
        DataError: when fewer than two such classes are left to train on.
    """
    count = max(round(share * len(data.pairable)), 2)
    if len(data.pairable) - count < 2:
        raise DataError(
            f"{len(data.pairable)} classes with two pictures or more ({listed(data.names)}) cannot be split in two: "
            "four at least are needed, two of them to train on"
        )
    chosen = rng.choice(data.pairable, count, replace=False)
    return tuple(data.names[number] for number in sorted(chosen))


def compose_classes(data: PatchDataset, each: int, rng: np.random.Generator) -> PatchDataset:
    """Compose new classes: the upper half of one and the lower half of another, in eight orientations.

    n classes give 8 n^2 classes: every patch is turned by a right angle 0 to 3 times, and may be seen in a mirror. As
    whole classes are turned, what is in one position only ever differs from what is in another (Santoro et al. 2016,
    section 4.1, on turned characters as new classes).

    Args:
        data: square patches; those of a class are drawn with replacement.
        each: number of patches of every new class.
        rng: the source of randomness.
    """
    middle = data.patches.shape[2] // 2
    names, patches = [], []
    for turns in range(4):
        for mirrored in (False, True):
            for upper, of_upper in zip(data.names, data.members, strict=True):
                for lower, of_lower in zip(data.names, data.members, strict=True):
                    glued = data.patches[rng.choice(of_upper, each)]
                    if upper != lower:
                        glued[:, :, middle:] = data.patches[rng.choice(of_lower, each)][:, :, middle:]
                    seen = glued[..., ::-1] if mirrored else glued
                    patches.append(np.rot90(seen, turns, axes=(2, 3)))
                    names.append(f"{upper} over {lower}, {'mirrored, ' if mirrored else ''}{90 * turns} degrees")
    return PatchDataset(tuple(names), np.concatenate(patches), np.repeat(np.arange(len(names)), each))


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of patches, by index."""

    first: Indices
    """`(N,)`."""
    second: Indices
    """`(N,)`."""
    same: NDArray[np.bool_]
    """`(N,)`: both are of one class."""


def sample_pairs(data: PatchDataset, count: int, rng: np.random.Generator) -> Pairs:
    """Sample balanced pairs in random order; every class has the same probability, independent of its size.

    A class with one patch occurs only in pairs of different classes.

    Args:
        data: with two classes at least, one of them with two patches or more.
        count: number of pairs; if it is odd, one more pair is of different classes.
        rng: source of randomness.
    """
    same = np.arange(count) < count // 2
    rng.shuffle(same)
    first, second = np.empty(count, np.int64), np.empty(count, np.int64)
    for index, alike in enumerate(same):
        if alike:
            first[index], second[index] = rng.choice(data.members[rng.choice(data.pairable)], 2, replace=False)
        else:
            one, other = rng.choice(len(data.names), 2, replace=False)
            first[index], second[index] = rng.choice(data.members[one]), rng.choice(data.members[other])
    return Pairs(first, second, same)


def sample_class_batch(data: PatchDataset, classes: int, each: int, rng: np.random.Generator) -> Indices:
    """Sample a batch for triplets: some classes, equally many patches of each (Hermans et al. 2017, section 2).

    Args:
        data: with two classes of two patches or more at least.
        classes: how many different ones, of those with two patches or more; all of them where there are fewer.
        each: patches of a class, no patch twice; all of them where there are fewer.
        rng: the source of randomness.

    Returns:
        Indices, `(classes * each,)` or fewer.
    """
    chosen = rng.choice(data.pairable, min(classes, len(data.pairable)), replace=False)
    members = [data.members[number] for number in chosen]
    return np.concatenate([rng.choice(each_of, min(each, len(each_of)), replace=False) for each_of in members])
