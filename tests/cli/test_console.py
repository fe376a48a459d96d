"""Progress as the command line shows it."""

from __future__ import annotations

import io
import re
import signal

import pytest

from siamtrack.cli import console
from siamtrack.cli.tables import figure_table
from siamtrack.system.progress import Progress


class Terminal(io.StringIO):
    """A terminal on standard error that keeps what is written to it."""

    def isatty(self) -> bool:
        return True


def open_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make standard error a terminal; in a test itself, because pytest sets it after the fixtures."""
    found = Terminal()
    monkeypatch.setattr("sys.stderr", found)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    console.configure_logging()
    return found


def words(text: str) -> str:
    """The text without control sequences and with single spaces."""
    return re.sub(r"\s+", " ", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text))


def test_progress_is_a_bar_on_a_terminal_that_goes_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with console.progress("tracking") as report:
        assert terminal.getvalue() == ""  # nothing before the first report
        report(Progress(3, 10, rate=24.0, part="round 1", figures="score 0.5"))
        report(Progress(10, 10, rate=25.0))
        after = len(terminal.getvalue())
    shown = words(terminal.getvalue())
    assert "tracking" in shown
    assert "10/10 25.0 fps" in shown
    assert len(terminal.getvalue()) == after  # it went when everything was done
    assert terminal.getvalue().endswith("\x1b[2K")  # and its line was erased


def test_progress_that_is_kept_leaves_its_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with console.progress("training", keep=True) as report:
        report(Progress(20, 40, "steps", figures="loss 0.312"))
    last = words(terminal.getvalue().rsplit("\x1b[2K", 1)[-1])
    assert "20/40 loss 0.312" in last


def test_progress_of_a_second_part_opens_the_bar_again(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = open_terminal(monkeypatch)
    with console.progress("tracking") as report:
        report(Progress(2, 2))
        terminal.truncate(0)
        report(Progress(1, None, rate=3.0))
    assert "1/? 3.0 fps" in words(terminal.getvalue())


def test_progress_elsewhere_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    console.configure_logging()
    with console.progress("tracking") as report:
        report(Progress(1, 2))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("siamtrack.cli.console.SECONDS_BETWEEN_LINES", 0.0)
    with console.progress("tracking") as report:
        report(Progress(1, 2))
    assert capsys.readouterr().err == "siamtrack: 1 of 2 frames\n"
    with console.progress("training", keep=True) as report:
        report(Progress(20, 40, "steps", figures="loss 0.312"))
    assert capsys.readouterr().err == "siamtrack: 20 of 40 steps, loss 0.312\n"


def test_progress_of_a_quiet_run_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    console.configure_logging(quiet=True)
    with console.progress("training", keep=True) as report:
        report(Progress(1, 2))
    console.configure_logging()
    assert capsys.readouterr().err == ""


def test_plural_counts_a_noun() -> None:
    assert [console.plural(count, "frame") for count in (0, 1, 12)] == ["0 frames", "1 frame", "12 frames"]


def test_exit_code_names_the_signal() -> None:
    assert [console.exit_code(stop) for stop in (None, signal.SIGINT, signal.SIGTERM)] == [0, 130, 143]


def test_results_of_a_quiet_run_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    console.configure_logging(quiet=True)
    console.show_result("wrote boxes.csv")
    console.show_table(figure_table("tracker", "AO"))
    console.configure_logging()
    assert capsys.readouterr().out == ""
    console.show_result("wrote boxes.csv", "wrote boxes.json")
    assert capsys.readouterr().out == "wrote boxes.csv\nwrote boxes.json\n"
