"""SQL of load runs: one JSON document each, which only the run service reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simfleet.errors import Missing, Refused
from simfleet.settings import LIST_LIMIT_MAX, RUNS_KEPT_PER_USER
from simfleet.store import users

if TYPE_CHECKING:
    import sqlite3


class StoredRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it was last saved."""

    run_id: str
    user_id: int
    document: bytes


class RunMissing(Missing):
    """This user has no run of this id; perhaps another has."""

    code = "RUN_NOT_FOUND"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no run {run_id!r}")
        self.run_id = run_id


def save(connection: sqlite3.Connection, run: StoredRun) -> None:
    """Add a run or replace its document; the user's oldest beyond RUNS_KEPT_PER_USER are forgotten.

    Raises UserMissing, Refused for an id that is another user's run.
    """
    users.require(connection, run.user_id)
    saved = connection.execute(
        "INSERT INTO runs (run_id, user_id, document) VALUES (?, ?, ?)"
        " ON CONFLICT (run_id) DO UPDATE SET document = excluded.document"
        " WHERE user_id = excluded.user_id",
        (run.run_id, run.user_id, run.document),
    )
    if saved.rowcount == 0:
        raise Refused(f"a run {run.run_id!r} exists already")
    connection.execute(
        "DELETE FROM runs WHERE id IN"
        " (SELECT id FROM runs WHERE user_id = ? ORDER BY id DESC LIMIT -1 OFFSET ?)",
        (run.user_id, RUNS_KEPT_PER_USER),
    )


def of(
    connection: sqlite3.Connection, user_id: int, *, limit: int = 100, offset: int = 0
) -> list[StoredRun]:
    """This user's runs, the newest first, at most LIST_LIMIT_MAX."""
    return [
        StoredRun(run_id=row[0], user_id=user_id, document=row[1])
        for row in connection.execute(
            "SELECT run_id, document FROM runs WHERE user_id = ? ORDER BY id DESC LIMIT ? OFFSET ?",
            (user_id, max(0, min(limit, LIST_LIMIT_MAX)), max(0, min(offset, RUNS_KEPT_PER_USER))),
        )
    ]


def find(connection: sqlite3.Connection, user_id: int, run_id: str) -> StoredRun:
    """One run of this user. Raises RunMissing."""
    row = connection.execute(
        "SELECT document FROM runs WHERE run_id = ? AND user_id = ?", (run_id, user_id)
    ).fetchone()
    if row is None:
        raise RunMissing(run_id)
    return StoredRun(run_id=run_id, user_id=user_id, document=row[0])
