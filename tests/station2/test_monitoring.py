"""Monitors of OCPP 2.x (2.0.1 N02 to N08; rows GetMonitoringReport to ClearVariableMonitoring)."""

from __future__ import annotations

from typing import Any

import pytest

from builders_device import (
    component,
    events,
    moments,
    monitor,
    names,
    path_of,
    set_to,
    told,
    value,
)
from builders_station2 import SILENCE, Scene2, versions, wall_of
from simfleet.station.events import EvPaused, EvResumed, Failed, FaultCleared
from simfleet.station.memory import decode_kept, encode_kept, recall, remember
from simfleet.station.vehicle import VehicleSpec

EVSE_1: dict[str, Any] = {"evse": 1}
CONNECTOR_1: dict[str, Any] = {"evse": 1, "connector": 1}


def a_scene(version: str, **options: Any) -> Scene2:
    scene = Scene2(
        version=version,
        configuration={"MeterValueSampleInterval": 0, "HeartbeatInterval": 0}
        | options.pop("configuration", {}),
        **options,
    )
    scene.on("BootNotification", status="Accepted", currentTime=scene.clock, interval=0)
    scene.boot()
    scene.mark()
    return scene


# ── SetVariableMonitoring ─────────────────────────────────────────────────────────────────────────


@versions
def test_a_monitor_gets_an_id(version: str) -> None:
    """N04: Accepted with the id that the station has chosen."""
    scene = a_scene(version)
    first = monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=1)
    second = monitor(scene, "EVSE.Power", "LowerThreshold", 100, evse=1)
    assert first["status"] == second["status"] == "Accepted"
    assert first["id"] != second["id"]


@pytest.mark.parametrize(
    ("path", "kind", "limit", "place", "status"),
    [
        ("Nowhere.Power", "Delta", 1, EVSE_1, "UnknownComponent"),
        ("EVSE.Nothing", "Delta", 1, EVSE_1, "UnknownVariable"),
        ("EVSE.SupplyPhases", "Delta", 1, EVSE_1, "UnsupportedMonitorType"),
        ("EVSE.AvailabilityState", "UpperThreshold", 1, EVSE_1, "UnsupportedMonitorType"),
        ("EVSE.Power", "UpperThreshold", -1, EVSE_1, "Rejected"),
        ("TemperatureSensor.Temperature", "UpperThreshold", 121, EVSE_1, "Rejected"),
        ("EVSE.Power", "Delta", -1, EVSE_1, "Rejected"),
        ("EVSE.Power", "Periodic", 0.5, EVSE_1, "Rejected"),
        ("EVSE.AvailabilityState", "Delta", 1, EVSE_1, "Accepted"),
        ("EVSE.AvailabilityState", "Periodic", 10, EVSE_1, "Accepted"),
    ],
)
@versions
def test_a_monitor_that_makes_no_sense_is_not_set(
    version: str, path: str, kind: str, limit: float, place: dict[str, Any], status: str
) -> None:
    """N04.FR.02 to .14: unknown variables, thresholds on words, limits out of range, negative
    deltas, periods of nothing.
    """
    assert monitor(a_scene(version), path, kind, limit, **place)["status"] == status


@versions
def test_a_severity_beyond_nine_is_rejected(version: str) -> None:
    """N04.FR.13: severities are 0 to 9."""
    result = monitor(a_scene(version), "EVSE.Power", "Delta", 1, severity=10, evse=1)
    assert result["status"] == "Rejected"


@versions
def test_the_same_monitor_twice_is_a_duplicate(version: str) -> None:
    """N04.FR.17: same variable, type and severity; another severity makes another monitor."""
    scene = a_scene(version)
    monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=1)
    assert monitor(scene, "EVSE.Power", "UpperThreshold", 6000, evse=1)["status"] == "Duplicate"
    other = monitor(scene, "EVSE.Power", "UpperThreshold", 6000, severity=4, evse=1)
    assert other["status"] == "Accepted"


@versions
def test_a_monitor_is_replaced_by_its_id(version: str) -> None:
    """N04.FR.11, .12, .16: an id that is unknown, or that of another variable, is Rejected."""
    scene = a_scene(version)
    held = monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=1)["id"]
    again = monitor(scene, "EVSE.Power", "UpperThreshold", 12_000, evse=1, id=held)
    assert (again["status"], again["id"]) == ("Accepted", held)
    scene.charge()
    assert events(scene) == []
    assert monitor(scene, "EVSE.Power", "Delta", 1, evse=1, id=99)["status"] == "Rejected"
    other = monitor(scene, "EVSE.Problem", "Delta", 1, evse=1, id=held)
    assert other["status"] == "Rejected"


@versions
def test_more_monitors_than_fit_are_an_occurrence_constraint_violation(version: str) -> None:
    """ItemsPerMessage of SetVariableMonitoring and of ClearVariableMonitoring."""
    scene = a_scene(
        version,
        configuration={
            "MonitoringCtrlr.ItemsPerMessage[SetVariableMonitoring]": 1,
            "MonitoringCtrlr.ItemsPerMessage[ClearVariableMonitoring]": 1,
        },
    )
    one = {**names("EVSE.Power", evse=1), "type": "Delta", "value": 1, "severity": 1}
    answer = scene.call("SetVariableMonitoring", setMonitoringData=[one, one])
    assert answer.error == "OccurrenceConstraintViolation"
    assert scene.call("ClearVariableMonitoring", id=[1, 2]).error == "OccurrenceConstraintViolation"


# ── thresholds ────────────────────────────────────────────────────────────────────────────────────


@versions
def test_a_threshold_fires_when_it_is_crossed_and_clears_on_return(version: str) -> None:
    """N07: Alerting when the value rises above, the same with cleared when it is back."""
    scene = a_scene(version)
    held = monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=1, severity=2)["id"]
    scene.charge()
    (risen,) = events(scene)
    assert path_of(risen) == "EVSE.Power@1"
    assert risen["trigger"] == "Alerting"
    assert risen["actualValue"] == "11000"
    assert risen["eventNotificationType"] == "CustomMonitor"
    assert risen["variableMonitoringId"] == held
    assert risen["transactionId"] == scene.transaction
    assert not risen.get("cleared", False)
    scene.mark()
    scene.run(for_s=30)
    assert events(scene) == []
    scene.tell(EvPaused(1))
    (fallen,) = events(scene)
    assert (fallen["trigger"], fallen["actualValue"], fallen["cleared"]) == ("Alerting", "0", True)
    assert fallen["eventId"] > risen["eventId"]
    scene.tell(EvResumed(1))
    assert [one.get("cleared", False) for one in events(scene)] == [True, False]


@versions
def test_severity_is_told_where_the_version_has_a_field_for_it(version: str) -> None:
    """EventData.severity is new in 2.1."""
    scene = a_scene(version)
    monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=1, severity=2)
    scene.charge()
    (event,) = events(scene)
    assert event.get("severity") == (2 if version == "ocpp2.1" else None)


@versions
def test_a_threshold_that_is_crossed_already_fires_at_once(version: str) -> None:
    """The CSMS is told of what is wrong, not only of what goes wrong."""
    scene = a_scene(version)
    scene.charge()
    scene.mark()
    monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=1)
    assert [one["actualValue"] for one in events(scene)] == ["11000"]


@versions
def test_a_register_crosses_at_the_moment_foreseen(version: str) -> None:
    """N07: 11 kW reach 1000 Wh above the register after 327.3 s, without a sample anywhere."""
    scene = a_scene(version)
    monitor(scene, "FiscalMetering.EnergyImportRegister", "UpperThreshold", 1000, evse=1)
    scene.charge()
    began_s = scene.now_s
    scene.run(for_s=3600)
    (event,) = events(scene)
    assert event["actualValue"] == "1001"
    assert moments(scene)[0] - began_s == pytest.approx(1001 * 3600 / 11_000, abs=0.01)


@versions
def test_a_station_is_not_woken_for_what_is_foreseen(version: str) -> None:
    """No polling: between setting and crossing the station has nothing to do."""
    scene = a_scene(version)
    monitor(scene, "FiscalMetering.EnergyImportRegister", "UpperThreshold", 1000, evse=1)
    scene.charge()
    assert scene.station.wake_at_s == pytest.approx(scene.now_s + 1001 * 3600 / 11_000, abs=0.01)


@versions
def test_power_that_tapers_off_crosses_on_its_way(version: str) -> None:
    """The charge curve falls: the moment is on the curve, not at an input."""
    car = VehicleSpec("car", 60_000, 11_000, 50_000)
    scene = a_scene(version, kind="DC", max_power_w=50_000.0, vehicle=car)
    monitor(scene, "EVSE.Power", "LowerThreshold", 20_000, evse=1)
    scene.charge(soc=0.7)
    scene.mark()
    scene.run(for_s=3600)
    fired = events(scene)
    assert [one["actualValue"] for one in fired] == ["19999"]


@versions
def test_a_state_of_charge_is_watched(version: str) -> None:
    """SoC is live, and its monitor fires at the tenth of a percent."""
    scene = a_scene(version, kind="DC", max_power_w=50_000.0)
    monitor(scene, "ConnectedEV.StateOfCharge", "UpperThreshold", 80, **CONNECTOR_1)
    scene.charge(soc=0.79)
    scene.mark()
    scene.run(for_s=600)
    assert [one["actualValue"] for one in events(scene)] == ["80.1"]
    scene.mark()
    scene.unplug()
    (gone,) = events(scene)
    assert (gone["actualValue"], gone["cleared"]) == ("", True)


@versions
def test_the_temperature_follows_the_load(version: str) -> None:
    """TemperatureSensor.Temperature."""
    scene = a_scene(version, max_power_w=11_000.0)
    monitor(scene, "TemperatureSensor.Temperature", "UpperThreshold", 40, evse=1)
    scene.charge()
    assert [one["actualValue"] for one in events(scene)] == ["45.0"]


@versions
def test_a_monitor_of_transactions_sleeps_outside_them(version: str) -> None:
    """SetMonitoringData.transaction: only while one runs on that EVSE."""
    scene = a_scene(version, connectors=2)
    monitor(scene, "EVSE.ACVoltage", "Periodic", 10, evse=1, transaction=True)
    monitor(scene, "OCPPCommCtrlr.OfflineThreshold", "Delta", 5, transaction=True)
    scene.charge(2)
    scene.run(for_s=11)
    scene.unplug(2)
    set_to(scene, "OCPPCommCtrlr.OfflineThreshold", "100")
    assert events(scene) == []
    scene.charge(1)
    set_to(scene, "OCPPCommCtrlr.OfflineThreshold", "200")
    scene.run(for_s=11)
    assert {path_of(one) for one in events(scene)} == {
        "EVSE.ACVoltage@1",
        "OCPPCommCtrlr.OfflineThreshold",
    }


# ── delta ─────────────────────────────────────────────────────────────────────────────────────────


@versions
def test_a_delta_on_words_fires_at_every_change(version: str) -> None:
    """N07, Delta of an option list: whatever its value, it fires whenever the variable changes."""
    scene = a_scene(version)
    monitor(scene, "Connector.AvailabilityState", "Delta", 100, **CONNECTOR_1)
    scene.plug_in()
    scene.present_tag()
    scene.run(for_s=60)
    scene.unplug()
    scene.tell(Failed(1, "GroundFailure"))
    scene.tell(FaultCleared(1))
    assert [(one["trigger"], one["actualValue"]) for one in events(scene)] == [
        ("Delta", "Occupied"),
        ("Delta", "Available"),
        ("Delta", "Faulted"),
        ("Delta", "Available"),
    ]


@versions
def test_a_delta_counts_from_the_value_told_last(version: str) -> None:
    """Delta on a number: more than so much since it was set, or since it fired last."""
    scene = a_scene(version)
    monitor(scene, "FiscalMetering.EnergyImportRegister", "Delta", 100, evse=1)
    scene.charge()
    scene.run(for_s=10 * 3600 / 110)
    assert [one["actualValue"] for one in events(scene)] == [
        str(101 * number) for number in range(1, 10)
    ]


@versions
def test_a_change_of_the_configuration_is_a_change_as_any(version: str) -> None:
    """Variables that are set are monitored too."""
    scene = a_scene(version)
    monitor(scene, "OCPPCommCtrlr.OfflineThreshold", "Delta", 5)
    set_to(scene, "OCPPCommCtrlr.OfflineThreshold", "64")
    set_to(scene, "OCPPCommCtrlr.OfflineThreshold", "66")
    assert [one["actualValue"] for one in events(scene)] == ["66"]


def test_a_target_delta_fires_when_actual_and_target_part() -> None:
    """2.1 TargetDelta: the vehicle takes less than what it is offered, by more than the value."""
    scene = a_scene("ocpp2.1")
    assert monitor(scene, "EVSE.Power", "TargetDelta", 12_000, evse=1)["status"] == "Accepted"
    other = monitor(scene, "EVSE.Power", "TargetDelta", 10_000, severity=4, evse=1)["id"]
    relative = monitor(scene, "EVSE.Power", "TargetDeltaRelative", 0.4, evse=1)["id"]
    unfit = monitor(scene, "EVSE.ACVoltage", "TargetDelta", 1, evse=1)
    assert unfit["status"] == "UnsupportedMonitorType"
    scene.charge()
    assert [one["variableMonitoringId"] for one in events(scene)] == [other, relative]


# ── periodic ──────────────────────────────────────────────────────────────────────────────────────


@versions
def test_a_periodic_monitor_tells_its_value_at_every_interval(version: str) -> None:
    """N08: Periodic, every so many seconds since it was set."""
    scene = a_scene(version)
    scene.run(for_s=3.5)
    set_s = scene.now_s
    monitor(scene, "EVSE.Power", "Periodic", 20, evse=1)
    scene.charge()
    scene.run(for_s=65)
    assert [one["trigger"] for one in events(scene)] == ["Periodic"] * 3
    assert [at_s - set_s for at_s in moments(scene)] == pytest.approx([20, 40, 60])


@versions
def test_a_clock_aligned_monitor_counts_from_midnight(version: str) -> None:
    """N08: PeriodicClockAligned, at multiples of the interval since 00:00."""
    scene = a_scene(version)
    scene.run(for_s=7)
    monitor(scene, "EVSE.Power", "PeriodicClockAligned", 15, evse=1)
    scene.run(for_s=30)
    stamps = [one["timestamp"] for one in events(scene)]
    assert stamps == ["2026-03-01T12:00:15Z", "2026-03-01T12:00:30Z"]


@versions
def test_periods_missed_while_dark_are_not_made_up_for(version: str) -> None:
    """What nobody measured is not told."""
    scene = a_scene(version)
    monitor(scene, "EVSE.Power", "Periodic", 10, evse=1)
    scene.cycle_power(for_s=95)
    scene.mark()
    scene.run(for_s=21)
    assert 2 <= len(events(scene)) <= 3


# ── level, base, offline ──────────────────────────────────────────────────────────────────────────


@versions
def test_the_level_lets_only_severe_events_through(version: str) -> None:
    """N03: severity <= level."""
    scene = a_scene(version)
    monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=1, severity=4)
    monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=1, severity=5)
    assert scene.call("SetMonitoringLevel", severity=4).status == "Accepted"
    assert value(scene, "MonitoringCtrlr.ActiveMonitoringLevel") == "4"
    scene.charge()
    assert len(events(scene)) == 1
    assert scene.call("SetMonitoringLevel", severity=10).status == "Rejected"
    assert value(scene, "MonitoringCtrlr.ActiveMonitoringLevel") == "4"


@versions
def test_monitoring_can_be_switched_off(version: str) -> None:
    """MonitoringCtrlr.Enabled."""
    scene = a_scene(version)
    monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=1)
    set_to(scene, "MonitoringCtrlr.Enabled", "false")
    scene.charge()
    assert events(scene) == []
    set_to(scene, "MonitoringCtrlr.Enabled", "true")
    assert len(events(scene)) == 1


@versions
def test_the_monitors_of_the_factory_come_and_go_with_the_base(version: str) -> None:
    """N05: All adds them, FactoryDefault leaves only them, HardWiredOnly leaves none."""
    scene = a_scene(version)

    def held() -> set[str]:
        scene.mark()
        answer = scene.call("GetMonitoringReport", requestId=1)
        if answer.status == "EmptyResultSet":
            return set()
        return {path_of(one) for one in told(scene, "NotifyMonitoringReport", "monitor", 1)}

    monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=1)
    assert held() == {"EVSE.Power@1"}
    factory = {"ChargingStation.Problem", "EVSE.Problem@1", "TemperatureSensor.Temperature@1"}
    for base, expected in (
        ("All", {"EVSE.Power@1"} | factory),
        ("FactoryDefault", factory),
        ("HardWiredOnly", set()),
    ):
        assert scene.call("SetMonitoringBase", monitoringBase=base).status == "Accepted"
        assert held() == expected
        assert value(scene, "MonitoringCtrlr.ActiveMonitoringBase") == base


@versions
def test_a_monitor_of_the_factory_says_so(version: str) -> None:
    """eventNotificationType PreconfiguredMonitor."""
    scene = a_scene(version)
    scene.call("SetMonitoringBase", monitoringBase="FactoryDefault")
    scene.tell(Failed(1, "GroundFailure"))
    fired = events(scene)
    assert {path_of(one) for one in fired} == {"ChargingStation.Problem", "EVSE.Problem@1"}
    assert {one["eventNotificationType"] for one in fired} == {"PreconfiguredMonitor"}


@versions
def test_events_of_an_offline_station_wait_if_they_are_severe(version: str) -> None:
    """N07.FR.07: queued while offline if severity <= OfflineQueuingSeverity, else forgotten."""
    scene = a_scene(version, configuration={"MonitoringCtrlr.OfflineQueuingSeverity": 4})
    monitor(scene, "EVSE.Problem", "Delta", 1, evse=1, severity=4)
    monitor(scene, "EVSE.Problem", "Delta", 1, evse=1, severity=5)
    scene.disconnect()
    scene.tell(Failed(1, "GroundFailure"))
    happened_s = scene.wall_s
    scene.run(for_s=40)
    scene.tell(FaultCleared(1))
    assert events(scene) == []
    scene.connect()
    scene.run(for_s=1)
    fired = events(scene)
    assert [one["actualValue"] for one in fired] == ["true", "false"]
    assert wall_of(fired[0]["timestamp"]) == pytest.approx(happened_s)


@versions
def test_not_all_events_of_a_long_silence_are_kept(version: str) -> None:
    """The newest ones are, and what was dropped is counted."""
    scene = a_scene(version)
    monitor(scene, "EVSE.Power", "Periodic", 10, evse=1)
    scene.disconnect()
    scene.run(for_s=401)
    scene.connect()
    fired = events(scene)
    assert len(fired) == 32
    assert [one["eventId"] for one in fired] == list(range(9, 41))
    assert scene.dropped() == [("NotifyEvent", "queue_full")] * 8


@versions
def test_an_event_that_was_on_its_way_is_told_again(version: str) -> None:
    """A link that is lost takes no event with it."""
    scene = a_scene(version)
    monitor(scene, "EVSE.Problem", "Delta", 1, evse=1)
    scene.on("NotifyEvent", SILENCE)
    scene.tell(Failed(1, "GroundFailure"))
    scene.disconnect()
    scene.on("NotifyEvent", {})
    scene.mark()
    scene.connect()
    assert [one["actualValue"] for one in events(scene)] == ["true"]


# ── reports and clearing ──────────────────────────────────────────────────────────────────────────


@versions
def test_a_monitoring_report_has_what_was_asked_for(version: str) -> None:
    """N02: criteria OR-ed, components and variables a condition as well."""
    scene = a_scene(version, connectors=2)
    upper = monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=1)["id"]
    delta = monitor(scene, "EVSE.Power", "Delta", 100, evse=1)["id"]
    period = monitor(scene, "EVSE.Power", "Periodic", 60, evse=2)["id"]

    def ids(**payload: Any) -> set[int]:
        scene.mark()
        assert scene.call("GetMonitoringReport", requestId=3, **payload).status == "Accepted"
        return {
            one["id"]
            for each in told(scene, "NotifyMonitoringReport", "monitor", 3)
            for one in each["variableMonitoring"]
        }

    assert ids() == {upper, delta, period}
    assert ids(monitoringCriteria=["ThresholdMonitoring"]) == {upper}
    assert ids(monitoringCriteria=["DeltaMonitoring", "PeriodicMonitoring"]) == {delta, period}
    assert ids(componentVariable=[{"component": component("EVSE", evse=2)}]) == {period}
    none = scene.call(
        "GetMonitoringReport",
        requestId=4,
        componentVariable=[{"component": component("EVSE", evse=2)}],
        monitoringCriteria=["ThresholdMonitoring"],
    )
    assert none.status == "EmptyResultSet"


@versions
def test_a_monitoring_report_comes_in_parts(version: str) -> None:
    """ItemsPerMessage[GetReport] here as well, and a second one during the first is Rejected."""
    scene = a_scene(
        version,
        connectors=3,
        configuration={"DeviceDataCtrlr.ItemsPerMessage[GetReport]": 2},
    )
    for number in (1, 2, 3):
        monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=number)
    scene.mark()
    scene.on("NotifyMonitoringReport", SILENCE)
    assert scene.call("GetMonitoringReport", requestId=1).status == "Accepted"
    assert scene.call("GetMonitoringReport", requestId=2).status == "Rejected"
    scene.on("NotifyMonitoringReport", {})
    scene.reply(scene.sent("NotifyMonitoringReport")[0], {})
    assert len(told(scene, "NotifyMonitoringReport", "monitor", 1)) == 3
    assert len(scene.sent("NotifyMonitoringReport")) == 2


@versions
def test_a_report_shows_a_monitor_as_it_was_set(version: str) -> None:
    """Set, then get."""
    scene = a_scene(version)
    held = monitor(
        scene, "EVSE.Power", "UpperThreshold", 4321, evse=1, severity=7, transaction=True
    )["id"]
    scene.mark()
    scene.call("GetMonitoringReport", requestId=1)
    (one,) = told(scene, "NotifyMonitoringReport", "monitor", 1)
    (shown,) = one["variableMonitoring"]
    shown.pop("eventNotificationType", None)
    assert shown == {
        "id": held,
        "transaction": True,
        "value": 4321.0,
        "type": "UpperThreshold",
        "severity": 7,
    }


@versions
def test_a_monitor_that_is_cleared_fires_no_more(version: str) -> None:
    """N06: Accepted, NotFound, and Rejected for those of the factory, by id."""
    scene = a_scene(version)
    scene.call("SetMonitoringBase", monitoringBase="All")
    held = monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=1)["id"]
    answer = scene.call("ClearVariableMonitoring", id=[held, 77, 1])
    results = answer.payload["clearMonitoringResult"]
    assert [(one["id"], one["status"]) for one in results] == [
        (held, "Accepted"),
        (77, "NotFound"),
        (1, "Rejected"),
    ]
    scene.charge()
    assert events(scene) == []


@versions
def test_monitors_survive_a_loss_of_power(version: str) -> None:
    """Persistent: also over a restart of SimFleet itself."""
    scene = a_scene(version)
    held = monitor(scene, "EVSE.Power", "UpperThreshold", 5000, evse=1)["id"]
    monitor(scene, "EVSE.Problem", "Periodic", 60, evse=1)
    scene.call("SetMonitoringLevel", severity=7)
    other = Scene2(version=version)
    recall(other.station, decode_kept(encode_kept(remember(scene.station))), at_s=other.now_s)
    other.boot()
    assert value(other, "MonitoringCtrlr.ActiveMonitoringLevel") == "7"
    other.charge()
    assert [one["variableMonitoringId"] for one in events(other)] == [held]
    other.run(for_s=60)
    assert len(events(other)) == 2
    scene.cycle_power(for_s=5)
    scene.charge()
    assert held in [one["variableMonitoringId"] for one in events(scene)]
