"""Scores, comparisons and reports that are made up: what is shown must be what they say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from siamtrack.datasets.evaluation_sequences import Kind
from siamtrack.evaluation.records import RunRecord
from siamtrack.evaluation.report.contents import Failure, FailurePeriod, Origin, Picture, Report
from siamtrack.evaluation.scores import Comparison, SequenceScore, Speed, TrackerScore, TrackingFigures

THRESHOLDS = np.linspace(0, 1, 21)
ORIGIN = Origin("siamtrack report results --out report", "abc123", "2026-01-02 03:04+00:00")
NO_FIGURES = TrackingFigures(*[math.nan] * len(fields(TrackingFigures)))
SPEED = Speed(fps=25.0, mean_inverse_fps=30.0, p50_ms=40.0, p95_ms=60.5)


@dataclass(frozen=True)
class Length:
    """As many frames, without a picture."""

    length: int

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return iter(())

    def paths(self) -> None:
        return None


def figures_of(overlaps: Sequence[float]) -> TrackingFigures:
    """Figures that fit some overlaps; those of center errors are as good as any."""
    known = np.array([each for each in overlaps if not math.isnan(each)])
    if not len(known):
        return NO_FIGURES
    ao, sr50, sr75 = float(known.mean()), float((known > 0.5).mean()), float((known > 0.75).mean())
    return TrackingFigures(ao, sr50, sr75, float(success_of(overlaps).mean()), ao / 2, ao / 4)


def success_of(overlaps: Sequence[float]) -> NDArray[np.float64]:
    known = np.array([each for each in overlaps if not math.isnan(each)], np.float64)
    return np.asarray((known[:, None] > THRESHOLDS).mean(axis=0) if len(known) else np.full(21, math.nan))


def sequence_score(
    name: str, overlaps: Sequence[float], speed: Speed | None = SPEED, failures: int = 1
) -> SequenceScore:
    return SequenceScore(
        name=name,
        length=len(overlaps),
        scored=sum(not math.isnan(each) for each in overlaps),
        figures=figures_of(overlaps),
        success=success_of(overlaps),
        precision=np.linspace(0, 0.9, 51),
        norm_precision=np.linspace(0, 0.8, 51),
        overlaps=np.array(overlaps, np.float32),
        failures=failures,
        speed=speed,
    )


def tracker_score(
    tracker: str,
    sequences: Mapping[str, Sequence[float]],
    speed: Speed | None = SPEED,
    attributes: Mapping[str, TrackingFigures] | None = None,
    **changes: Any,
) -> TrackerScore:
    """A tracker by its overlaps on each sequence; all of them together give its figures."""
    overlaps = [each for part in sequences.values() for each in part]
    figures = figures_of(overlaps)
    values = {
        "tracker": tracker,
        "dataset": "OTB2015",
        "convention": "got10k",
        "figures": figures,
        "interval": {"ao": (figures.ao - 0.05, figures.ao + 0.04)},
        "success": success_of(overlaps),
        "precision": np.linspace(0, 0.9, 51),
        "norm_precision": np.linspace(0, 0.8, 51),
        "overlap_thresholds": THRESHOLDS,
        "failures": len(sequences),
        "speed": speed,
        "attributes": attributes or {},
        "sequences": tuple(sequence_score(name, part, speed) for name, part in sequences.items()),
    }
    return TrackerScore(**(values | changes))  # type: ignore[arg-type]


def run_record(tracker: str, **changes: Any) -> RunRecord:
    values = {
        "tracker": tracker,
        "spec": "siamtrack-lite",
        "dataset": "OTB2015",
        "kind": Kind.OTB2015,
        "root": "OTB",
        "subset": None,
        "command": "siamtrack benchmark OTB --tracker siamtrack-lite",
        "commit": "abc123",
        "machine": {"cpu": "a processor", "cores": 2, "gpu": None},
        "card": {"name": "siamtrack-lite", "tracking": {"scales": 3}},
        "precision": "float32",
        "device": "auto",
        "workers": 1,
        "siamtrack": "0.1.0",
        "date": "2026-01-01T00:00:00+00:00",
    }
    return RunRecord.model_validate(values | changes)


def picture(frame: int) -> Picture:
    """A gray one."""
    _, data = cv2.imencode(".jpg", np.full((24, 32, 3), 128, np.uint8))
    return Picture(frame, 32, 24, data.tobytes())


GOOD, BAD = [1.0, 0.9, 0.8, 0.7], [1.0, 0.4, 0.0, 0.0]


def report(
    trackers: Sequence[str] = ("good", "bad"), sequences: Sequence[str] = ("one", "two"), **changes: Any
) -> Report:
    """The first tracker is good everywhere, the others are bad; everything that a report may have is there."""
    scores = changes.pop("scores", None) or tuple(
        tracker_score(
            name,
            dict.fromkeys(sequences, BAD if number else GOOD),
            attributes={"IV": figures_of(BAD if number else GOOD)},
        )
        for number, name in enumerate(trackers)
    )
    trackers, sequences = [each.tracker for each in scores], [each.name for each in scores[0].sequences]
    period = FailurePeriod(trackers[-1], sequences[0], 2, 3, lost=2, drop=0.7)
    values: dict[str, Any] = {
        "dataset": "OTB2015",
        "kind": Kind.OTB2015,
        "scores": scores,
        "origin": ORIGIN,
        "comparisons": tuple(Comparison(trackers[0], name, "ao", 0.5, (0.4, 0.6), 2, 0, 0.03) for name in trackers[1:]),
        "attribute_sizes": {"IV": len(sequences)},
        "strips": {name: (picture(0), picture(3)) for name in sequences},
        "failures": (Failure(period, (picture(0), picture(2))),),
        "records": {trackers[0]: run_record(trackers[0])},
        "notes": ("sequence one: 3 frames without a box",),
    }
    return Report(**(values | changes))
