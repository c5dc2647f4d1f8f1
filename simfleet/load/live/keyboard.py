"""Reads the keys of whoever watches a run in a terminal, and does what they mean."""

from __future__ import annotations

import os
import sys
import termios
from typing import TYPE_CHECKING, Any, Final

import trio

from simfleet.errors import Refused
from simfleet.load.live.keys import ESCAPE, Keys, Standing
from simfleet.load.live.tty import Keyed
from simfleet.load.progress_view import keys_possible

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.load.live.actions import LiveAction
    from simfleet.load.progress_view import View
    from simfleet.load.stages.engine import Engine

BY: Final = "terminal"
READ_MAX: Final = 256
AWAY_S: Final = 0.5
"""How long the terminal is left alone before another look, while it is somebody else's."""


class Keyboard:
    """A companion of a run. `fd` is a terminal; `view` shows what comes of keys."""

    def __init__(self, view: View, *, fd: int) -> None:
        self._view = view
        self._fd = fd
        self._keys = Keys()

    async def run(
        self, engine: Engine, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """See `Companion`. Without a terminal any more, the run goes on without keys."""
        try:
            with Keyed(self._fd, rest=self._view.rest, come_back=self._view.come_back) as keyed:
                self._view.tell(self._keys.foot)
                task_status.started()
                await self._read(engine, keyed)
        except termios.error:
            task_status.started()
        self._view.tell(())

    def figures(self) -> Mapping[str, Any]:
        """See `Companion`: what was done is in the run's own books."""
        return {}

    async def _read(self, engine: Engine, keyed: Keyed) -> None:
        while True:
            await trio.lowlevel.wait_readable(self._fd)
            if not keyed.ours():
                await trio.sleep(AWAY_S)
                continue
            try:
                read = os.read(self._fd, READ_MAX)
            except OSError:
                if not keyed.ours():  # it went to the background just now
                    continue
                return
            if not read:
                return
            for key in keys_of(read):
                self._press(key, engine)
            self._view.tell(self._keys.foot)

    def _press(self, key: str, engine: Engine) -> None:
        standing = Standing(
            target=engine.mass.wish.target,
            most=len(engine.plans),
            paused=engine.paused,
            stopping=engine.interrupted is not None,
        )
        action = self._keys.press(key, standing)
        if action is not None:
            self._keys.say(_done(action, engine))


def _done(action: LiveAction, engine: Engine) -> str:
    try:
        return engine.live.act(action, by=BY)
    except Refused as refused:
        return f"refused: {refused}"


def keyboard(view: View, *, wanted: bool) -> Keyboard | None:
    """The keyboard of the terminal, if that is wanted, and there is a person who can press keys and
    see what comes of it: standard input and standard error are terminals.
    """
    return Keyboard(view, fd=sys.stdin.fileno()) if wanted and keys_possible() else None


def keys_of(read: bytes) -> list[str]:
    """The keys in what a terminal sent; those that are more than a character (arrows) are none."""
    text = read.decode(errors="ignore")
    if text.startswith(ESCAPE) and len(text) > 1:
        return []
    return list(text)
