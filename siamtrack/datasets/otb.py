"""OTB-2013 and OTB-2015: `NAME/img/0001.jpg` and `NAME/groundtruth_rect.txt`, 1-based, with any delimiter.

Names, their order and the frames that count are those of the GOT-10k toolkit, so that the results of both fit. Folders
as pysot wants them, one a target (`Jogging-1`, `Human4-2`), are read under the toolkit's names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from got10k.datasets import OTB

from siamtrack.datasets.evaluation_sequences import EvaluationSequence, EvaluationSet, Kind, note_missing
from siamtrack.datasets.files import list_folders
from siamtrack.datasets.frames import GaplessPictures
from siamtrack.datasets.ground_truth import is_blank, read_flags, read_one_based
from siamtrack.datasets.otb_attributes import OTB_ATTRIBUTES
from siamtrack.errors import DataError

RANGES = {"David": (299, 770), "Football1": (0, 74), "Freeman3": (0, 460), "Freeman4": (0, 283), "Diving": (0, 215)}
"""Pictures that the boxes belong to, counted from 0, where there are more of them than boxes."""
ATTRIBUTES = ("IV", "OPR", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OV", "BC", "LR")
"""In the order of the columns of the benchmark's `anno/att/NAME.txt`."""
_ONE_TARGET = re.compile(r"(.+)[-.]([12])")


def listed(kind: Kind) -> tuple[str, ...]:
    """Names of the folders that a version of the benchmark consists of."""
    # The toolkit keeps its lists private, and reading them is better than a second copy of two hundred names.
    versions: dict[str | int, list[str]] = OTB._OTB__version_dict
    return tuple(sorted(set(versions[2013 if kind is Kind.OTB2013 else 2015])))


def version_of(root: Path) -> Kind | None:
    """The version whose folders are there, most of them at least; None where they are not.

    It is OTB-2015, unless there is nothing of what OTB-2013 does not have. A note says what is missing.
    """
    there = {_name_of(folder.name) for folder in list_folders(root)}
    old, new = (set(listed(kind)) for kind in (Kind.OTB2013, Kind.OTB2015))
    kind, names = (Kind.OTB2013, old) if there & new <= old < new else (Kind.OTB2015, new)
    return kind if 2 * len(there & names) > len(names) else None


def open_otb(root: Path, kind: Kind) -> EvaluationSet:
    """The sequences that are there; a note says which are not.

    Raises:
        DataError: when there is none.
    """
    folders: dict[str, list[Path]] = {}
    for folder in list_folders(root):
        folders.setdefault(_name_of(folder.name), []).append(folder)
    truths = {name: _truths(name, folders.get(name, [])) for name in listed(kind)}
    missing = [name for name, found in truths.items() if not found]
    if len(missing) == len(truths):
        raise DataError(
            f"{root} holds no sequence of {kind}: NAME/groundtruth_rect.txt and NAME/img/0001.jpg are needed"
        )
    flags = {path.stem.casefold(): path for path in [*root.glob("att/*.txt"), *root.glob("anno/att/*.txt")]}
    sequences = []
    for name, found in truths.items():
        for number, truth in enumerate(found, 1):
            target = name if len(found) == 1 else f"{name}.{number}"
            frames = GaplessPictures(truth.parent / "img", target, RANGES.get(name))
            attributes = _attributes(name, target, flags)
            sequences.append(EvaluationSequence(target, frames, partial(read_one_based, truth, frames), attributes))
    return EvaluationSet(str(kind), kind, root, tuple(sequences), notes=note_missing(missing, len(truths), str(kind)))


def _name_of(folder: str) -> str:
    """The sequence that a folder belongs to: `Jogging-2` and `Jogging` are `Jogging`."""
    match = _ONE_TARGET.fullmatch(folder)
    return match[1] if match else folder


def _truths(name: str, folders: list[Path]) -> list[Path]:
    """The files of annotations of a sequence, one a target, in order.

    An empty one is none: of Human4, only the second target is annotated.
    """
    whole = [folder for folder in folders if folder.name == name]
    found = [path for folder in whole or folders for path in _own_truths(folder)]
    return [path for path in found if not is_blank(path)]


def _own_truths(folder: Path) -> list[Path]:
    """Those of a folder; in one of a single target, those of the other target are left alone."""
    found = sorted(folder.glob("groundtruth*.txt"))
    match = _ONE_TARGET.fullmatch(folder.name)
    own = [path for path in found if match and path.stem.endswith(f".{match[2]}")]
    return own or found


def _attributes(name: str, target: str, flags: Mapping[str, Path]) -> frozenset[str]:
    """Those in a file of the folder (`jogging-2.txt`), or else those that are published."""
    files = (flags.get(stem.casefold()) for stem in (target, target.replace(".", "-"), name))
    file = next((file for file in files if file), None)
    return frozenset(OTB_ATTRIBUTES[name].split()) if file is None else read_flags(file, ATTRIBUTES)
