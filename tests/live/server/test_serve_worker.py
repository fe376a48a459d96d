"""Owners take turns, whatever one of them hands in."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from functools import partial
from threading import Event

import pytest

from siamtrack.errors import UsageError
from siamtrack.live.server.worker import MAX_WAITING, Worker


@pytest.fixture
def gate() -> Event:
    return Event()


def test_results_and_errors_come_back() -> None:
    with Worker() as worker:
        assert worker.submit("a", lambda: 6 * 7).result(5) == 42
        with pytest.raises(ZeroDivisionError):
            worker.submit("a", lambda: 1 // 0).result(5)
        assert worker.submit("a", lambda: "goes on").result(5) == "goes on"


def test_owners_take_turns_and_keep_their_order(gate: Event) -> None:
    done: list[str] = []
    with Worker() as worker:
        blocked = worker.submit("first", partial(gate.wait, 5))
        jobs = [worker.submit(name[0], partial(done.append, name)) for name in ("a1", "a2", "b1", "b2", "c1")]
        gate.set()
        for job in (blocked, *jobs):
            job.result(5)
    assert done == ["a1", "b1", "c1", "a2", "b2"]


def test_a_busy_owner_gets_every_fourth_turn_among_four() -> None:
    """Each owner hands in its next job as soon as one is done; one of them always has two waiting."""
    served: list[str] = []
    enough = Event()
    with Worker() as worker:

        def work(name: str) -> None:
            served.append(name)
            if len(served) >= 400:
                enough.set()
            else:
                worker.submit(name, partial(work, name))

        started = Event()
        worker.submit("gate", partial(started.wait, 5))
        for name in ("greedy", "greedy", "a", "b", "c"):
            worker.submit(name, partial(work, name))
        started.set()
        assert enough.wait(10)
    counts = {name: served[:400].count(name) for name in ("greedy", "a", "b", "c")}
    assert counts == {name: pytest.approx(100, abs=1) for name in counts}


def test_one_owner_may_not_fill_the_queue(gate: Event) -> None:
    with Worker() as worker:
        worker.submit("a", partial(gate.wait, 5))
        waiting: list[Future[None]] = []
        with pytest.raises(UsageError, match="wait already"):  # noqa: PT012 - the first may run at once, or wait
            for _ in range(MAX_WAITING + 2):
                waiting.append(worker.submit("a", lambda: None))
        assert len(waiting) in (MAX_WAITING - 1, MAX_WAITING)
        other = worker.submit("b", lambda: "served")
        gate.set()
        assert other.result(5) == "served"


def test_a_job_that_is_cancelled_is_not_done(gate: Event) -> None:
    done: list[str] = []
    with Worker() as worker:
        worker.submit("a", partial(gate.wait, 5))
        cancelled = worker.submit("b", partial(done.append, "cancelled"))
        kept = worker.submit("c", partial(done.append, "kept"))
        assert cancelled.cancel()
        gate.set()
        kept.result(5)
    assert done == ["kept"]


def test_closing_drops_what_waits() -> None:
    gate = Event()
    worker = Worker()
    running = Event()
    worker.submit("a", lambda: (running.set(), gate.wait(5)))
    assert running.wait(5)
    waiting = worker.submit("b", lambda: "never")
    gate.set()
    worker.close()
    with pytest.raises(UsageError, match="stopping"):
        worker.submit("a", lambda: None)
    if not waiting.cancelled():
        assert waiting.result(0) == "never"  # it was faster than the end
    else:
        with pytest.raises(CancelledError):
            waiting.result(0)
