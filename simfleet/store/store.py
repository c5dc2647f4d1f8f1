"""The door of the room: what others can have stored, and ask for.

Every method that writes returns when the row is committed; from then on it survives `kill -9`.
All of them raise StoreFailed when the disk is full or broken, and then nothing was changed.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import trio

from simfleet.clock import real_wall_s
from simfleet.errors import StoreFailed, StoreUnusable
from simfleet.settings import LOGS_LIMIT
from simfleet.store import chargers, keys, logs, runs, users
from simfleet.store.database import Database
from simfleet.store.journal import IDS_AHEAD, Journal, JournalCounts, JournalLimits
from simfleet.store.keys import Key, KeyRing
from simfleet.store.logs import LogQuery, LogRow
from simfleet.store.runs import StoredRun

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from simfleet.store.chargers import StoredCharger
    from simfleet.store.users import User


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator wants to know of the store."""

    journal: JournalCounts
    bytes_used: int
    """The database file and its write-ahead log."""


@asynccontextmanager
async def open_store(
    path: Path,
    *,
    service: bool = True,
    journal: JournalLimits | None = None,
    wall_s: Callable[[], float] = real_wall_s,
) -> AsyncIterator[Store]:
    """Open the database, create or migrate it where needed, and close it at the end.

    `service` is for whoever drives chargers: nobody else may then. A command that only changes
    users and keys says False, and may do so beside a running service. The journal writes while
    `store.journal.run` runs, which is the caller's to start.

    Raises StoreUnusable for a database that is in use, newer than this program, none of ours, or
    not to be opened.
    """
    database = await trio.to_thread.run_sync(partial(Database, path, service=service))
    try:
        written = await _journal(database, journal or JournalLimits(), service, wall_s)
        try:
            yield Store(database, written, wall_s=wall_s)
        finally:
            if service:
                with trio.CancelScope(shield=True), suppress(StoreFailed):
                    await database.write(logs.release, written.next_id)
    finally:
        with trio.CancelScope(shield=True):  # local, bounded work: a checkpoint of the log
            await trio.to_thread.run_sync(database.close)


async def _journal(
    database: Database, limits: JournalLimits, service: bool, wall_s: Callable[[], float]
) -> Journal:
    """The journal of a database that was just opened, with ids that nobody had."""
    try:
        next_id = await database.write(logs.take_ids, IDS_AHEAD if service else 0)
        rows = await database.read(logs.count) if service else 0
    except StoreFailed as failed:
        raise StoreUnusable(
            f"the database {database.path} cannot be used: {failed.detail}"
        ) from failed
    return Journal(database, limits=limits, next_id=next_id, rows=rows, wall_s=wall_s)


class Store:
    """What survives a restart. Get one from `open_store`."""

    def __init__(
        self, database: Database, journal: Journal, *, wall_s: Callable[[], float]
    ) -> None:
        self.journal = journal
        self._database = database
        self._keys = KeyRing(database)
        self._wall_s = wall_s

    @property
    def path(self) -> Path:
        """The database file."""
        return self._database.path

    @property
    def alone(self) -> bool:
        """Whether no other process is a service on this database; True for the service itself."""
        return self._database.alone

    def health(self) -> StoreHealth:
        """How the journal and the file are doing; costs two `stat` calls."""
        return StoreHealth(journal=self.journal.counts(), bytes_used=self._database.bytes_used())

    # ── users and their settings ─────────────────────────────────────────────────────────────────

    async def users(self) -> list[User]:
        """Every user, the first one first; at most USERS_MAX."""
        return await self._database.read(users.all_of_them)

    async def user(self, name: str) -> User:
        """The user of this name. Raises UserMissing."""
        return await self._database.read(users.find, name)

    async def create_user(self, name: str) -> User:
        """Add a user. Raises Invalid for what is no name, Refused for one that is taken."""
        return await self._database.write(users.create, name, wall_s=self._wall_s())

    async def remove_user(self, name: str) -> User:
        """Remove a user with keys, settings, chargers and runs. Raises UserMissing.

        Log rows are nobody's from then on, and go as they age.
        """
        removed = await self._database.write(users.remove, name)
        self._keys.changed()
        return removed

    async def settings_of(self, user_id: int) -> dict[str, str]:
        """What this user has set, by name; what was never set is not there."""
        return await self._database.read(users.settings_of, user_id)

    async def save_settings(self, user_id: int, settings: Mapping[str, str]) -> None:
        """Set all of `settings`, or none; others stay. Raises UserMissing, Refused."""
        await self._database.write(users.save_settings, user_id, settings)

    # ── keys ─────────────────────────────────────────────────────────────────────────────────────

    async def create_key(self, user_id: int, label: str = "") -> str:
        """Make a key and return it: the only time anybody sees it. Raises UserMissing, Refused."""
        key = keys.new_key()
        await self.adopt_key(user_id, key, label)
        return key

    async def adopt_key(self, user_id: int, key: str, label: str = "") -> None:
        """Let `key` be this user's (SIMFLEET_API_KEY); nothing happens if it is already.

        Raises UserMissing, Invalid for a key that is too short, Refused for another user's.
        """
        await self._database.write(keys.add, user_id, key, label, wall_s=self._wall_s())
        self._keys.changed()

    async def revoke_key(self, prefix: str, *, user_id: int | None = None) -> Key:
        """Revoke the one key (of this user) that starts so; the next request with it is refused.

        Raises KeyMissing if there is none, Refused if there are several.
        """
        revoked = await self._database.write(keys.revoke, prefix, user_id=user_id)
        self._keys.changed()
        return revoked

    async def keys(self, user_id: int | None = None) -> list[Key]:
        """What is known of the keys of this user, or of all."""
        return await self._database.read(keys.listed, user_id=user_id)

    async def user_of_key(self, key: str) -> User | None:
        """Whose key this is; from memory, unless any process has changed keys since."""
        return await self._keys.user_of(key)

    # ── chargers ─────────────────────────────────────────────────────────────────────────────────

    async def chargers(self) -> list[StoredCharger]:
        """Every charger of every user, in the order of creation; at most NAMED_CHARGERS_MAX."""
        return await self._database.read(chargers.all_of_them)

    async def save_charger(self, charger: StoredCharger) -> None:
        """Add a charger or replace it; raises as `save_chargers`."""
        await self.save_chargers([charger])

    async def save_chargers(self, saved: Sequence[StoredCharger]) -> None:
        """Add or replace all of these, or none.

        Raises ChargerNameTaken where a charger of that name is another user's, UserMissing, Refused
        when there would be more than NAMED_CHARGERS_MAX.
        """
        await self._database.write(chargers.save, saved)

    async def save_kept(self, kept: Sequence[tuple[str, bytes]]) -> None:
        """Replace what the hardware of these chargers keeps; passes over those that are gone."""
        await self._database.write(chargers.save_kept, kept)

    async def delete_charger(self, chargepoint_id: str) -> None:
        """Forget a charger; its log rows stay. Raises StoredChargerMissing."""
        await self._database.write(chargers.delete, chargepoint_id)

    async def rename_charger(self, old: str, new: str, *, made: bytes | None = None) -> None:
        """Give a charger another identity, and with `made` another definition, at once.

        Its log rows come along. Raises StoredChargerMissing, ChargerNameTaken.
        """
        await self.journal.flush()  # rows that still wait have the old name
        await self._database.write(chargers.rename, old, new, made=made)

    # ── logs ─────────────────────────────────────────────────────────────────────────────────────

    async def logs(
        self,
        user_id: int,
        *,
        chargepoint_id: str | None = None,
        direction: str | None = None,
        message_type: str | None = None,
        action: str | None = None,
        since_id: int | None = None,
        before_id: int | None = None,
        limit: int = LOGS_LIMIT,
    ) -> list[LogRow]:
        """The newest rows that match, newest first; at most LIST_LIMIT_MAX, and 16 MiB of frames.

        `since_id` and `before_id` are excluded themselves. What was appended before the call is
        there, unless the journal is behind by more than half a second.
        """
        wanted = LogQuery(
            user_id=user_id,
            chargepoint_id=chargepoint_id,
            direction=direction,
            message_type=message_type,
            action=action,
            since_id=since_id,
            before_id=before_id,
            limit=limit,
        )
        await self.journal.flush()
        return await self._database.read(logs.read, wanted)

    # ── runs ─────────────────────────────────────────────────────────────────────────────────────

    async def save_run(self, run_id: str, user_id: int, document: bytes) -> None:
        """Add a run or replace its JSON; of each user the last RUNS_KEPT_PER_USER are kept.

        Raises UserMissing, Refused for an id that is another user's run.
        """
        run = StoredRun(run_id=run_id, user_id=user_id, document=document)
        await self._database.write(runs.save, run)

    async def runs(self, user_id: int, *, limit: int = 100, offset: int = 0) -> list[StoredRun]:
        """This user's runs, the newest first, at most LIST_LIMIT_MAX."""
        return await self._database.read(runs.of, user_id, limit=limit, offset=offset)

    async def run(self, user_id: int, run_id: str) -> StoredRun:
        """One run of this user. Raises RunMissing."""
        return await self._database.read(runs.find, user_id, run_id)
