"""Log rows, full disks and databases of earlier versions, for tests/store and tests/cli."""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from simfleet.store import JournalLimits, LogRow, Store, StoredCharger, open_store
from simfleet.store.migrations import APPLICATION_ID, MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

NOW_S = 1_800_000_000.0


def a_row(
    user_id: int = 1,
    *,
    chargepoint_id: str = "SIM-1",
    direction: str = "sent",
    message_type: str = "CALL",
    action: str = "Heartbeat",
    frame: bytes = b'[2,"1","Heartbeat",{}]',
    at_wall_s: float = NOW_S,
) -> LogRow:
    return LogRow(
        user_id=user_id,
        chargepoint_id=chargepoint_id,
        direction=direction,
        message_type=message_type,
        action=action,
        frame=frame,
        at_wall_s=at_wall_s,
    )


def a_charger(
    user_id: int, chargepoint_id: str = "SIM-1", *, mode: str = "off", made: bytes = b"{}"
) -> StoredCharger:
    return StoredCharger(
        user_id=user_id, chargepoint_id=chargepoint_id, made=made, kept=b"[]", mode=mode
    )


@asynccontextmanager
async def a_store_at_work(
    path: Path, *, limits: JournalLimits | None = None, wall_s: float = NOW_S
) -> AsyncIterator[Store]:
    """A store whose journal writes; stopped as a service stops it, with everything written."""
    async with (
        open_store(path, journal=limits, wall_s=lambda: wall_s) as store,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(store.journal.run)
        yield store
        nursery.cancel_scope.cancel()


def let_the_file_grow(store: Store, *, pages: int | None) -> None:
    """Let the database file grow by `pages` and no more; None lifts that again."""
    connection = store._database._writer
    (used,) = connection.execute("PRAGMA page_count").fetchone()
    most = 2**30 if pages is None else used + pages
    connection.execute(f"PRAGMA max_page_count = {most}")


def a_database_of_version(path: Path, version: int) -> sqlite3.Connection:
    """A database as the program of that version created it."""
    connection = sqlite3.connect(path, isolation_level=None)
    for step in MIGRATIONS[:version]:
        for statement in step:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")
    return connection
