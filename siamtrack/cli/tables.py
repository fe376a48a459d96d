"""Tables of figures as commands print them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from siamtrack.evaluation.resets import ResetScore
    from siamtrack.evaluation.scores import TrackerScore
    from siamtrack.training.feed_stats import Holdings, Spread
    from siamtrack.verification.matching import Match
    from siamtrack.verification.workflow import OneShot


def figure_table(*columns: str) -> Table:
    """An empty table whose first column is text and whose others are figures."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def score_table(scores: Sequence[TrackerScore]) -> Table:
    """Return the table of `score_rows`."""
    from siamtrack.evaluation.scores import score_rows

    heading, *rows = score_rows(scores)
    table = figure_table(*heading)
    for row in rows:
        table.add_row(*row)
    return table


def reset_table(scores: Mapping[str, ResetScore]) -> Table:
    """A line a tracker, the one that fails least first."""
    table = figure_table("tracker", "accuracy", "robustness", "failures")
    for name, score in sorted(scores.items(), key=lambda each: each[1].robustness):
        table.add_row(name, f"{score.accuracy:.3f}", f"{score.robustness:.3f}", str(score.failures))
    return table


def spread_table(spreads: Mapping[str, Spread]) -> Table:
    """A line a figure of training pairs."""
    table = figure_table("search crop", "5 %", "median", "95 %")
    for name, spread in spreads.items():
        table.add_row(name, *(f"{value:.4g}" for value in (spread.low, spread.median, spread.high)))
    return table


def match_table(matches: Sequence[Match], measure: str) -> Table:
    """A line a match, the best first."""
    table = figure_table("", "x", "y", "width", "height", measure, "probability")
    for number, match in enumerate(matches, 1):
        numbers = [f"{value:.1f}" for value in match.box]
        table.add_row(str(number), *numbers, f"{match.value:.4f}", f"{match.probability:.3f}")
    return table


def one_shot_table(found: OneShot) -> Table:
    """A line for the model and one for the pixels; an accuracy comes with half of its 95 % interval."""
    episodes = found.figures.episodes
    table = figure_table("", f"{episodes.ways}-way {episodes.shots}-shot", "AUC", "recall at 1")
    for name, figures in ((found.model, found.figures), ("pixels", found.pixels)):
        shot = f"{figures.episodes.accuracy:.3f} +- {figures.episodes.margin:.3f}"
        table.add_row(name, shot, f"{figures.auc:.3f}", f"{figures.recall:.3f}")
    return table


def holdings_line(holdings: Holdings) -> str:
    """What a folder of training data holds, in one sentence."""
    return (
        f"{holdings.tracks} tracks with {holdings.frames} boxes to train on, {holdings.validation} to validate with; "
        f"{holdings.objects} objects in {holdings.photos} photographs ({holdings.masked} with a mask), "
        f"{holdings.cutouts} cut-outs"
    )
