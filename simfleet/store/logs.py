"""SQL of the OCPP log: rows stored by the batch, found by index, forgotten in small steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from simfleet.settings import LIST_LIMIT_MAX, LOGS_BYTES_MAX, LOGS_LIMIT

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

ID_MAX: Final = 2**63 - 1

_COLUMNS: Final = (
    "id, user_id, chargepoint_id, direction, message_type, action, frame, at_wall_s, injected"
)


class LogRow(msgspec.Struct, kw_only=True, gc=False):
    """One OCPP frame of a named charger. `id` is given by `Journal.append`, and rises with time.

    `frame` is the bytes on the wire; the texts are the caller's, who knows what they mean;
    `injected` names the fault on purpose that sent it, "" for none.
    """

    user_id: int
    chargepoint_id: str
    direction: str
    message_type: str
    action: str
    frame: bytes
    at_wall_s: float
    injected: str = ""
    id: int = 0


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows are wanted. None is any; `since_id` and `before_id` are excluded themselves."""

    user_id: int
    chargepoint_id: str | None = None
    direction: str | None = None
    message_type: str | None = None
    action: str | None = None
    since_id: int | None = None
    before_id: int | None = None
    limit: int = LOGS_LIMIT


def insert(connection: sqlite3.Connection, rows: Sequence[LogRow], *, ids_until: int) -> None:
    """Store `rows`, and that ids below `ids_until` may have been handed out."""
    connection.executemany(
        f"INSERT INTO logs ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", map(_values, rows)
    )
    reserve(connection, ids_until)


def _values(row: LogRow) -> tuple[object, ...]:
    return (
        row.id,
        row.user_id,
        row.chargepoint_id,
        row.direction,
        row.message_type,
        row.action,
        row.frame,
        row.at_wall_s,
        row.injected,
    )


def reserve(connection: sqlite3.Connection, ids_until: int) -> None:
    """Let no later process hand out an id below `ids_until`."""
    connection.execute("UPDATE log_ids SET next = max(next, ?)", (ids_until,))


def release(connection: sqlite3.Connection, next_id: int) -> None:
    """After an orderly end: ids from `next_id` on have not been handed out after all."""
    connection.execute("UPDATE log_ids SET next = ?", (next_id,))


def take_ids(connection: sqlite3.Connection, number: int) -> int:
    """Reserve `number` ids for this process, and return the first, which nobody had before."""
    (reserved,) = connection.execute("SELECT next FROM log_ids").fetchone()
    (stored,) = connection.execute("SELECT coalesce(max(id), 0) FROM logs").fetchone()
    first = int(max(reserved, stored + 1))
    reserve(connection, first + number)
    return first


def count(connection: sqlite3.Connection) -> int:
    """How many rows there are; reads an index from end to end, so only once."""
    (rows,) = connection.execute("SELECT count(*) FROM logs").fetchone()
    return int(rows)


def forget_oldest(connection: sqlite3.Connection, rows: int) -> int:
    """Remove the `rows` oldest and return how many there were to remove."""
    return connection.execute(
        "DELETE FROM logs WHERE id IN (SELECT id FROM logs ORDER BY id LIMIT ?)", (rows,)
    ).rowcount


def forget_before(connection: sqlite3.Connection, wall_s: float, *, at_most: int) -> int:
    """Of the `at_most` oldest rows, remove those from before `wall_s`; return how many."""
    return connection.execute(
        "DELETE FROM logs WHERE at_wall_s < ? AND id IN (SELECT id FROM logs ORDER BY id LIMIT ?)",
        (wall_s, at_most),
    ).rowcount


def read(connection: sqlite3.Connection, wanted: LogQuery) -> list[LogRow]:
    """The newest rows that match, newest first.

    At most LIST_LIMIT_MAX, and no more than fit into LOGS_BYTES_MAX (yet one, whatever its size).
    """
    conditions: list[str] = ["user_id = ?"]
    values: list[int | str] = [wanted.user_id]
    for condition, value in (
        ("chargepoint_id = ?", wanted.chargepoint_id),
        ("direction = ?", wanted.direction),
        ("message_type = ?", wanted.message_type),
        ("action = ?", wanted.action),
        ("id > ?", _within(wanted.since_id)),
        ("id < ?", _within(wanted.before_id)),
    ):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    found: list[LogRow] = []
    size = 0
    for row in connection.execute(
        f"SELECT {_COLUMNS} FROM logs WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?",
        (*values, max(0, min(wanted.limit, LIST_LIMIT_MAX))),
    ):
        size += len(row[6])
        if found and size > LOGS_BYTES_MAX:
            break
        found.append(_row(row))
    return found


def _row(row: tuple[int, int, str, str, str, str, bytes, float, str]) -> LogRow:
    return LogRow(
        id=row[0],
        user_id=row[1],
        chargepoint_id=row[2],
        direction=row[3],
        message_type=row[4],
        action=row[5],
        frame=row[6],
        at_wall_s=row[7],
        injected=row[8],
    )


def _within(row_id: int | None) -> int | None:
    """An id as SQLite can compare it; any larger one is larger than all there are."""
    return None if row_id is None else max(-ID_MAX, min(row_id, ID_MAX))
