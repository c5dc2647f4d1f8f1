"""SQL of chargers: what each is, in which mode, and what its hardware keeps without power."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simfleet.errors import Missing, Refused
from simfleet.settings import NAMED_CHARGERS_MAX
from simfleet.store import users

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable


class StoredCharger(msgspec.Struct, frozen=True, kw_only=True):
    """A charger as the registry left it. `made` and `kept` are JSON that only the registry reads.

    `made` is what the charger is (type, power, connectors, configuration ...), `kept` what its
    hardware keeps across a loss of power (energy registers, queued messages, local lists ...).
    """

    user_id: int
    chargepoint_id: str
    made: bytes
    kept: bytes
    mode: str


class StoredChargerMissing(Missing):
    """The store has no charger of this name."""

    code = "CHARGER_NOT_FOUND"

    def __init__(self, chargepoint_id: str) -> None:
        super().__init__(f"no charger is called {chargepoint_id!r}")
        self.chargepoint_id = chargepoint_id


class ChargerNameTaken(Refused):
    """A charger, perhaps another user's, has this identity; no CSMS could tell the two apart."""

    code = "CHARGER_EXISTS"

    def __init__(self, chargepoint_id: str) -> None:
        super().__init__(f"a charger called {chargepoint_id!r} exists already")
        self.chargepoint_id = chargepoint_id


def all_of_them(connection: sqlite3.Connection) -> list[StoredCharger]:
    """Every charger of every user, in the order in which they were created."""
    return [
        StoredCharger(user_id=row[0], chargepoint_id=row[1], made=row[2], kept=row[3], mode=row[4])
        for row in connection.execute(
            "SELECT user_id, chargepoint_id, made, kept, mode FROM chargers ORDER BY id"
        )
    ]


def save(connection: sqlite3.Connection, chargers: Iterable[StoredCharger]) -> None:
    """Add or replace all of `chargers`, or none.

    Raises ChargerNameTaken where a charger of that name is another user's, UserMissing, Refused
    when there would be more than NAMED_CHARGERS_MAX.
    """
    for charger in chargers:
        owner = connection.execute(
            "SELECT user_id FROM chargers WHERE chargepoint_id = ?", (charger.chargepoint_id,)
        ).fetchone()
        if owner is None:
            users.require(connection, charger.user_id)
        elif owner[0] != charger.user_id:
            raise ChargerNameTaken(charger.chargepoint_id)
        connection.execute(
            "INSERT INTO chargers (user_id, chargepoint_id, made, kept, mode)"
            " VALUES (?, ?, ?, ?, ?) ON CONFLICT (chargepoint_id) DO UPDATE"
            " SET made = excluded.made, kept = excluded.kept, mode = excluded.mode",
            msgspec.structs.astuple(charger),
        )
    (number,) = connection.execute("SELECT count(*) FROM chargers").fetchone()
    if number > NAMED_CHARGERS_MAX:
        raise Refused(f"there can be no more than {NAMED_CHARGERS_MAX} chargers")


def save_kept(connection: sqlite3.Connection, kept: Iterable[tuple[str, bytes]]) -> None:
    """Replace what the hardware of these chargers keeps; one that was deleted is passed over."""
    connection.executemany(
        "UPDATE chargers SET kept = ? WHERE chargepoint_id = ?",
        [(bytes_kept, chargepoint_id) for chargepoint_id, bytes_kept in kept],
    )


def delete(connection: sqlite3.Connection, chargepoint_id: str) -> None:
    """Forget a charger; its log rows stay. Raises StoredChargerMissing."""
    deleted = connection.execute("DELETE FROM chargers WHERE chargepoint_id = ?", (chargepoint_id,))
    if deleted.rowcount == 0:
        raise StoredChargerMissing(chargepoint_id)


def rename(
    connection: sqlite3.Connection, old: str, new: str, *, made: bytes | None = None
) -> None:
    """Give a charger another identity, and with `made` another definition, at once.

    Its log rows come along: they are found under the new name, and not under the old one. Half a
    second for 100,000 of them. Raises StoredChargerMissing, ChargerNameTaken.
    """
    taken = connection.execute("SELECT 1 FROM chargers WHERE chargepoint_id = ?", (new,)).fetchone()
    if taken is not None and new != old:
        raise ChargerNameTaken(new)
    renamed = connection.execute(
        "UPDATE chargers SET chargepoint_id = ?, made = coalesce(?, made) WHERE chargepoint_id = ?",
        (new, made, old),
    )
    if renamed.rowcount == 0:
        raise StoredChargerMissing(old)
    connection.execute(
        "UPDATE logs SET chargepoint_id = ? WHERE chargepoint_id = ? AND user_id ="
        " (SELECT user_id FROM chargers WHERE chargepoint_id = ?)",
        (new, old, new),
    )
