"""The conjugate gradient that fits a correlation filter to its samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit

from siamtrack.compiling import CACHE
from siamtrack.tracking.spectra import Array, Waves, add_product, into_corner, into_spectrum, waves_of


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
    regularisation: float,
    background: float,
    steps: int,
) -> tuple[Array, Array]:
    """Some steps of the conjugate gradient (Polak-Ribiere) towards the filter that answers with the labels.

    It minimises `sum(shares * (answers - labels)^2) + regularisation * sum(weights^2)`, where a label below
    `background` asks for no more than an answer below zero.

    Args:
        weights: `(C, h, w)` where to start.
        answers: `(M, R, R)` what the samples answer to them.
        spectra: as of `respond`.
        labels: `(M, R, R)`.
        shares: `(M,)` how much each sample counts.
        support: `(h, w)` what the gradient of the answers is multiplied by.
        regularisation: weight of the squared filter.
        background: labels below this are of the background.
        steps: of the descent.

    Returns:
        The weights, and what the samples answer to them.
    """
    kind = weights.dtype.type
    ridge = kind(regularisation)
    direction, previous, change = np.zeros_like(weights), np.zeros_like(weights), np.zeros_like(answers)
    small, large = _waves(weights, answers.shape[-1])
    for _ in range(steps):
        # The hinge makes the problem piecewise quadratic: cells that need nothing do not take part in this step.
        counted = shares[:, None, None] * ((labels >= background) | (answers > 0))
        data = _correlate_back(counted * (answers - labels), spectra, small, large)
        gradient = data * support + ridge * weights
        norm = np.vdot(previous, previous)
        bend = max(np.vdot(gradient - previous, gradient) / norm, kind(0)) if norm > 0 else kind(0)
        direction = bend * direction - gradient
        change = _respond(direction, spectra, small, large)
        curvature = np.vdot(counted, np.square(change)) + ridge * np.vdot(direction, direction)
        length = -np.vdot(gradient, direction) / max(curvature, kind(1e-30))
        weights, answers = weights + length * direction, answers + length * change
        previous = gradient
    return weights, answers


def compile_descent() -> None:
    """Compile, or load from numba's cache, before the first frame."""
    cell = np.zeros((1, 1, 1), np.float32)
    descend(cell, cell, [np.zeros((1, 2, 1), np.float32)], cell, cell[0, 0], cell[0], 0.0, 0.0, 1)


def _waves(weights: Array, size: int) -> tuple[Waves, Waves]:
    """Those of the weights and of answers of this size, in the maps of the samples."""
    height, width = weights.shape[1:]
    shape = size + height - 1, size + width - 1
    return waves_of((height, width), shape, weights.dtype), waves_of((size, size), shape, weights.dtype)


def _respond(weights: Array, spectra: Sequence[Array], small: Waves, large: Waves) -> Array:
    """`respond`, with the waves of the weights and of the answers."""
    turned = _spectra(weights, small)
    filtered = np.zeros((len(spectra), *turned.shape[1:]), weights.dtype)
    for sample, total in zip(spectra, filtered, strict=True):
        _add_over_channels(sample, turned, total)
    return _corners(filtered, large)


def _correlate_back(answers: Array, spectra: Sequence[Array], small: Waves, large: Waves) -> Array:
    """The adjoint of `_respond`, summed over samples: `(M, R, R)` to `(C, h, w)`."""
    totals = np.zeros_like(spectra[0])
    for sample, answer in zip(spectra, _spectra(answers, large), strict=True):
        _add_to_channels(sample, answer, totals)
    return _corners(totals, small)


@njit(cache=CACHE)
def _add_over_channels(sample: Array, other: Array, total: Array) -> None:
    """Add the products of the channels of two spectra, `(C, 2, F)`, to one total, `(2, F)`."""
    for c in range(len(sample)):
        add_product(sample[c], other[c], total)


@njit(cache=CACHE)
def _add_to_channels(sample: Array, answer: Array, totals: Array) -> None:
    """Add the product of every channel, `(C, 2, F)`, and the same spectrum, `(2, F)`, to its total."""
    for c in range(len(sample)):
        add_product(sample[c], answer, totals[c])


@njit(cache=CACHE)
def _spectra(corners: Array, waves: Waves) -> Array:
    """`into_spectrum` of each of `(N, h, w)`: `(N, 2, F)`."""
    made = np.empty((len(corners), 2, waves.down.shape[0] * waves.along.shape[1] // 4), corners.dtype)
    room = np.empty((corners.shape[1], waves.along.shape[1]), corners.dtype)
    for n in range(len(corners)):
        into_spectrum(corners[n], waves, room, made[n])
    return made


@njit(cache=CACHE)
def _corners(spectra: Array, waves: Waves) -> Array:
    """`into_corner` of each of `(N, 2, F)`: `(N, h, w)`."""
    made = np.empty((len(spectra), waves.back.shape[0] // 2, len(waves.along)), spectra.dtype)
    room = np.empty((made.shape[1], waves.along.shape[1]), spectra.dtype)
    for n in range(len(spectra)):
        into_corner(spectra[n], waves, room, made[n])
    return made
