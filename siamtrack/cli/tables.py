"""Tables of figures that the commands print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.table import Table

    from siamtrack.evaluation.resets import ResetScore
    from siamtrack.evaluation.scores import TrackerScore
    from siamtrack.profiling.report import ProfileReport
    from siamtrack.training.preview import Holdings, Spread
    from siamtrack.verification.matching import Match
    from siamtrack.verification.workflow import OneShotResult


def figure_table(*columns: str) -> Table:
    """Return an empty table: the first column is text, the others are figures."""
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
    """Return a table of trackers, the one with the fewest failures first."""
    table = figure_table("tracker", "accuracy", "robustness", "failures")
    for name, score in sorted(scores.items(), key=lambda each: each[1].robustness):
        table.add_row(name, f"{score.accuracy:.3f}", f"{score.robustness:.3f}", str(score.failures))
    return table


def spread_table(spreads: Mapping[str, Spread]) -> Table:
    """Return a table of the figures of training pairs."""
    table = figure_table("search crop", "5 %", "median", "95 %")
    for name, spread in spreads.items():
        table.add_row(name, *(f"{value:.4g}" for value in (spread.low, spread.median, spread.high)))
    return table


def match_table(matches: Sequence[Match], measure: str) -> Table:
    """Return a table of matches, the best first."""
    table = figure_table("", "x", "y", "width", "height", measure, "probability")
    for number, match in enumerate(matches, 1):
        numbers = [f"{value:.1f}" for value in match.box]
        table.add_row(str(number), *numbers, f"{match.value:.4f}", f"{match.probability:.3f}")
    return table


def one_shot_table(result: OneShotResult) -> Table:
    """Return a table of the model and the pixels; an accuracy has half of its 95 % interval."""
    few_shot = result.metrics.few_shot
    table = figure_table("", f"{few_shot.ways}-way {few_shot.shots}-shot", "AUC", "recall at 1")
    for name, metrics in ((result.model, result.metrics), ("pixels", result.pixel_metrics)):
        accuracy = f"{metrics.few_shot.accuracy:.3f} +- {metrics.few_shot.half_interval:.3f}"
        table.add_row(name, accuracy, f"{metrics.auc:.3f}", f"{metrics.recall_at_one:.3f}")
    return table


def profile_tables(report: ProfileReport) -> tuple[Table, Table, Table]:
    """Return the tables of a profile: the stages, the speed of the trackers alone, and the limits of the networks."""
    peers = [tracker.name for tracker in report.trackers if tracker.model is None]
    stages = figure_table("ms a frame", "median", "p95", "share")
    speeds = figure_table("fps of the tracker", "median", "mean", *(f"x {_short(peer)}" for peer in peers))
    limits = figure_table(
        "limit of the network", "run by", "precision", "GFLOP", "GFLOP/s", "limit ms", "took ms", "reached"
    )
    for tracker in report.trackers:
        name = _short(tracker.name)
        stages.add_row(name)
        for stage, times in (tracker.stages | {"frame": tracker.frame}).items():
            stages.add_row(f"  {stage}", f"{1000 * times.median:.2f}", f"{1000 * times.p95:.2f}", f"{times.share:.1%}")
        ratios = (f"{tracker.ratios[peer]:.2f}" if peer in tracker.ratios else "" for peer in peers)
        speeds.add_row(name, f"{tracker.median_fps:.1f}", f"{tracker.mean_fps:.1f}", *ratios)
        limit = tracker.limit
        if limit is not None:
            limits.add_row(
                name,
                limit.runtime,
                limit.precision,
                f"{limit.flops / 1e9:.3f}",
                f"{limit.peak / 1e9:.1f}",
                f"{1000 * limit.seconds:.2f}",
                f"{1000 * limit.measured:.2f}",
                f"{limit.reached:.1%}",
            )
    return stages, speeds, limits


def _short(name: str) -> str:
    """Return the name of a tracker without folders: `opencv:nano` of `opencv:nano=DIR`, or the name of a file."""
    return Path(name.partition("=")[0]).name


def holdings_line(holdings: Holdings) -> str:
    """Return the content of a folder of training data in one sentence."""
    return (
        f"{holdings.tracks} tracks with {holdings.frames} boxes to train on, {holdings.validation} to validate with; "
        f"{holdings.objects} objects in {holdings.photos} photographs ({holdings.masked} with a mask), "
        f"{holdings.cutouts} cut-outs"
    )
