"""Quirks at the wire: what a CSMS sees of each, and that nobody else has any of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from builders_fleet import QUICK, a_fleet, a_plan
from builders_station import TAG, Scene
from simfleet.fleet.orders import Mode
from simfleet.models.quirk_words import QUIRKS, QuirkWords
from simfleet.station.dialects import dialect_of
from simfleet.station.quirks import Quirks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio.testing import MockClock

    from builders_station import Sent

REGISTER = "Energy.Active.Import.Register"
SAMPLED: dict[str, str | int] = {
    "MeterValueSampleInterval": 60,
    "MeterValuesSampledData": f"{REGISTER},Power.Active.Import",
    "StopTxnSampledData": REGISTER,
}


def a_scene(
    *,
    connectors: int = 1,
    configuration: dict[str, str | int] | None = None,
    register_wh: float = 0.0,
    **quirks: Any,
) -> Scene:
    """A booted station with these quirks."""
    scene = Scene(
        connectors=connectors,
        configuration={**SAMPLED, **(configuration or {})},
        register_wh=register_wh,
        quirks=Quirks(**quirks) if quirks else None,
        check_statuses=False,
    )
    scene.boot()
    return scene


def charge(scene: Scene, *, for_s: float = 300, tag: str = TAG) -> None:
    """A session from the cable to the cable."""
    scene.charge(tag=tag)
    scene.run(for_s=for_s)
    scene.present_tag(tag)
    scene.unplug()
    scene.run(for_s=1)


def statuses(scene: Scene) -> list[tuple[int, str]]:
    return [(one["connectorId"], one["status"]) for one in scene.sent("StatusNotification")]


def readings(message: Sent) -> list[dict[str, Any]]:
    """The meter values of MeterValues, or the transactionData of StopTransaction."""
    payload = message.payload
    found: list[dict[str, Any]] = payload.get("meterValue") or payload.get("transactionData") or []
    return found


def sampled(messages: Sequence[Sent]) -> list[dict[str, Any]]:
    return [
        value
        for message in messages
        for meter_value in readings(message)
        for value in meter_value["sampledValue"]
    ]


def energies(messages: Sequence[Sent]) -> list[dict[str, Any]]:
    return [one for one in sampled(messages) if one.get("measurand", REGISTER) == REGISTER]


# ── statuses ─────────────────────────────────────────────────────────────────────────────────────


def test_status_connector_zero_only_tells_of_connector_one_as_zero() -> None:
    scene = a_scene(connectors=2, status_connector_zero_only=True)
    charge(scene)
    assert {connector for connector, _ in statuses(scene)} == {0}
    assert (0, "Charging") in statuses(scene)


def test_no_connector_zero_status_tells_of_connectors_only() -> None:
    scene = a_scene(connectors=2, no_connector_zero_status=True)
    charge(scene)
    assert {connector for connector, _ in statuses(scene)} == {1, 2}


def test_skipped_statuses_are_never_seen() -> None:
    scene = a_scene(skipped_statuses=frozenset({"Preparing", "Finishing"}))
    charge(scene)
    of_one = [status for connector, status in statuses(scene) if connector == 1]
    assert of_one == ["Available", "Charging", "Available"]


def test_a_status_that_is_not_sent_is_not_counted_as_lost() -> None:
    scene = a_scene(no_connector_zero_status=True)
    charge(scene)
    assert scene.dropped() == []
    assert scene.station.drained


# ── boot and heartbeat ───────────────────────────────────────────────────────────────────────────


def test_boots_on_reconnect_boots_before_it_says_how_connectors_are() -> None:
    scene = a_scene(boots_on_reconnect=True)
    scene.disconnect()
    scene.run(for_s=5)
    before = len(scene.log)
    scene.connect()
    actions = [one.action for one in scene.log[before:]]
    assert actions == ["BootNotification", "StatusNotification", "StatusNotification"]


def test_own_heartbeat_interval_is_kept_whatever_the_boot_answer_says() -> None:
    scene = a_scene(configuration={"HeartbeatInterval": 40}, own_heartbeat_interval=True)
    scene.run(for_s=400)
    beats = scene.sent("Heartbeat")
    assert len(beats) >= 9
    assert beats[-1].at_s - beats[-2].at_s == pytest.approx(40, abs=0.1)
    assert scene.call("ChangeConfiguration", key="HeartbeatInterval", value="10").status == (
        "Accepted"
    )
    scene.run(for_s=100)
    assert len(scene.sent("Heartbeat")) >= len(beats) + 9


# ── commands ─────────────────────────────────────────────────────────────────────────────────────


def test_ignored_keys_are_accepted_and_stay_as_they_were() -> None:
    scene = a_scene(ignored_keys=frozenset({"metervaluesampleinterval"}))
    changed = scene.call("ChangeConfiguration", key="MeterValueSampleInterval", value="5")
    assert changed.status == "Accepted"
    (key,) = scene.call("GetConfiguration", key=["MeterValueSampleInterval"]).payload[
        "configurationKey"
    ]
    assert key["value"] == "60"
    other = scene.call("ChangeConfiguration", key="HeartbeatInterval", value="60")
    assert other.status == "Accepted"
    assert scene.station.configuration.seconds("HeartbeatInterval") == 60


def test_lacking_actions_are_not_implemented() -> None:
    scene = a_scene(lacking_actions=frozenset({"ClearCache"}))
    assert scene.call("ClearCache").error == "NotImplemented"
    assert scene.call("UnlockConnector", connectorId=1).error is None


def test_remote_start_needs_connector() -> None:
    scene = a_scene(remote_start_needs_connector=True)
    assert scene.call("RemoteStartTransaction", idTag=TAG).status == "Rejected"
    assert scene.call("RemoteStartTransaction", idTag=TAG, connectorId=1).status == "Accepted"


def test_remote_start_needs_cable() -> None:
    scene = a_scene(connectors=2, remote_start_needs_cable=True)
    assert scene.call("RemoteStartTransaction", idTag=TAG, connectorId=1).status == "Rejected"
    scene.plug_in(2)
    assert scene.call("RemoteStartTransaction", idTag=TAG, connectorId=1).status == "Rejected"
    assert scene.call("RemoteStartTransaction", idTag=TAG, connectorId=2).status == "Accepted"


# ── the meter ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("unit", ["kWh", "Wh", "none"])
def test_energy_in_kwh_is_a_thousandth_under_its_label(unit: str) -> None:
    scene = a_scene(register_wh=10_000, energy_in_kwh=unit)
    charge(scene)
    values = energies(scene.sent("MeterValues"))
    assert {one.get("unit", "none") for one in values} == {unit}
    assert 10 < float(values[-1]["value"]) < 12
    powers = [
        one
        for one in sampled(scene.sent("MeterValues"))
        if one["measurand"] == "Power.Active.Import"
    ]
    assert {one["unit"] for one in powers} == {"W"}
    (stop,) = scene.sent("StopTransaction")
    assert stop["meterStop"] > 10_000
    assert {one.get("unit", "none") for one in energies([stop])} == {unit}


def test_defaults_left_out_leaves_a_bare_value() -> None:
    scene = a_scene(defaults_left_out=True)
    charge(scene)
    first = scene.sent("MeterValues")[0]["meterValue"][0]["sampledValue"]
    assert list(first[0]) == ["value"]
    assert set(first[1]) == {"value", "measurand", "unit"}
    ends = energies(scene.sent("StopTransaction"))
    assert ends[-1]["context"] == "Transaction.End"


def test_register_from_zero_counts_each_transaction_from_zero() -> None:
    scene = a_scene(register_wh=10_000, register_from_zero=True)
    charge(scene)
    charge(scene)
    starts, stops = scene.sent("StartTransaction"), scene.sent("StopTransaction")
    assert [one["meterStart"] for one in starts] == [0, 0]
    for stop in stops:
        assert 800 < stop["meterStop"] < 1_000
        values = [float(one["value"]) for one in energies([stop])]
        assert values[0] == 0
        assert values[-1] == stop["meterStop"]
    second = [
        m for m in scene.sent("MeterValues") if m["transactionId"] == stops[1]["transactionId"]
    ]
    assert float(energies(second)[0]["value"]) < 300


def test_register_from_zero_shows_nothing_between_transactions() -> None:
    scene = a_scene(register_wh=10_000, register_from_zero=True)
    scene.call("TriggerMessage", requestedMessage="MeterValues", connectorId=1)
    assert [one["value"] for one in energies(scene.sent("MeterValues"))] == ["0"]


def test_meter_values_without_transaction() -> None:
    scene = a_scene(meter_values_without_transaction=True)
    charge(scene)
    assert scene.sent("MeterValues")
    assert not any("transactionId" in one.payload for one in scene.sent("MeterValues"))


# ── the end of a transaction ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("quirk", "field"),
    [
        ("no_transaction_data", "transactionData"),
        ("no_stop_reason", "reason"),
        ("no_stop_tag", "idTag"),
    ],
)
def test_what_stop_transaction_lacks(quirk: str, field: str) -> None:
    quirks: dict[str, Any] = {quirk: True}
    usual, quirky = a_scene(), a_scene(**quirks)
    for scene in (usual, quirky):
        charge(scene)
    (stopped,), (lacking,) = usual.sent("StopTransaction"), quirky.sent("StopTransaction")
    assert set(stopped.payload) - set(lacking.payload) == {field}


# ── tags and moments ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("style", "tag", "shown"),
    [
        ("upper_case", "04a1b2c3", "04A1B2C3"),
        ("lower_case", "04A1B2C3", "04a1b2c3"),
        ("reversed_bytes", "04A1B2C3", "C3B2A104"),
        ("reversed_bytes", "VISITOR-1", "VISITOR-1"),
    ],
)
def test_tags_are_spelled_in_the_readers_way(style: str, tag: str, shown: str) -> None:
    scene = a_scene(tags=style)
    charge(scene, tag=tag)
    for action in ("Authorize", "StartTransaction", "StopTransaction"):
        assert [one["idTag"] for one in scene.sent(action)] == [shown], action


def test_tags_of_a_remote_start_are_spelled_so_as_well() -> None:
    scene = a_scene(tags="upper_case")
    scene.plug_in()
    assert scene.call("RemoteStartTransaction", idTag="abcd", connectorId=1).status == "Accepted"
    assert [one["idTag"] for one in scene.sent("StartTransaction")] == ["ABCD"]


def moments(scene: Scene) -> set[str]:
    found = {one.payload["timestamp"] for one in scene.log if "timestamp" in one.payload}
    for one in (*scene.sent("MeterValues"), *scene.sent("StopTransaction")):
        for value in readings(one):
            found.add(value["timestamp"])
    return found


@pytest.mark.parametrize(
    ("quirks", "ending"),
    [
        ({"timestamps": "whole_seconds"}, "Z"),
        ({"timestamps": "local_time", "utc_offset_min": 120}, "+02:00"),
        ({"timestamps": "local_time", "utc_offset_min": -210}, "-03:30"),
    ],
)
def test_moments_are_written_in_the_firmwares_way(quirks: dict[str, Any], ending: str) -> None:
    scene = a_scene(**quirks)
    scene.run(for_s=0.123)
    charge(scene)
    found = moments(scene)
    assert len(found) > 5
    assert all(one.endswith(ending) for one in found), found
    if quirks["timestamps"] == "whole_seconds":
        assert not any("." in one for one in found)
    (start,) = scene.sent("StartTransaction")
    assert start.wall_s == pytest.approx(scene.wall_s - 301, abs=1.5)


async def test_a_moment_without_a_zone_is_a_violation_that_the_csms_survives(
    autojump_clock: MockClock,
) -> None:
    plan = a_plan(quirks=Quirks(timestamps="no_zone"), habits=QUICK)
    async with a_fleet(plans=[plan]) as fleet:
        await fleet.settle(1, Mode.CONNECT)
        (first, *_) = fleet.wire.of("CP-0000", "StatusNotification")
        assert first.payload["timestamp"][-1].isdigit()
        ledger: dict[str, Any] = fleet.csms.ledger()
        assert ledger["violations"] > 0
        assert ledger["crashed"] == 0


# ── nobody else ──────────────────────────────────────────────────────────────────────────────────


def test_a_station_without_quirks_has_the_plain_dialect() -> None:
    assert Scene().station.dialect is dialect_of("ocpp1.6")
    assert dialect_of("ocpp1.6", None) is dialect_of("ocpp1.6")


def test_stations_with_equal_quirks_share_their_dialect() -> None:
    first, second = (Scene(quirks=Quirks(no_stop_tag=True)) for _ in range(2))
    assert first.station.dialect is second.station.dialect


def test_a_station_with_other_quirks_says_the_same_as_one_without_any() -> None:
    usual, quirky = a_scene(), a_scene(lacking_actions=frozenset({"ClearCache"}))
    for scene in (usual, quirky):
        charge(scene)

    def said(scene: Scene) -> list[str]:
        return [json.dumps([one.action, one.payload], sort_keys=True) for one in scene.log]

    assert said(usual) == said(quirky)


def test_every_quirk_can_be_written_in_a_model_and_has_a_meaning() -> None:
    told = {name for name in Quirks.__struct_fields__ if name != "utc_offset_min"}
    assert told == set(QuirkWords.__struct_fields__) == set(QUIRKS)
    assert len(told) >= 8
    assert all(QUIRKS.values())
