from __future__ import annotations

import os
import sqlite3
import stat
from typing import TYPE_CHECKING

import pytest
import trio

from builders_store import a_charger, a_database_of_version, let_the_file_grow
from simfleet.errors import StoreFailed, StoreUnusable
from simfleet.store import lock, open_store
from simfleet.store.migrations import MIGRATIONS, VERSION

if TYPE_CHECKING:
    from pathlib import Path


# ── the file ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_new_database_is_made_with_its_folder_for_our_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "simfleet.db"
    async with open_store(path) as store:
        await store.create_user("ada")
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert modes == {
        "simfleet.db": 0o600,
        "simfleet.db-wal": 0o600,
        "simfleet.db-shm": 0o600,
        "simfleet.db.lock": 0o600,
    }


async def test_what_was_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        user = await store.create_user("ada")
    async with open_store(tmp_path / "s.db") as store:
        assert await store.users() == [user]


@pytest.mark.parametrize("content", [b"not a database, " * 300, b"short"])
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(content)
    with pytest.raises(StoreUnusable, match=r"s\.db cannot be used: file is not a database"):
        async with open_store(path):
            raise AssertionError("it was opened")
    assert path.read_bytes() == content


async def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE theirs (x)")
    foreign.close()
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match="another program"):
        async with open_store(path):
            raise AssertionError("it was opened")
    assert path.read_bytes() == before


async def test_a_folder_where_the_file_should_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match="cannot be opened: Is a directory"):
        async with open_store(tmp_path):
            raise AssertionError("it was opened")


# ── versions ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_newer_database_is_refused_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    newer = a_database_of_version(path, VERSION)
    newer.execute(f"PRAGMA user_version = {VERSION + 1}")
    newer.close()
    before = path.read_bytes()
    expected = f"version {VERSION + 1}, this SimFleet knows versions up to {VERSION}"
    with pytest.raises(StoreUnusable, match=expected):
        async with open_store(path):
            raise AssertionError("it was opened")
    assert path.read_bytes() == before


@pytest.mark.parametrize("version", range(1, VERSION))
async def test_an_older_database_is_migrated_with_all_that_it_holds(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "s.db"
    older = a_database_of_version(path, version)
    older.execute("INSERT INTO users VALUES (7, 'ada', 1.0)")
    older.execute("INSERT INTO settings VALUES (7, 'heartbeat_interval', '60')")
    if version >= 2:
        older.execute("INSERT INTO chargers VALUES (3, 'SIM-1', 7, 'off', x'7b7d', x'5b5d')")
    older.close()
    async with open_store(path) as store:
        assert [user.id for user in await store.users()] == [7]
        assert await store.settings_of(7) == {"heartbeat_interval": "60"}
        assert await store.chargers() == ([a_charger(7)] if version >= 2 else [])
        await store.save_run("run-1", 7, b"{}")
        assert await store.logs(7) == []
        assert (await store.create_user("bob")).id == 8


async def test_a_migration_that_fails_halfway_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    older = a_database_of_version(path, 1)
    older.execute("CREATE TABLE runs (in_the_way INTEGER)")  # so that the last step fails
    before = older.execute("SELECT name FROM sqlite_schema ORDER BY name").fetchall()
    with pytest.raises(StoreUnusable, match="table runs already exists"):
        async with open_store(path):
            raise AssertionError("it was opened")
    assert older.execute("SELECT name FROM sqlite_schema ORDER BY name").fetchall() == before
    assert older.execute("PRAGMA user_version").fetchone() == (1,)
    older.close()


def test_every_step_has_something_to_do() -> None:
    assert all(MIGRATIONS)


# ── who may open it ──────────────────────────────────────────────────────────────────────────────


async def test_a_second_service_is_refused_and_told_who_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "TRIES", 2)  # instead of two seconds
    path = tmp_path / "s.db"
    async with open_store(path) as first:
        with pytest.raises(StoreUnusable, match=rf"s\.db .* process {os.getpid()}, a service"):
            async with open_store(path):
                raise AssertionError("it was opened")
        await first.create_user("ada")
    async with open_store(path) as third:
        assert len(await third.users()) == 1


async def test_a_command_works_beside_a_service(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with open_store(path) as service, open_store(path, service=False) as command:
        assert (service.alone, command.alone) == (True, False)
        user = await command.create_user("ada")
        assert await service.users() == [user]


async def test_a_command_alone_makes_the_database(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db", service=False) as command:
        assert command.alone
        await command.create_user("ada")


async def test_two_commands_work_beside_each_other(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with open_store(path, service=False) as one, open_store(path, service=False) as other:
        await one.create_user("ada")
        await other.create_user("bob")
        assert len(await one.users()) == 2


async def test_a_command_does_not_migrate_under_a_running_service(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    a_database_of_version(path, VERSION - 1).close()
    held = lock.Lock(path)
    assert held.take_alone()
    try:
        with pytest.raises(StoreUnusable, match="another version"):
            async with open_store(path, service=False):
                raise AssertionError("it was opened")
    finally:
        held.close()


# ── transactions ─────────────────────────────────────────────────────────────────────────────────


async def test_what_fails_in_the_middle_is_undone_as_a_whole(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada, bob = await store.create_user("ada"), await store.create_user("bob")
        await store.save_charger(a_charger(bob.id, "SIM-9"))
        with pytest.raises(Exception, match="SIM-9"):
            await store.save_chargers([a_charger(ada.id, "SIM-1"), a_charger(ada.id, "SIM-9")])
        assert [charger.chargepoint_id for charger in await store.chargers()] == ["SIM-9"]


async def test_a_full_disk_is_an_error_that_changes_nothing_and_passes(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        user = await store.create_user("ada")
        let_the_file_grow(store, pages=0)
        with pytest.raises(StoreFailed, match="full") as caught:
            await store.save_charger(a_charger(user.id, made=b"x" * 100_000))
        assert caught.value.full
        assert await store.chargers() == []
        let_the_file_grow(store, pages=None)
        await store.save_charger(a_charger(user.id, made=b"x" * 100_000))
        assert len(await store.chargers()) == 1


async def test_a_bug_is_no_store_failure(tmp_path: Path) -> None:
    def asks_wrongly(connection: sqlite3.Connection) -> None:
        connection.execute("SELECT x FROM nowhere")

    async with open_store(tmp_path / "s.db") as store:
        with pytest.raises(sqlite3.OperationalError, match="nowhere"):
            await store._database.read(asks_wrongly)
        assert await store.users() == []


async def test_the_reader_cannot_write(tmp_path: Path) -> None:
    def writes(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO users (name, created_wall_s) VALUES ('eve', 0.0)")

    async with open_store(tmp_path / "s.db") as store:
        with pytest.raises(StoreFailed, match="readonly"):
            await store._database.read(writes)


async def test_a_read_does_not_wait_for_a_write(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store, trio.open_nursery() as nursery:
        read = trio.Event()

        def writes_until_read(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO users (name, created_wall_s) VALUES ('ada', 0.0)")
            trio.from_thread.run(read.wait)

        nursery.start_soon(store._database.write, writes_until_read)
        with trio.fail_after(10):
            assert await store.users() == []
        read.set()
