"""SQL of users and of their settings."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Final

import msgspec

from simfleet.errors import Invalid, Missing, Refused
from simfleet.settings import SETTINGS_PER_USER_MAX, USERS_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with chargers of their own. The id is never given to anybody else."""

    id: int
    name: str
    created_wall_s: float


class UserMissing(Missing):
    """No user has this name or id."""

    code = "USER_NOT_FOUND"

    def __init__(self, user: str | int) -> None:
        super().__init__(f"there is no user {user!r}")
        self.user = user


def create(connection: sqlite3.Connection, name: str, *, wall_s: float) -> User:
    """Add a user. Raises Invalid for a name that cannot be one, Refused for one that is taken."""
    if _NAME.fullmatch(name) is None:
        raise Invalid(
            f"{name!r} is not a user name; write up to 64 letters, digits and . _ @ -, starting "
            "with a letter or digit"
        )
    (users,) = connection.execute("SELECT count(*) FROM users").fetchone()
    if users >= USERS_MAX:
        raise Refused(f"there are {USERS_MAX} users already, and no more than that can be")
    try:
        row = connection.execute(
            "INSERT INTO users (name, created_wall_s) VALUES (?, ?) RETURNING id", (name, wall_s)
        ).fetchone()
    except sqlite3.IntegrityError as taken:
        raise Refused(f"there is a user {name!r} already") from taken
    return User(id=row[0], name=name, created_wall_s=wall_s)


def remove(connection: sqlite3.Connection, name: str) -> User:
    """Remove a user with keys, settings, chargers and runs. Raises UserMissing."""
    user = find(connection, name)
    connection.execute("DELETE FROM users WHERE id = ?", (user.id,))
    return user


def find(connection: sqlite3.Connection, name: str) -> User:
    """The user of this name. Raises UserMissing."""
    row = connection.execute(
        "SELECT id, name, created_wall_s FROM users WHERE name = ?", (name,)
    ).fetchone()
    if row is None:
        raise UserMissing(name)
    return User(id=row[0], name=row[1], created_wall_s=row[2])


def all_of_them(connection: sqlite3.Connection) -> list[User]:
    """Every user, the first one first."""
    return [
        User(id=row[0], name=row[1], created_wall_s=row[2])
        for row in connection.execute("SELECT id, name, created_wall_s FROM users ORDER BY id")
    ]


def require(connection: sqlite3.Connection, user_id: int) -> None:
    """Raise UserMissing if there is no such user, so that no foreign key has to."""
    if connection.execute("SELECT 1 FROM users WHERE id = ?", (user_id,)).fetchone() is None:
        raise UserMissing(user_id)


def settings_of(connection: sqlite3.Connection, user_id: int) -> dict[str, str]:
    """What this user has set, by name; empty for who has set nothing, or does not exist."""
    return dict(
        connection.execute(
            "SELECT name, value FROM settings WHERE user_id = ? ORDER BY name", (user_id,)
        )
    )


def save_settings(
    connection: sqlite3.Connection, user_id: int, settings: Mapping[str, str]
) -> None:
    """Set all of `settings`, or none; others stay. Raises UserMissing, Refused."""
    require(connection, user_id)
    connection.executemany(
        "INSERT INTO settings (user_id, name, value) VALUES (?, ?, ?)"
        " ON CONFLICT (user_id, name) DO UPDATE SET value = excluded.value",
        [(user_id, name, value) for name, value in settings.items()],
    )
    (number,) = connection.execute(
        "SELECT count(*) FROM settings WHERE user_id = ?", (user_id,)
    ).fetchone()
    if number > SETTINGS_PER_USER_MAX:
        raise Refused(f"a user has no more than {SETTINGS_PER_USER_MAX} settings")
