"""A correlation filter that is learnt while tracking: what the target looks like now, and what stands around it.

The exemplar of a Siamese tracker knows nothing of the background. A filter of the same size, fitted to answer with a
Gaussian around the target in every search crop so far, learns what to leave out. It is a ridge regression on the
network's features, solved by a few steps of the conjugate gradient (as the classifier of ATOM, Danelljan et al. 2019,
section 3.2, without its hidden layer); a background that answers below zero is left alone (the hinge of DiMP, Bhat et
al. 2019, equation 2). The filter looks at the target's box only, as the spatial reliability map of CSRT does (Lukezic
et al. 2017): behind a long and thin target there is more background than target in a square.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from siamtrack.config import AdaptationSettings
from siamtrack.tracking.spectra import add_over_channels, add_to_channels, corner_of, padded_spectrum

BACKGROUND = 0.05
"""Labels below this belong to the background."""


@dataclass(frozen=True, slots=True, eq=False)
class AdaptiveFilter:
    """A filter and what it was fitted to; a value, on the CPU. A sample has `(C, H, W)` features, `(R, R)` responses.

    Features are kept as their Fourier transforms, in which a correlation is a product.
    """

    weights: Tensor
    """`(C, h, w)`."""
    support: Tensor
    """`(h, w)` how much of each cell of the filter the target's box covers, in [0, 1]; the weights vary by as much."""
    mean: Tensor
    """`(C, 1, 1)` taken off all features: unit vectors of photographs have much in common."""
    spectra: tuple[Tensor, ...]
    """M of `(C, H, W // 2 + 1, 2)`, real and imaginary parts, of the search crops, the first frame's before others."""
    labels: Tensor
    """`(M, R, R)` what the filter is to answer."""
    answers: Tensor
    """`(M, R, R)` what it does answer."""
    shares: Tensor
    """`(M,)` how much each sample counts; they sum to 1."""
    first: int
    """How many samples are of the first frame; these are never dropped."""

    @property
    def offset(self) -> float:
        """What the filter answers too much, everywhere, to features whose mean has not been taken off."""
        return float((self.weights * self.mean).sum())


def begin(
    kernel: Tensor, features: Tensor, cells: tuple[float, float], sigma: float, settings: AdaptationSettings
) -> AdaptiveFilter:
    """Fit a filter to the first frame.

    Args:
        kernel: `(C, h, w)` embedded exemplar, where the fit starts.
        features: `(M, C, H, W)` embedded search crops with the target in their middle.
        cells: width and height of the target in cells.
        sigma: width of the Gaussian in cells.
        settings: how to fit.
    """
    kernel, features = kernel.cpu(), features.cpu().float()
    mean = features.mean((0, 2, 3))[:, None, None]
    spectra = tuple(transform(features - mean))
    size = features.shape[-1] - kernel.shape[-1] + 1
    middle = (size - 1) / 2
    label = gaussian(size, (middle, middle), sigma).to(features)
    support = covered(kernel.shape[-1], cells).to(features)
    start = (kernel - mean) * support
    count = len(features)
    answers = respond_to(start, spectra)
    scale = answers[:, size // 2, size // 2].mean().clamp(min=1e-6)
    made = AdaptiveFilter(
        weights=start / scale,
        support=support,
        mean=mean,
        spectra=spectra,
        labels=label.repeat(count, 1, 1),
        answers=answers / scale,
        shares=torch.full((count,), 1 / count).to(features),
        first=count,
    )
    return fit(made, settings.regularisation, settings.first_steps)


def learn(
    known: AdaptiveFilter, features: Tensor, cell: tuple[float, float], sigma: float, settings: AdaptationSettings
) -> AdaptiveFilter:
    """Take another frame into account.

    Args:
        known: until now.
        features: `(C, H, W)` embedded search crop.
        cell: column and row of the target in its response, fractions allowed.
        sigma: width of the Gaussian in cells.
        settings: how to fit, and what to keep.
    """
    label = gaussian(known.labels.shape[-1], cell, sigma).to(known.labels)
    shares, first = known.shares * (1 - settings.rate), known.first
    kept = list(range(len(shares)))
    if len(shares) - first >= settings.samples:
        del kept[first + int(shares[first:].argmin())]
    shares = torch.cat([shares[kept], shares.new_tensor([settings.rate])])
    shares = _at_least(shares / shares.sum(), first, settings.first_share)
    seen = transform(features.cpu().float() - known.mean)
    grown = replace(
        known,
        spectra=(*(known.spectra[index] for index in kept), seen),
        labels=torch.cat([known.labels[kept], label[None]]),
        answers=torch.cat([known.answers[kept], respond_to(known.weights, [seen])]),
        shares=shares,
    )
    return fit(grown, settings.regularisation, settings.steps)


def fit(known: AdaptiveFilter, regularisation: float, steps: int) -> AdaptiveFilter:
    """Some steps of the conjugate gradient (Polak-Ribiere) from the present weights."""
    weights, answers = known.weights, known.answers
    direction = previous = torch.zeros_like(weights)
    for _ in range(steps):
        # The hinge makes the problem piecewise quadratic: cells that need nothing do not take part in this step.
        active = (known.labels >= BACKGROUND) | (answers > 0)
        counted = known.shares[:, None, None] * active
        gradient = correlate_back(counted * (answers - known.labels), known.spectra, weights.shape[-1])
        gradient = gradient * known.support + regularisation * weights
        bend = ((gradient - previous) * gradient).sum() / previous.square().sum().clamp(min=1e-30)
        direction = -gradient + bend.clamp(min=0) * direction if previous.any() else -gradient
        change = respond_to(direction, known.spectra)
        curvature = (counted * change.square()).sum() + regularisation * direction.square().sum()
        length = -(gradient * direction).sum() / curvature.clamp(min=1e-30)
        weights, answers = weights + length * direction, answers + length * change
        previous = gradient
    return replace(known, weights=weights, answers=answers)


def transform(maps: Tensor) -> Tensor:
    """Fourier transform of square maps `(..., H, W)`: `(..., H, W // 2 + 1, 2)`, real and imaginary parts."""
    return torch.view_as_real(torch.fft.rfft2(maps))


def respond_to(weights: Tensor, spectra: Sequence[Tensor]) -> Tensor:
    """Correlate `(C, h, w)` with each of M samples, `(C, H, W // 2 + 1, 2)` from `transform`: `(M, R, R)`."""
    side = spectra[0].shape[1]
    turned = padded_spectrum(weights, side).numpy()
    filtered = weights.new_zeros(len(spectra), *spectra[0].shape[1:])
    for sample, out in zip(spectra, filtered.flatten(1).numpy(), strict=True):
        add_over_channels(_as_rows(sample), turned, out)
    answers: Tensor = torch.fft.irfft2(torch.view_as_complex(filtered), s=(side, side))
    size = side - weights.shape[-1] + 1  # further on, the filter would reach around the edge
    return answers[:, :size, :size]


def correlate_back(answers: Tensor, spectra: Sequence[Tensor], size: int) -> Tensor:
    """The adjoint of `respond_to`, summed over samples: `(M, R, R)` and M of `(C, ...)` to `(C, size, size)`."""
    side = spectra[0].shape[1]
    laid_out = torch.view_as_real(torch.fft.rfft2(answers, s=(side, side))).flatten(1).numpy()
    summed = answers.new_zeros(spectra[0].shape)
    rows = _as_rows(summed)
    for sample, answer in zip(spectra, laid_out, strict=True):
        add_to_channels(_as_rows(sample), answer, rows)
    return corner_of(summed, size)


def _as_rows(spectrum: Tensor) -> NDArray[Any]:
    """A view of `(C, ...)` as `(C, N)`; a fit needs a hundred of them, and NumPy's cost less than PyTorch's."""
    return spectrum.numpy().reshape(len(spectrum), -1)


def covered(size: int, cells: tuple[float, float]) -> Tensor:
    """`(size, size)`: the share of each cell that a box of this width and height around the middle covers."""
    edges = torch.arange(size + 1, dtype=torch.float32) - size / 2

    def along(length: float) -> Tensor:
        half = max(length, 1.0) / 2  # a target thinner than a cell still has one
        return (torch.minimum(edges[1:], torch.tensor(half)) - torch.maximum(edges[:-1], torch.tensor(-half))).clamp(
            0, 1
        )

    return along(cells[1])[:, None] * along(cells[0])[None, :]


def gaussian(size: int, cell: tuple[float, float], sigma: float) -> Tensor:
    """`(size, size)`: 1 at column and row `cell`, fractions allowed."""
    across, down = (np.exp(-((np.arange(size) - middle) ** 2) / (2 * sigma**2)) for middle in cell)
    return torch.from_numpy(np.outer(down, across).astype(np.float32))


def _at_least(shares: Tensor, first: int, least: float) -> Tensor:
    """Let the first samples count for at least this much together."""
    total = shares[:first].sum()
    if total >= least:
        return shares
    return torch.cat([shares[:first] * (least / total), shares[first:] * ((1 - least) / (1 - total))])
