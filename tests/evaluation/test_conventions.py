from __future__ import annotations

import numpy as np
import pytest

from siamtrack.datasets.evaluation_sequences import Kind
from siamtrack.errors import UsageError
from siamtrack.evaluation.conventions import Average, FirstFramePolicy, InvalidTruthPolicy, convention


def test_got10k_pools_the_frames_that_can_be_seen() -> None:
    how = convention("got10k", Kind.GOT10K)
    assert (how.first_frame, how.average) == (FirstFramePolicy.LEFT_OUT, Average.FRAMES)
    assert how.skip_hidden
    assert how.cut_to_frame
    np.testing.assert_array_equal(how.overlap_thresholds, np.linspace(0, 1, 101))


@pytest.mark.parametrize("kind", [Kind.OTB2013, Kind.OTB2015, Kind.UAV123, Kind.NFS, Kind.VOT, Kind.TRACKINGNET])
def test_the_toolkit_counts_the_first_frame_of_otb_and_its_like(kind: Kind) -> None:
    how = convention("got10k", kind)
    assert (how.first_frame, how.invalid_truth, how.average) == (
        FirstFramePolicy.GIVEN,
        InvalidTruthPolicy.LEFT_OUT,
        Average.SEQUENCES,
    )
    assert not how.cut_to_frame
    assert len(how.overlap_thresholds) == 21


@pytest.mark.parametrize("kind", [Kind.LASOT, Kind.DAVIS, Kind.CUSTOM])
def test_sets_that_the_toolkit_does_not_have_leave_the_first_frame_out(kind: Kind) -> None:
    how = convention("got10k", kind)
    assert (how.first_frame, how.invalid_truth, how.average) == (
        FirstFramePolicy.LEFT_OUT,
        InvalidTruthPolicy.LEFT_OUT,
        Average.SEQUENCES,
    )


@pytest.mark.parametrize("kind", Kind)
def test_pysot_counts_every_frame_of_every_set(kind: Kind) -> None:
    how = convention("pysot", kind)
    assert how.name == "pysot"
    assert (how.first_frame, how.invalid_truth, how.average) == (
        FirstFramePolicy.AS_FOUND,
        InvalidTruthPolicy.MISSED,
        Average.SEQUENCES,
    )
    np.testing.assert_array_equal(how.overlap_thresholds, np.arange(0, 1.05, 0.05))


@pytest.mark.parametrize(("name", "hint"), [("got-10k", ", did you mean 'got10k'?"), ("x", "")])
def test_an_unknown_convention_is_told_with_the_known_ones(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        convention(name, Kind.CUSTOM)
    assert str(caught.value) == f"unknown convention '{name}'{hint} (known: got10k, pysot)"
