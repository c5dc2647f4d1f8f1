"""The file beside the database that says who may do what with it, and that keys have changed.

One service at a time: it holds `<database>.lock` alone (flock), so that two never drive the same
chargers. Commands such as `simfleet key create` share the lock among themselves when no service
runs, and go without it when one does; then they may change rows, but not the schema.

The kernel drops a flock when its process ends, however it ends: there are no stale locks. The
file itself stays. Its text is the service's process id, and after it one dot for every change that
a command made to users and keys: the service sees the length change, which costs it 1 us to ask,
and reads its keys anew.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

TRIES: Final = 40
TRY_EVERY_S: Final = 0.05
"""A service waits 2 s for the lock: a command may hold it for a moment."""


class Lock:
    """The lock file of one database, opened; nothing is locked until `take_alone` or `share`."""

    def __init__(self, database: Path) -> None:
        path = database.with_name(database.name + ".lock")
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def take_alone(self) -> bool:
        """For a service: whether nobody else has the database. Blocks for up to 2 s."""
        for attempt in range(TRIES):
            if self._flock(fcntl.LOCK_EX):
                os.ftruncate(self._file, 0)
                os.write(self._file, f"{os.getpid()}\n".encode())
                return True
            if attempt < TRIES - 1:
                time.sleep(TRY_EVERY_S)
        return False

    def share(self) -> bool:
        """For a command: whether no service has the database."""
        return self._flock(fcntl.LOCK_SH)

    def holder(self) -> str:
        """Whose lock it is, as far as the file says: ``process 4711`` or ``another process``."""
        found = re.match(rb"\d{1,9}\n", os.pread(self._file, 10, 0))
        return f"process {int(found[0])}" if found else "another process"

    def tell_of_change(self) -> None:
        """Let the service know that users or keys are no longer what it has read."""
        os.write(self._file, b".")  # appended, however many do so at once

    def changes_told(self) -> int:
        """A number that is another one after every `tell_of_change` of any process."""
        return os.fstat(self._file).st_size

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._file)

    def _flock(self, how: int) -> bool:
        try:
            fcntl.flock(self._file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
