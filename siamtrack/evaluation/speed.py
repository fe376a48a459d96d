"""Speed of a tracker from the times of its frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from siamtrack.evaluation.conventions import Average
from siamtrack.evaluation.scores import Speed


def measure_speed(seconds: Sequence[NDArray[np.float64]], average: Average) -> Speed | None:
    """Speed over sequences; a time that is not above 0 was not measured and is left out, as in the GOT-10k toolkit.

    Args:
        seconds: `(N,)` times for each sequence, the first one that of the initialization.
        average: whether `mean_inverse_fps` is the mean over all frames (`ExperimentGOT10k`) or that of the means of
            the sequences (`ExperimentOTB`).

    Returns:
        None where no frame after a first one was timed.
    """
    tracked = [times[1:][times[1:] > 0] for times in seconds]
    latencies = np.sort(np.concatenate([np.empty(0), *tracked]))
    if not len(latencies):
        return None
    rates = [1 / times[times > 0] for times in seconds if (times > 0).any()]
    mean_rate = np.concatenate(rates).mean() if average is Average.FRAMES else np.mean([each.mean() for each in rates])
    # As np.percentile, with less around it: this runs for every sequence.
    p50, p95 = 1000 * np.interp(np.array((0.50, 0.95)) * (len(latencies) - 1), np.arange(len(latencies)), latencies)
    return Speed(float(len(latencies) / latencies.sum()), float(mean_rate), float(p50), float(p95))
