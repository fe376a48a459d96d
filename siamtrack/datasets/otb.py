"""OTB-2013 and OTB-2015: `NAME/img/0001.jpg` and `NAME/groundtruth_rect.txt`, 1-based, with any delimiter.

Names, their order and the frames that count are those of the GOT-10k toolkit, so that results can be compared. Folders
in PySOT's layout, one per target (`Jogging-1`, `Human4-2`), are read under the toolkit's names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from got10k.datasets import OTB

from siamtrack.datasets.annotations import is_blank, read_attributes, read_ground_truth
from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, describe_missing
from siamtrack.datasets.frames import GaplessPictures, list_folders
from siamtrack.errors import DataError

RANGES = {"David": (299, 770), "Football1": (0, 74), "Freeman3": (0, 460), "Freeman4": (0, 283), "Diving": (0, 215)}
"""Pictures that the boxes belong to, 0-based, for sequences with more pictures than boxes."""
ATTRIBUTES = ("IV", "OPR", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OV", "BC", "LR")
"""Columns of the benchmark's `anno/att/NAME.txt` in their order."""
_ONE_TARGET = re.compile(r"(.+)[-.]([12])")


def sequence_names(kind: Kind) -> tuple[str, ...]:
    """Return the folder names of a version of the benchmark."""
    # The toolkit's lists are private; reading them is better than a second copy of two hundred names.
    versions: dict[str | int, list[str]] = OTB._OTB__version_dict
    return tuple(sorted(set(versions[2013 if kind is Kind.OTB2013 else 2015])))


def find_version(root: Path) -> Kind | None:
    """Return the version of which more than half of the folders are there; None when there is none.

    It is OTB-2013 only when no sequence is there that OTB-2015 has in addition.
    """
    existing = {_sequence_name(folder.name) for folder in list_folders(root)}
    old, new = (set(sequence_names(kind)) for kind in (Kind.OTB2013, Kind.OTB2015))
    kind, names = (Kind.OTB2013, old) if existing & new <= old < new else (Kind.OTB2015, new)
    return kind if 2 * len(existing & names) > len(names) else None


def open_otb(root: Path, kind: Kind) -> EvaluationSet:
    """Open the existing sequences; a note names the missing ones.

    Raises:
        DataError: when there is none.
    """
    folders: dict[str, list[Path]] = {}
    for folder in list_folders(root):
        folders.setdefault(_sequence_name(folder.name), []).append(folder)
    annotations = {name: _annotation_files(name, folders.get(name, [])) for name in sequence_names(kind)}
    missing = [name for name, paths in annotations.items() if not paths]
    if len(missing) == len(annotations):
        raise DataError(
            f"{root} holds no sequence of {kind}: NAME/groundtruth_rect.txt and NAME/img/0001.jpg are needed"
        )
    attribute_files = {path.stem.casefold(): path for path in [*root.glob("att/*.txt"), *root.glob("anno/att/*.txt")]}
    sequences = []
    for name, paths in annotations.items():
        for number, path in enumerate(paths, 1):
            target = name if len(paths) == 1 else f"{name}.{number}"
            frames = GaplessPictures(path.parent / "img", target, RANGES.get(name))
            attributes = _attributes(name, target, attribute_files)
            sequences.append(EvaluationSequence(target, frames, partial(read_ground_truth, path, frames), attributes))
    notes = describe_missing(missing, len(annotations), str(kind))
    return EvaluationSet(str(kind), kind, root, tuple(sequences), notes=notes)


def _sequence_name(folder: str) -> str:
    """Return the sequence of a folder: `Jogging` for `Jogging-2` and `Jogging`."""
    match = _ONE_TARGET.fullmatch(folder)
    return match[1] if match else folder


def _annotation_files(name: str, folders: list[Path]) -> list[Path]:
    """Return the annotation files of a sequence, one per target, in order.

    Empty files are left out: of Human4, only the second target is annotated.
    """
    whole = [folder for folder in folders if folder.name == name]
    paths = [path for folder in whole or folders for path in _folder_annotation_files(folder)]
    return [path for path in paths if not is_blank(path)]


def _folder_annotation_files(folder: Path) -> list[Path]:
    """Return the annotation files of a folder; the folder of a single target may hold those of the other target too."""
    paths = sorted(folder.glob("groundtruth*.txt"))
    match = _ONE_TARGET.fullmatch(folder.name)
    own = [path for path in paths if match and path.stem.endswith(f".{match[2]}")]
    return own or paths


def _attributes(name: str, target: str, files: Mapping[str, Path]) -> frozenset[str]:
    """Return the attributes from a file of the folder (`jogging-2.txt`), or else the published ones."""
    candidates = (files.get(stem.casefold()) for stem in (target, target.replace(".", "-"), name))
    path = next((path for path in candidates if path), None)
    return frozenset(OTB_ATTRIBUTES[name].split()) if path is None else read_attributes(path, ATTRIBUTES)


OTB_ATTRIBUTES = {
    "Basketball": "IV OPR OCC DEF BC",
    "Biker": "OPR SV OCC MB FM OV LR",
    "Bird1": "DEF FM OV",
    "Bird2": "OPR OCC DEF FM IPR",
    "BlurBody": "SV DEF MB FM IPR",
    "BlurCar1": "MB FM",
    "BlurCar2": "SV MB FM",
    "BlurCar3": "MB FM",
    "BlurCar4": "MB FM",
    "BlurFace": "MB FM IPR",
    "BlurOwl": "SV MB FM IPR",
    "Board": "OPR SV MB FM OV BC",
    "Bolt": "OPR OCC DEF IPR",
    "Bolt2": "DEF BC",
    "Box": "IV OPR SV OCC MB IPR OV BC LR",
    "Boy": "OPR SV MB FM IPR",
    "Car1": "IV SV MB FM BC LR",
    "Car2": "IV SV MB FM BC",
    "Car24": "IV SV BC",
    "Car4": "IV SV",
    "CarDark": "IV BC",
    "CarScale": "OPR SV OCC FM IPR",
    "ClifBar": "SV OCC MB FM IPR OV BC",
    "Coke": "IV OPR OCC FM IPR BC",
    "Couple": "OPR SV DEF FM BC",
    "Coupon": "OCC BC",
    "Crossing": "OPR SV DEF FM BC",
    "Crowds": "IV DEF BC",
    "Dancer": "OPR SV DEF IPR",
    "Dancer2": "DEF",
    "David": "IV OPR SV OCC DEF MB IPR",
    "David2": "OPR IPR",
    "David3": "OPR OCC DEF BC",
    "Deer": "MB FM IPR BC LR",
    "Diving": "SV DEF IPR",
    "Dog": "OPR SV DEF",
    "Dog1": "OPR SV IPR",
    "Doll": "IV OPR SV OCC IPR",
    "DragonBaby": "OPR SV OCC MB FM IPR OV",
    "Dudek": "OPR SV OCC DEF FM IPR OV BC",
    "FaceOcc1": "OCC",
    "FaceOcc2": "IV OPR OCC IPR",
    "Fish": "IV",
    "FleetFace": "OPR SV DEF MB FM IPR",
    "Football": "OPR OCC IPR BC",
    "Football1": "OPR IPR BC",
    "Freeman1": "OPR SV IPR",
    "Freeman3": "OPR SV IPR",
    "Freeman4": "OPR SV OCC IPR",
    "Girl": "OPR SV OCC IPR",
    "Girl2": "OPR SV OCC DEF MB",
    "Gym": "OPR SV DEF IPR",
    "Human2": "IV OPR SV MB",
    "Human3": "OPR SV OCC DEF BC",
    "Human4": "IV SV OCC DEF",
    "Human5": "SV OCC DEF",
    "Human6": "OPR SV OCC DEF FM OV",
    "Human7": "IV SV OCC DEF MB FM",
    "Human8": "IV SV DEF",
    "Human9": "IV SV DEF MB FM",
    "Ironman": "IV OPR SV OCC MB FM IPR OV BC LR",
    "Jogging": "OPR OCC DEF",
    "Jump": "OPR SV OCC DEF MB FM IPR",
    "Jumping": "MB FM",
    "KiteSurf": "IV OPR OCC IPR",
    "Lemming": "IV OPR SV OCC FM OV",
    "Liquor": "IV OPR SV OCC MB FM OV BC",
    "Man": "IV",
    "Matrix": "IV OPR SV OCC FM IPR BC",
    "Mhyang": "IV OPR DEF BC",
    "MotorRolling": "IV SV MB FM IPR BC LR",
    "MountainBike": "OPR IPR BC",
    "Panda": "OPR SV OCC DEF IPR OV LR",
    "RedTeam": "OPR SV OCC IPR LR",
    "Rubik": "OPR SV OCC IPR",
    "Shaking": "IV OPR SV IPR BC",
    "Singer1": "IV OPR SV OCC",
    "Singer2": "IV OPR DEF IPR BC",
    "Skater": "OPR SV DEF IPR",
    "Skater2": "OPR SV DEF FM IPR",
    "Skating1": "IV OPR SV OCC DEF BC",
    "Skating2": "OPR SV OCC DEF FM",
    "Skiing": "IV OPR SV DEF IPR",
    "Soccer": "IV OPR SV OCC MB FM IPR BC",
    "Subway": "OCC DEF BC",
    "Surfer": "OPR SV FM IPR LR",
    "Suv": "OCC IPR OV",
    "Sylvester": "IV OPR IPR",
    "Tiger1": "IV OPR OCC DEF MB FM IPR",
    "Tiger2": "IV OPR OCC DEF MB FM IPR OV",
    "Toy": "OPR SV FM IPR",
    "Trans": "IV SV OCC DEF",
    "Trellis": "IV OPR SV IPR BC",
    "Twinnings": "OPR SV",
    "Vase": "SV FM IPR",
    "Walking": "SV OCC DEF",
    "Walking2": "SV OCC LR",
    "Woman": "IV OPR SV OCC DEF MB FM",
}
"""Attributes of the sequences by their folder names, as published by the authors.

Source: the table at cvlab.hanyang.ac.kr/tracker_benchmark/datasets.html, whose text is in jwlim/tracker_benchmark_doc,
source/datasets. The targets of one sequence share its attributes.
"""
