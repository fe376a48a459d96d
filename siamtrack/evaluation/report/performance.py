"""`performance.json` with the keys of the GOT-10k toolkit, for programs that read its reports.

`ExperimentGOT10k.report` and `ExperimentOTB.report` of got10k 0.1.3 give the keys. A speed that is not known is -1 as
there; a figure that is not known is null.
"""

from __future__ import annotations

import json
import math
from typing import Any

from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import Kind
from siamtrack.evaluation.report.contents import Report
from siamtrack.evaluation.report.tables import Scored
from siamtrack.evaluation.scores import SequenceScore, TrackerScore


def performance_json(report: Report) -> str:
    """Return the figures of all trackers, overall and by sequence.

    GOT-10k has the keys of `ExperimentGOT10k`; all others have those of `ExperimentOTB`.
    """
    describe = _as_got10k if report.kind is Kind.GOT10K else _as_otb
    return json.dumps({score.tracker: describe(score) for score in report.scores}, indent=4, allow_nan=False) + "\n"


def _as_got10k(score: TrackerScore) -> dict[str, Any]:
    def figures(scored: Scored) -> dict[str, Any]:
        return {"ao": _known(scored.figures.ao), "sr": _known(scored.figures.sr50), "speed_fps": _speed(scored)}

    return {
        "overall": figures(score) | {"succ_curve": _curve(score.success)},
        # The first frame is given, the toolkit does not count it.
        "seq_wise": {each.name: figures(each) | {"length": each.length - 1} for each in score.sequences},
    }


def _as_otb(score: TrackerScore) -> dict[str, Any]:
    def figures(scored: TrackerScore | SequenceScore) -> dict[str, Any]:
        return {
            "success_curve": _curve(scored.success),
            "precision_curve": _curve(scored.precision),
            "success_score": _known(scored.figures.auc),
            "precision_score": _known(scored.figures.precision),
            "success_rate": _known(scored.figures.sr50),
            "speed_fps": _speed(scored),
        }

    return {"overall": figures(score), "seq_wise": {each.name: figures(each) for each in score.sequences}}


def _speed(scored: Scored) -> float:
    return -1 if scored.speed is None else scored.speed.mean_inverse_fps


def _curve(values: NDArray[Any]) -> list[float | None]:
    return [_known(value) for value in values.tolist()]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
