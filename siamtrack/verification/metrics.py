"""Metrics of same or different: curves of pairs, nearest neighbors, few-shot episodes, calibration.

Similarities are higher for the more similar throughout; a distance comes in with its sign turned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siamtrack.errors import DataError, UsageError
from siamtrack.models.cards import Calibration
from siamtrack.system.progress import Report, no_report
from siamtrack.verification.dataset import PatchDataset
from siamtrack.verification.verifier import Verifier

Array = NDArray[np.float64]
Labels = NDArray[np.bool_]


def _sklearn(module: str) -> Any:
    """Return a module of scikit-learn, which is an extra."""
    import importlib  # noqa: PLC0415

    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise UsageError("these figures need scikit-learn: pip install 'siamtrack[verify]'") from error


@dataclass(frozen=True, eq=False)
class Roc:
    """A receiver operating characteristic."""

    false_positives: Array
    """Share of the different pairs that are taken for the same, rising."""
    true_positives: Array
    """Share of the same pairs that are."""
    auc: float
    """Area under the curve: the probability that a pair of the same is more similar than one of different."""


def roc(similarities: Array, same: Labels) -> Roc:
    """Return the curve over all thresholds.

    Args:
        similarities: `(N,)`.
        same: `(N,)`.

    Raises:
        DataError: when all pairs are the same, or all different.
        UsageError: without scikit-learn.
    """
    _check_both_kinds(same)
    metrics = _sklearn("metrics")
    false_positives, true_positives, _ = metrics.roc_curve(same, similarities)
    return Roc(false_positives, true_positives, float(metrics.roc_auc_score(same, similarities)))


def best_threshold(similarities: Array, same: Labels) -> float:
    """Return the similarity from which on pairs are taken for the same with the fewest mistakes.

    It lies half way between two neighboring values; of several as good ones, the lowest counts.

    Raises:
        DataError: when all pairs are the same, or all different.
    """
    _check_both_kinds(same)
    order = np.argsort(similarities, kind="stable")
    values, truth = similarities[order], same[order]
    # Mistakes with the first k pairs taken for different: the same ones among them, the different ones beyond.
    mistakes = np.concatenate([[0], np.cumsum(truth)]) + (~truth).sum() - np.concatenate([[0], np.cumsum(~truth)])
    cuts = np.concatenate([[values[0] - 1], (values[:-1] + values[1:]) / 2, [values[-1] + 1]])
    possible = np.concatenate([[True], values[1:] > values[:-1], [True]])  # equal values cannot be parted
    return float(cuts[np.flatnonzero(possible)[mistakes[possible].argmin()]])


def accuracy(similarities: Array, same: Labels, threshold: float) -> float:
    """Share of the pairs that a threshold decides rightly."""
    return float(((similarities >= threshold) == same).mean())


def recall_at_one(similarities: Array, classes: NDArray[np.int64]) -> float:
    """Share of the patches whose nearest other one is of their class.

    Args:
        similarities: `(N, N)`, of all with all.
        classes: `(N,)`; those with a single patch are looked for by none, but may be found.

    Raises:
        DataError: when no class has two patches.
    """
    others = similarities.astype(np.float64, copy=True)
    np.fill_diagonal(others, -np.inf)
    asked = np.bincount(classes)[classes] > 1
    if not asked.any():
        raise DataError("no class has two pictures: there is no neighbor to find")
    return float((classes[others.argmax(axis=1)] == classes)[asked].mean())


@dataclass(frozen=True)
class FewShotResult:
    """Result of N-way K-shot episodes."""

    accuracy: float
    """Mean over the episodes."""
    half_interval: float
    """Half of the 95 % interval of that mean, from the spread over the episodes (normal approximation)."""
    ways: int
    shots: int
    episodes: int


def few_shot(
    data: PatchDataset, similarities: Array, ways: int, shots: int, episodes: int, rng: np.random.Generator
) -> FewShotResult:
    """N-way K-shot classification (Vinyals et al. 2016, section 3): each episode draws N classes, K shots and a query.

    A query of every class is given to the class whose shots are the most similar on average; of equal ones, to the
    first.

    Args:
        data: the patches; classes with fewer than K + 1 of them take no part.
        similarities: `(N, N)`, of all patches with all.
        ways: N, two or more.
        shots: K.
        episodes: how many are averaged over.
        rng: draws them.

    Raises:
        UsageError: for fewer than two ways, one shot or one episode.
        DataError: when fewer than `ways` classes have K + 1 patches.
    """
    if ways < 2 or shots < 1 or episodes < 1:
        raise UsageError(f"{ways} ways, {shots} shots and {episodes} episodes cannot be: give 2, 1 and 1 at least")
    able = [members for members in data.members if len(members) > shots]
    if len(able) < ways:
        raise DataError(
            f"{len(able)} classes have {shots + 1} pictures or more, which {ways} ways of {shots} shots take from "
            "each: lower --ways or --shots, or add pictures"
        )
    rates = np.empty(episodes)
    for episode in range(episodes):
        drawn = np.stack(
            [
                rng.choice(able[number], shots + 1, replace=False)
                for number in rng.choice(len(able), ways, replace=False)
            ]
        )
        queries, examples = drawn[:, 0], drawn[:, 1:]
        score = similarities[queries[:, None, None], examples[None]].mean(axis=2)
        rates[episode] = (score.argmax(axis=1) == np.arange(ways)).mean()
    half_interval = 1.96 * rates.std(ddof=1) / math.sqrt(episodes) if episodes > 1 else math.nan
    return FewShotResult(float(rates.mean()), float(half_interval), ways, shots, episodes)


def fit_calibration(values: Array, same: Labels) -> Calibration:
    """Return a logistic curve on the value of a comparison (Platt 1999).

    The classes count equally, however many pairs there are of each.

    Raises:
        DataError: when all pairs are the same, or all different.
        UsageError: without scikit-learn.
    """
    _check_both_kinds(same)
    # The ridge of scikit-learn would depend on the unit of the values: they come in with spread 1, and it is weak.
    middle, spread = values.mean(), max(float(values.std()), 1e-12)
    model = _sklearn("linear_model").LogisticRegression(C=1e3, class_weight="balanced", max_iter=1000)
    model.fit(((values - middle) / spread)[:, None], same)
    slope = float(model.coef_[0, 0]) / spread
    return Calibration(intercept=float(model.intercept_[0]) - slope * float(middle), slope=slope)


@dataclass(frozen=True, eq=False)
class Reliability:
    """Probabilities against what was true, in bins of equal width."""

    predicted: Array
    """Mean probability of each bin that holds a pair."""
    observed: Array
    """Share of its pairs that are the same."""
    counts: NDArray[np.int64]
    """Number of pairs in each bin."""
    error: float
    """Expected calibration error: the mean difference of `predicted` and `observed`, weighted with `counts` (Guo et al.
    2017)."""
    brier: float
    """Mean squared difference of probability and truth (Brier 1950): 0.25 for saying one half always."""


def reliability(probabilities: Array, same: Labels, bins: int = 10) -> Reliability:
    """Return how far probabilities can be believed.

    Args:
        probabilities: `(N,)` in [0, 1].
        same: `(N,)`.
        bins: how many of equal width; empty ones are left out.

    Raises:
        DataError: without a pair.
    """
    if not len(same):
        raise DataError("there is no pair to measure probabilities with")
    number = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    counts = np.bincount(number, minlength=bins)
    filled = counts > 0
    predicted = np.bincount(number, probabilities, bins)[filled] / counts[filled]
    observed = np.bincount(number, same.astype(np.float64), bins)[filled] / counts[filled]
    error = float((counts[filled] * np.abs(predicted - observed)).sum() / counts.sum())
    return Reliability(predicted, observed, counts[filled], error, float(np.square(probabilities - same).mean()))


def pixel_similarities(data: PatchDataset) -> Array:
    """`(N, N)`: the baseline of no learning, minus the Euclidean distance of the pixels in shares of white."""
    flat = data.patches.reshape(len(data.patches), -1) / 255.0
    squares = (flat**2).sum(axis=1)
    squared: Array = squares[:, None] + squares[None] - 2 * flat @ flat.T
    return np.asarray(-np.sqrt(squared.clip(min=0)))


@dataclass(frozen=True)
class VerificationMetrics:
    """VerificationMetrics of classes that were not trained on."""

    auc: float
    """Over all pairs of patches."""
    recall_at_one: float
    """Recall at 1."""
    few_shot: FewShotResult
    """Few-shot, one shot if not predicted otherwise."""


def evaluate(
    data: PatchDataset, similarities: Array, ways: int = 5, shots: int = 1, episodes: int = 1000, seed: int = 0
) -> VerificationMetrics:
    """Return all figures that need no threshold.

    Args:
        data: the patches.
        similarities: `(N, N)`, of all patches with all.
        ways: of the episodes; all classes where there are fewer.
        shots: of the episodes.
        episodes: how many.
        seed: of the episodes.

    Raises:
        DataError: for data without two classes that have a patch more than `shots`.
        UsageError: for impossible episodes, or without scikit-learn.
    """
    first, second = np.triu_indices(len(similarities), 1)
    same = data.classes[first] == data.classes[second]
    able = sum(len(members) > shots for members in data.members)
    return VerificationMetrics(
        roc(similarities[first, second], same).auc,
        recall_at_one(similarities, data.classes),
        few_shot(data, similarities, max(min(ways, able), 2), shots, episodes, np.random.default_rng(seed)),
    )


def similarity_matrix(verifier: Verifier, data: PatchDataset, report: Report = no_report) -> Array:
    """`(N, N)`: how similar a verifier finds all patches to all.

    Raises:
        UsageError: when they are not what it takes.
    """
    embedded = verifier.embed(data.patches, report)
    return verifier.to_similarities(verifier.compare(embedded, embedded))


def _check_both_kinds(same: Labels) -> None:
    if same.all() or not same.any():
        kind = "different" if not same.any() else "the same"
        raise DataError(f"all {len(same)} pairs are {kind}: both kinds are needed to measure anything")
