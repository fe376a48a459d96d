from __future__ import annotations

import threading
import traceback
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamtrack.errors import OutputError
from siamtrack.io.background_writer import BackgroundWriter

PATIENCE = 30.0
"""Seconds until a thread that should have done something is given up."""


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("siamtrack")] == []


class Slow:
    """Notes what it writes, when it is let; fails at one item."""

    def __init__(self, failing: int | None = None) -> None:
        self.written: list[int] = []
        self.let = threading.Event()
        self._failing = failing

    def __call__(self, item: int) -> None:
        assert self.let.wait(PATIENCE)
        if item == self._failing:
            raise OutputError(f"item {item} cannot be written")
        self.written.append(item)


def put_all(writer: BackgroundWriter[int], items: Iterable[int]) -> None:
    for item in items:
        writer.put(item)


@given(st.integers(0, 30), st.integers(1, 8))
def test_every_item_is_written_once_in_order(items: int, behind: int) -> None:
    written: list[int] = []
    with BackgroundWriter(written.append, behind) as writer:
        put_all(writer, range(items))
    assert written == list(range(items))


@pytest.mark.parametrize("behind", [1, 4])
def test_the_caller_does_not_wait_while_there_is_room(behind: int) -> None:
    slow = Slow()
    with BackgroundWriter(slow, behind) as writer:
        put_all(writer, range(behind))  # would wait for good if it waited for the writing
        assert slow.written == []
        slow.let.set()
    assert slow.written == list(range(behind))


@pytest.mark.parametrize("behind", [1, 4])
def test_a_writer_that_is_always_slower_holds_the_caller_back(behind: int) -> None:
    put = 0
    backlog: list[int] = []
    with BackgroundWriter(lambda item: backlog.append(put - item), behind) as writer:
        for item in range(200):
            writer.put(item)
            put = item + 1
    assert max(backlog) <= behind + 1  # those that wait and the one at work
    assert len(backlog) == 200


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_was_put_is_written_whatever_ends_the_block(error: type[BaseException]) -> None:
    slow = Slow()

    def work() -> None:
        with BackgroundWriter(slow, 4) as writer:
            put_all(writer, range(4))
            slow.let.set()
            raise error

    with pytest.raises(error):
        work()
    assert slow.written == [0, 1, 2, 3]


def test_an_error_comes_once_to_the_next_put_and_nothing_is_written_after_it() -> None:
    slow = Slow(failing=2)
    slow.let.set()
    with BackgroundWriter(slow, 1) as writer:
        with pytest.raises(OutputError, match="item 2") as caught:
            put_all(writer, range(100))
        assert "__call__" in [frame.name for frame in traceback.extract_tb(caught.tb)]
        put_all(writer, range(100))
    assert slow.written == [0, 1]


def test_an_error_at_the_last_item_comes_at_the_end() -> None:
    slow = Slow(failing=3)
    writer = BackgroundWriter(slow)
    put_all(writer, range(4))
    slow.let.set()
    with pytest.raises(OutputError, match="item 3"):
        writer.close()
    writer.close()
    assert slow.written == [0, 1, 2]


def test_an_error_at_the_end_of_a_block_is_told() -> None:
    slow = Slow(failing=0)

    def work() -> None:
        with BackgroundWriter(slow) as writer:
            writer.put(0)
            slow.let.set()

    with pytest.raises(OutputError, match="item 0"):
        work()


def test_an_error_of_the_block_is_the_one_to_be_told() -> None:
    slow = Slow(failing=0)

    def work() -> None:
        with BackgroundWriter(slow) as writer:
            writer.put(0)
            slow.let.set()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()


def test_the_type_of_an_error_is_kept() -> None:
    def write(_: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), BackgroundWriter(write) as writer:
        writer.put(0)


@pytest.mark.parametrize("failing", [0, 3, 9])
def test_of_two_in_a_row_an_error_of_the_second_is_raised_once(failing: int) -> None:
    second = Slow(failing)
    second.let.set()
    with (
        pytest.raises(OutputError, match=f"item {failing} cannot be written"),
        BackgroundWriter(second, 1) as last,
        BackgroundWriter(last.put, 2) as first,
    ):
        put_all(first, range(10))
    assert second.written == list(range(failing))
