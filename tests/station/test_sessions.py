from __future__ import annotations

import pytest

from builders_station import OTHER_TAG, TAG, Scene
from simfleet.errors import Refused
from simfleet.station.effects import (
    TransactionClosed,
    TransactionDelivered,
    TransactionOpened,
)
from simfleet.station.events import (
    EvPaused,
    EvResumed,
    Failed,
    FaultCleared,
    PluggedIn,
    Retired,
    StartRequested,
    StopRequested,
    TakeSample,
    TokenPresented,
    Unplugged,
)
from simfleet.station.phase import Phase
from simfleet.station.vehicle import VehicleSpec


def a_booted_scene(**options: object) -> Scene:
    scene = Scene(**options)  # type: ignore[arg-type]
    scene.boot()
    scene.mark()
    return scene


def stop_of(scene: Scene) -> dict[str, object]:
    (stop,) = scene.sent("StopTransaction")
    return stop.payload


# ── cable and tag ───────────────────────────────────────────────────────────────────────────────


def test_cable_first_then_tag() -> None:
    scene = a_booted_scene()
    scene.plug_in()
    assert scene.statuses() == ["Preparing"]
    scene.present_tag()
    assert scene.actions() == [
        "StatusNotification",
        "Authorize",
        "StartTransaction",
        "StatusNotification",
    ]
    assert scene.statuses() == ["Preparing", "Charging"]


def test_tag_first_then_cable() -> None:
    scene = a_booted_scene()
    scene.present_tag()
    assert scene.actions() == ["Authorize", "StatusNotification"]
    assert scene.statuses() == ["Preparing"]
    scene.plug_in()
    assert scene.actions()[2:] == ["StartTransaction", "StatusNotification"]
    assert scene.statuses() == ["Preparing", "Charging"]


def test_the_start_names_connector_tag_register_and_time() -> None:
    scene = a_booted_scene(connectors=2, register_wh=1234.9)
    scene.run(for_s=7)
    scene.charge(2)
    (start,) = scene.sent("StartTransaction")
    assert start["connectorId"] == 2
    assert start["idTag"] == TAG
    assert start["meterStart"] == 1234
    assert abs(start.wall_s - scene.wall_s) < 0.01
    assert "reservationId" not in start.payload


def test_a_session_from_cable_to_cable() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.run(for_s=360)
    scene.present_tag()
    scene.unplug()
    assert scene.statuses() == ["Preparing", "Charging", "Finishing", "Available"]
    stop = stop_of(scene)
    assert stop["transactionId"] == scene.transaction_id
    assert stop["reason"] == "Local"
    assert stop["idTag"] == TAG
    assert stop["meterStop"] == 1100  # 11 kW for six minutes
    assert "transactionData" not in stop


def test_the_next_session_starts_where_the_register_stands() -> None:
    scene = a_booted_scene()
    for _ in range(2):
        scene.charge()
        scene.run(for_s=360)
        scene.present_tag()
        scene.unplug()
    first, second = scene.sent("StartTransaction")
    assert (first["meterStart"], second["meterStart"]) == (0, 1100)
    ids = [one["transactionId"] for one in scene.sent("StopTransaction")]
    assert ids == [701, 702]


def test_the_next_tag_while_the_cable_is_still_in_starts_again_over_preparing() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.present_tag()
    scene.present_tag(OTHER_TAG)
    assert scene.statuses() == ["Preparing", "Charging", "Finishing", "Preparing", "Charging"]


def test_two_connectors_charge_side_by_side() -> None:
    scene = a_booted_scene(connectors=2)
    scene.charge(1)
    scene.charge(2, tag=OTHER_TAG)
    scene.run(for_s=60)
    scene.present_tag(connector_id=1)
    starts = scene.sent("StartTransaction")
    assert [(one["connectorId"], one["idTag"]) for one in starts] == [(1, TAG), (2, OTHER_TAG)]
    assert stop_of(scene)["transactionId"] == 701
    assert scene.statuses(2) == ["Preparing", "Charging"]


def test_free_charging_asks_nobody() -> None:
    scene = a_booted_scene(free_charging=True)
    scene.charge()
    assert "Authorize" not in scene.actions()
    assert len(scene.sent("StartTransaction")) == 1


# ── the vehicle ─────────────────────────────────────────────────────────────────────────────────


def test_a_full_vehicle_suspends_and_the_transaction_goes_on() -> None:
    scene = a_booted_scene()
    scene.charge(soc=0.99)
    scene.run(for_s=3600)
    assert scene.statuses() == ["Preparing", "Charging", "SuspendedEV"]
    assert scene.sent("StopTransaction") == []
    scene.present_tag()
    assert stop_of(scene)["meterStop"] == pytest.approx(600, abs=1)  # 1 % of 60 kWh
    assert scene.statuses()[-1] == "Finishing"


def test_a_vehicle_that_is_full_already_draws_nothing() -> None:
    scene = a_booted_scene()
    scene.charge(soc=1.0)
    assert scene.statuses() == ["Preparing", "SuspendedEV"]


def test_a_vehicle_that_pauses_and_resumes() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.run(for_s=36)
    scene.tell(EvPaused())
    scene.run(for_s=3600)
    scene.tell(EvResumed())
    scene.run(for_s=36)
    scene.present_tag()
    assert scene.statuses()[1:] == ["Charging", "SuspendedEV", "Charging", "Finishing"]
    assert stop_of(scene)["meterStop"] == pytest.approx(220, abs=1)


# ── unplugging ──────────────────────────────────────────────────────────────────────────────────


def test_unplugging_while_charging_ends_the_transaction() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.run(for_s=36)
    scene.unplug()
    assert stop_of(scene)["reason"] == "EVDisconnected"
    assert "idTag" not in stop_of(scene)
    assert stop_of(scene)["meterStop"] == 110
    assert scene.statuses() == ["Preparing", "Charging", "Available"]


def test_unplugging_only_suspends_where_the_key_says_so() -> None:
    scene = a_booted_scene(configuration={"StopTransactionOnEVSideDisconnect": "false"})
    scene.charge()
    scene.run(for_s=36)
    scene.unplug()
    assert scene.sent("StopTransaction") == []
    scene.run(for_s=600)
    scene.plug_in()
    scene.run(for_s=36)
    scene.present_tag()
    assert scene.statuses() == ["Preparing", "Charging", "SuspendedEV", "Charging", "Finishing"]
    assert stop_of(scene)["meterStop"] == pytest.approx(220, abs=1)


def test_a_transaction_without_cable_can_be_stopped() -> None:
    scene = a_booted_scene(configuration={"StopTransactionOnEVSideDisconnect": "false"})
    scene.charge()
    scene.unplug()
    scene.present_tag()
    assert stop_of(scene)["reason"] == "Local"
    assert scene.statuses()[-2:] == ["SuspendedEV", "Available"]


def test_unplugging_while_preparing_makes_the_connector_available() -> None:
    scene = a_booted_scene()
    scene.plug_in()
    scene.unplug()
    assert scene.statuses() == ["Preparing", "Available"]


# ── ConnectionTimeOut ───────────────────────────────────────────────────────────────────────────


def test_a_tag_without_cable_is_forgotten_after_connection_time_out() -> None:
    scene = a_booted_scene(configuration={"ConnectionTimeOut": 30})
    scene.present_tag()
    scene.run(for_s=29.9)
    assert scene.statuses() == ["Preparing"]
    scene.run(for_s=0.1)
    assert scene.statuses() == ["Preparing", "Available"]
    scene.plug_in()
    scene.run(for_s=60)
    assert scene.sent("StartTransaction") == []


def test_a_cable_in_time_keeps_the_tag() -> None:
    scene = a_booted_scene(configuration={"ConnectionTimeOut": 30})
    scene.present_tag()
    scene.run(for_s=29)
    scene.plug_in()
    scene.run(for_s=60)
    assert scene.statuses() == ["Preparing", "Charging"]


def test_a_new_connection_time_out_holds_for_the_next_tag() -> None:
    scene = a_booted_scene(configuration={"ConnectionTimeOut": 30})
    scene.call("ChangeConfiguration", key="ConnectionTimeOut", value="5")
    scene.present_tag()
    scene.run(for_s=5)
    assert scene.statuses() == ["Preparing", "Available"]


# ── a driver who knows what she wants ───────────────────────────────────────────────────────────


def test_a_driver_who_wants_so_much_energy_stops_there_and_leaves() -> None:
    scene = a_booted_scene()
    scene.tell(StartRequested(energy_wh=1100))
    scene.run(for_s=3600)
    assert scene.statuses() == ["Preparing", "Charging", "Finishing", "Available"]
    assert stop_of(scene)["meterStop"] == 1100
    assert stop_of(scene)["reason"] == "Local"


def test_what_a_refused_driver_wanted_is_not_what_the_next_one_gets() -> None:
    scene = a_booted_scene()
    scene.on(
        "Authorize", {"idTagInfo": {"status": "Blocked"}}, {"idTagInfo": {"status": "Accepted"}}
    )
    scene.tell(StartRequested(energy_wh=100))
    scene.present_tag(OTHER_TAG)
    scene.run(for_s=3600)
    assert scene.sent("StopTransaction") == []


def test_a_stop_leaves_the_cable_when_the_driver_does() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.tell(StopRequested(unplug=False))
    assert scene.statuses()[-1] == "Finishing"


def test_a_retired_charger_comes_to_rest() -> None:
    scene = a_booted_scene(connectors=3)
    scene.charge(1)
    scene.plug_in(2)
    scene.present_tag(OTHER_TAG, 3)
    scene.tell(Retired())
    assert [scene.statuses(number)[-1] for number in (1, 2, 3)] == ["Available"] * 3
    assert stop_of(scene)["reason"] == "Local"
    assert scene.station.drained


# ── what cannot be ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "event",
    [
        Unplugged(),
        StopRequested(),
        EvPaused(),
        EvResumed(),
        TakeSample(),
        FaultCleared(),
        FaultCleared(0),
        PluggedIn(2),
        PluggedIn(0),
        TokenPresented(-1),
        Failed(7),
        PluggedIn(soc=1.5),
    ],
    ids=repr,
)
def test_what_cannot_happen_to_an_idle_charger_is_refused_and_changes_nothing(
    event: object,
) -> None:
    scene = a_booted_scene()
    with pytest.raises(Refused):
        scene.tell(event)  # type: ignore[arg-type]
    assert scene.sent() == []
    scene.charge()
    assert scene.statuses() == ["Preparing", "Charging"]


@pytest.mark.parametrize("event", [PluggedIn(), StartRequested()], ids=repr)
def test_what_cannot_happen_while_charging_is_refused(event: object) -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.mark()
    with pytest.raises(Refused):
        scene.tell(event)  # type: ignore[arg-type]
    assert scene.sent() == []


def test_a_vehicle_that_the_outlet_cannot_feed_is_refused() -> None:
    scene = a_booted_scene(kind="DC")
    with pytest.raises(Refused):
        scene.tell(PluggedIn(vehicle=VehicleSpec("AC only", 12_000, 3_680)))
    scene.plug_in()
    assert scene.statuses() == ["Preparing"]


# ── what the shell hears ────────────────────────────────────────────────────────────────────────


def test_opening_delivery_and_end_of_a_transaction_are_reported() -> None:
    scene = a_booted_scene()
    scene.charge()
    scene.run(for_s=360)
    scene.present_tag()
    assert scene.seen(TransactionOpened) == [TransactionOpened(1, 1)]
    assert scene.seen(TransactionDelivered) == [
        TransactionDelivered(1, "start"),
        TransactionDelivered(1, "stop"),
    ]
    (closed,) = scene.seen(TransactionClosed)
    assert (closed.number, closed.reason) == (1, "Local")
    assert closed.energy_wh == pytest.approx(1100)
    assert closed.integral_wh == pytest.approx(1100)


def test_all_nine_statuses_are_reached_on_the_wire() -> None:
    scene = a_booted_scene(
        configuration={"StopTransactionOnInvalidId": "false", "MaxEnergyOnInvalidId": "50"}
    )
    scene.on(
        "StartTransaction",
        {"transactionId": 1, "idTagInfo": {"status": "Invalid"}},
    )
    scene.charge()
    scene.tell(EvPaused())
    scene.tell(EvResumed())
    scene.run(for_s=60)
    scene.present_tag()
    scene.unplug()
    scene.call(
        "ReserveNow",
        reservationId=1,
        connectorId=1,
        idTag=TAG,
        expiryDate="2026-03-02T00:00:00Z",
    )
    scene.call("CancelReservation", reservationId=1)
    scene.call("ChangeAvailability", connectorId=1, type="Inoperative")
    scene.call("ChangeAvailability", connectorId=1, type="Operative")
    scene.tell(Failed())
    scene.tell(FaultCleared())
    assert scene.statuses() == [
        "Preparing",
        "Charging",
        "SuspendedEV",
        "Charging",
        "SuspendedEVSE",
        "Finishing",
        "Available",
        "Reserved",
        "Available",
        "Unavailable",
        "Available",
        "Faulted",
        "Available",
    ]
    assert set(scene.statuses()) == {phase.value for phase in Phase}
