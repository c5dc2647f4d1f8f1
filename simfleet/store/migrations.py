"""The schema, as the numbered steps that lead to it; SQLite's `user_version` says which are done.

Forward only: a step that was released is never edited, a change is a new step at the end. All
steps that a database lacks run in one transaction, so that it is never in between. A database that
has more steps than this program knows is refused: nobody can say what the program would do to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.errors import StoreUnusable

if TYPE_CHECKING:
    import sqlite3

APPLICATION_ID: Final = 0x53464C54
"""ASCII "SFLT": in the header of every SQLite file of ours, shown by `file` and to us."""

# AUTOINCREMENT where an id must never come back: rows of a removed user must not become another's.
_ACCOUNTS = (
    """
    CREATE TABLE users (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        created_wall_s REAL NOT NULL
    ) STRICT
    """,
    # `hash` is SHA-256 of the key; `prefix` its first characters, for people to tell keys apart.
    """
    CREATE TABLE keys (
        id INTEGER PRIMARY KEY,
        user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        hash BLOB NOT NULL UNIQUE,
        prefix TEXT NOT NULL,
        label TEXT NOT NULL,
        created_wall_s REAL NOT NULL
    ) STRICT
    """,
    "CREATE INDEX keys_of_user ON keys (user_id)",
    """
    CREATE TABLE settings (
        user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (user_id, name)
    ) STRICT, WITHOUT ROWID
    """,
)
# `made` and `kept` are JSON that only the registry reads: what a charger is, what hardware keeps.
_CHARGERS = (
    """
    CREATE TABLE chargers (
        id INTEGER PRIMARY KEY,
        chargepoint_id TEXT NOT NULL UNIQUE,
        user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        mode TEXT NOT NULL,
        made BLOB NOT NULL,
        kept BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX chargers_of_user ON chargers (user_id)",
)
# No reference to users: removing one must not hold the writer for a million rows. Ids of users
# never come back, so such rows are nobody's, until retention takes them.
_LOGS = (
    """
    CREATE TABLE logs (
        id INTEGER PRIMARY KEY,
        user_id INTEGER NOT NULL,
        chargepoint_id TEXT NOT NULL,
        direction TEXT NOT NULL,
        message_type TEXT NOT NULL,
        action TEXT NOT NULL,
        frame BLOB NOT NULL,
        at_wall_s REAL NOT NULL
    ) STRICT
    """,
    # Both end in the row's id: the newest rows of a user, or of one charger, without sorting.
    "CREATE INDEX logs_of_user ON logs (user_id)",
    "CREATE INDEX logs_of_charger ON logs (user_id, chargepoint_id)",
    # The first log id that no process has handed out yet; ahead of the rows, see journal.py.
    "CREATE TABLE log_ids (next INTEGER NOT NULL) STRICT",
    "INSERT INTO log_ids VALUES (1)",
)
_RUNS = (
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL UNIQUE,
        user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        document BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX runs_of_user ON runs (user_id)",
)
# The kind of the fault on purpose because of which a charger sent the frame.
_INJECTED: Final = ("ALTER TABLE logs ADD COLUMN injected TEXT NOT NULL DEFAULT ''",)
MIGRATIONS: Final = (_ACCOUNTS, _CHARGERS, _LOGS, _RUNS, _INJECTED)
VERSION: Final = len(MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """How many steps a database has seen; 0 for one that is new.

    Raises StoreUnusable for the database of another program, and for one that is newer than this.
    """
    application_id = _pragma(connection, "application_id")
    version = _pragma(connection, "user_version")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application_id != APPLICATION_ID and (application_id or version or tables):
        raise StoreUnusable("it is the SQLite database of another program, not SimFleet's")
    if version > VERSION:
        raise StoreUnusable(
            f"its schema is version {version}, this SimFleet knows versions up to {VERSION}: it "
            "was written by a newer SimFleet; install that one, or name another file"
        )
    return version


def migrate(connection: sqlite3.Connection) -> int:
    """Bring a database to VERSION and return the version it had. All or nothing.

    Two processes may do so at once: the second finds nothing left to do. Raises as `version_of`.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = version_of(connection)
        for step in MIGRATIONS[found:]:
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return found


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    (value,) = connection.execute(f"PRAGMA {name}").fetchone()
    return int(value)
