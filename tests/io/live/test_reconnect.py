from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from capturing import PATIENCE, Scripted, live_threads
from hypothesis import given
from hypothesis import strategies as st
from rendering import index_of

from siamtrack.errors import SourceError
from siamtrack.io.live import reconnect
from siamtrack.io.live.capture import Capture
from siamtrack.io.live.latest import LatestFrames
from siamtrack.io.live.reconnect import ReconnectingCapture, wait_before


def one_after_the_other(*captures: Capture | SourceError) -> Callable[[], Capture]:
    """Opens these, or fails with the errors among them; asking for more is a mistake of the test."""
    coming = iter(captures)

    def reopen() -> Capture:
        capture = next(coming)
        if isinstance(capture, SourceError):
            raise capture
        return capture

    return reopen


def steps(capture: Capture) -> list[int | str | None]:
    """What each reading gives until the end: the number of a picture, or the notice."""
    found: list[int | str | None] = []
    while True:
        try:
            image = capture.read()
        except SourceError as error:
            return [*found, f"end: {error}"]
        found.append(capture.notice if image is None else index_of(image))


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "FIRST_WAIT", 0.001)


def test_waits_double_up_to_ten_seconds() -> None:
    assert [wait_before(tries) for tries in range(7)] == [0.5, 1, 2, 4, 8, 10, 10]


@given(st.integers(0, 10**9))
def test_no_wait_is_longer(tries: int) -> None:
    assert 0.5 <= wait_before(tries) <= 10


@pytest.mark.usefixtures("_at_once")
class TestReopening:
    def test_the_pictures_go_on_and_the_notice_goes(self) -> None:
        first, second = Scripted(1, SourceError("it stalled")), Scripted(2, SourceError("over"))
        capture = ReconnectingCapture(first, one_after_the_other(second), tries=1)
        first_image = capture.read()
        assert first_image is not None
        assert capture.read() is None
        assert capture.notice == "it stalled; opening it again in 0.001 s (try 1 of 1)"
        assert first.closed.is_set()
        assert capture.read() is None  # it is open, and has shown nothing yet
        assert capture.notice is not None
        image = capture.read()
        assert image is not None
        assert index_of(image) == 2
        assert capture.notice is None

    def test_it_gives_up_in_the_end(self) -> None:
        down = SourceError("refused")
        capture = ReconnectingCapture(Scripted(1, SourceError("ended")), one_after_the_other(down, down), tries=2)
        assert steps(capture) == [
            1,
            "ended; opening it again in 0.001 s (try 1 of 2)",
            "refused; opening it again in 0.002 s (try 2 of 2)",
            "end: refused; given up after 2 tries to open it again",
        ]

    def test_a_try_without_a_picture_is_in_vain(self) -> None:
        silent = Scripted(SourceError("silent"))
        capture = ReconnectingCapture(Scripted(1, SourceError("ended")), one_after_the_other(silent), tries=1)
        assert steps(capture)[-1] == "end: silent; given up after 1 try to open it again"
        assert silent.closed.is_set()

    def test_a_picture_makes_up_for_the_tries_before_it(self) -> None:
        captures = [Scripted(number, SourceError("ended")) for number in range(5)]
        capture = ReconnectingCapture(captures[0], one_after_the_other(*captures[1:], SourceError("off")), tries=1)
        assert [step for step in steps(capture) if isinstance(step, int)] == [0, 1, 2, 3, 4]

    def test_what_never_showed_anything_is_not_opened_again(self) -> None:
        capture = ReconnectingCapture(Scripted(SourceError("no picture")), one_after_the_other(), tries=9)
        assert steps(capture) == ["end: no picture"]

    def test_each_try_is_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        down = SourceError("refused")
        back = Scripted(2, SourceError("off"))
        reopen = one_after_the_other(down, back, down, down)
        with caplog.at_level(logging.INFO, "siamtrack"):
            steps(ReconnectingCapture(Scripted(1, SourceError("ended")), reopen, tries=2))
        assert [record.getMessage().partition(";")[0] for record in caplog.records] == [
            "ended",
            "refused",
            "the pictures are back after 2 tries",
            "off",
            "refused",
        ]


def test_closing_ends_a_long_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "FIRST_WAIT", 3600.0)
    monkeypatch.setattr(reconnect, "LONGEST_WAIT", 3600.0)
    first = Scripted(1)
    source = LatestFrames("stream", ReconnectingCapture(first, one_after_the_other(), tries=1))
    next(source)
    first._put(SourceError("ended"))
    assert first.closed.wait(PATIENCE)
    source.close()
    assert live_threads() == []
    assert source.ended is None
