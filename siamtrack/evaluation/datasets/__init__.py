"""Readers of the layouts that benchmarks come in, a module each; `open_dataset` finds out which one a folder has."""

from siamtrack.evaluation.datasets.checks import check_dataset
from siamtrack.evaluation.datasets.registry import open_dataset

__all__ = ["check_dataset", "open_dataset"]
