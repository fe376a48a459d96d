"""Output of the command line: log lines, errors and progress on stderr, results on stdout."""

from __future__ import annotations

import logging
import shlex
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from siamtrack.system.progress import Progress, Report, no_report

if TYPE_CHECKING:
    from signal import Signals

    from rich.console import Console
    from rich.progress import Progress as RichProgress
    from rich.table import Table

_logger = logging.getLogger("siamtrack")

SECONDS_BETWEEN_LINES = 5.0
"""Minimum time between two lines of progress where there is no terminal."""
SIGNALED = 128
"""Exit codes above this name the signal that ended a process: 130 is Ctrl-C, as in shells."""
_WIDEST = 1000
"""Columns of a table; no terminal limits them."""


class _Lines(logging.Handler):
    """Handler that writes one line for each record to the current stderr, which a progress bar and tests replace."""

    def emit(self, record: logging.LogRecord) -> None:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        sys.stderr.write(f"siamtrack: {level}{record.getMessage()}\n")
        if record.exc_info:
            sys.stderr.write(f"{logging.Formatter().formatException(record.exc_info)}\n")


def configure_logging(*, quiet: bool = False, debug: bool = False) -> None:
    """Send the log of the package to stderr: everything with `debug`, errors only with `quiet`."""
    _logger.handlers = [_Lines()]
    _logger.propagate = False
    _logger.setLevel(logging.DEBUG if debug else logging.ERROR if quiet else logging.INFO)
    if not debug and not sys.warnoptions:
        warnings.simplefilter("ignore")  # warnings of libraries are for developers


def show_error(message: str) -> None:
    """Print an error in one line; with `--debug` the traceback of the current exception follows."""
    line = " ".join(part.strip() for part in message.splitlines())
    _logger.error("%s", line, exc_info=_logger.isEnabledFor(logging.DEBUG))


def show_note(message: str) -> None:
    """Print a remark about the run, unless it is quiet."""
    _logger.info("%s", message)


def command_line() -> str:
    """Return the command line of this run."""
    return shlex.join(["siamtrack", *sys.argv[1:]])


def output() -> Console:
    """Return the console for results: stdout without line breaks, so that a path stays in one piece."""
    from rich.console import Console

    return Console(soft_wrap=True, highlight=False, markup=False)


def show_result(*lines: str) -> None:
    """Print lines of results on stdout, unless the run is quiet."""
    if _logger.isEnabledFor(logging.INFO):
        for line in lines:
            output().print(line)


def show_table(table: Table) -> None:
    """Print a table of figures in its full width, because a figure must not be cut short, unless the run is quiet."""
    from rich.console import Console

    if _logger.isEnabledFor(logging.INFO):
        Console(width=_WIDEST, highlight=False, markup=False).print(table)


def plural(count: int, noun: str) -> str:
    """Return a number and its noun, such as `1 frame` or `12 frames`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def exit_code(stopped_by: Signals | None) -> int:
    """Return the exit code of a run that finished, or that a signal stopped."""
    return 0 if stopped_by is None else SIGNALED + stopped_by


@contextmanager
def progress(task: str, *, keep: bool = False) -> Iterator[Report]:
    """Show how far a piece of work is: a live bar on a terminal, a log line now and then elsewhere.

    Args:
        task: name of the work, such as `tracking`.
        keep: for work that seldom reports: every report is a line, and the finished bar stays on the terminal.

    Yields:
        The callback of the work.
    """
    if not _logger.isEnabledFor(logging.INFO):
        yield no_report
    elif sys.stderr.isatty():
        bar = _Bar(task, keep=keep)
        try:
            yield bar.report
        finally:
            bar.close()
    else:
        yield _line_reporter(0.0 if keep else SECONDS_BETWEEN_LINES)


class _Bar:
    """Bar on a terminal. It appears with the first report and goes when everything is done.

    Args:
        task: name of the work.
        keep: leave the finished bar on the terminal.
    """

    def __init__(self, task: str, *, keep: bool) -> None:
        self._task, self._keep = task, keep
        self._bar: RichProgress | None = None

    def report(self, progress: Progress) -> None:
        """Show this state."""
        if self._bar is None:
            self._bar = self._open()
        text = ", ".join(filter(None, (progress.part, progress.details)))
        self._bar.update(self._bar.task_ids[0], completed=progress.done, total=progress.total, text=text)
        if progress.done == progress.total:
            self.close()

    def close(self) -> None:
        """Give the terminal back."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _open(self) -> RichProgress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn(self._task), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"))
        bar = RichProgress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=not self._keep)
        bar.add_task(self._task, total=None, text="")
        bar.start()
        return bar


def _line_reporter(seconds: float) -> Report:
    """Return a callback that logs a line, unless the line before, or the first report, is more recent than this."""
    last: float | None = None

    def report(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if last is None:  # the time before belongs to loading, not to the work
            last = now
        if now - last >= seconds:
            last = now
            _logger.info("%s", progress)

    return report
