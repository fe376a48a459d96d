"""The conjugate gradient that fits a correlation filter to its samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from siamtrack.tracking.online_filter.fourier import (
    Array,
    FourierBasis,
    add_over_channels,
    add_to_channels,
    fourier_basis,
    into_corners,
    into_spectra,
)


def respond(weights: Array, spectra: Sequence[Array], size: int) -> Array:
    """Correlate `(C, h, w)` with M samples, of `size` more cells less one each way.

    Args:
        weights: the filter.
        spectra: M of `(C, 2, F)` from `spectra_of`, of maps `(size + h - 1, size + w - 1)`.
        size: R, the side of the answers.

    Returns:
        `(M, R, R)`.
    """
    small, large = _waves(weights, size)
    return _respond(weights, spectra, small, large)


def descend(
    weights: Array,
    answers: Array,
    spectra: Sequence[Array],
    labels: Array,
    shares: Array,
    support: Array,
    regularization: float,
    background: float,
    steps: int,
) -> tuple[Array, Array]:
    """Some steps of the conjugate gradient (Polak-Ribiere) towards the filter that answers with the labels.

    It minimizes `sum(shares * (answers - labels)^2) + regularization * sum(weights^2)`, where a label below
    `background` asks for no more than an answer below zero.

    Args:
        weights: `(C, h, w)` where to start.
        answers: `(M, R, R)` what the samples answer to them.
        spectra: as of `respond`.
        labels: `(M, R, R)`.
        shares: `(M,)` how much each sample counts.
        support: `(h, w)` what the gradient of the answers is multiplied by.
        regularization: weight of the squared filter.
        background: labels below this are of the background.
        steps: of the descent.

    Returns:
        The weights, and what the samples answer to them.
    """
    kind = weights.dtype.type
    ridge = kind(regularization)
    direction, previous = np.zeros_like(weights), np.zeros_like(weights)
    small, large = _waves(weights, answers.shape[-1])
    for _ in range(steps):
        # The hinge makes the problem piecewise quadratic: cells that need nothing do not take part in this step.
        counted = shares[:, None, None] * ((labels >= background) | (answers > 0))
        data = _correlate_back(counted * (answers - labels), spectra, small, large)
        gradient = data * support + ridge * weights
        norm = _inner(previous, previous)
        bend = max(_inner(gradient - previous, gradient) / norm, kind(0)) if norm > 0 else kind(0)
        direction = bend * direction - gradient
        change = _respond(direction, spectra, small, large)
        curvature = _inner(counted * change, change) + ridge * _inner(direction, direction)
        length = -_inner(gradient, direction) / max(curvature, kind(1e-30))
        weights, answers = weights + length * direction, answers + length * change
        previous = gradient
    return weights, answers


def _inner(a: Array, b: Array) -> Any:
    """The inner product of two arrays, without the threads of NumPy's BLAS (see `spectra`)."""
    return (a * b).sum()


def compile_solver() -> None:
    """Compile, or load from numba's cache, before the first frame."""
    cell = np.zeros((1, 1, 1), np.float32)
    descend(cell, cell, [np.zeros((1, 2, 1), np.float32)], cell, cell[0, 0], cell[0], 0.0, 0.0, 1)


def _waves(weights: Array, size: int) -> tuple[FourierBasis, FourierBasis]:
    """Those of the weights and of answers of this size, in the maps of the samples."""
    height, width = weights.shape[1:]
    shape = size + height - 1, size + width - 1
    return fourier_basis((height, width), shape, weights.dtype), fourier_basis((size, size), shape, weights.dtype)


def _respond(weights: Array, spectra: Sequence[Array], small: FourierBasis, large: FourierBasis) -> Array:
    """`respond`, with the waves of the weights and of the answers."""
    turned = into_spectra(weights, small)
    filtered = np.zeros((len(spectra), *turned.shape[1:]), weights.dtype)
    for sample, total in zip(spectra, filtered, strict=True):
        add_over_channels(sample, turned, total)
    return into_corners(filtered, large)


def _correlate_back(answers: Array, spectra: Sequence[Array], small: FourierBasis, large: FourierBasis) -> Array:
    """The adjoint of `_respond`, summed over samples: `(M, R, R)` to `(C, h, w)`."""
    totals = np.zeros_like(spectra[0])
    for sample, answer in zip(spectra, into_spectra(answers, large), strict=True):
        add_to_channels(sample, answer, totals)
    return into_corners(totals, small)
