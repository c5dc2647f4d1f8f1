"""API keys: how they are made, what is kept of them, and who a key belongs to.

A key is 32 random bytes. Only its SHA-256 is stored: nothing shorter than guessing 256 bits leads
from there to the key, so a slow password hash would cost time and buy nothing. For the same reason
the comparison need not take constant time: what it compares are hashes, and whoever could learn
from its timing how much of a hash was right still could not make a key that has the rest of it.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Final

import msgspec

from simfleet.errors import Invalid, Missing, Refused
from simfleet.settings import API_KEY_LENGTHS, KEYS_PER_USER_MAX
from simfleet.store import users
from simfleet.store.users import User

if TYPE_CHECKING:
    import sqlite3

    from simfleet.store.database import Database

KEY_BYTES: Final = 32
KEY_START: Final = "sf_"
"""How our keys begin, so that a person or a scanner of secrets knows one when it sees it."""
LABEL_LENGTH_MAX: Final = 100
PREFIX_LENGTH: Final = len(KEY_START) + 8
"""Characters of a key that are kept readable; of a short key a quarter, at most as many."""


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key: everything but the key."""

    prefix: str
    label: str
    user_name: str
    created_wall_s: float


class KeyMissing(Missing):
    """No key starts so."""

    code = "KEY_NOT_FOUND"


def new_key() -> str:
    """A key that nobody has: ``sf_`` and 43 URL-safe characters."""
    return KEY_START + secrets.token_urlsafe(KEY_BYTES)


def digest(key: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def add(
    connection: sqlite3.Connection, user_id: int, key: str, label: str, *, wall_s: float
) -> None:
    """Let `key` be one of this user's keys; nothing happens if it is already.

    Raises UserMissing, Invalid for a key that is too short, Refused for one that is another
    user's and when the user has too many.
    """
    if len(key) not in API_KEY_LENGTHS or not key.isascii() or not key.isprintable() or " " in key:
        raise Invalid(
            f"this cannot be an API key: write {API_KEY_LENGTHS[0]} to {API_KEY_LENGTHS[-1]} "
            "letters, digits or signs, no spaces"
        )
    if len(label) > LABEL_LENGTH_MAX or not label.isprintable():
        raise Invalid(f"a label is up to {LABEL_LENGTH_MAX} printable characters")
    users.require(connection, user_id)
    owner = connection.execute("SELECT user_id FROM keys WHERE hash = ?", (digest(key),)).fetchone()
    if owner is not None:
        if owner[0] != user_id:
            raise Refused("this key is another user's")
        return
    (number,) = connection.execute(
        "SELECT count(*) FROM keys WHERE user_id = ?", (user_id,)
    ).fetchone()
    if number >= KEYS_PER_USER_MAX:
        raise Refused(f"a user has no more than {KEYS_PER_USER_MAX} keys; revoke one first")
    connection.execute(
        "INSERT INTO keys (user_id, hash, prefix, label, created_wall_s) VALUES (?, ?, ?, ?, ?)",
        (user_id, digest(key), key[: min(PREFIX_LENGTH, len(key) // 4)], label, wall_s),
    )


def revoke(connection: sqlite3.Connection, start: str, *, user_id: int | None = None) -> Key:
    """Remove the one key (of this user) that starts with `start`, or is `start`.

    Raises KeyMissing if there is none, Refused if there are several.
    """
    found = connection.execute(
        f"SELECT keys.id, {_COLUMNS} FROM keys JOIN users ON users.id = keys.user_id"
        " WHERE (hash = :hash OR substr(prefix, 1, length(:start)) = :start)"
        " AND (:user_id IS NULL OR user_id = :user_id) LIMIT 2",
        {"hash": digest(start), "start": start, "user_id": user_id},
    ).fetchall()
    if not found or not start:
        raise KeyMissing("there is no key that starts so")
    if len(found) > 1:
        raise Refused("several keys start so; write more of the one that you mean")
    (key_id, *columns) = found[0]
    connection.execute("DELETE FROM keys WHERE id = ?", (key_id,))
    return _key(columns)


def listed(connection: sqlite3.Connection, *, user_id: int | None = None) -> list[Key]:
    """The keys of this user, or of all, in the order in which they were made."""
    return [
        _key(row)
        for row in connection.execute(
            f"SELECT {_COLUMNS} FROM keys JOIN users ON users.id = keys.user_id"
            " WHERE :user_id IS NULL OR user_id = :user_id ORDER BY keys.id",
            {"user_id": user_id},
        )
    ]


def owners(connection: sqlite3.Connection) -> dict[bytes, User]:
    """The owner of each key, by its digest."""
    return {
        row[0]: User(id=row[1], name=row[2], created_wall_s=row[3])
        for row in connection.execute(
            "SELECT hash, users.id, name, users.created_wall_s"
            " FROM keys JOIN users ON users.id = keys.user_id"
        )
    }


_COLUMNS: Final = "prefix, label, name, keys.created_wall_s"


def _key(row: list[object] | tuple[object, ...]) -> Key:
    return msgspec.convert(
        dict(zip(("prefix", "label", "user_name", "created_wall_s"), row, strict=True)), Key
    )


class KeyRing:
    """All keys in memory (they are few), read anew after any process has changed one.

    So a request costs no query, and a key that is revoked is unknown to the next request.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._owners: dict[bytes, User] = {}
        self._as_of: int | None = None

    async def user_of(self, key: str) -> User | None:
        """Whose key this is. Raises StoreFailed if keys have changed and cannot be read."""
        changes = self._database.lock.changes_told()
        if changes != self._as_of:
            # Asked before reading: what changes meanwhile is found by the next request.
            self._owners = await self._database.read(owners)
            self._as_of = changes
        return self._owners.get(digest(key))

    def changed(self) -> None:
        """To be called after a change of users or keys has been committed."""
        self._database.lock.tell_of_change()
