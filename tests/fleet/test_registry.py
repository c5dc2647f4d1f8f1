"""Named chargers: made, found, switched, charged, broken and repaired, as the REST API asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from builders_fleet import SlowHandshakes
from builders_named import ANNA, BERT, World, a_registry, payload_of
from simfleet.csms.behaviour import Behaviour
from simfleet.errors import Invalid, Missing, Refused, StoreFailed
from simfleet.fleet.charger_refusals import (
    AlreadyCharging,
    ChargerExists,
    ChargerMissing,
    ChargerNotOff,
    ChargerOff,
    ChargerOffline,
    ConnectorFaulted,
    ConnectorUnavailable,
    NotCharging,
)
from simfleet.fleet.registry import ChargerState, NewCharger, SettingsChange
from simfleet.ocpp.v16.messages import (
    ChangeAvailabilityRequest,
    RemoteStartTransactionRequest,
    UnlockConnectorRequest,
)

if TYPE_CHECKING:
    from trio.testing import MockClock

    from simfleet.fleet.registry import NamedCharger

# fmt: off
KEYS = [
    "chargepoint_id", "charger_type", "mode", "status", "availability", "current_power_kw",
    "energy_delivered_wh", "max_power_kw", "transaction_id", "connected", "free_charging",
    "num_connectors", "backend_url", "rfid_tag", "auth_mode", "pnc_emaid", "pnc_pcid",
    "pnc_certificate_hash", "ocpp_version", "charger_name", "error_code", "session_start",
    "session_energy_wh", "target_energy_wh", "session_id_tag", "remote_start",
    "heartbeat_interval", "connector_status",
]
# fmt: on


async def charging(world: World, identity: str = "CP-1", **new: Any) -> NamedCharger:
    """A charger on which a session has just begun."""
    charger = await world.create(identity, mode="manual", **new)
    await charger.start(20.0)
    await world.until(lambda: charger.state().transaction_id is not None, within_s=10)
    return charger


# ── making and finding ──────────────────────────────────────────────────────────────────────────


async def test_a_new_charger_is_off_and_shows_the_28_keys_in_the_order_of_the_document(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await world.create("SIM-AC-001", max_power_kw=22.0)
        state = charger.state()
        assert list(msgspec.to_builtins(state)) == KEYS
        assert state == ChargerState(
            chargepoint_id="SIM-AC-001",
            charger_type="AC",
            mode="off",
            status="Unavailable",
            availability="Operative",
            current_power_kw=0.0,
            energy_delivered_wh=0.0,
            max_power_kw=22.0,
            transaction_id=None,
            connected=False,
            free_charging=False,
            num_connectors=1,
            backend_url="",
            rfid_tag="",
            auth_mode="rfid",
            pnc_emaid="",
            pnc_pcid="",
            pnc_certificate_hash="",
            ocpp_version="1.6",
            charger_name="",
            error_code="NoError",
            session_start=None,
            session_energy_wh=0.0,
            target_energy_wh=0.0,
            session_id_tag="",
            remote_start=False,
            heartbeat_interval=300,
            connector_status={"1": "Unavailable"},
        )
        await trio.sleep(60)
        assert world.sites.wire.opened == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"chargepoint_id": ""}, "chargepoint_id"),
        ({"chargepoint_id": "a/b"}, "chargepoint_id"),
        ({"chargepoint_id": "x" * 49}, "chargepoint_id"),
        ({"chargepoint_id": ".."}, "chargepoint_id"),
        ({"max_power_kw": 0.0}, "max_power_kw"),
        ({"max_power_kw": -1.0}, "max_power_kw"),
        ({"max_power_kw": float("inf")}, "max_power_kw"),
        ({"num_connectors": 0}, "num_connectors"),
        ({"num_connectors": 6}, "num_connectors"),
        ({"ocpp_version": "1.5"}, "write 1.6, 2.0.1, 2.1"),
        ({"auth_mode": "telepathy"}, "rfid or plug_and_charge"),
        ({"auth_mode": "plug_and_charge", "pnc_emaid": "DE PIP 1"}, "pnc_emaid"),
        ({"auth_mode": "plug_and_charge", "pnc_emaid": "x" * 37}, "pnc_emaid"),
        ({"configuration": {"TxCtrlr.TxStartPoint": "EVConnected"}}, "TxCtrlr.TxStartPoint"),
        ({"backend_url": "http://x"}, "backend_url"),
        ({"backend_url": "ws://x y"}, "backend_url"),
        ({"configuration": {"Nonsense": "1"}}, "Nonsense"),
        ({"configuration": {"HeartbeatInterval": "soon"}}, "HeartbeatInterval"),
        ({"charger_name": "x" * 101}, "charger_name"),
    ],
)
async def test_a_charger_that_cannot_be_is_invalid_and_nothing_is_made(
    wrong: dict[str, Any], named: str, autojump_clock: MockClock
) -> None:
    async with a_registry() as world:
        values = {"chargepoint_id": "CP-1", "charger_type": "AC", "max_power_kw": 11.0, **wrong}
        with pytest.raises(Invalid, match=named):
            await world.registry.create(ANNA, NewCharger(**values))
        assert world.registry.of(ANNA) == []
        assert world.store.rows == {}


async def test_two_users_cannot_see_each_others_chargers(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        annas = await world.create("CP-A", user_id=ANNA)
        berts = await world.create("CP-B", user_id=BERT)
        assert world.registry.of(ANNA) == [annas]
        assert world.registry.of(BERT) == [berts]
        with pytest.raises(ChargerMissing) as missing:
            world.registry.find(BERT, "CP-A")
        assert missing.value.code == "CHARGER_NOT_FOUND"
        with pytest.raises(Missing):
            await world.registry.delete(BERT, "CP-A")
        with pytest.raises(Missing):
            await world.registry.rename(BERT, "CP-A", "CP-C")
        with pytest.raises(ChargerExists):
            await world.create("CP-A", user_id=BERT)
        assert world.registry.find(ANNA, "CP-A") is annas


async def test_of_two_users_who_take_one_identity_at_once_one_gets_it(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        ends: list[str] = []

        async def take(user_id: int) -> None:
            try:
                await world.create("CP-1", user_id=user_id)
                ends.append("made")
            except ChargerExists:
                ends.append("exists")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take, ANNA)
            nursery.start_soon(take, BERT)
        assert sorted(ends) == ["exists", "made"]


async def test_what_the_store_does_not_take_is_not_made(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        world.store.broken = True
        with pytest.raises(StoreFailed):
            await world.create("CP-1")
        assert world.registry.of(ANNA) == []
        world.store.broken = False
        charger = await world.create("CP-1")
        world.store.broken = True
        with pytest.raises(StoreFailed):
            await charger.set_mode("on")
        with pytest.raises(StoreFailed):
            await charger.set_name("Garage")
        assert (charger.state().mode, charger.state().charger_name) == ("off", "")
        world.store.broken = False


async def test_only_a_charger_that_is_off_is_renamed_or_removed(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", mode="on")
        for change in (
            world.registry.rename(ANNA, "CP-1", "CP-2"),
            world.registry.delete(ANNA, "CP-1"),
            charger.set_version("1.6"),
            charger.set_num_connectors(2),
        ):
            with pytest.raises(ChargerNotOff, match=r"^Charger must be turned off$") as refused:
                await change
            assert refused.value.code == "CHARGER_NOT_OFF"
        await charger.set_mode("off")
        await world.create("CP-9")
        with pytest.raises(ChargerExists):
            await world.registry.rename(ANNA, "CP-1", "CP-9")
        with pytest.raises(Invalid):
            await world.registry.rename(ANNA, "CP-1", "no spaces")
        assert await world.registry.rename(ANNA, "CP-1", "CP-2") is charger
        assert [one.identity for one in world.registry.of(ANNA)] == ["CP-2", "CP-9"]
        with pytest.raises(Missing):
            world.registry.find(ANNA, "CP-1")
        await charger.set_mode("on")
        assert len(world.sent("CP-2", "BootNotification")) == 1
        await charger.set_mode("off")
        await world.registry.delete(ANNA, "CP-2")
        assert set(world.store.rows) == {"CP-9"}
        with pytest.raises(Missing):
            await charger.set_mode("on")


# ── modes ───────────────────────────────────────────────────────────────────────────────────────


async def test_turning_on_boots_and_tells_of_every_connector(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", num_connectors=2)
        await charger.set_mode("on")
        state = charger.state()
        assert (state.mode, state.connected, state.status) == ("on", True, "Available")
        assert state.connector_status == {"1": "Available", "2": "Available"}
        await trio.sleep(1)
        actions = [call.action for call in world.sent("CP-1")]
        assert actions == ["BootNotification", *["StatusNotification"] * 3]
        assert world.sites.paths["CP-1"] == ["/CP-1"]
        await trio.sleep(700)
        assert 2 <= len(world.sent("CP-1", "Heartbeat")) <= 3


async def test_a_charger_that_is_on_starts_no_session_by_itself(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        await world.create("CP-1", mode="on")
        await world.create("CP-2", mode="manual")
        await trio.sleep(3600)
        assert world.csms.ledger()["starts"] == 0


async def test_autopilot_begins_within_20_s_cycles_and_ends_its_session_when_it_is_over(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", mode="autopilot")
        await world.until(lambda: bool(world.sent("CP-1", "StartTransaction")), within_s=20)
        await world.until(lambda: len(world.sent("CP-1", "StartTransaction")) == 3, within_s=86_400)
        await charger.set_mode("on")
        await trio.sleep(3600)
        assert charger.state().status == "Available"
        world.sites.assert_balanced()
        assert world.csms.ledger()["starts"] == 3


async def test_turning_off_ends_the_session_tells_the_csms_and_closes(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await charging(world)
        await trio.sleep(600)
        await charger.set_mode("off")
        state = charger.state()
        assert (state.mode, state.status, state.connected) == ("off", "Unavailable", False)
        assert state.energy_delivered_wh > 1000
        assert state.transaction_id is None
        (stop,) = world.sent("CP-1", "StopTransaction")
        assert stop.payload["reason"] == "Local"
        world.sites.assert_balanced()
        sent = len(world.sites.wire.calls)
        await trio.sleep(3600)
        assert len(world.sites.wire.calls) == sent
        assert world.csms.connected == 0


async def test_turning_off_without_a_csms_takes_no_time_and_loses_nothing(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await charging(world)
        await trio.sleep(600)
        world.sites.down()
        await trio.sleep(60)
        assert charger.state().status == "Charging"
        assert not charger.state().connected
        began_s = trio.current_time()
        await charger.set_mode("off")
        assert trio.current_time() - began_s < 0.5
        assert world.csms.ledger()["stops"] == 0
        await world.nursery.start(world.sites.serve)
        await charger.set_mode("on")
        await trio.sleep(10)
        world.sites.assert_balanced()
        assert world.csms.ledger()["stops"] == 1


async def test_turning_off_during_a_handshake_that_hangs_takes_no_time(
    autojump_clock: MockClock,
) -> None:
    hanging = Hanging()
    async with a_registry(around=lambda _: hanging) as world:
        charger = await world.create("CP-1")
        await charger.set_mode("on")
        assert hanging.under_way == 1
        began_s = trio.current_time()
        await charger.set_mode("off")
        assert trio.current_time() - began_s < 0.5
        assert hanging.under_way == 0


class Hanging:
    """A dialer whose handshakes never end."""

    def __init__(self) -> None:
        self.under_way = 0

    def __call__(self, *_: Any, **__: Any) -> Hanging:
        return self

    async def __aenter__(self) -> None:
        self.under_way += 1
        try:
            await trio.sleep_forever()
        finally:
            self.under_way -= 1

    async def __aexit__(self, *_: object) -> None:
        pass


async def test_an_unknown_mode_is_invalid(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create()
        with pytest.raises(Invalid, match="off, on, autopilot or manual"):
            await charger.set_mode("sideways")


# ── sessions ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "power_kw", "energy_kwh"),
    [("AC", 22.0, 20.0), ("AC", 3.7, 0.5), ("DC", 150.0, 60.0), ("DC", 300.0, 400.0)],
)
async def test_a_session_ends_by_itself_at_its_target_and_the_driver_leaves(
    kind: str, power_kw: float, energy_kwh: float, autojump_clock: MockClock
) -> None:
    async with a_registry() as world:
        charger = await world.create(
            "CP-1",
            mode="manual",
            charger_type=kind,
            max_power_kw=power_kw,
            configuration={"MeterValueSampleInterval": "900"},
        )
        await charger.start(energy_kwh, "04A1B2C3")
        await world.until(lambda: bool(world.sent("CP-1", "StopTransaction")), within_s=100 * 3600)
        await trio.sleep(1)
        (start,) = world.sent("CP-1", "StartTransaction")
        (stop,) = world.sent("CP-1", "StopTransaction")
        assert start.payload["idTag"] == "04A1B2C3"
        delivered_wh = stop.payload["meterStop"] - start.payload["meterStart"]
        assert delivered_wh == pytest.approx(energy_kwh * 1000, rel=0.01)
        assert stop.payload["reason"] == "Local"
        assert charger.state().status == "Available"
        assert world.statuses("CP-1")[-3:] == ["Charging", "Finishing", "Available"]
        world.sites.assert_balanced()


async def test_a_session_shows_its_energy_as_of_now_without_being_disturbed(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await charging(world, max_power_kw=11.0)
        began = charger.state()
        assert began.session_start == "2026-03-01T12:00:00"
        assert began.target_energy_wh == 20_000
        assert began.session_id_tag == "AABBCCDD"
        assert began.remote_start is False
        assert isinstance(began.transaction_id, int)
        await trio.sleep(30.0)
        station = charger.station
        assert station is not None
        before = station.connectors[0].meter.delivered_wh
        now = charger.state()
        assert now.session_energy_wh - began.session_energy_wh == pytest.approx(
            now.current_power_kw * 30 / 3.6, rel=0.02
        )
        assert now.energy_delivered_wh == now.session_energy_wh
        assert 0 < now.current_power_kw <= 11.0
        assert station.connectors[0].meter.delivered_wh == before


async def test_a_session_is_authorized_first_unless_charging_is_free(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", mode="on")
        await charger.start(0.1)
        await world.until(lambda: len(world.sent("CP-1", "StopTransaction")) == 1)
        assert len(world.sent("CP-1", "Authorize")) == 1
        await charger.set_free_charging(True)
        assert charger.state().free_charging
        await charger.start(0.1)
        await world.until(lambda: len(world.sent("CP-1", "StopTransaction")) == 2)
        assert len(world.sent("CP-1", "Authorize")) == 1
        await charger.set_free_charging(False)
        await charger.start(0.1)
        await world.until(lambda: len(world.sent("CP-1", "StopTransaction")) == 3)
        assert len(world.sent("CP-1", "Authorize")) == 2


async def test_a_tag_that_the_csms_refuses_starts_nothing_and_another_may_follow(
    autojump_clock: MockClock,
) -> None:
    behaviour = Behaviour(tag_statuses={"BAD": "Invalid"})
    async with a_registry(behaviour=behaviour) as world:
        charger = await world.create("CP-1", mode="on")
        await charger.start(1.0, "BAD")
        await trio.sleep(5)
        assert world.csms.ledger()["starts"] == 0
        assert charger.state().transaction_id is None
        await charger.start(1.0, "GOOD")
        await trio.sleep(5)
        assert world.csms.ledger()["starts"] == 1


async def test_start_is_refused_while_off_charging_faulted_or_out_of_service(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1")
        with pytest.raises(ChargerOff):
            await charger.start(1.0)
        await charger.set_mode("on")
        await charger.start(10.0)
        with pytest.raises(AlreadyCharging):  # the tag is still being asked about
            await charger.start(1.0)
        await trio.sleep(5)
        with pytest.raises(AlreadyCharging):
            await charger.start(1.0)
        await charger.stop()
        await charger.set_error("GroundFailure")
        with pytest.raises(ConnectorFaulted):
            await charger.start(1.0)
        await charger.set_error("NoError")
        await world.csms.command(
            "CP-1", ChangeAvailabilityRequest(connector_id=1, type="Inoperative")
        )
        with pytest.raises(ConnectorUnavailable):
            await charger.start(1.0)
        assert charger.state().availability == "Inoperative"
        for code in (AlreadyCharging, ConnectorFaulted, ConnectorUnavailable, ChargerOff):
            assert issubclass(code, Refused)


async def test_start_offline_is_refused_unless_the_tag_may_charge_then(
    autojump_clock: MockClock,
) -> None:
    async with a_registry(up=False) as world:
        charger = await world.create("CP-1", mode="on")
        with pytest.raises(ChargerOffline):
            await charger.start(1.0)
        assert charger.state().status == "Available"
        await charger.set_free_charging(True)
        await charger.start(1.0)
        assert charger.state().status == "Charging"


async def test_a_session_may_be_asked_for_while_the_charger_still_connects(
    autojump_clock: MockClock,
) -> None:
    def slow(dial: Any) -> SlowHandshakes:
        return SlowHandshakes(dial, takes_s=1.5)

    async with a_registry(around=slow) as world:
        charger = await world.create("CP-1", mode="on")
        assert not charger.state().connected
        await charger.start(1.0)
        await trio.sleep(5)
        assert charger.state().status == "Charging"


@pytest.mark.parametrize("energy_kwh", [0.0, -1.0, float("nan"), float("inf"), 1e9])
async def test_a_target_that_is_no_energy_is_invalid_whatever_the_mode(
    energy_kwh: float, autojump_clock: MockClock
) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1")
        with pytest.raises(Invalid, match="energy_kwh"):
            await charger.start(energy_kwh)
        with pytest.raises(Invalid, match="rfid_tag"):
            await charger.start(1.0, "x" * 21)


async def test_stop_ends_the_session_as_its_driver_would(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await charging(world)
        await charger.stop()
        assert charger.state().status == "Available"
        await trio.sleep(1)
        (stop,) = world.sent("CP-1", "StopTransaction")
        assert (stop.payload["reason"], stop.payload["idTag"]) == ("Local", "AABBCCDD")
        with pytest.raises(NotCharging):
            await charger.stop()
        await charger.set_mode("off")
        with pytest.raises(ChargerOff):
            await charger.stop()


async def test_a_start_that_is_stopped_at_once_leaves_nothing_behind(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", mode="on")
        await charger.start(5.0)
        await charger.stop()
        await trio.sleep(10)
        assert charger.state().status == "Available"
        world.sites.assert_balanced()


async def test_after_a_remote_stop_the_next_driver_finds_the_connector_free(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await charging(world)
        await charger.act("present_token")  # the same tag: stops, but the cable stays in
        await trio.sleep(1)
        assert charger.state().status == "Finishing"
        await charger.start(1.0)
        await trio.sleep(5)
        assert charger.state().status == "Charging"


async def test_a_session_that_the_csms_asked_for_says_so(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", mode="on")
        await charger.act("plug_in")
        request = RemoteStartTransactionRequest(id_tag="REMOTE", connector_id=1)
        await world.csms.command("CP-1", request)
        await trio.sleep(2)
        state = charger.state()
        assert (state.remote_start, state.session_id_tag) == (True, "REMOTE")
        assert state.target_energy_wh == 0.0


async def test_the_connector_that_charges_is_the_one_shown(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", mode="on", num_connectors=3)
        await charger.start(5.0, connector_id=2)
        await trio.sleep(2)
        state = charger.state()
        assert state.status == "Charging"
        assert state.connector_status == {"1": "Available", "2": "Charging", "3": "Available"}
        with pytest.raises(Invalid, match="connector_id"):
            await charger.start(1.0, connector_id=4)
        with pytest.raises(NotCharging):
            await charger.stop(connector_id=1)
        await charger.stop(connector_id=2)
        assert charger.state().status == "Available"


async def test_of_many_starts_at_once_one_begins(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", mode="on")
        ends: list[str] = []

        async def start() -> None:
            try:
                await charger.start(1.0)
                ends.append("started")
            except AlreadyCharging:
                ends.append("refused")

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(start)
        assert sorted(ends) == ["refused"] * 9 + ["started"]
        await trio.sleep(5)
        assert world.csms.ledger()["starts"] == 1


async def test_modes_switched_by_many_at_once_end_as_the_last_of_them_says(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1")
        async with trio.open_nursery() as nursery:
            for mode in ("on", "off", "autopilot", "off", "manual", "off", "on"):
                nursery.start_soon(charger.set_mode, mode)
        assert charger.state().connected is (charger.mode != "off")
        await charger.set_mode("off")
        await trio.sleep(10)
        assert world.csms.connected == 0
        world.sites.assert_balanced()


# ── errors ──────────────────────────────────────────────────────────────────────────────────────


async def test_an_error_reaches_the_csms_and_ends_the_session_and_noerror_makes_it_available(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await charging(world)
        await charger.set_error("GroundFailure")
        assert (charger.state().status, charger.state().error_code) == ("Faulted", "GroundFailure")
        await trio.sleep(1)
        assert world.sent("CP-1", "StopTransaction")
        told = world.sent("CP-1", "StatusNotification")[-1].payload
        assert (told["status"], told["errorCode"]) == ("Faulted", "GroundFailure")
        await charger.set_error("NoError")
        await trio.sleep(1)
        told = world.sent("CP-1", "StatusNotification")[-1].payload
        assert (told["status"], told["errorCode"]) == ("Available", "NoError")
        await charger.set_error("NoError")  # none there: fine
        with pytest.raises(Invalid, match="HighTemperature"):
            await charger.set_error("WeakSignal")
        await charger.set_mode("off")
        with pytest.raises(ChargerOff):
            await charger.set_error("OverVoltage")


# ── definition and settings ─────────────────────────────────────────────────────────────────────


async def test_an_own_tag_counts_at_once_and_an_empty_one_gives_way_to_the_users(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", mode="on")
        tags = []
        for own in ("", "OWN", ""):
            await charger.set_rfid(own)
            assert charger.state().rfid_tag == own
            await charger.start(0.05)
            await world.until(lambda: charger.state().status == "Available")
            tags.append(world.sent("CP-1", "Authorize")[-1].payload["idTag"])
        assert tags == ["AABBCCDD", "OWN", "AABBCCDD"]
        await world.registry.change_settings(ANNA, SettingsChange(rfid_card_id="GLOBAL"))
        await charger.start(0.05)
        await trio.sleep(1)
        assert world.sent("CP-1", "Authorize")[-1].payload["idTag"] == "GLOBAL"


async def test_another_backend_is_connected_to_at_once_and_an_empty_one_is_the_users(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await charging(world)
        await charger.set_backend_url("ws://csms/other/")
        assert charger.state().backend_url == "ws://csms/other"
        assert charger.state().connected
        assert world.sites.paths["CP-1"] == ["/CP-1", "/other/CP-1"]
        assert len(world.sent("CP-1", "BootNotification")) == 2
        world.sites.assert_balanced()
        await charger.set_backend_url("")
        assert world.sites.paths["CP-1"][2:] == ["/CP-1"]
        await charger.set_backend_url("ws://csms")  # the same, spelled out: no reason to move
        assert len(world.sites.paths["CP-1"]) == 3
        with pytest.raises(Invalid, match="backend_url"):
            await charger.set_backend_url("ftp://csms")
        await charger.set_mode("off")
        await charger.set_backend_url("ws://csms/third")
        await trio.sleep(5)
        assert len(world.sites.paths["CP-1"]) == 3
        await charger.set_mode("on")
        assert world.sites.paths["CP-1"][3:] == ["/third/CP-1"]


async def test_another_default_backend_moves_the_chargers_that_use_it(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        await world.create("CP-1", mode="on")
        await world.create("CP-2", mode="on", backend_url="ws://csms/own")
        await world.create("CP-3", mode="on", user_id=BERT)
        await world.create("CP-4")
        change = SettingsChange(ocpp_backend_url="wss://csms/new")
        assert (await world.registry.change_settings(ANNA, change)).ocpp_backend_url == (
            "wss://csms/new"
        )
        await trio.sleep(10)
        assert world.sites.paths["CP-1"] == ["/CP-1", "/new/CP-1"]
        assert world.sites.paths["CP-2"] == ["/own/CP-2"]
        assert world.sites.paths["CP-3"] == ["/CP-3"]
        assert "CP-4" not in world.sites.paths


async def test_settings_change_all_or_nothing(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        before = await world.registry.settings(ANNA)
        assert (before.rfid_card_id, before.heartbeat_interval, before.mass_batch_size) == (
            "AABBCCDD",
            300,
            50,
        )
        for wrong in (9, 3601, "12x", -1, "", "1.5"):
            with pytest.raises(Invalid, match="heartbeat_interval"):
                await world.registry.change_settings(
                    ANNA, SettingsChange(rfid_card_id="X", heartbeat_interval=wrong)
                )
        with pytest.raises(Invalid, match="mass_batch_size"):
            await world.registry.change_settings(ANNA, SettingsChange(mass_batch_size=2501))
        assert await world.registry.settings(ANNA) == before
        after = await world.registry.change_settings(
            ANNA, SettingsChange(heartbeat_interval="120", mass_batch_size=2500)
        )
        assert (after.heartbeat_interval, after.mass_batch_size) == (120, 2500)
        assert (await world.registry.settings(BERT)).heartbeat_interval == 300
        assert world.store.user_settings[ANNA] == {
            "heartbeat_interval": "120",
            "mass_batch_size": "2500",
        }


async def test_the_heartbeat_setting_counts_where_the_csms_names_no_interval(
    autojump_clock: MockClock,
) -> None:
    async with a_registry(behaviour=Behaviour(heartbeat_interval_s=0)) as world:
        await world.registry.change_settings(ANNA, SettingsChange(heartbeat_interval=60))
        charger = await world.create("CP-1", mode="on")
        assert charger.state().heartbeat_interval == 60
        await trio.sleep(601)
        assert len(world.sent("CP-1", "Heartbeat")) == 10
        await world.registry.change_settings(ANNA, SettingsChange(heartbeat_interval=10))
        assert charger.state().heartbeat_interval == 10
        await trio.sleep(101)
        assert len(world.sent("CP-1", "Heartbeat")) == 20


async def test_the_csmss_interval_wins_over_the_setting(autojump_clock: MockClock) -> None:
    async with a_registry(behaviour=Behaviour(heartbeat_interval_s=30)) as world:
        charger = await world.create("CP-1", mode="on")
        await world.registry.change_settings(ANNA, SettingsChange(heartbeat_interval=10))
        assert charger.state().heartbeat_interval == 30
        await trio.sleep(301)
        assert len(world.sent("CP-1", "Heartbeat")) == 10
        world.csms.behaviour = Behaviour(heartbeat_interval_s=0)
        await charger.set_mode("off")
        assert charger.state().heartbeat_interval == 10
        await charger.set_mode("on")  # this time the CSMS leaves it to the setting
        assert charger.state().heartbeat_interval == 10


async def test_names_authorization_and_connectors_are_kept_as_given(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1")
        await charger.set_name("Wallbox Garage")
        await charger.set_auth("rfid", rfid_tag="T1", pnc_emaid="DE*PIP*1", pnc_pcid="P")
        await charger.set_num_connectors(3)
        await charger.set_version("1.6")
        state = charger.state()
        assert (state.charger_name, state.rfid_tag, state.pnc_emaid, state.pnc_pcid) == (
            "Wallbox Garage",
            "T1",
            "DE*PIP*1",
            "P",
        )
        assert state.connector_status == {str(n): "Unavailable" for n in (1, 2, 3)}
        await charger.set_name("")
        assert charger.state().charger_name == ""
        for wrong in (
            charger.set_auth("telepathy"),
            charger.set_version("2.0"),
            charger.set_num_connectors(6),
            charger.set_rfid("x" * 21),
            charger.set_name("\n"),
        ):
            with pytest.raises(Invalid):
                await wrong
        await charger.set_mode("on")
        assert charger.state().connector_status == {str(n): "Available" for n in (1, 2, 3)}


# ── configuration ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("mode", ["off", "on"])
async def test_configuration_is_changed_all_or_nothing(
    mode: str, autojump_clock: MockClock
) -> None:
    async with a_registry() as world:
        charger = await world.create(
            "CP-1", mode=mode, configuration={"MeterValueSampleInterval": "30"}
        )
        before = charger.configuration()
        assert before["MeterValueSampleInterval"] == "30"
        for wrong, named in (
            ({"Nonsense": "1"}, "Nonsense"),
            ({"NumberOfConnectors": "2"}, "NumberOfConnectors cannot be changed"),
            ({"ConnectionTimeOut": "soon"}, "ConnectionTimeOut"),
        ):
            with pytest.raises(Invalid, match=named):
                await charger.change_configuration({"MeterValueSampleInterval": "5", **wrong})
        assert charger.configuration() == before
        await charger.change_configuration({"metervaluesampleinterval": "5", "BlinkRepeat": "2"})
        after = charger.configuration()
        assert (after["MeterValueSampleInterval"], after["BlinkRepeat"]) == ("5", "2")
        await charger.set_mode("off")
        await charger.set_mode("on")
        assert charger.configuration()["MeterValueSampleInterval"] == "5"


async def test_a_shorter_sample_interval_counts_for_the_session_that_runs(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await charging(world)
        await charger.change_configuration({"MeterValueSampleInterval": "5"})
        await trio.sleep(51)
        assert len(world.sent("CP-1", "MeterValues")) == 10


# ── actions ─────────────────────────────────────────────────────────────────────────────────────


async def test_cable_tag_pause_and_resume_by_hand(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", mode="on")

        async def after(action: str, **arguments: Any) -> str:
            await charger.act(action, **arguments)
            await trio.sleep(1)
            return charger.state().status

        assert await after("plug_in") == "Preparing"
        with pytest.raises(Refused):
            await charger.act("plug_in")
        assert await after("present_token", id_tag="HAND") == "Charging"
        assert charger.state().session_id_tag == "HAND"
        assert await after("suspend_ev") == "SuspendedEV"
        assert charger.state().current_power_kw == 0.0
        assert await after("resume_ev") == "Charging"
        assert await after("unplug") == "Available"
        with pytest.raises(Refused):
            await charger.act("unplug")
        with pytest.raises(Refused):
            await charger.act("suspend_ev")
        assert await after("fault", error_code="ReaderFailure") == "Faulted"
        assert await after("clear_fault") == "Available"
        with pytest.raises(Refused):
            await charger.act("clear_fault")
        world.sites.assert_balanced()


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("explode", {}),
        ("fault", {}),
        ("fault", {"error_code": "NoError"}),
        ("fault", {"error_code": "Gremlins"}),
        ("send_raw", {}),
        ("send_raw", {"text": ""}),
        ("plug_in", {"connector_id": 2}),
        ("plug_in", {"connector_id": 0}),
        ("plug_in", {"text": "x"}),
        ("plug_in", {"colour": "red"}),
        ("present_token", {"id_tag": "x" * 21}),
        ("present_token", {"id_tag": 5}),
    ],
)
async def test_an_action_that_never_could_be_is_invalid_even_while_off(
    action: str, arguments: dict[str, Any], autojump_clock: MockClock
) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1")
        with pytest.raises(Invalid):
            await charger.act(action, **arguments)
        with pytest.raises(ChargerOff):
            await charger.act("plug_in")


async def test_a_power_loss_is_no_clean_stop_and_the_csms_hears_of_it_later(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await charging(world)
        await charger.act("power_off")
        state = charger.state()
        assert (state.mode, state.status, state.connected) == ("manual", "Unavailable", False)
        await trio.sleep(60)
        assert world.csms.connected == 0
        assert not world.sent("CP-1", "StopTransaction")
        for refused in (charger.act("power_off"), charger.act("plug_in"), charger.start(1.0)):
            with pytest.raises(Refused):
                await refused
        await charger.act("power_on")
        await trio.sleep(30)
        assert charger.state().connected
        (stop,) = world.sent("CP-1", "StopTransaction")
        assert stop.payload["reason"] == "PowerLoss"
        assert len(world.sent("CP-1", "BootNotification")) == 2
        with pytest.raises(Refused):
            await charger.act("power_on")
        world.sites.assert_balanced()


async def test_with_its_link_down_a_charger_goes_on_charging_and_tells_later(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await charging(world)
        await charger.act("link_down")
        assert not charger.state().connected
        with pytest.raises(Refused):
            await charger.act("link_down")
        with pytest.raises(ChargerOffline):
            await charger.act("send_raw", text="[2]")
        await trio.sleep(600)
        assert world.csms.connected == 0
        assert charger.state().status == "Charging"
        assert charger.state().session_energy_wh > 1000
        await charger.stop()
        await trio.sleep(60)
        assert not world.sent("CP-1", "StopTransaction")
        await charger.act("link_up")
        await trio.sleep(5)
        assert charger.state().connected
        assert len(world.sent("CP-1", "BootNotification")) == 1  # it has not rebooted
        with pytest.raises(Refused):
            await charger.act("link_up")
        world.sites.assert_balanced()


async def test_a_link_that_is_down_stays_down_through_a_power_loss(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", mode="on")
        await charger.act("link_down")
        await charger.act("power_off")
        await charger.act("power_on")
        await trio.sleep(60)
        assert not charger.state().connected
        await charger.act("link_up")
        await trio.sleep(5)
        assert charger.state().connected
        assert len(world.sent("CP-1", "BootNotification")) == 2
        await charger.act("link_down")
        await charger.set_mode("off")
        await charger.set_mode("on")
        assert charger.state().connected


async def test_a_raw_text_is_sent_as_it_is(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", mode="on")
        await trio.sleep(5)
        text = '[2, "mine", "DataTransfer", {"vendorId": "SimFleet"}]'
        await charger.act("send_raw", text=text)
        await trio.sleep(1)
        assert world.sent("CP-1")[-1].id == "mine"
        assert world.rows[-2]["frame"] == text.encode()
        answer = world.rows[-1]
        assert (answer["direction"], answer["message_type"]) == ("received", "CALLRESULT")


async def test_a_lock_that_fails_is_not_opened_by_the_csms(autojump_clock: MockClock) -> None:
    async with a_registry() as world:
        charger = await world.create("CP-1", mode="on")
        answers = []
        for failed in (True, False):
            await charger.act("fail_lock", failed=failed)
            outcome = await world.csms.command("CP-1", UnlockConnectorRequest(connector_id=1))
            answers.append(outcome.response.status)  # type: ignore[union-attr]
        assert answers == ["UnlockFailed", "Unlocked"]


# ── journal ─────────────────────────────────────────────────────────────────────────────────────


async def test_the_journal_gets_every_frame_with_its_owner_and_its_action(
    autojump_clock: MockClock,
) -> None:
    async with a_registry() as world:
        await world.create("CP-1", mode="on", user_id=BERT)
        await trio.sleep(1)
        first, second = world.rows[:2]
        assert (first["direction"], first["message_type"], first["action"]) == (
            "sent",
            "CALL",
            "BootNotification",
        )
        assert payload_of(first)["chargePointVendor"] == "SimFleet"
        assert (second["direction"], second["message_type"], second["action"]) == (
            "received",
            "CALLRESULT",
            "BootNotification",
        )
        assert {row["user_id"] for row in world.rows} == {BERT}
        await world.csms.command(
            "CP-1", ChangeAvailabilityRequest(connector_id=0, type="Operative")
        )
        asked, answered = world.rows[-2:]
        assert (asked["direction"], asked["action"]) == ("received", "ChangeAvailability")
        assert (answered["direction"], answered["message_type"], answered["action"]) == (
            "sent",
            "CALLRESULT",
            "ChangeAvailability",
        )
