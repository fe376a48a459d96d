from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rendering import Render, read, shown

from siamtrack.errors import OutputError, SourceError
from siamtrack.io.background_writer import BackgroundWriter
from siamtrack.io.prefetch import Prefetcher
from siamtrack.io.sources import open_source

PATIENCE = 30.0
"""Seconds until a thread that should have done something is given up."""


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("siamtrack")] == []


def failing_after(good: int, error: BaseException) -> Iterator[int]:
    yield from range(good)
    raise error


class Counted(Iterator[int]):
    """Numbers without end; says when it was asked for one of them."""

    def __init__(self, awaited: int = 0) -> None:
        self.taken = 0
        self._awaited = awaited
        self._reached = threading.Event()

    def __next__(self) -> int:
        self.taken += 1
        if self.taken > self._awaited:
            self._reached.set()
        return self.taken - 1

    def wait(self) -> None:
        assert self._reached.wait(PATIENCE)


@given(st.integers(0, 30), st.integers(1, 8))
def test_every_item_comes_once_in_order(items: int, ahead: int) -> None:
    with Prefetcher(iter(range(items)), ahead) as reader:
        assert list(reader) == list(range(items))
        assert list(reader) == []


@pytest.mark.parametrize("ahead", [1, 2, 5])
@pytest.mark.parametrize("good", [0, 1, 7])
@pytest.mark.parametrize("error", [SourceError("the disk is gone"), ValueError("a bug"), SystemExit(3)])
def test_an_error_comes_once_where_its_item_would_have_been(ahead: int, good: int, error: BaseException) -> None:
    with Prefetcher(failing_after(good, error), ahead) as reader:
        assert [next(reader) for _ in range(good)] == list(range(good))
        with pytest.raises(type(error)) as caught:
            next(reader)
        assert caught.value is error
        assert "failing_after" in [frame.name for frame in traceback.extract_tb(caught.tb)]
        assert list(reader) == []


@pytest.mark.parametrize("ahead", [1, 4])
def test_it_reads_ahead_and_no_further(ahead: int) -> None:
    numbers = Counted(awaited=ahead)
    with Prefetcher(numbers, ahead) as reader:
        numbers.wait()  # that many wait, and one more is in the making, before anything was asked for
        for asked in range(1, 50):
            next(reader)
            assert numbers.taken <= asked + ahead + 1


@pytest.mark.parametrize("ahead", [1, 4])
def test_the_thread_ends_when_the_reader_stops_early(ahead: int) -> None:
    with Prefetcher(Counted(), ahead) as reader:
        assert [next(reader) for _ in range(3)] == [0, 1, 2]
    assert list(reader) == []


@pytest.mark.parametrize("ahead", [1, 4])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_thread_ends_on_an_error_while_it_waits_for_room(ahead: int, error: type[BaseException]) -> None:
    numbers = Counted(awaited=ahead)

    def work() -> None:
        with Prefetcher(numbers, ahead):
            numbers.wait()
            raise error

    with pytest.raises(error):
        work()


def test_an_error_that_nobody_came_to_is_dropped() -> None:
    with Prefetcher(failing_after(1, SourceError("too late"))) as reader:
        next(reader)


def test_closing_twice_is_fine() -> None:
    reader = Prefetcher(Counted())
    reader.close()
    reader.close()


def test_a_video_is_the_same_read_ahead(render: Render) -> None:
    path = render(frames=30)
    with open_source(path) as source, Prefetcher(source, 3) as reader:
        frames = list(reader)
    assert shown(frames) == shown(read(path)[0]) == list(range(30))
    assert source.seconds > 0


def test_a_video_may_be_closed_when_its_reader_is(render: Render) -> None:
    with open_source(render(frames=60)) as source, Prefetcher(source, 2) as reader:
        assert shown([next(reader), next(reader)]) == [0, 1]


def test_images_may_be_closed_when_their_reader_is(folder: Path) -> None:
    with open_source(folder) as source, Prefetcher(source, 2) as reader:
        assert shown([next(reader), next(reader)]) == [0, 1]


class TestBothSides:
    def test_what_was_read_before_an_error_is_written(self) -> None:
        written: list[int] = []

        def work() -> None:
            with (
                Prefetcher(failing_after(9, SourceError("cut")), 2) as reader,
                BackgroundWriter(written.append, 2) as writer,
            ):
                for item in reader:
                    writer.put(item)

        with pytest.raises(SourceError, match="cut"):
            work()
        assert written == list(range(9))

    def test_an_error_of_the_writer_ends_the_reader(self) -> None:
        def write(item: int) -> None:
            if item == 5:
                raise OutputError("full")

        def work() -> None:
            with Prefetcher(count()) as reader, BackgroundWriter(write) as writer:
                for item in reader:
                    writer.put(item)

        with pytest.raises(OutputError, match="full"):
            work()

    def test_of_two_errors_the_one_that_ended_the_block_is_told(self) -> None:
        read_up = threading.Event()

        def write(_: int) -> None:
            assert read_up.wait(PATIENCE)
            raise OutputError("full")

        def work() -> None:
            with Prefetcher(failing_after(3, SourceError("cut"))) as reader, BackgroundWriter(write, 3) as writer:
                try:
                    for item in reader:
                        writer.put(item)
                finally:
                    read_up.set()

        with pytest.raises(SourceError, match="cut"):
            work()
