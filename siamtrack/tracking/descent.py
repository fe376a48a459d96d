"""The conjugate gradient that fits a correlation filter to its samples, one channel after the other.

A step needs the gradient, which is summed over the samples of each channel, and what the samples answer to it, which is
summed over channels. Done one after the other, both read all samples, which no cache holds. But a channel's gradient is
known as soon as its own samples have been read: what they answer to it is added up before the next channel evicts
them. The answers to the direction follow from it, as the direction is the gradient and a share of the last direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from siamtrack.compiling import CACHE
from siamtrack.tracking.spectra import Array, Waves, add_product, into_corner, into_spectrum, waves_of

ROOM = 16
"""Numba compiles for the number of samples: it gets a multiple of this, of which the last ones are not read."""


def respond(weights: Array, spectra: tuple[Array, ...], size: int) -> Array:
    """Correlate `(C, h, w)` with M samples, of `size` more cells less one each way.

    Args:
        weights: the filter.
        spectra: M of `(C, 2, F)` from `spectra_of`, of maps `(size + h - 1, size + w - 1)`.
        size: R, the side of the answers.

    Returns:
        `(M, R, R)`.
    """
    answers = np.empty((len(spectra), size, size), weights.dtype)
    _respond(weights, _in_room(spectra), *_waves(weights, size), answers)
    return answers


def descend(
    weights: Array,
    answers: Array,
    spectra: tuple[Array, ...],
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
    weights, answers = weights.copy(), answers.copy()
    kind = weights.dtype.type
    _descend(
        weights,
        answers,
        _in_room(spectra),
        labels,
        shares,
        support,
        kind(regularisation),
        kind(background),
        steps,
        *_waves(weights, answers.shape[-1]),
    )
    return weights, answers


def _waves(weights: Array, size: int) -> tuple[Waves, Waves]:
    """Those of the weights and of answers of this size, in the maps of the samples."""
    height, width = weights.shape[1:]
    shape = size + height - 1, size + width - 1
    return waves_of((height, width), shape, weights.dtype), waves_of((size, size), shape, weights.dtype)


def _in_room(spectra: tuple[Array, ...]) -> tuple[Array, ...]:
    """The spectra, and the last one again until there is a multiple of `ROOM`."""
    return spectra + spectra[-1:] * (-len(spectra) % ROOM)


@njit(cache=CACHE, fastmath=True, nogil=True)
def _respond(weights: Array, spectra: tuple[Array, ...], small: Waves, large: Waves, answers: Array) -> None:
    """`respond` into `answers`; waves are those of the weights and of the answers."""
    channels, height = weights.shape[:2]
    spectrum = np.empty(spectra[0].shape[1:], weights.dtype)
    filtered = np.zeros((len(answers), *spectrum.shape), weights.dtype)
    room = np.empty((height, small.along.shape[1]), weights.dtype)
    for c in range(channels):
        into_spectrum(weights[c], small, room, spectrum)
        for m in range(len(filtered)):
            add_product(spectra[m][c], spectrum, filtered[m])
    answers[:] = _corners(filtered, large)


@njit(cache=CACHE, fastmath=True, nogil=True)
def _descend(
    weights: Array,
    answers: Array,
    spectra: tuple[Array, ...],
    labels: Array,
    shares: Array,
    support: Array,
    regularisation: Any,
    background: Any,
    steps: int,
    small: Waves,
    large: Waves,
) -> None:
    """`descend`, where `weights` and `answers` are changed in place; waves as of `_respond`."""
    kind = weights.dtype.type
    direction = np.zeros_like(weights)
    previous = np.zeros_like(weights)
    change = np.zeros_like(answers)
    for _ in range(steps):
        counted = _counted(answers, labels, shares, background)
        wrong = _spectra(counted * (answers - labels), large)
        gradient, filtered = _sweep(weights, spectra, wrong, support, regularisation, small)
        norm = np.sum(previous * previous)
        bend = max(np.sum((gradient - previous) * gradient) / max(norm, kind(1e-30)), kind(0)) if norm > 0 else kind(0)
        direction = bend * direction - gradient
        change = bend * change - _corners(filtered, large)
        curvature = np.sum(counted * change * change) + regularisation * np.sum(direction * direction)
        length = -np.sum(gradient * direction) / max(curvature, kind(1e-30))
        weights += length * direction
        answers += length * change
        previous = gradient


@njit(cache=CACHE, fastmath=True)
def _sweep(
    weights: Array,
    spectra: tuple[Array, ...],
    wrong: Array,
    support: Array,
    regularisation: Any,
    waves: Waves,
) -> tuple[Array, Array]:
    """The gradient, `(C, h, w)`, and the spectra of what M samples answer to it, `(M, 2, F)`.

    `wrong` is `(M, 2, F)`, the spectra of what the present answers are weighted and wrong by.
    """
    channels, height = weights.shape[:2]
    gradient = np.empty_like(weights)
    filtered = np.zeros_like(wrong)
    spectrum = np.empty(wrong.shape[1:], weights.dtype)
    room = np.empty((height, waves.along.shape[1]), weights.dtype)
    for c in range(channels):
        spectrum[:] = 0
        for m in range(len(wrong)):
            add_product(spectra[m][c], wrong[m], spectrum)
        own = gradient[c]
        into_corner(spectrum, waves, room, own)
        own[:] = own * support + regularisation * weights[c]
        into_spectrum(own, waves, room, spectrum)
        for m in range(len(wrong)):
            add_product(spectra[m][c], spectrum, filtered[m])
    return gradient, filtered


@njit(cache=CACHE, fastmath=True)
def _counted(answers: Array, labels: Array, shares: Array, background: Any) -> Array:
    """`(M, R, R)` how much each cell counts: the background that answers below zero does not."""
    counted = np.empty_like(answers)
    for m in range(len(answers)):
        for i in range(answers.shape[1]):
            for j in range(answers.shape[2]):
                active = labels[m, i, j] >= background or answers[m, i, j] > 0
                counted[m, i, j] = shares[m] if active else 0
    return counted


@njit(cache=CACHE, fastmath=True)
def _spectra(corners: Array, waves: Waves) -> Array:
    """`into_spectrum` of each of `(M, R, R)`: `(M, 2, F)`."""
    made = np.empty((len(corners), 2, waves.down.shape[0] * waves.along.shape[1] // 4), corners.dtype)
    room = np.empty((corners.shape[1], waves.along.shape[1]), corners.dtype)
    for m in range(len(corners)):
        into_spectrum(corners[m], waves, room, made[m])
    return made


@njit(cache=CACHE, fastmath=True)
def _corners(spectra: Array, waves: Waves) -> Array:
    """`into_corner` of each of `(M, 2, F)`: `(M, R, R)`."""
    size = len(waves.along)
    made = np.empty((len(spectra), size, size), spectra.dtype)
    room = np.empty((size, waves.along.shape[1]), spectra.dtype)
    for m in range(len(spectra)):
        into_corner(spectra[m], waves, room, made[m])
    return made
