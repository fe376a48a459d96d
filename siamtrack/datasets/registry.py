"""Which layout a folder has, and the reader of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from siamtrack.datasets import got10k, lasot, trackingnet
from siamtrack.datasets.custom import open_custom
from siamtrack.datasets.davis import is_davis, open_davis
from siamtrack.datasets.evaluation_sequences import EvaluationSet, Kind
from siamtrack.datasets.nfs import is_nfs, open_nfs
from siamtrack.datasets.otb import open_otb, version_of
from siamtrack.datasets.uav123 import is_uav123, open_uav123
from siamtrack.datasets.vot import is_vot, open_vot
from siamtrack.errors import DataError, UsageError


@dataclass(frozen=True)
class Layout:
    """A layout of folders."""

    kind: Kind
    fits: Callable[[Path], bool]
    """Whether a folder looks like it; it may still lack something."""
    open: Callable[[Path, str | None], EvaluationSet]
    """Opens a folder and the subset that is asked for."""


def _whole(open_whole: Callable[[Path], EvaluationSet], kind: Kind) -> Callable[[Path, str | None], EvaluationSet]:
    """The opener of a set that has no subsets."""

    def open_it(root: Path, subset: str | None) -> EvaluationSet:
        if subset is not None:
            raise UsageError(f"{kind} has no subsets: leave --subset {subset} out")
        return open_whole(root)

    return open_it


LAYOUTS = (
    Layout(Kind.GOT10K, got10k.is_benchmark, got10k.open_benchmark),
    Layout(Kind.TRACKINGNET, trackingnet.is_benchmark, trackingnet.open_benchmark),
    Layout(Kind.UAV123, is_uav123, open_uav123),
    Layout(Kind.DAVIS, is_davis, open_davis),
    Layout(Kind.NFS, is_nfs, open_nfs),
    Layout(Kind.LASOT, lasot.is_benchmark, lasot.open_benchmark),
    Layout(
        Kind.OTB2015,
        lambda root: version_of(root) is Kind.OTB2015,
        _whole(lambda root: open_otb(root, Kind.OTB2015), Kind.OTB2015),
    ),
    Layout(
        Kind.OTB2013,
        lambda root: version_of(root) is Kind.OTB2013,
        _whole(lambda root: open_otb(root, Kind.OTB2013), Kind.OTB2013),
    ),
    Layout(Kind.VOT, is_vot, _whole(open_vot, Kind.VOT)),
    Layout(Kind.CUSTOM, lambda root: True, open_custom),
)
"""In the order in which a folder is compared with them."""


def open_dataset(root: Path, kind: Kind | None = None, subset: str | None = None) -> EvaluationSet:
    """Open a folder as a data set; sequences are read when they are needed.

    Args:
        root: the folder.
        kind: its layout; None to find out. A folder in which sequences of OTB are missing is `custom` then.
        subset: a part of it, as the layout calls it: `val`, `test` or `train` (GOT-10k, LaSOT), `TEST`, `TRAIN_0` ...
            (TrackingNet), `UAV20L`, `30` (NfS), `2016/val` (DAVIS), or folders with commas between (custom).

    Raises:
        DataError: when it is no folder, or holds no sequence of the layout.
        UsageError: for a subset that the layout does not have.
    """
    if not root.is_dir():
        raise DataError(f"{root} is no folder: give that of a data set")
    layout = next(each for each in LAYOUTS if (each.fits(root) if kind is None else each.kind is kind))
    return layout.open(root, subset)
