"""The terminal while keys are read from it: each key at once, none shown; afterwards as it was.

However the program ends or rests, the terminal is as it was: at the end of the block, at exit, on
Ctrl-Z (and again ours after `fg`), on SIGQUIT. Only SIGKILL leaves it as it is; `stty sane` helps.
Ctrl-C stays what it was. In the background the terminal is somebody else's, and is left alone.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import termios
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Self

_LOCAL: Final = 3
"""Where termios keeps the local modes."""
_CHARACTERS: Final = 6


class Keyed:
    """See the module: a context manager, for the main thread. `rest` and `come_back` are called
    when the program is stopped by Ctrl-Z, and when it goes on.
    """

    def __init__(
        self,
        fd: int,
        *,
        rest: Callable[[], None] = lambda: None,
        come_back: Callable[[], None] = lambda: None,
    ) -> None:
        self._fd = fd
        self._rest = rest
        self._come_back = come_back
        self._before: list[Any] | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    def ours(self) -> bool:
        """Whether this process is in the foreground of the terminal."""
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except OSError:
            return False

    def __enter__(self) -> Self:
        """Raises `termios.error` where there is no terminal."""
        self._before = termios.tcgetattr(self._fd)
        atexit.register(self._put_back)
        self._handlers = {
            signal.SIGTSTP: signal.signal(signal.SIGTSTP, self._stopped),
            signal.SIGCONT: signal.signal(signal.SIGCONT, self._continued),
            signal.SIGQUIT: signal.signal(signal.SIGQUIT, self._quit),
            # Reading in the background fails instead of stopping the run.
            signal.SIGTTIN: signal.signal(signal.SIGTTIN, signal.SIG_IGN),
        }
        self._take()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._put_back()
        atexit.unregister(self._put_back)
        self._before = None

    def _take(self) -> None:
        if self._before is None or not self.ours():
            return
        modes = [*self._before[:_CHARACTERS], list(self._before[_CHARACTERS])]
        modes[_LOCAL] &= ~(termios.ICANON | termios.ECHO)
        modes[_CHARACTERS][termios.VMIN] = 1
        modes[_CHARACTERS][termios.VTIME] = 0
        self._set(modes)

    def _put_back(self) -> None:
        if self._before is not None and self.ours():
            self._set(self._before)

    def _set(self, modes: list[Any]) -> None:
        with contextlib.suppress(termios.error):  # the terminal has gone
            termios.tcsetattr(self._fd, termios.TCSANOW, modes)

    def _stopped(self, _number: int, _frame: FrameType | None) -> None:
        """Ctrl-Z: put back, stop as everybody does, and take again when we are continued."""
        self._rest()
        self._put_back()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._stopped)
        self._continued(_number, _frame)

    def _continued(self, _number: int, _frame: FrameType | None) -> None:
        if self.ours():
            self._take()
            self._come_back()

    def _quit(self, _number: int, _frame: FrameType | None) -> None:
        r"""Ctrl-\: put back, and end as everybody does."""
        self._rest()
        self._put_back()
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGQUIT)
