"""Readers of data sets, one module a format, for training (tracks and stills) and for benchmarks (sequences)."""

from siamtrack.datasets.checks import check_dataset
from siamtrack.datasets.registry import open_dataset

__all__ = ["check_dataset", "open_dataset"]
