from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from builders_store import a_charger, a_row, a_store_at_work
from simfleet import settings
from simfleet.errors import Refused
from simfleet.store import open_store, runs
from simfleet.store.chargers import ChargerNameTaken, StoredChargerMissing
from simfleet.store.runs import RunMissing

if TYPE_CHECKING:
    from pathlib import Path


async def test_chargers_come_back_in_the_order_of_creation(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada, bob = await store.create_user("ada"), await store.create_user("bob")
        made = [a_charger(ada.id, "Z"), a_charger(bob.id, "A"), a_charger(ada.id, "M")]
        await store.save_chargers(made)
        await store.save_charger(a_charger(ada.id, "Z", mode="on", made=b'{"x":1}'))
    async with open_store(tmp_path / "s.db") as store:
        changed = a_charger(ada.id, "Z", mode="on", made=b'{"x":1}')
        assert await store.chargers() == [changed, *made[1:]]


async def test_another_users_name_is_taken(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada, bob = await store.create_user("ada"), await store.create_user("bob")
        await store.save_charger(a_charger(ada.id, "SIM-1"))
        with pytest.raises(ChargerNameTaken):
            await store.save_charger(a_charger(bob.id, "SIM-1"))


async def test_what_hardware_keeps_is_replaced_for_those_that_exist(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada = await store.create_user("ada")
        await store.save_chargers([a_charger(ada.id, "A"), a_charger(ada.id, "B")])
        await store.save_kept([("A", b"1"), ("gone", b"2"), ("B", b"3")])
        assert [charger.kept for charger in await store.chargers()] == [b"1", b"3"]


async def test_a_deleted_charger_is_gone_and_can_be_made_again(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada = await store.create_user("ada")
        await store.save_charger(a_charger(ada.id))
        await store.delete_charger("SIM-1")
        assert await store.chargers() == []
        with pytest.raises(StoredChargerMissing):
            await store.delete_charger("SIM-1")
        await store.save_charger(a_charger(ada.id))


async def test_a_renamed_charger_keeps_its_place_and_takes_its_definition_along(
    tmp_path: Path,
) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada = await store.create_user("ada")
        await store.save_chargers([a_charger(ada.id, "A"), a_charger(ada.id, "B")])
        await store.rename_charger("A", "C", made=b"new")
        await store.rename_charger("B", "B")
        assert await store.chargers() == [
            a_charger(ada.id, "C", made=b"new"),
            a_charger(ada.id, "B"),
        ]
        with pytest.raises(ChargerNameTaken):
            await store.rename_charger("B", "C")
        with pytest.raises(StoredChargerMissing):
            await store.rename_charger("A", "D")


async def test_the_logs_of_a_renamed_charger_come_along(tmp_path: Path) -> None:
    async with a_store_at_work(tmp_path / "s.db") as store:
        ada, bob = await store.create_user("ada"), await store.create_user("bob")
        await store.save_charger(a_charger(ada.id, "A"))
        for user, name in ((ada, "A"), (bob, "A"), (ada, "B")):
            store.journal.append(a_row(user.id, chargepoint_id=name))
        await store.rename_charger("A", "C")
        assert [row.id for row in await store.logs(ada.id, chargepoint_id="C")] == [1]
        assert await store.logs(ada.id, chargepoint_id="A") == []
        assert len(await store.logs(ada.id, chargepoint_id="B")) == 1
        assert len(await store.logs(bob.id, chargepoint_id="A")) == 1


async def test_runs_are_the_users_own_newest_first(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada, bob = await store.create_user("ada"), await store.create_user("bob")
        for number in range(3):
            await store.save_run(f"run-{number}", ada.id, b"{}")
        await store.save_run("run-1", ada.id, b'{"done":true}')
        assert [run.run_id for run in await store.runs(ada.id)] == ["run-2", "run-1", "run-0"]
        assert [run.run_id for run in await store.runs(ada.id, limit=1, offset=1)] == ["run-1"]
        assert (await store.run(ada.id, "run-1")).document == b'{"done":true}'
        assert await store.runs(bob.id) == []
        with pytest.raises(RunMissing):
            await store.run(bob.id, "run-1")
        with pytest.raises(Refused):
            await store.save_run("run-1", bob.id, b"{}")


async def test_the_oldest_runs_give_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "RUNS_KEPT_PER_USER", 3)
    async with open_store(tmp_path / "s.db") as store:
        ada, bob = await store.create_user("ada"), await store.create_user("bob")
        await store.save_run("bobs", bob.id, b"{}")
        for number in range(5):
            await store.save_run(f"run-{number}", ada.id, b"{}")
        assert [run.run_id for run in await store.runs(ada.id)] == ["run-4", "run-3", "run-2"]
        assert len(await store.runs(bob.id)) == 1


async def test_lists_are_bounded_whatever_is_asked_for(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada = await store.create_user("ada")
        for number in range(5):
            await store.save_run(f"run-{number}", ada.id, b"{}")
        assert await store.runs(ada.id, limit=-1) == []
        assert len(await store.runs(ada.id, limit=10**30)) == 5
        assert await store.runs(ada.id, offset=10**30) == []
        assert settings.LIST_LIMIT_MAX == settings.RUNS_KEPT_PER_USER
