"""SimFleet stops, is killed, or its disk is full: what was accepted and kept stays."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import pytest
import trio

from builders_named import ANNA, BERT, Sites, World, a_registry
from simfleet.csms.behaviour import Behaviour
from simfleet.fleet.charger_saver import SAVE_BATCH, SAVE_EVERY_S
from simfleet.fleet.registry import SettingsChange
from simfleet.station.memory import decode_kept
from simfleet.station.station import Station
from simfleet.store.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

    from simfleet.fleet.charger_site import ChargerStore
    from simfleet.fleet.registry import NamedCharger


async def begun(world: World, identity: str = "CP-1") -> NamedCharger:
    charger = await world.create(identity, mode="manual")
    await charger.start(20.0)
    await world.until(lambda: charger.state().transaction_id is not None, within_s=10)
    return charger


async def test_chargers_come_back_in_their_mode_as_they_were_defined(
    autojump_clock: MockClock,
) -> None:
    sites = Sites()
    async with a_registry(sites) as world:
        await world.registry.change_settings(BERT, SettingsChange(rfid_card_id="BERTS"))
        first = await world.create("CP-1", num_connectors=2, configuration={"BlinkRepeat": "4"})
        await first.set_name("Garage")
        await first.set_rfid("OWN")
        await first.set_free_charging(True)
        await first.change_configuration({"MeterValueSampleInterval": "7"})
        await world.create("CP-2", user_id=BERT, mode="on")
        await world.create("CP-3", mode="autopilot", backend_url="ws://csms/x")
        before = [charger.state() for charger in world.registry.of(ANNA)]
        world.kill()
    async with a_registry(sites) as world:
        await trio.sleep(2)
        first, third = world.registry.of(ANNA)
        assert first.state() == before[0]
        assert first.configuration()["BlinkRepeat"] == "4"
        assert first.configuration()["MeterValueSampleInterval"] == "7"
        (second,) = world.registry.of(BERT)
        assert (second.state().mode, second.state().connected, second.tag) == ("on", True, "BERTS")
        assert (third.state().mode, third.state().connected) == ("autopilot", True)
        assert sites.paths["CP-3"] == ["/x/CP-3"] * 2
        await world.until(lambda: bool(world.sent("CP-3", "StartTransaction")), within_s=60)
        for charger in (second, third):
            await charger.set_mode("off")
    sites.assert_balanced()


@pytest.mark.parametrize("gently", [True, False])
async def test_a_transaction_open_when_simfleet_ends_is_closed_with_power_loss_once(
    gently: bool, autojump_clock: MockClock
) -> None:
    sites = Sites()
    async with a_registry(sites) as world:
        charger = await begun(world)
        transaction_id = charger.state().transaction_id
        await trio.sleep(1000)
        energy_wh = charger.state().session_energy_wh
        if not gently:
            world.kill()
    assert sites.csms.ledger()["transactions_open"] == 1
    await trio.sleep(500)
    async with a_registry(sites) as world:
        await trio.sleep(10)
        (stop,) = world.sent("CP-1", "StopTransaction")
        assert stop.payload["transactionId"] == transaction_id
        assert stop.payload["reason"] == "PowerLoss"
        (start,) = world.sent("CP-1", "StartTransaction")
        delivered_wh = stop.payload["meterStop"] - start.payload["meterStart"]
        lost_wh = 0.0 if gently else 22_000 * (SAVE_EVERY_S + 1) / 3600
        assert energy_wh - lost_wh - 1 <= delivered_wh <= energy_wh + 1
        (charger,) = world.registry.of(ANNA)
        state = charger.state()
        assert (state.status, state.transaction_id) == ("Available", None)
        assert state.energy_delivered_wh == pytest.approx(delivered_wh, abs=1)
        assert world.csms.ledger()["boots"] == 2
        await charger.start(0.5)  # and life goes on, from the same register
        await world.until(lambda: len(world.sent("CP-1", "StopTransaction")) == 2)
    sites.assert_balanced()


async def test_transaction_messages_that_waited_are_told_after_a_restart(
    autojump_clock: MockClock,
) -> None:
    sites = Sites()
    async with a_registry(sites) as world:
        charger = await begun(world)
        await trio.sleep(100)
        await charger.act("link_down")
        await trio.sleep(200)
        await charger.stop()
        await trio.sleep(1)
        world.kill()
    async with a_registry(sites) as world:
        await trio.sleep(10)
        (stop,) = world.sent("CP-1", "StopTransaction")
        assert stop.payload["reason"] == "Local"
        told = [call.at_s for call in world.sent("CP-1", "MeterValues")]
        assert len(told) == 5  # one a minute, through 300 s
    sites.assert_balanced()


async def test_killed_at_any_moment_the_books_of_the_csms_balance_in_the_end(
    autojump_clock: MockClock,
) -> None:
    chance = random.Random(3)
    sites = Sites()
    async with a_registry(sites) as world:
        for n in range(10):
            await world.create(f"CP-{n}", mode="autopilot", num_connectors=1 + n % 2)
        await trio.sleep(chance.uniform(20, 900))
        world.kill()
    for _ in range(12):
        async with a_registry(sites, seed=chance.getrandbits(32)) as world:
            await trio.sleep(chance.uniform(0.05, 1500))
            world.kill()
    async with a_registry(sites) as world:
        await trio.sleep(60)
        for charger in world.registry.of(ANNA):
            await charger.set_mode("off")
    books = sites.csms.ledger()
    # Killed between an answer of the CSMS and the next save, a start may be told again: the CSMS
    # sees it twice, as it would of any hardware. It ends once all the same.
    assert books["stops"] == books["starts"]
    assert sites.wire.count("StartTransaction") > 20
    for name in ("transactions_open", "stop_unknown", "register_decreases", "violations"):
        assert books[name] == 0, (name, books)
    ids = [(call.identity, call.id) for call in sites.wire.calls]
    assert len(ids) == len(set(ids))


async def test_a_charger_whose_task_crashes_comes_back_with_all_that_hardware_keeps(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_registry() as world:
        charger = await begun(world)
        await trio.sleep(1000)
        before = charger.state()
        tick = Station.tick

        def crash_once(station: Station, *, at_s: float) -> None:
            monkeypatch.setattr(Station, "tick", tick)
            raise ZeroDivisionError("a bug of ours")

        monkeypatch.setattr(Station, "tick", crash_once)
        await world.until(lambda: world.registry.recorder.counters.crashes.total == 1)
        await world.until(lambda: charger.state().connected)
        await trio.sleep(5)
        after = charger.state()
        assert after.energy_delivered_wh >= before.energy_delivered_wh
        (stop,) = world.sent("CP-1", "StopTransaction")
        assert stop.payload["reason"] == "PowerLoss"
        world.sites.assert_balanced()
        world.registry.recorder.counters.crashes.__init__()  # type: ignore[misc]  # as expected


async def test_many_changes_are_saved_together_and_an_idle_charger_not_at_all(
    autojump_clock: MockClock,
) -> None:
    async with a_registry(behaviour=Behaviour(heartbeat_interval_s=10_000_000)) as world:
        count = SAVE_BATCH + 20
        for n in range(count):
            await world.create(f"CP-{n}", mode="on")
        await trio.sleep(5)
        world.store.kept_writes.clear()
        await trio.sleep(60)
        assert world.store.kept_writes == []
        async with trio.open_nursery() as nursery:
            for charger in world.registry.of(ANNA):
                nursery.start_soon(charger.start, 5.0)
        await trio.sleep(3)
        assert max(len(batch) for batch in world.store.kept_writes) == SAVE_BATCH
        assert len(world.store.kept_writes) < 20
        world.store.kept_writes.clear()
        await trio.sleep(3 * SAVE_EVERY_S)
        saved = [identity for batch in world.store.kept_writes for identity in batch]
        assert 2 * count <= len(saved) <= 4 * count


async def test_what_a_session_has_left_in_the_meter_is_saved_before_turning_off_is_answered(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await begun(world)
        await trio.sleep(1000)
        await charger.set_mode("off")
        stored = decode_kept(world.store.rows["CP-1"].kept)
        assert stored.connectors[0].delivered_wh > 1000
        assert stored.connectors[0].running is None
        await world.registry.rename(ANNA, "CP-1", "CP-2")
        await charger.change_configuration({"BlinkRepeat": "3"})
        stored = decode_kept(world.store.rows["CP-2"].kept)
        assert stored.configuration["BlinkRepeat"] == "3"
        assert stored.connectors[0].delivered_wh > 1000


async def test_a_store_that_is_full_for_a_while_costs_nothing_in_the_end(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await begun(world)
        await trio.sleep(5)
        world.store.broken = True
        await charger.stop()
        await trio.sleep(60)
        assert world.registry.saver.failures > 5
        stored = decode_kept(world.store.rows["CP-1"].kept)
        assert stored.connectors[0].running == 1
        world.store.broken = False
        await trio.sleep(10)
        stored = decode_kept(world.store.rows["CP-1"].kept)
        assert stored.connectors[0].running is None
        assert stored.outbox == []


async def test_a_charger_that_cannot_be_read_is_left_alone_and_keeps_its_name(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    sites = Sites()
    async with a_registry(sites) as world:
        await world.create("CP-1")
        await world.create("CP-2")
    row = sites.store.rows["CP-1"]
    for broken in (
        msgspec.structs.replace(row, made=b"{}"),
        msgspec.structs.replace(row, kept=b'{"version":99}'),
        msgspec.structs.replace(row, mode="sideways"),
    ):
        sites.store.rows["CP-1"] = broken
        caplog.clear()
        async with a_registry(sites) as world:
            assert [charger.identity for charger in world.registry.of(ANNA)] == ["CP-2"]
            with pytest.raises(Exception, match="exists already"):
                await world.create("CP-1")
        assert "CP-1" in caplog.text
        assert sites.store.rows["CP-1"] == broken


async def test_a_removed_users_chargers_go_and_leave_the_store_alone(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await begun(world)
        await world.create("CP-2", user_id=BERT, mode="on")
        del world.store.rows["CP-1"]
        world.registry.forget_user(ANNA)
        assert world.registry.of(ANNA) == []
        await trio.sleep(10)
        assert charger.station is None
        assert world.csms.connected == 1
        assert set(world.store.rows) == {"CP-2"}
        world.sites.assert_balanced()


async def test_the_real_store_brings_a_charger_back(tmp_path: Path) -> None:
    sites = Sites()
    for life in range(2):
        async with open_store(tmp_path / "simfleet.db") as store:
            as_needed: ChargerStore = store
            sites.store = as_needed  # type: ignore[assignment]
            if life == 0:
                user = await store.create_user("anna")
            async with a_registry(sites) as world:
                if life == 0:
                    charger = await world.create("CP-1", user_id=user.id, mode="on")
                    await charger.set_free_charging(True)
                    await charger.start(5.0)
                    await world.registry.change_settings(
                        user.id, SettingsChange(rfid_card_id="ANNAS")
                    )
                    await world.create("CP-2", user_id=user.id)
                    await world.registry.rename(user.id, "CP-2", "CP-3")
                    await world.create("CP-4", user_id=user.id)
                    await world.registry.delete(user.id, "CP-4")
                else:
                    first, second = world.registry.of(user.id)
                    assert (first.state().mode, second.identity) == ("on", "CP-3")
                    assert first.tag == "ANNAS"
                    with trio.fail_after(5):
                        while not world.sent("CP-1", "StopTransaction"):  # noqa: ASYNC110
                            await trio.sleep(0.02)
    sites.assert_balanced()
