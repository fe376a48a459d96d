"""OTB-2013 and OTB-2015: `NAME/img/0001.jpg` and `NAME/groundtruth_rect.txt`, 1-based, with any delimiter.

Names, their order and the frames that count are those of the GOT-10k toolkit, so that the results of both fit.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from got10k.datasets import OTB

from siamtrack.data.files import list_folders
from siamtrack.errors import DataError
from siamtrack.evaluation.datasets.frames import GaplessPictures
from siamtrack.evaluation.datasets.truths import read_flags, read_one_based
from siamtrack.evaluation.sequences import EvaluationSequence, EvaluationSet, Kind

RANGES = {"david": (299, 770), "football1": (0, 74), "freeman3": (0, 460), "freeman4": (0, 283), "diving": (0, 215)}
"""Pictures that the boxes belong to, counted from 0, where there are more of them than boxes."""
ATTRIBUTES = ("IV", "OPR", "SV", "OCC", "DEF", "MB", "FM", "IPR", "OV", "BC", "LR")
"""In the order of the columns of the benchmark's `anno/att/NAME.txt`."""


def listed(kind: Kind) -> tuple[str, ...]:
    """Names of the folders that a version of the benchmark consists of."""
    # The toolkit keeps its lists private, and reading them is better than a second copy of two hundred names.
    versions: dict[str | int, list[str]] = OTB._OTB__version_dict
    return tuple(versions[2013 if kind is Kind.OTB2013 else 2015])


def version_of(root: Path) -> Kind | None:
    """The greatest version of which nothing is missing; None where that is none."""
    there = {folder.name for folder in list_folders(root)}
    return next((kind for kind in (Kind.OTB2015, Kind.OTB2013) if there.issuperset(listed(kind))), None)


def open_otb(root: Path, kind: Kind) -> EvaluationSet:
    """The sequences that are there; a note says which are not.

    Raises:
        DataError: when there is none.
    """
    names = listed(kind)
    truths: dict[str, list[Path]] = {}
    notes = []
    for name in sorted(set(names)):
        found = sorted((root / name).glob("groundtruth*.txt"))
        # The first of Human4's two files is empty: only its second target is annotated.
        truths[name] = [path for path in found if path.stat().st_size > 0 and path.read_bytes().strip()]
        notes += [f"{path.relative_to(root)} is empty and left out" for path in found if path not in truths[name]]
    missing = [name for name, found in truths.items() if not found]
    if len(missing) == len(truths):
        raise DataError(
            f"{root} holds no sequence of {kind}: NAME/groundtruth_rect.txt and NAME/img/0001.jpg are needed"
        )
    if missing:
        notes.append(f"{len(missing)} of {len(truths)} sequences are missing: {', '.join(missing)}")
    attributes = {path.stem.casefold(): path for path in [*root.glob("att/*.txt"), *root.glob("anno/att/*.txt")]}
    sequences = tuple(
        _sequence(path, name if len(found) == 1 else f"{name}.{number}", attributes)
        for name, found in truths.items()
        for number, path in enumerate(found, 1)
    )
    return EvaluationSet(str(kind), kind, root, sequences, notes=tuple(notes))


def _sequence(truth: Path, name: str, attributes: dict[str, Path]) -> EvaluationSequence:
    frames = GaplessPictures(truth.parent / "img", name, *RANGES.get(name.casefold(), (0, None)))
    file = attributes.get(name.casefold()) or attributes.get(name.casefold().replace(".", "-"))
    return EvaluationSequence(
        name, frames, partial(read_one_based, truth, frames), read_flags(file, ATTRIBUTES) if file else frozenset()
    )
