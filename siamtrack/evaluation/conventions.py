"""Conventions of benchmark figures: the habits of two programs, by name.

They agree in the basics. An overlap has to be greater than a threshold, so that a perfect tracker has a success score
of 20/21 (100/101 with 101 thresholds); a center error may be equal to one. They differ in which frames count, and in
what is averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import Kind
from siamtrack.errors import UsageError, unknown_name

CONVENTIONS = ("got10k", "pysot")
"""Names that `convention` knows."""


class FirstFramePolicy(StrEnum):
    """Treatment of the frame in which the tracker is given its box."""

    LEFT_OUT = "left out"
    GIVEN = "given"
    """It counts, with the truth in place of whatever stands in the results."""
    AS_FOUND = "as found"
    """It counts as any other."""


class InvalidTruthPolicy(StrEnum):
    """Treatment of a frame without a valid box in the truth. It is never a hit."""

    LEFT_OUT = "left out"
    MISSED = "missed"


class Average(StrEnum):
    """Unit that has the same weight in the figures of a whole data set."""

    FRAMES = "frames"
    SEQUENCES = "sequences"


@dataclass(frozen=True, slots=True)
class Convention:
    """One way to make figures."""

    name: str
    """One of `CONVENTIONS`."""
    first_frame: FirstFramePolicy
    invalid_truth: InvalidTruthPolicy
    skip_hidden: bool
    """Leaves out frames in which nothing of the target is visible (`Truth.cover` 0)."""
    cut_to_frame: bool
    """Cuts boxes before their overlap is taken; center errors are those of whole boxes."""
    average: Average
    overlap_bins: int
    """Number of thresholds of the success curve."""

    @property
    def overlap_thresholds(self) -> NDArray[np.float64]:
        """Thresholds of the success curve, evenly from 0 to 1."""
        return np.linspace(0, 1, self.overlap_bins)


_GOT10K = Convention(
    "got10k",
    FirstFramePolicy.LEFT_OUT,
    InvalidTruthPolicy.LEFT_OUT,
    skip_hidden=True,
    cut_to_frame=True,
    average=Average.FRAMES,
    overlap_bins=101,
)
_OTB = Convention(
    "got10k",
    FirstFramePolicy.GIVEN,
    InvalidTruthPolicy.LEFT_OUT,
    skip_hidden=False,
    cut_to_frame=False,
    average=Average.SEQUENCES,
    overlap_bins=21,
)
_OTHER = Convention(
    "got10k",
    FirstFramePolicy.LEFT_OUT,
    InvalidTruthPolicy.LEFT_OUT,
    skip_hidden=False,
    cut_to_frame=False,
    average=Average.SEQUENCES,
    overlap_bins=21,
)
_PYSOT = Convention(
    "pysot",
    FirstFramePolicy.AS_FOUND,
    InvalidTruthPolicy.MISSED,
    skip_hidden=False,
    cut_to_frame=False,
    average=Average.SEQUENCES,
    overlap_bins=21,
)
_TOOLKIT = {
    Kind.GOT10K: _GOT10K,
    Kind.OTB2013: _OTB,
    Kind.OTB2015: _OTB,
    Kind.UAV123: _OTB,
    Kind.NFS: _OTB,
    Kind.VOT: _OTB,
    Kind.TRACKINGNET: _OTB,
}
"""As the GOT-10k toolkit; all other kinds are not in it."""


def convention(name: str, kind: Kind) -> Convention:
    """Return how figures of a kind of data set are made.

    `got10k` is the GOT-10k toolkit 0.1.3:

    * GOT-10k as `ExperimentGOT10k.report`: the first frame and frames with cover 0 are left out, boxes are cut to the
      frame, the frames of all sequences and repetitions are pooled, and there are 101 thresholds.
    * OTB, UAV123 and NfS as `ExperimentOTB.report`, which the others inherit: the first frame counts and is always
      right, sequences are averaged, and there are 21 thresholds. Frames with NaN truth are left out as
      `ExperimentUAV123` does; OTB itself has none. VOT in one pass and TrackingNet, for which the toolkit has no such
      experiment, are made in the same way.
    * LaSOT, DAVIS and custom sets are not in the toolkit. The first frame, which every tracker is given, is left out;
      the rest is as for OTB.

    `pysot` is `OPEBenchmark` of pysot-toolkit for every kind: all frames count, the first one too; a frame without a
    valid box is a miss, since its curves are divided by the number of all frames. Its precision curves count such a
    frame as a hit (it sets the distance to -1); here it is a miss in them as well. It prints normalized precision at a
    threshold of 0.2, which is `norm_precision[20]` of the curve.

    Args:
        name: `got10k` or `pysot`.
        kind: of the data set.

    Raises:
        UsageError: for another name.
    """
    if name == "pysot":
        return _PYSOT
    if name == "got10k":
        return _TOOLKIT.get(kind, _OTHER)
    raise UsageError(unknown_name("convention", name, CONVENTIONS))
