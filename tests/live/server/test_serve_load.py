"""Several pages at once: each gets its share, and memory does not grow."""

from __future__ import annotations

import asyncio
import gc
import time
import tracemalloc
from pathlib import Path
from typing import cast

import numpy as np
import psutil
import pytest
from running_server import GreedyClient, WebcamClient, run_together, running
from serving_clients import StillTracker, jpeg, picture, service

from siamtrack.io.frames import Frame
from siamtrack.io.synthetic import SyntheticClip
from siamtrack.io.video.annotated import ElapsedClock
from siamtrack.live.server.app import Service
from siamtrack.live.server.connection import Connection
from siamtrack.live.server.limits import Limits
from siamtrack.live.server.security import Access
from siamtrack.live.server.session import Session
from siamtrack.live.server.worker import Worker
from siamtrack.tracking.factory import load
from siamtrack.tracking.tracker import Tracker

BOX = (16.0, 12.0, 16.0, 12.0)
PAGES = 4


def test_four_pages_share_the_tracker_fairly_beside_one_that_does_not_wait(temporary: Path) -> None:
    # A step takes long enough to be what everybody waits for.
    with running(service(StillTracker(0.01), Limits())) as port:
        pages = [WebcamClient(port, jpeg(), BOX) for _ in range(PAGES)]
        run_together([*pages, GreedyClient(port, jpeg(), BOX)], 2.0)
    counts = [page.answered for page in pages]
    assert min(counts) >= 5
    assert max(counts) <= 2 * min(counts)
    assert [page.failed for page in pages] == [[]] * PAGES
    assert list(temporary.iterdir()) == []


def test_a_session_keeps_no_frames(tmp_path: Path) -> None:
    """Whatever a session held on to for each frame would be seen: a frame has 230 kB."""

    async def follow(session: Session, begin: int, end: int) -> int:
        for index in range(begin, end):
            await session.see(Frame(index, index / 20, picture(320, 240, index % 250)))
        await session.export_csv()  # everything is recorded when this is done
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    async def measure() -> tuple[int, int]:
        with Worker() as worker:
            session = Session(cast(Tracker, StillTracker()), worker, Limits(), tmp_path / "session")
            await session.begin(ElapsedClock())
            await session.see(Frame(0, 0.0, picture(320, 240)))
            await session.add(0, BOX)
            early = await follow(session, 1, 60)
            late = await follow(session, 60, 260)
            await session.close()
            return early, late

    tracemalloc.start()
    try:
        early, late = asyncio.run(measure())
    finally:
        tracemalloc.stop()
    assert late - early < 500_000  # two frames


def test_nothing_is_left_of_a_page_that_has_left(temporary: Path) -> None:
    """Its frames and states go with it, long before Python looks for cycles among what is left."""
    gc.collect()
    gc.disable()
    try:
        with running(service(StillTracker(0.005), Limits())) as port:
            run_together([WebcamClient(port, jpeg(), BOX) for _ in range(PAGES)], 1.0)
            _wait_for_pages_to_go()
    finally:
        gc.enable()


def _wait_for_pages_to_go() -> None:
    deadline = time.monotonic() + 10
    while _pages_in_memory():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _pages_in_memory() -> int:
    return sum(type(kept) in (Session, Connection) for kept in gc.get_objects())


@pytest.mark.soak
def test_memory_stays_flat_for_ten_minutes(temporary: Path) -> None:
    """Four pages with a real model, at the size of a webcam."""
    image, (box,) = next(iter(SyntheticClip(640, 480, 1)))
    tracker = load("siamtrack-lite", device="cpu")
    made = Service(tracker=tracker, access=Access("127.0.0.1"), limits=Limits(minutes=60))
    resident: list[int] = []
    with running(made) as port:
        for _ in range(10):
            pages = [WebcamClient(port, jpeg(image), box) for _ in range(PAGES)]
            run_together(pages, 60.0)
            counts = [page.answered for page in pages]
            assert max(counts) <= 2 * min(counts)
            _wait_for_pages_to_go()
            time.sleep(0.5)  # the memory of the last one is given back after it
            resident.append(psutil.Process().memory_info().rss)
    # The first minute fills the caches of the libraries.
    growth = np.polyfit(np.arange(len(resident) - 1), resident[1:], 1)[0]
    assert growth < 3e6, f"grows by {growth / 1e6:.1f} MB a minute: {[value // 1_000_000 for value in resident]}"
