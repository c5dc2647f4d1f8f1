from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from builders_store import a_charger
from simfleet.errors import Invalid, Refused
from simfleet.settings import KEYS_PER_USER_MAX, SETTINGS_PER_USER_MAX
from simfleet.store import open_store
from simfleet.store.keys import KeyMissing
from simfleet.store.users import UserMissing

if TYPE_CHECKING:
    from pathlib import Path


# ── users ────────────────────────────────────────────────────────────────────────────────────────


async def test_users_are_listed_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db", wall_s=lambda: 12.5) as store:
        made = [await store.create_user(name) for name in ("bob", "ada", "x@example.org")]
        assert await store.users() == made
        assert await store.user("ada") == made[1]
        assert made[0].created_wall_s == 12.5


async def test_a_name_is_given_once(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        await store.create_user("ada")
        with pytest.raises(Refused, match="'ada' already"):
            await store.create_user("ada")


@pytest.mark.parametrize("name", ["", " ada", "ada\n", "-x", "a" * 65, "ä", "a/b", "a\x00"])
async def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    async with open_store(tmp_path / "s.db") as store:
        with pytest.raises(Invalid, match="is not a user name"):
            await store.create_user(name)


async def test_a_removed_user_takes_everything_along_and_the_id_never_comes_back(
    tmp_path: Path,
) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada = await store.create_user("ada")
        key = await store.create_key(ada.id)
        await store.save_settings(ada.id, {"a": "1"})
        await store.save_charger(a_charger(ada.id))
        await store.save_run("run-1", ada.id, b"{}")
        await store.remove_user("ada")
        assert await store.users() == []
        assert await store.user_of_key(key) is None
        assert (await store.keys(), await store.chargers()) == ([], [])
        assert (await store.settings_of(ada.id), await store.runs(ada.id)) == ({}, [])
        assert (await store.create_user("ada")).id > ada.id


async def test_a_user_who_does_not_exist_is_missing_everywhere(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        for wanted in (
            store.user("eve"),
            store.remove_user("eve"),
            store.create_key(9),
            store.save_settings(9, {"a": "1"}),
            store.save_charger(a_charger(9)),
            store.save_run("run-1", 9, b"{}"),
        ):
            with pytest.raises(UserMissing):
                await wanted


# ── settings ─────────────────────────────────────────────────────────────────────────────────────


async def test_settings_are_kept_per_user_and_set_in_part(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada, bob = await store.create_user("ada"), await store.create_user("bob")
        await store.save_settings(ada.id, {"a": "1", "b": "2"})
        await store.save_settings(ada.id, {"b": "3"})
        assert await store.settings_of(ada.id) == {"a": "1", "b": "3"}
        assert await store.settings_of(bob.id) == {}


async def test_settings_are_bounded(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada = await store.create_user("ada")
        too_many = {str(number): "" for number in range(SETTINGS_PER_USER_MAX + 1)}
        with pytest.raises(Refused, match="settings"):
            await store.save_settings(ada.id, too_many)
        assert await store.settings_of(ada.id) == {}


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_key_leads_to_its_user(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada, bob = await store.create_user("ada"), await store.create_user("bob")
        keys = [await store.create_key(user.id) for user in (ada, bob, ada)]
        assert [await store.user_of_key(key) for key in keys] == [ada, bob, ada]
        assert len(set(keys)) == 3
        assert all(re.fullmatch(r"sf_[A-Za-z0-9_-]{43}", key) for key in keys)


@pytest.mark.parametrize("key", ["", "sf_", "x" * 5_000, "\udcff", "\x00"])
async def test_a_wrong_key_is_nobodys(tmp_path: Path, key: str) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada = await store.create_user("ada")
        await store.create_key(ada.id)
        assert await store.user_of_key(key) is None


async def test_only_the_hash_of_a_key_is_in_the_files(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada = await store.create_user("ada")
        key = await store.create_key(ada.id)
        written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert key[:11].encode() in written  # the part that is meant to be readable
    assert key[:14].encode() not in written


async def test_a_revoked_key_is_refused_at_once(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada = await store.create_user("ada")
        key, other = await store.create_key(ada.id, "ci"), await store.create_key(ada.id)
        assert await store.user_of_key(key) == ada
        revoked = await store.revoke_key(key[:11])
        assert (revoked.label, revoked.user_name) == ("ci", "ada")
        assert await store.user_of_key(key) is None
        assert await store.user_of_key(other) == ada


async def test_a_key_that_another_process_revokes_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with open_store(path) as service, open_store(path, service=False) as command:
        ada = await service.create_user("ada")
        key = await service.create_key(ada.id)
        assert await service.user_of_key(key) == ada
        await command.revoke_key(key)
        assert await service.user_of_key(key) is None
        made = await command.create_key(ada.id)
        assert await service.user_of_key(made) == ada


async def test_a_known_key_costs_no_query(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada = await store.create_user("ada")
        key = await store.create_key(ada.id)
        assert await store.user_of_key(key) == ada
        store._database._reader.close()
        assert await store.user_of_key(key) == ada
        assert await store.user_of_key("sf_wrong") is None


async def test_revoking_takes_one_key_or_none(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada, bob = await store.create_user("ada"), await store.create_user("bob")
        key = await store.create_key(ada.id)
        await store.create_key(ada.id)
        with pytest.raises(Refused, match="several"):
            await store.revoke_key("sf_")
        for wrong in ("", "sf-", "%", "nothing", key + "x"):
            with pytest.raises(KeyMissing):
                await store.revoke_key(wrong)
        with pytest.raises(KeyMissing):
            await store.revoke_key(key, user_id=bob.id)
        assert len(await store.keys(ada.id)) == 2
        await store.revoke_key(key, user_id=ada.id)
        assert len(await store.keys(ada.id)) == 1


async def test_a_key_that_was_brought_along_counts_once_and_is_hardly_shown(
    tmp_path: Path,
) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada, bob = await store.create_user("ada"), await store.create_user("bob")
        brought = "correct-horse-battery"
        for _ in range(2):
            await store.adopt_key(ada.id, brought, "from the environment")
        assert [key.prefix for key in await store.keys()] == ["corre"]
        assert await store.user_of_key(brought) == ada
        with pytest.raises(Refused, match="another user"):
            await store.adopt_key(bob.id, brought)


@pytest.mark.parametrize("key", ["", "x" * 15, "with a space in it", "x" * 257, "ü" * 20])
async def test_what_cannot_be_a_key_is_refused(tmp_path: Path, key: str) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada = await store.create_user("ada")
        with pytest.raises(Invalid, match="cannot be an API key"):
            await store.adopt_key(ada.id, key)


async def test_keys_are_bounded(tmp_path: Path) -> None:
    async with open_store(tmp_path / "s.db") as store:
        ada = await store.create_user("ada")
        for _ in range(KEYS_PER_USER_MAX):
            await store.create_key(ada.id)
        with pytest.raises(Refused, match="revoke one first"):
            await store.create_key(ada.id)
