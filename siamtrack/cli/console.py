"""What the command line says: log lines, errors and progress on stderr, results on stdout."""

from __future__ import annotations

import logging
import shlex
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from siamtrack.evaluation.benchmark import BenchmarkProgress
    from siamtrack.system.progress import Advance
    from siamtrack.training.loop import Progress as TrainingProgress
    from siamtrack.verification.training import VerificationProgress


class _Standing(Protocol):
    """What a report of training says in any case."""

    @property
    def step(self) -> int: ...

    @property
    def steps(self) -> int: ...


P = TypeVar("P", bound=_Standing)

_logger = logging.getLogger("siamtrack")

SECONDS_BETWEEN_LINES = 5.0
"""How often progress is reported where there is no terminal."""
_WIDEST = 1000
"""Columns of a table that no terminal limits."""


class _Lines(logging.Handler):
    """One line a record on whatever stderr is now: a progress bar and tests replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        sys.stderr.write(f"siamtrack: {level}{record.getMessage()}\n")
        if record.exc_info:
            sys.stderr.write(f"{logging.Formatter().formatException(record.exc_info)}\n")


def configure_logging(*, quiet: bool = False, debug: bool = False) -> None:
    """Send the package's log to stderr: everything with `debug`, errors only with `quiet`."""
    _logger.handlers = [_Lines()]
    _logger.propagate = False
    _logger.setLevel(logging.DEBUG if debug else logging.ERROR if quiet else logging.INFO)
    if not debug and not sys.warnoptions:
        warnings.simplefilter("ignore")  # what libraries warn about is for developers


def show_error(message: str) -> None:
    """Print an error in one line; with `--debug` the traceback of the exception in flight follows."""
    line = " ".join(part.strip() for part in message.splitlines())
    _logger.error("%s", line, exc_info=_logger.isEnabledFor(logging.DEBUG))


def show_note(message: str) -> None:
    """Say something beside the results, unless the run is quiet."""
    _logger.info("%s", message)


def command_line() -> str:
    """The command line of this run, as one would type it."""
    return shlex.join(["siamtrack", *sys.argv[1:]])


def output() -> Console:
    """The console for results: stdout, without wrapping, so that a path stays in one piece."""
    from rich.console import Console

    return Console(soft_wrap=True, highlight=False, markup=False)


def show_result(line: str) -> None:
    """Print a line of results on stdout, unless the run is quiet."""
    if _logger.isEnabledFor(logging.INFO):
        output().print(line)


def show_table(table: Table) -> None:
    """Print a table of figures, as wide as it is: a figure that is cut short is another figure."""
    from rich.console import Console

    Console(width=_WIDEST, highlight=False, markup=False).print(table)


@contextmanager
def progress(total: int | None) -> Iterator[Advance]:
    """Show how far a run is: a live bar on a terminal, a log line now and then elsewhere.

    Args:
        total: number of frames, where it is known.

    Yields:
        A function to call with the number of frames done and the frames per second so far.
    """
    if not _logger.isEnabledFor(logging.INFO):
        yield lambda frames, fps: None
    elif sys.stderr.isatty():
        with _bar(total) as advance:
            yield advance
    else:
        yield _line_reporter(total)


@contextmanager
def _bar(total: int | None) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("tracking"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]:.1f} fps"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("tracking", total=total, fps=0.0)
        yield lambda frames, fps: bar.update(task, completed=frames, fps=fps)


def _now_and_then() -> Callable[[str], None]:
    """Logs a line, unless the one before is too recent."""
    last = time.monotonic()

    def say(line: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            _logger.info("%s", line)

    return say


def _line_reporter(total: int | None) -> Advance:
    say = _now_and_then()
    of_total = "" if total is None else f" of {total}"
    return lambda frames, fps: say(f"{frames}{of_total} frames, {fps:.1f} fps")


@contextmanager
def training_progress(steps: int, describe: Callable[[P], str]) -> Iterator[Callable[[P], None]]:
    """Show how far a training run is: a live bar on a terminal, a log line now and then elsewhere.

    Args:
        steps: number of steps of the whole run.
        describe: the figures of the last steps in words.

    Yields:
        A function to call with the figures of the last steps.
    """
    if not _logger.isEnabledFor(logging.INFO):
        yield lambda progress: None
    elif sys.stderr.isatty():
        with _training_bar(steps, describe) as report:
            yield report
    else:
        yield lambda progress: _logger.info("%d of %d steps, %s", progress.step, progress.steps, describe(progress))


@contextmanager
def _training_bar(steps: int, describe: Callable[[P], str]) -> Iterator[Callable[[P], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=steps, figures="")
        yield lambda progress: bar.update(task, completed=progress.step, figures=describe(progress))


def tracking_figures(progress: TrainingProgress) -> str:
    """Figures of training a tracking network in words."""
    boxes = f"overlap of boxes {progress.overlap:.3f}, " if progress.overlap else ""
    return (
        f"loss {progress.loss:.3f}, center error {progress.center_error:.1f} px, {boxes}"
        f"{progress.pairs_per_second:.1f} pairs/s, data wait {progress.wait:.0%}"
    )


def verification_figures(progress: VerificationProgress) -> str:
    """Figures of training a network that tells same from different in words."""
    return f"loss {progress.loss:.4f}, {progress.active:.0%} of it active, {progress.patches_per_second:.0f} patches/s"


@contextmanager
def tuning_progress(trials: int) -> Iterator[Callable[[int, float, float], None]]:
    """Show how far a search for settings is: a live bar on a terminal, a log line a trial elsewhere.

    Args:
        trials: number of trials.

    Yields:
        A function to call with the number of trials done, and the overlaps of the first and of the best.
    """
    if not _logger.isEnabledFor(logging.INFO):
        yield lambda done, first, best: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("tuning"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"))
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
            task = bar.add_task("tuning", total=trials, figures="")
            yield lambda done, first, best: bar.update(task, completed=done, figures=_overlaps(first, best))
    else:
        yield lambda done, first, best: _logger.info("%d of %d trials, %s", done, trials, _overlaps(first, best))


def _overlaps(first: float, best: float) -> str:
    return f"average overlap {first:.3f} at first, {best:.3f} at best"


@contextmanager
def counting_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how much is done: a live bar on a terminal, a log line now and then elsewhere.

    Args:
        what: is counted.

    Yields:
        A function to call with how many are done, and of how many.
    """
    if not _logger.isEnabledFor(logging.INFO):
        yield lambda done, total: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        say = _now_and_then()
        yield lambda done, total: say(f"{done} of {total} {what}")


@contextmanager
def benchmark_progress() -> Iterator[Callable[[BenchmarkProgress], None]]:
    """Show how far a benchmark is: a live bar on a terminal, a log line now and then elsewhere.

    Yields:
        A function to call with what is done.
    """
    if not _logger.isEnabledFor(logging.INFO):
        yield lambda progress: None
    elif sys.stderr.isatty():
        with _benchmark_bar() as report:
            yield report
    else:
        say = _now_and_then()
        yield lambda progress: say(_standing(progress))


@contextmanager
def _benchmark_bar() -> Iterator[Callable[[BenchmarkProgress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("benchmark"), BarColumn(), TextColumn("{task.fields[figures]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("benchmark", total=None, figures="")
        yield lambda now: bar.update(task, completed=now.frames, total=now.of_frames, figures=_standing(now))


def _standing(now: BenchmarkProgress) -> str:
    ao = "" if now.ao is None else f", {now.tracker} AO {now.ao:.3f}"
    return f"{now.sequences} of {now.of_sequences} sequences, {now.frames} of {now.of_frames} frames{ao}"
