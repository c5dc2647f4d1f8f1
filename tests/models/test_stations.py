"""Stations built from models: nameplates, keys of the vendor's own, connectors that differ."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from builders_fleet import EPOCH_S
from builders_station import Scene
from simfleet.models.catalogue import built_in
from simfleet.station.chance import Chance
from simfleet.station.configuration import Configuration, for_station
from simfleet.station.configuration_keys import KEYS, Key
from simfleet.station.events import PluggedIn, TokenPresented
from simfleet.station.meter import ElectricalSpec
from simfleet.station.nameplate import SERIAL_MAX, check_pattern, stamped
from simfleet.station.phase import Phase
from simfleet.station.station import Station

if TYPE_CHECKING:
    from simfleet.models.model import ChargerModel


def a_station(model: ChargerModel, identity: str = "CP-1") -> Station:
    return Station(
        identity,
        model.spec(),
        Configuration(model.factory()),
        chance=Chance.of(1, 1),
        wall_offset_s=EPOCH_S,
    )


# ── nameplates ───────────────────────────────────────────────────────────────────────────────────


def test_a_pattern_is_filled_with_each_chargers_own_digits() -> None:
    first = stamped("KG3-{digits:6}-{hex:4}", "CP-1", longest=SERIAL_MAX)
    assert re.fullmatch(r"KG3-[0-9]{6}-[0-9A-F]{4}", first)
    assert stamped("KG3-{digits:6}-{hex:4}", "CP-1", longest=SERIAL_MAX) == first
    assert stamped("KG3-{digits:6}-{hex:4}", "CP-2", longest=SERIAL_MAX) != first


def test_two_places_of_a_pattern_have_different_digits() -> None:
    left, _, right = stamped("{digits:9}/{digits:9}", "CP-1", longest=SERIAL_MAX).partition("/")
    assert left != right


def test_an_identity_is_cut_to_what_there_is_room_for() -> None:
    assert stamped("{identity}", "X" * 48, longest=SERIAL_MAX) == "X" * SERIAL_MAX


@pytest.mark.parametrize("pattern", ["{n}", "{digits}", "{digits:21}", "{hex:0}", "}", "X" * 26])
def test_a_pattern_that_cannot_be_filled_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"makes|brace|out of range"):
        check_pattern(pattern, longest=SERIAL_MAX)


def test_a_charger_without_a_pattern_is_stamped_with_its_identity() -> None:
    scene = Scene()
    scene.boot()
    (boot,) = scene.sent("BootNotification")
    assert boot["chargePointSerialNumber"] == "CP-1"
    assert not {"iccid", "imsi", "meterType", "meterSerialNumber"} & set(boot.payload)


# ── configuration keys ───────────────────────────────────────────────────────────────────────────

FAN = Key(name="Fan", type="enum", default="slow", members=frozenset({"slow", "fast"}))
LIMIT = Key(name="Limit", type="int", default="16", low=6, high=32, reboot=True)
SEALED = Key(name="Sealed", type="bool", default="true", readonly=True)


def a_configuration(values: dict[str, str] | None = None, *rows: Key) -> Configuration:
    return for_station(1, values or {}, keys=rows or (FAN, LIMIT, SEALED))


def test_vendor_keys_have_types_ranges_and_rules_of_their_own() -> None:
    configuration = a_configuration()
    assert configuration.change("Fan", "loud") == "Rejected"
    assert configuration.change("fan", "fast") == "Accepted"
    assert configuration.change("Limit", "33") == "Rejected"
    assert configuration.change("Limit", "20") == "RebootRequired"
    assert configuration.change("Sealed", "false") == "Rejected"
    assert (configuration.get("Fan"), configuration.get("Limit")) == ("fast", "16")
    configuration.apply_pending()
    assert configuration.get("Limit") == "20"


def test_vendor_keys_are_reported_with_the_others() -> None:
    known = {one.key: one for one in a_configuration().report().known}
    assert known["Sealed"].readonly
    assert known["Fan"].value == "slow"


def test_a_value_given_for_a_vendor_key_is_judged_by_its_row() -> None:
    assert a_configuration({"FAN": "fast"}).get("Fan") == "fast"
    with pytest.raises(ValueError, match='Fan: "loud" is not one of fast, slow'):
        a_configuration({"Fan": "loud"})


def test_a_standard_key_can_be_otherwise_in_a_model() -> None:
    row = KEYS["HeartbeatInterval"]
    sealed = Key(name=row.name, type="int", default="30", high=60, readonly=True)
    configuration = a_configuration(None, sealed)
    assert configuration.change("HeartbeatInterval", "40") == "Rejected"
    assert configuration.seconds("HeartbeatInterval") == 30


def test_chargers_of_one_model_share_their_factory_settings() -> None:
    model = built_in().find("norrvik/hem-11")
    assert model.factory() is model.factory()


def test_measurands_that_the_meter_does_not_have_are_rejected() -> None:
    station = a_station(built_in().find("norrvik/hem-3"))
    change = station.configuration.change
    assert change("MeterValuesSampledData", "Frequency") == "Rejected"
    assert change("MeterValuesSampledData", "Voltage") == "Accepted"
    assert change("MeterValuesAlignedData", "Voltage") == "Rejected"  # read-only in this model


# ── connectors that differ ───────────────────────────────────────────────────────────────────────

TRIA = built_in().find("tavoltis/tria-50")


def test_each_connector_has_a_meter_of_its_own_kind() -> None:
    station = a_station(TRIA)
    kinds = [(one.meter.spec.kind, one.meter.spec.max_power_w) for one in station.connectors]
    assert kinds == [("DC", 50_000), ("DC", 50_000), ("AC", 22_000)]


def test_a_vehicle_charges_with_what_its_connector_gives() -> None:
    station = a_station(TRIA)
    for connector_id in (1, 3):
        station.tell(PluggedIn(connector_id, soc=0.3), at_s=0.0)
    fast, slow = (station.connectors[n].vehicle for n in (0, 2))
    assert fast is not None
    assert slow is not None
    assert fast.peak_w == fast.spec.max_dc_w
    assert slow.peak_w == slow.spec.max_ac_w


def test_a_cable_of_the_stations_own_cannot_be_unlocked() -> None:
    outlets = (
        ElectricalSpec("AC", 22_000, 3, tethered=True),
        ElectricalSpec("AC", 22_000, 3),
    )
    scene = Scene(connectors=2, outlets=outlets)
    scene.boot()
    assert scene.call("UnlockConnector", connectorId=1).status == "NotSupported"
    assert scene.call("UnlockConnector", connectorId=2).status == "Unlocked"


def test_connectors_share_what_the_station_has() -> None:
    model = built_in().find("kestrel-grid/apex-300")
    scene = Scene(
        kind="DC",
        connectors=2,
        outlets=model.spec().outlets,
        station_max_power_w=model.spec().station_max_power_w,
    )
    scene.boot()
    for connector_id in (1, 2):
        scene.tell(PluggedIn(connector_id, soc=0.3))
        scene.tell(TokenPresented(connector_id, f"TAG-{connector_id}"))
    scene.run(for_s=10)
    first, second = scene.station.connectors
    assert first.phase is second.phase is Phase.CHARGING
    assert first.offered_w + second.offered_w <= 300_000 + 1e-6
