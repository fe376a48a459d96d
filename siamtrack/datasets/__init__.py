"""Data sets: one module per format, and two views of them.

A format's module (`got10k`, `lasot`, `otb`, ...) knows its folders, file names, splits and annotation files. It offers
one view or both:

- **Training**: `read_...` returns a `TrainingSet` of `Track`s (all boxes in memory, hidden targets masked) and stills.
  `registry.read_training_sets` recognizes the formats of a folder. `training_tracks` gives random access to the frames.
- **Evaluation**: `open_...` returns an `EvaluationSet` of `EvaluationSequence`s, which read frames and ground truth on
  request. `open_dataset` recognizes the format of a folder, `check_dataset` lists the problems of a whole set.

Both views share the readers of annotations (`annotations`) and of frames (`frames`). They differ on purpose: training
never reads a test split and requires complete sequences; evaluation opens the split that is asked for, keeps the first
box in any case, and reports what is missing.

Training and evaluation recognize a folder differently too. Training accepts an incomplete set, such as GOT-10k without
`list.txt`, so that it can say what is missing; evaluation also accepts a set that has only a test split.
"""

from siamtrack.datasets.checks import check_dataset
from siamtrack.datasets.registry import open_dataset

__all__ = ["check_dataset", "open_dataset"]
