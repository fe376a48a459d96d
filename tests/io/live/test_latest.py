from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction

import pytest
from capturing import PATIENCE, Scripted, Stubborn, live_threads
from hypothesis import given, settings
from hypothesis import strategies as st
from rendering import HEIGHT, WIDTH, index_of

from siamtrack.errors import SourceError
from siamtrack.io.live import latest
from siamtrack.io.live.latest import LatestFrames


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert live_threads() == []


def test_what_is_known_at_once() -> None:
    before = time.monotonic()
    with LatestFrames("camera 0", Scripted(None, None, 7)) as source:
        assert (source.info.name, source.info.width, source.info.height) == ("camera 0", WIDTH, HEIGHT)
        assert (source.info.rate, source.info.count, source.info.files) == (Fraction(30), None, ())
        assert (source.is_file, source.dropped, source.notice, source.ended) == (False, 0, None, None)
        frame = next(source)
    assert (frame.index, frame.time, index_of(frame.image)) == (0, 0.0, 7)
    assert before <= frame.captured <= time.monotonic()


def test_only_the_newest_is_given() -> None:
    capture = Scripted(0)
    with LatestFrames("camera 0", capture) as source:
        capture.feed(1, 2, 3)
        frame = next(source)
        assert (frame.index, index_of(frame.image), source.dropped) == (3, 3, 3)
        assert source.poll(0) is None
        capture.feed(4)
        frame = next(source)
        assert (frame.index, index_of(frame.image), source.dropped) == (4, 4, 3)
        assert frame.time > 0


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=12))
def test_every_picture_is_given_once_or_counted(arriving: list[int]) -> None:
    capture = Scripted(0)
    captured, given_out = 1, []
    with LatestFrames("camera 0", capture) as source:
        for pictures in arriving:
            capture.feed(*range(captured, captured + pictures))
            captured += pictures
            frame = source.poll(0)
            if frame is not None:
                assert frame.index == captured - 1  # the newest
                given_out.append(frame)
            assert source.dropped + len(given_out) == captured
        capture._put(SourceError("unplugged"))
        given_out += list(source)
        assert source.dropped + len(given_out) == captured
    indices = [frame.index for frame in given_out]
    assert indices == sorted(set(indices))
    assert [index_of(frame.image) for frame in given_out] == indices
    times = [frame.time for frame in given_out]
    assert times == sorted(times)
    began = given_out[0].captured - times[0]
    assert [frame.captured - began for frame in given_out] == pytest.approx(times, abs=1e-6)


class TestTheEnd:
    def test_the_last_picture_comes_before_the_end_which_says_why(self) -> None:
        capture = Scripted(0, 1, SourceError("camera 0 is gone"))
        with LatestFrames("camera 0", capture) as source:
            assert capture.closed.wait(PATIENCE)
            assert [frame.index for frame in source] == [1]
            assert source.ended == "camera 0 is gone"
            with pytest.raises(StopIteration):
                source.poll(0)

    def test_whoever_waits_is_told(self) -> None:
        capture = Scripted(0)
        with LatestFrames("camera 0", capture) as source:
            next(source)
            capture._put(SourceError("gone"))
            with pytest.raises(StopIteration):
                source.poll(PATIENCE)

    def test_without_a_first_picture_there_is_no_source(self) -> None:
        capture = Scripted(None, SourceError("camera 0 gives no picture"))
        with pytest.raises(SourceError, match="gives no picture"):
            LatestFrames("camera 0", capture)
        assert capture.closed.is_set()

    def test_a_fault_of_the_program_is_no_end(self) -> None:
        capture = Scripted(0, ZeroDivisionError())
        with LatestFrames("camera 0", capture) as source:
            assert capture.closed.wait(PATIENCE)
            next(source)
            with pytest.raises(ZeroDivisionError):
                next(source)
            assert list(source) == []
            assert source.ended is None


class TestClosing:
    def test_a_thread_that_waits_for_a_picture_ends(self) -> None:
        capture = Scripted(0)
        source = LatestFrames("camera 0", capture)
        capture.feed()
        source.close()
        assert live_threads() == []
        assert capture.closed.is_set()

    def test_what_was_not_taken_is_not_given_after_it(self) -> None:
        source = LatestFrames("camera 0", Scripted(0, 1, 2))
        source.close()
        assert list(source) == []
        assert source.ended is None

    def test_twice_is_fine(self) -> None:
        source = LatestFrames("camera 0", Scripted(0))
        source.close()
        source.close()

    def test_a_driver_that_does_not_let_go_is_left_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(latest, "PATIENCE", 0.05)
        capture = Stubborn(0)
        source = LatestFrames("camera 0", capture)
        source.close()
        assert list(source) == []
        (thread,) = live_threads()
        assert not capture.closed.is_set()
        capture._put(1)  # it lets go at last
        thread.join(PATIENCE)
        assert capture.closed.is_set()
        assert list(source) == []

    def test_an_error_that_it_causes_is_no_end(self) -> None:
        capture = Stubborn(0)
        capture.interrupt = lambda: capture._put(SourceError("broke off"))  # type: ignore[method-assign]
        source = LatestFrames("stream", capture)
        capture.feed()
        source.close()
        assert source.ended is None
