"""Conjugate gradient that fits an online filter to its samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from siamtrack.tracking.online_filter.fourier import (
    Array,
    FourierBasis,
    add_over_channels,
    add_to_channels,
    corners_to_spectra,
    fourier_basis,
    spectra_to_corners,
)


def respond(weights: Array, spectra: Sequence[Array], size: int) -> Array:
    """Correlate a filter `(C, h, w)` with M samples.

    Args:
        weights: the filter.
        spectra: M of `(C, 2, F)` from `to_spectra`, of maps `(size + h - 1, size + w - 1)`.
        size: R, the side of the responses.

    Returns:
        `(M, R, R)`.
    """
    filter_basis, response_basis = _bases(weights, size)
    return _respond(weights, spectra, filter_basis, response_basis)


def conjugate_gradient(
    weights: Array,
    responses: Array,
    spectra: Sequence[Array],
    labels: Array,
    sample_weights: Array,
    support: Array,
    regularization: float,
    background: float,
    steps: int,
) -> tuple[Array, Array]:
    """Take some steps of the conjugate gradient (Polak-Ribiere) towards the filter that responds with the labels.

    It minimizes `sum(sample_weights * (responses - labels)^2) + regularization * sum(weights^2)`. A response below zero
    has no error where its label is below `background`.

    Args:
        weights: `(C, h, w)` start of the descent.
        responses: `(M, R, R)` responses of the samples to these weights.
        spectra: see `respond`.
        labels: `(M, R, R)` wanted responses.
        sample_weights: `(M,)`.
        support: `(h, w)` factor on the gradient of the data term.
        regularization: weight of the squared filter.
        background: labels below this value belong to the background.
        steps: number of steps.

    Returns:
        The weights, and the responses of the samples to them.
    """
    kind = weights.dtype.type
    ridge = kind(regularization)
    direction, previous = np.zeros_like(weights), np.zeros_like(weights)
    filter_basis, response_basis = _bases(weights, responses.shape[-1])
    for _ in range(steps):
        # The hinge makes the problem piecewise quadratic: cells without an error do not take part in this step.
        counted = sample_weights[:, None, None] * ((labels >= background) | (responses > 0))
        data = _correlate_back(counted * (responses - labels), spectra, filter_basis, response_basis)
        gradient = data * support + ridge * weights
        norm = _inner(previous, previous)
        beta = max(_inner(gradient - previous, gradient) / norm, kind(0)) if norm > 0 else kind(0)
        direction = beta * direction - gradient
        change = _respond(direction, spectra, filter_basis, response_basis)
        curvature = _inner(counted * change, change) + ridge * _inner(direction, direction)
        length = -_inner(gradient, direction) / max(curvature, kind(1e-30))
        weights, responses = weights + length * direction, responses + length * change
        previous = gradient
    return weights, responses


def compile_solver() -> None:
    """Compile the kernels, or load them from numba's cache, before the first frame."""
    cell = np.zeros((1, 1, 1), np.float32)
    conjugate_gradient(cell, cell, [np.zeros((1, 2, 1), np.float32)], cell, cell[0, 0], cell[0], 0.0, 0.0, 1)


def _inner(a: Array, b: Array) -> Any:
    """Return the inner product of two arrays, without the threads of NumPy's BLAS (see `fourier`)."""
    return (a * b).sum()


def _bases(weights: Array, size: int) -> tuple[FourierBasis, FourierBasis]:
    """Return the Fourier bases of the weights and of responses of this size, in the maps of the samples."""
    height, width = weights.shape[1:]
    shape = size + height - 1, size + width - 1
    return fourier_basis((height, width), shape, weights.dtype), fourier_basis((size, size), shape, weights.dtype)


def _respond(
    weights: Array, spectra: Sequence[Array], filter_basis: FourierBasis, response_basis: FourierBasis
) -> Array:
    transformed = corners_to_spectra(weights, filter_basis)
    filtered = np.zeros((len(spectra), *transformed.shape[1:]), weights.dtype)
    for sample, total in zip(spectra, filtered, strict=True):
        add_over_channels(sample, transformed, total)
    return spectra_to_corners(filtered, response_basis)


def _correlate_back(
    responses: Array, spectra: Sequence[Array], filter_basis: FourierBasis, response_basis: FourierBasis
) -> Array:
    """Return the adjoint of `_respond`, summed over samples: `(M, R, R)` to `(C, h, w)`."""
    totals = np.zeros_like(spectra[0])
    for sample, response in zip(spectra, corners_to_spectra(responses, response_basis), strict=True):
        add_to_channels(sample, response, totals)
    return spectra_to_corners(totals, filter_basis)
