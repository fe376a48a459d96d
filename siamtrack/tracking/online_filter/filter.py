"""A correlation filter that is learnt while tracking: what the target looks like now, and what stands around it.

The exemplar of a Siamese tracker knows nothing of the background. A filter of the same size, fitted to answer with a
Gaussian around the target in every search crop so far, learns what to leave out. It is a ridge regression on the
network's features, solved by a few steps of the conjugate gradient (as the classifier of ATOM, Danelljan et al. 2019,
section 3.2, without its hidden layer); a background that answers below zero is left alone (the hinge of DiMP, Bhat et
al. 2019, equation 2). The filter looks at the target's box only, as the spatial reliability map of CSRT does (Lukezic
et al. 2017): behind a long and thin target there is more background than target in a square.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from siamtrack.config import OnlineFilterSettings
from siamtrack.tracking.online_filter.fourier import Array, spectra_of
from siamtrack.tracking.online_filter.solver import descend, respond

BACKGROUND = 0.05
"""Labels below this belong to the background."""


class Part(NamedTuple):
    """The rows and columns of an exemplar that the target's box covers."""

    rows: slice
    columns: slice

    def reach(self, maps: Tensor, size: int) -> Tensor:
        """What this part of a filter sees of features `(..., H, H)` when the whole filter answers in R x R cells.

        Args:
            maps: the features.
            size: R.
        """
        rows, columns = (slice(each.start, each.stop + size - 1) for each in self)
        return maps[..., rows, columns]


@dataclass(frozen=True, slots=True, eq=False)
class OnlineFilter:
    """A filter and what it was fitted to; a value. A sample has `(C, H, H)` features, `(R, R)` responses.

    The filter is zero outside the target's box: what it does not see of a sample is left out. Features are kept as
    their Fourier transforms, in which a correlation is a product.
    """

    weights: Array
    """`(C, a, b)`, the part of the filter that is not zero."""
    part: Part
    """Where this part is in the filter."""
    size: int
    """Side of the whole filter in cells."""
    support: Array
    """`(a, b)` how much of each cell the target's box covers, in [0, 1]; the weights vary by as much."""
    mean: Tensor
    """`(C, 1, 1)` taken off all features: unit vectors of photographs have much in common."""
    spectra: tuple[Array, ...]
    """M of `(C, 2, F)` as of `tracking.online_filter.fourier`, of search crops, the first frame's before others."""
    labels: Array
    """`(M, R, R)` what the filter is to answer."""
    answers: Array
    """`(M, R, R)` what it does answer."""
    shares: Array
    """`(M,)` how much each sample counts; they sum to 1."""
    first: int
    """How many samples are of the first frame; these are never dropped."""

    @property
    def kernel(self) -> Tensor:
        """`(C, h, h)`: the whole filter, which answers by `offset` too much to features as they are."""
        whole = torch.zeros(len(self.weights), self.size, self.size, dtype=self.mean.dtype)
        whole[:, self.part.rows, self.part.columns] = torch.from_numpy(self.weights)
        return whole

    @property
    def offset(self) -> float:
        """What the filter answers too much, everywhere, to features whose mean has not been taken off."""
        return float(self.weights.sum((1, 2)) @ self.mean.numpy().ravel())


def begin(
    kernel: Tensor, features: Tensor, cells: tuple[float, float], sigma: float, settings: OnlineFilterSettings
) -> OnlineFilter:
    """Fit a filter to the first frame.

    Args:
        kernel: `(C, h, h)` embedded exemplar, where the fit starts.
        features: `(M, C, H, H)` embedded search crops with the target in their middle.
        cells: width and height of the target in cells.
        sigma: width of the Gaussian in cells.
        settings: how to fit.
    """
    seen = features.cpu().float()
    mean = seen.mean((0, 2, 3))[:, None, None]
    count, size = len(seen), seen.shape[-1] - kernel.shape[-1] + 1
    middle = (size - 1) / 2
    whole = covered(kernel.shape[-1], cells)
    part = part_of(whole)
    support = np.ascontiguousarray(whole[part])
    spectra = tuple(spectra_of(part.reach(seen - mean, size)))
    start = np.ascontiguousarray((kernel.cpu().float() - mean).numpy()[:, *part]) * support
    answers = respond(start, spectra, size)
    scale = max(answers[:, size // 2, size // 2].mean(), np.float32(1e-6))
    made = OnlineFilter(
        weights=start / scale,
        part=part,
        size=len(whole),
        support=support,
        mean=mean,
        spectra=spectra,
        labels=np.tile(gaussian(size, (middle, middle), sigma), (count, 1, 1)),
        answers=answers / scale,
        shares=np.full(count, 1 / count, np.float32),
        first=count,
    )
    return fit(made, settings.regularization, settings.init_iterations)


def learn(
    known: OnlineFilter,
    features: Tensor,
    answer: Array,
    cell: tuple[float, float],
    sigma: float,
    settings: OnlineFilterSettings,
) -> OnlineFilter:
    """Take another frame into account, unless the filter answers to it as it should (`settings.tolerance`).

    Args:
        known: until now.
        features: `(C, H, H)` embedded search crop.
        answer: `(R, R)` what the filter answered to it.
        cell: column and row of the target in its response, fractions allowed.
        sigma: width of the Gaussian in cells.
        settings: how to fit, and what to keep.
    """
    label = gaussian(len(answer), cell, sigma)
    if squared_error(answer, label) <= settings.tolerance * np.square(label).sum():
        return known
    shares, first = known.shares * np.float32(1 - settings.learning_rate), known.first
    kept = list(range(len(shares)))
    if len(shares) - first >= settings.max_samples:
        del kept[first + int(shares[first:].argmin())]
    shares = np.append(shares[kept], np.float32(settings.learning_rate))
    seen = spectra_of(known.part.reach(features, len(answer)).cpu().float() - known.mean)
    grown = replace(
        known,
        spectra=(*(known.spectra[index] for index in kept), seen),
        labels=np.concatenate([known.labels[kept], label[None]]),
        answers=np.concatenate([known.answers[kept], answer[None]]),
        shares=_at_least(shares / shares.sum(), first, settings.first_sample_weight),
    )
    return fit(grown, settings.regularization, settings.iterations)


def squared_error(answer: Array, label: Array) -> float:
    """Of what a filter answers, `(R, R)`, where a background that answers below zero is right."""
    return float(np.square(answer - label, where=(label >= BACKGROUND) | (answer > 0), out=np.zeros_like(answer)).sum())


def fit(known: OnlineFilter, regularization: float, steps: int) -> OnlineFilter:
    """Some steps of the conjugate gradient from the present weights."""
    weights, answers = descend(
        known.weights,
        known.answers,
        known.spectra,
        known.labels,
        known.shares,
        known.support,
        regularization,
        BACKGROUND,
        steps,
    )
    return replace(known, weights=weights, answers=answers)


def covered(size: int, cells: tuple[float, float]) -> Array:
    """`(size, size)`: the share of each cell that a box of this width and height around the middle covers."""
    edges = np.arange(size + 1, dtype=np.float32) - size / 2

    def along(length: float) -> Array:
        half = max(length, 1.0) / 2  # a target thinner than a cell still has one
        inside: Array = np.clip(np.minimum(edges[1:], half) - np.maximum(edges[:-1], -half), 0, 1)
        return inside.astype(np.float32)

    support: Array = np.outer(along(cells[1]), along(cells[0]))
    return support


def part_of(support: Array) -> Part:
    """The rows and columns in which there is any support."""
    rows, columns = (np.flatnonzero(support.any(axis)) for axis in (1, 0))
    return Part(*(slice(int(each[0]), int(each[-1]) + 1) for each in (rows, columns)))


def gaussian(size: int, cell: tuple[float, float], sigma: float) -> Array:
    """`(size, size)`: 1 at column and row `cell`, fractions allowed."""
    across, down = (np.exp(-((np.arange(size) - middle) ** 2) / (2 * sigma**2)) for middle in cell)
    made: Array = np.outer(down, across).astype(np.float32)
    return made


def _at_least(shares: Array, first: int, least: float) -> Array:
    """Let the first samples count for at least this much together."""
    total = shares[:first].sum()
    if total >= least:
        return shares
    raised: Array = shares * np.float32((1 - least) / (1 - total))
    raised[:first] = shares[:first] * np.float32(least / total)
    return raised
