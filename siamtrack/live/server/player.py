"""Shows a source of the server to a page, never more frames than the page has room for."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol

from siamtrack.errors import SiamTrackError
from siamtrack.io.frames import Frame
from siamtrack.live.server.feeds import Feed
from siamtrack.live.server.jpeg import encode_jpeg
from siamtrack.live.server.protocol import IN_FLIGHT, Boxes, Ended, Message, Notice, as_seen
from siamtrack.live.server.session import Session

logger = logging.getLogger(__name__)

LONGEST_WAIT = 1.0
"""Seconds from one frame of a video to the next at most, whatever its times say."""


class Channel(Protocol):
    """The way to a page."""

    async def send(self, message: Message) -> None:
        """Send a text message."""

    async def send_picture(self, boxes: Boxes, jpeg: bytes) -> None:
        """Send a frame with its boxes."""


class Player:
    """Plays a feed to a page, and closes it when it is over or stopped; it starts at once."""

    def __init__(self, feed: Feed, session: Session, channel: Channel, *, paused: bool) -> None:
        self._feed = feed
        self._session = session
        self._channel = channel
        self._paused = paused
        self._stopping = False
        self._sent = 0
        self._on_the_way: set[int] = set()
        self._changed = asyncio.Event()
        self._told: str | None = None
        self._began: float | None = None
        self._task = asyncio.create_task(self._play())

    def pause(self, paused: bool) -> None:
        """Stand still, or go on."""
        self._paused = paused
        self._changed.set()

    def shown(self, frame: int) -> None:
        """Note that the page has shown a frame."""
        self._on_the_way.discard(frame)
        self._changed.set()

    async def stop(self) -> None:
        """End it; the feed is closed then. What went wrong was told to the page."""
        self._stopping = True
        self._changed.set()
        await asyncio.wait([self._task])  # not for its result: whoever stops it has nothing to do with its faults

    async def _play(self) -> None:
        try:
            while await self._ready():
                frame = await asyncio.to_thread(self._feed.poll)
                await self._tell()
                if frame is not None:
                    await self._show(frame)
                elif self._feed.over:
                    await self._channel.send(Ended(why=self._feed.why))
                    return
        except SiamTrackError as error:
            await self._channel.send(Ended(why=str(error)))
        except Exception as error:  # the last resort: the page is told, and all others go on
            logger.exception("a source was given up")
            await self._channel.send(Ended(why=f"the server has a fault: {error!r}"))
        finally:
            await self._close()

    async def _close(self) -> None:
        try:
            await asyncio.to_thread(self._feed.close)
        except Exception:  # it is given up anyway
            logger.exception("a source could not be closed")

    async def _ready(self) -> bool:
        """Wait for room and for leave to go on; the first frame is shown in any case."""
        while not self._stopping and (len(self._on_the_way) >= IN_FLIGHT or (self._paused and self._sent)):
            self._changed.clear()
            await self._changed.wait()
        return not self._stopping

    async def _show(self, frame: Frame) -> None:
        if self._feed.paced:
            await self._wait_until(frame.time)
        began = time.perf_counter()
        if frame.image is None:
            await self._session.see(frame)
            return
        rows, jpeg = await asyncio.gather(self._session.see(frame), asyncio.to_thread(encode_jpeg, frame.image))
        milliseconds = (time.perf_counter() - began) * 1000
        boxes = Boxes(frame=frame.index, time=frame.time, milliseconds=milliseconds, targets=as_seen(rows))
        self._on_the_way.add(frame.index)
        self._sent += 1
        await self._channel.send_picture(boxes, jpeg)

    async def _wait_until(self, seconds: float) -> None:
        """Wait for a frame's time; one that is late moves the times of all that follow."""
        now = time.monotonic()
        if self._began is None or self._began + seconds < now:
            self._began = now - seconds
        wait = min(self._began + seconds - now, LONGEST_WAIT)
        if wait > 0:
            await asyncio.sleep(wait)

    async def _tell(self) -> None:
        notice = self._feed.notice
        if notice != self._told:
            self._told = notice
            await self._channel.send(Notice(text=notice))
