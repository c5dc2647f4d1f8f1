"""One connection of the CSMS: a session, its link, and the task that owns both.

Other tasks put commands into the session and wake the task by cancelling what it waits in.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio

from simfleet.errors import LinkClosed
from simfleet.link.memory import MemoryLink

if TYPE_CHECKING:
    from simfleet.csms.server import Csms
    from simfleet.csms.session import Session
    from simfleet.link.link import ServerLink


class Connection:
    """A session, its link, and the handle by which other tasks reach the task that owns both."""

    __slots__ = ("_due_s", "_waiting", "close_wanted", "link", "session", "woken")

    def __init__(self, link: ServerLink, session: Session) -> None:
        self.link = link
        self.session = session
        self.close_wanted: tuple[int, str] | None = None
        self.woken = False
        self._due_s = 0.0
        self._waiting: trio.CancelScope | None = None

    def wake(self) -> None:
        """Have the task look at its session again."""
        self.woken = True
        if self._waiting is not None:
            self._waiting.cancel()

    def close(self, why: tuple[int, str]) -> None:
        """Have the task close the link."""
        self.close_wanted = why
        self.wake()

    async def converse(self, csms: Csms) -> None:
        """Serve until somebody wants the connection closed; raises `LinkClosed` when it is lost."""
        link, session, now = self.link, self.session, trio.current_time
        if isinstance(link, MemoryLink):
            link.listener = partial(self._hear, csms, link)
        while True:
            self.woken = False
            while csms.frozen_until_s > now():
                with trio.CancelScope() as self._waiting:
                    await trio.sleep_until(csms.frozen_until_s)
            if frames := session.take_frames():
                await link.send(frames)
            why = self.close_wanted or session.close_wanted
            if why is not None:
                await link.close(*why)
                return
            if self.woken:  # while we were sending
                continue
            due_s = self._due_s = min(session.wake_at_s, link.wake_at_s)
            with trio.CancelScope(deadline=due_s) as self._waiting:
                await self._exchange(due_s)
            self._waiting = None
            at_s = now()
            if at_s >= session.wake_at_s:
                session.tick(at_s=at_s)
            if at_s >= link.wake_at_s:
                await link.tick(at_s=at_s)

    def _hear(self, csms: Csms, link: MemoryLink) -> None:
        """Answer what has come, without waking the task, which goes on waiting; the same as
        `_exchange` does. Whatever is more than that is left to the task.
        """
        session, at_s = self.session, trio.current_time()
        try:
            if csms.frozen_until_s <= at_s:
                while (frame := link.take_ready()) is not None:
                    session.receive(frame, at_s=at_s)
                frames = session.take_frames()
                if (not frames or link.send_nowait(frames)) and (
                    self._due_s == min(session.wake_at_s, link.wake_at_s)
                    and session.close_wanted is None
                ):
                    return
        except LinkClosed:
            pass  # the task finds out as well
        self.wake()

    async def _exchange(self, due_s: float) -> None:
        """Receive and answer until something else than a frame is due.

        Many messages in one cancel scope: opening a scope for each costs as much as handling one.
        """
        link, session, now = self.link, self.session, trio.current_time
        while (
            due_s == min(session.wake_at_s, link.wake_at_s)
            and session.close_wanted is None
            and not self.woken
        ):
            frame: bytes | None = await link.receive()
            while frame is not None:
                session.receive(frame, at_s=now())
                frame = link.take_ready()
            if frames := session.take_frames():
                await link.send(frames)
