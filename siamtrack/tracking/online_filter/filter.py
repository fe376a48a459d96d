"""Online filter: a correlation filter that is fitted to the target while it is tracked.

The exemplar of a Siamese tracker holds nothing about the background. The online filter has the size of the exemplar. It
is fitted to respond with a Gaussian around the target in all search crops so far, and so learns to suppress the
background. It is a ridge regression on the features of the network, solved by a few steps of the conjugate gradient (as
the classifier of ATOM, Danelljan et al. 2019, section 3.2, without its hidden layer). A background that responds below
zero is not an error (the hinge of DiMP, Bhat et al. 2019, equation 2). The filter covers the target's box only, as the
spatial reliability map of CSRT does (Lukezic et al. 2017): in a square around a long and thin target there is more
background than target.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from siamtrack.config import OnlineFilterSettings
from siamtrack.tracking.online_filter.fourier import Array, to_spectra
from siamtrack.tracking.online_filter.solver import conjugate_gradient, respond

BACKGROUND = 0.05
"""Labels below this value belong to the background."""


class Part(NamedTuple):
    """Rows and columns of an exemplar that the target's box covers."""

    rows: slice
    columns: slice

    def crop(self, maps: Tensor, size: int) -> Tensor:
        """Cut features `(..., H, H)` to the region that this part of a filter is correlated with.

        Args:
            maps: the features.
            size: R, the side of the response of the whole filter.
        """
        rows, columns = (slice(each.start, each.stop + size - 1) for each in self)
        return maps[..., rows, columns]


@dataclass(frozen=True, slots=True, eq=False)
class OnlineFilter:
    """A filter and the samples that it was fitted to; a value.

    A sample has features `(C, H, H)` and a response `(R, R)`. The filter is zero outside the target's box, and the
    features that it does not reach are left out. Features are kept as their Fourier transforms, in which a correlation
    is a product.
    """

    weights: Array
    """`(C, a, b)`, the part of the filter that is not zero."""
    part: Part
    """Rows and columns of this part in the filter."""
    size: int
    """Side of the whole filter in cells."""
    support: Array
    """`(a, b)` fraction of each cell that the target's box covers, in [0, 1]; it scales the gradient of the weights."""
    mean: Tensor
    """`(C, 1, 1)` mean of the features of the first frame, subtracted from all features, since the unit vectors of
    photographs have much in common."""
    spectra: tuple[Array, ...]
    """M spectra `(C, 2, F)` of search crops, those of the first frame first; see `tracking.online_filter.fourier`."""
    labels: Array
    """`(M, R, R)` wanted responses."""
    responses: Array
    """`(M, R, R)` responses of the filter."""
    sample_weights: Array
    """`(M,)` weights of the samples; they sum to 1."""
    first_samples: int
    """Number of samples of the first frame; these are never dropped."""

    @property
    def kernel(self) -> Tensor:
        """Whole filter, `(C, h, h)`. Its response to features without mean subtraction is too large by `offset`."""
        whole = torch.zeros(len(self.weights), self.size, self.size, dtype=self.mean.dtype)
        whole[:, self.part.rows, self.part.columns] = torch.from_numpy(self.weights)
        return whole

    @property
    def offset(self) -> float:
        """Response of the filter to the mean of the features, the same everywhere."""
        return float(self.weights.sum((1, 2)) @ self.mean.numpy().ravel())


def init_filter(
    kernel: Tensor, features: Tensor, cells: tuple[float, float], sigma: float, settings: OnlineFilterSettings
) -> OnlineFilter:
    """Fit a filter to the first frame.

    Args:
        kernel: `(C, h, h)` embedded exemplar, where the fit starts.
        features: `(M, C, H, H)` embedded search crops with the target in their middle.
        cells: width and height of the target in cells.
        sigma: width of the Gaussian in cells.
        settings: of the fit.
    """
    samples = features.cpu().float()
    mean = samples.mean((0, 2, 3))[:, None, None]
    count, size = len(samples), samples.shape[-1] - kernel.shape[-1] + 1
    middle = (size - 1) / 2
    whole = box_coverage(kernel.shape[-1], cells)
    part = covered_part(whole)
    support = np.ascontiguousarray(whole[part])
    spectra = tuple(to_spectra(part.crop(samples - mean, size)))
    start = np.ascontiguousarray((kernel.cpu().float() - mean).numpy()[:, *part]) * support
    responses = respond(start, spectra, size)
    scale = max(responses[:, size // 2, size // 2].mean(), np.float32(1e-6))
    start_filter = OnlineFilter(
        weights=start / scale,
        part=part,
        size=len(whole),
        support=support,
        mean=mean,
        spectra=spectra,
        labels=np.tile(gaussian(size, (middle, middle), sigma), (count, 1, 1)),
        responses=responses / scale,
        sample_weights=np.full(count, 1 / count, np.float32),
        first_samples=count,
    )
    return solve(start_filter, settings.regularization, settings.init_iterations)


def update_filter(
    online_filter: OnlineFilter,
    features: Tensor,
    response: Array,
    cell: tuple[float, float],
    sigma: float,
    settings: OnlineFilterSettings,
) -> OnlineFilter:
    """Add a sample to the filter and refine the fit, unless its response is right already (`settings.tolerance`).

    Args:
        online_filter: before this frame.
        features: `(C, H, H)` embedded search crop.
        response: `(R, R)` response of the filter to it.
        cell: column and row of the target in the response, fractions allowed.
        sigma: width of the Gaussian in cells.
        settings: of the fit and of the samples.
    """
    label = gaussian(len(response), cell, sigma)
    if squared_error(response, label) <= settings.tolerance * np.square(label).sum():
        return online_filter
    first = online_filter.first_samples
    weights = online_filter.sample_weights * np.float32(1 - settings.learning_rate)
    kept = list(range(len(weights)))
    if len(weights) - first >= settings.max_samples:
        del kept[first + int(weights[first:].argmin())]
    weights = np.append(weights[kept], np.float32(settings.learning_rate))
    spectra = to_spectra(online_filter.part.crop(features, len(response)).cpu().float() - online_filter.mean)
    extended = replace(
        online_filter,
        spectra=(*(online_filter.spectra[index] for index in kept), spectra),
        labels=np.concatenate([online_filter.labels[kept], label[None]]),
        responses=np.concatenate([online_filter.responses[kept], response[None]]),
        sample_weights=_with_minimum(weights / weights.sum(), first, settings.first_sample_weight),
    )
    return solve(extended, settings.regularization, settings.iterations)


def squared_error(response: Array, label: Array) -> float:
    """Return the squared error of a response, `(R, R)`; a background that responds below zero has none."""
    counted = (label >= BACKGROUND) | (response > 0)
    return float(np.square(response - label, where=counted, out=np.zeros_like(response)).sum())


def solve(online_filter: OnlineFilter, regularization: float, steps: int) -> OnlineFilter:
    """Take some steps of the conjugate gradient from the present weights."""
    weights, responses = conjugate_gradient(
        online_filter.weights,
        online_filter.responses,
        online_filter.spectra,
        online_filter.labels,
        online_filter.sample_weights,
        online_filter.support,
        regularization,
        BACKGROUND,
        steps,
    )
    return replace(online_filter, weights=weights, responses=responses)


def box_coverage(size: int, cells: tuple[float, float]) -> Array:
    """Return `(size, size)`: the fraction of each cell that a box of this width and height in the middle covers."""
    edges = np.arange(size + 1, dtype=np.float32) - size / 2

    def along(length: float) -> Array:
        half = max(length, 1.0) / 2  # a target thinner than a cell still has one
        inside: Array = np.clip(np.minimum(edges[1:], half) - np.maximum(edges[:-1], -half), 0, 1)
        return inside.astype(np.float32)

    coverage: Array = np.outer(along(cells[1]), along(cells[0]))
    return coverage


def covered_part(coverage: Array) -> Part:
    """Return the rows and columns that are covered at all."""
    rows, columns = (np.flatnonzero(coverage.any(axis)) for axis in (1, 0))
    return Part(*(slice(int(each[0]), int(each[-1]) + 1) for each in (rows, columns)))


def gaussian(size: int, cell: tuple[float, float], sigma: float) -> Array:
    """Return a Gaussian `(size, size)` that is 1 at column and row `cell`, fractions allowed."""
    across, down = (np.exp(-((np.arange(size) - middle) ** 2) / (2 * sigma**2)) for middle in cell)
    label: Array = np.outer(down, across).astype(np.float32)
    return label


def _with_minimum(weights: Array, first: int, minimum: float) -> Array:
    """Raise the weights of the first samples so that their sum is at least `minimum`."""
    total = weights[:first].sum()
    if total >= minimum:
        return weights
    raised: Array = weights * np.float32((1 - minimum) / (1 - total))
    raised[:first] = weights[:first] * np.float32(minimum / total)
    return raised
