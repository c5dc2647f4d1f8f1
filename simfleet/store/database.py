"""One SQLite file, one writer, one reader, both in worker threads; Trio never waits for a disk.

WAL lets the reader read while the writer writes. `synchronous=NORMAL` means that a commit is with
the operating system when it returns: it survives `kill -9` and any crash of ours. After a power
failure of the machine the last moments may be missing, yet the file is whole.

A call costs about 100 us for the way to the thread and back, and 5 ms or more when the event loop
is busy all the time and gives up the interpreter's lock no sooner. So rows go in batches, and what
is asked for by every request is kept in memory.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

import trio

from simfleet.errors import StoreFailed, StoreUnusable
from simfleet.store.lock import Lock
from simfleet.store.migrations import VERSION, migrate, version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SQLITE_MIN: Final = (3, 37, 0)  # STRICT tables; 2021-11
BUSY_TIMEOUT_S: Final = 5.0
"""How long a statement waits for another process (`simfleet key`, a backup) to finish writing."""
WAL_BYTES_KEPT: Final = 64 * 1024 * 1024
"""The write-ahead log is cut to this size once a checkpoint has emptied it."""

# What is the disk's, the machine's or another process's fault; any other error is a bug of ours.
_OUTSIDE: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}
_PRIMARY_CODE: Final = 0xFF  # the rest of an extended code says where it happened

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """The opened file. Calls run in transactions, one writing and one reading at a time.

    What runs gets a connection first, then the arguments; it must not commit. A call that is
    cancelled while it waits for its turn has done nothing; one that runs is run to its end.
    """

    def __init__(self, path: Path, *, service: bool) -> None:
        """Open, create or migrate the file. Blocks: call it in a thread.

        With `service` nobody else may have it, and it raises StoreUnusable if somebody has. Without
        it raises StoreUnusable only where the schema would have to change under a running service.
        """
        self.path = path
        _make_private(path)
        self.lock = Lock(path)
        try:
            with _as_ours(path):
                self.alone = self.lock.take_alone() if service else self.lock.share()
                """Whether no (other) service has the database."""
                self._writer, self._reader = self._open(service=service)
        except BaseException:
            self.lock.close()
            raise
        self._writing = trio.CapacityLimiter(1)
        self._reading = trio.CapacityLimiter(1)

    async def write(
        self, act: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """Run `act` in a transaction; what it wrote is kept when this returns.

        Raises StoreFailed when the disk or another process is in the way; nothing is changed then.
        """

        def run() -> T:
            with _transaction(self._writer, "BEGIN IMMEDIATE"):
                return act(self._writer, *args, **kw)

        return await trio.to_thread.run_sync(run, limiter=self._writing)

    async def read(
        self, act: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kw: P.kwargs
    ) -> T:
        """Run `act` over one consistent state of the database. Raises StoreFailed."""

        def run() -> T:
            with _transaction(self._reader, "BEGIN"):
                return act(self._reader, *args, **kw)

        return await trio.to_thread.run_sync(run, limiter=self._reading)

    def close(self) -> None:
        """Close the file; the write-ahead log goes into it. Blocks: call it in a thread."""
        self._reader.close()
        self._writer.close()  # the last one checkpoints
        self.lock.close()

    def bytes_used(self) -> int:
        """Size of the file and its write-ahead log."""
        used = 0
        for path in (self.path, self.path.with_name(self.path.name + "-wal")):
            with suppress(OSError):
                used += path.stat().st_size
        return used

    def _open(self, *, service: bool) -> tuple[sqlite3.Connection, sqlite3.Connection]:
        if sqlite3.sqlite_version_info < SQLITE_MIN:
            least = ".".join(map(str, SQLITE_MIN))
            raise StoreUnusable(f"this Python has SQLite {sqlite3.sqlite_version}, not {least}")
        if service and not self.alone:
            raise StoreUnusable(
                f"{self.lock.holder()}, a service, has it; stop that one, or name another file"
            )
        writer = _connect(self.path)
        try:
            if version_of(writer) != VERSION:
                if not self.alone:
                    raise StoreUnusable(
                        f"{self.lock.holder()} has it, a SimFleet of another version; stop it first"
                    )
                migrate(writer)
            reader = _connect(self.path)
            reader.execute("PRAGMA query_only = ON")
        except BaseException:
            writer.close()
            raise
        return writer, reader


# ── opening ──────────────────────────────────────────────────────────────────────────────────────


def _make_private(path: Path) -> None:
    """Create folder and file for our user alone: there are key hashes and traffic in it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as wrong:
        raise StoreUnusable(f"the database {path} cannot be opened: {wrong.strerror}") from wrong


def _connect(path: Path) -> sqlite3.Connection:
    # Transactions are ours to begin; the threads that use a connection come one after another.
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        version_of(connection)  # before the file is changed, even if only to another journal mode
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StoreUnusable("its file system cannot do write-ahead logging; use a local disk")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _as_ours(path: Path) -> Iterator[None]:
    """What goes wrong on opening, with the file's name."""
    try:
        yield
    except StoreUnusable as wrong:
        raise StoreUnusable(f"the database {path} cannot be used: {wrong}") from wrong
    except (OSError, sqlite3.DatabaseError) as wrong:
        raise StoreUnusable(f"the database {path} cannot be used: {wrong}") from wrong


# ── transactions ─────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    try:
        if connection.in_transaction:  # an earlier rollback failed, too
            connection.execute("ROLLBACK")
        connection.execute(begin)
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
        if code in _OUTSIDE:
            raise StoreFailed(str(error), full=code == sqlite3.SQLITE_FULL) from error
        raise


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # on some errors SQLite has done so itself
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
