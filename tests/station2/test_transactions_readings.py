"""Meter values of transactions in OCPP 2.0.1 and 2.1 (block J)."""

from __future__ import annotations

import itertools
from typing import Any

from builders_station2 import Payload, Scene2, Sent, samples_of, versions, wall_of

pytestmark = versions
REGISTER = "Energy.Active.Import.Register"
START = "TxCtrlr.TxStartPoint"
STOP = "TxCtrlr.TxStopPoint"


def scene_of(version: str, configuration: dict[str, str], **more: Any) -> Scene2:
    scene = Scene2(version=version, configuration=configuration, **more)
    scene.boot()
    scene.mark()
    return scene


def values_of(sent: Sent, context: str) -> list[Payload]:
    """The meter values of an event in a context."""
    return [
        value
        for value in sent.payload.get("meterValue", [])
        if value["sampledValue"][0].get("context", "Sample.Periodic") == context
    ]


def test_started_and_ended_have_their_own_measurands_and_contexts(version: str) -> None:
    """J02: TxStartedMeasurands with Transaction.Begin, TxEndedMeasurands with Transaction.End."""
    scene = scene_of(
        version,
        {
            "SampledDataCtrlr.TxStartedMeasurands": f"{REGISTER},Voltage",
            "SampledDataCtrlr.TxEndedMeasurands": f"{REGISTER},Power.Active.Import",
            "MeterValueSampleInterval": "0",
        },
        register_wh=1234.0,
    )
    scene.charge()
    scene.run(for_s=3600)
    scene.present_tag()
    (begin,) = values_of(scene.events("Started")[0], "Transaction.Begin")
    assert set(samples_of(begin)) == {REGISTER, "Voltage"}
    assert samples_of(begin)[REGISTER] == 1234
    (end,) = values_of(scene.events("Ended")[0], "Transaction.End")
    assert set(samples_of(end)) == {REGISTER, "Power.Active.Import"}
    assert samples_of(end)[REGISTER] > 11_000


def test_the_last_event_brings_the_first_reading_too(version: str) -> None:
    """TxEndedInterval 0: the values at the start and at the end of the transaction."""
    scene = scene_of(version, {"MeterValueSampleInterval": "0"})
    scene.charge()
    scene.run(for_s=600)
    scene.present_tag()
    ended = scene.events("Ended")[0]
    (begin,) = values_of(ended, "Transaction.Begin")
    assert samples_of(begin)[REGISTER] == 0
    assert begin["timestamp"] == scene.events("Started")[0]["timestamp"]
    assert len(ended["meterValue"]) == 2


def test_the_last_event_brings_samples_of_its_own_interval(version: str) -> None:
    """TxEndedInterval: Sample.Periodic between the first and the last."""
    scene = scene_of(
        version, {"SampledDataCtrlr.TxEndedInterval": "60", "MeterValueSampleInterval": "0"}
    )
    scene.charge()
    scene.run(for_s=300)
    scene.present_tag()
    periodic = values_of(scene.events("Ended")[0], "Sample.Periodic")
    stamps = [wall_of(value["timestamp"]) for value in periodic]
    assert len(stamps) == 5
    assert {b - a for a, b in itertools.pairwise(stamps)} == {60.0}
    registers = [samples_of(value)[REGISTER] for value in periodic]
    assert registers == sorted(registers)
    assert scene.triggers().count("MeterValuePeriodic") == 0


def test_the_last_event_brings_samples_by_the_clock(version: str) -> None:
    """AlignedDataCtrlr.TxEndedInterval: Sample.Clock on multiples since midnight."""
    scene = scene_of(
        version,
        {"AlignedDataCtrlr.TxEndedInterval": "300", "MeterValueSampleInterval": "0"},
    )
    scene.run(for_s=100)
    scene.charge()
    scene.run(for_s=900)
    scene.present_tag()
    stamps = [
        wall_of(value["timestamp"]) for value in values_of(scene.events("Ended")[0], "Sample.Clock")
    ]
    assert len(stamps) == 3
    assert all(stamp % 300 == 0 for stamp in stamps)


def test_without_measurands_an_event_has_no_meter_value(version: str) -> None:
    """J02: an empty list."""
    scene = scene_of(
        version,
        {
            "SampledDataCtrlr.TxStartedMeasurands": "",
            "SampledDataCtrlr.TxEndedMeasurands": "",
            "MeterValueSampleInterval": "0",
        },
    )
    scene.charge()
    scene.present_tag()
    assert all("meterValue" not in one.payload for one in scene.events())


def test_samples_come_in_the_interval_from_the_start_of_the_transaction(version: str) -> None:
    """J02.FR.02: TxUpdatedInterval; exactly one interval apart, also when a tick is late."""
    scene = scene_of(version, {"MeterValueSampleInterval": "10"})
    scene.charge()
    began = scene.events("Started")[0].wall_s
    scene.run(for_s=25)
    scene.sleep(for_s=27)
    stamps = [one.wall_s for one in scene.events() if one["triggerReason"] == "MeterValuePeriodic"]
    assert stamps == [began + 10 * n for n in range(1, 6)]


def test_a_transaction_is_sampled_before_the_tag_and_after_the_stop(version: str) -> None:
    """J02: during the transaction, be there energy or not."""
    scene = scene_of(
        version, {"MeterValueSampleInterval": "10", START: "EVConnected", STOP: "EVConnected"}
    )
    scene.plug_in()
    scene.run(for_s=25)
    assert scene.triggers().count("MeterValuePeriodic") == 2
    scene.present_tag()
    scene.run(for_s=10)
    assert scene.triggers().count("MeterValuePeriodic") == 3
    scene.present_tag()
    scene.run(for_s=20)
    assert scene.triggers().count("MeterValuePeriodic") == 5
    scene.unplug()
    scene.run(for_s=100)
    assert scene.triggers().count("MeterValuePeriodic") == 5


def test_numbers_are_numbers_and_units_stand_apart(version: str) -> None:
    """2.x: value is a number, unitOfMeasure an object."""
    scene = scene_of(version, {"MeterValueSampleInterval": "10"})
    scene.charge()
    scene.run(for_s=11)
    (value,) = values_of(scene.events()[-1], "Sample.Periodic")
    by_name = {one["measurand"]: one for one in value["sampledValue"] if "measurand" in one}
    power = by_name["Power.Active.Import"]
    assert isinstance(power["value"], float | int)
    assert power.get("unitOfMeasure", {}).get("unit") == "W"


def test_the_clock_aligned_reading_of_a_transaction_is_an_event(version: str) -> None:
    """J01.FR.14: MeterValueClock in TransactionEvent, MeterValues for the idle EVSE and evse 0."""
    scene = scene_of(
        version,
        {"ClockAlignedDataInterval": "60", "MeterValueSampleInterval": "0"},
        connectors=2,
    )
    scene.charge(1)
    scene.run(for_s=61)
    assert [one["evseId"] for one in scene.sent("MeterValues")] == [0, 2]
    clock = [one for one in scene.events() if one["triggerReason"] == "MeterValueClock"]
    assert len(clock) == 1
    assert clock[0].wall_s % 60 == 0
    assert values_of(clock[0], "Sample.Clock")


def test_a_transaction_without_a_tag_has_its_clock_aligned_readings(version: str) -> None:
    """J01: it is the transaction that counts, not the energy."""
    scene = scene_of(
        version,
        {
            "ClockAlignedDataInterval": "60",
            "MeterValueSampleInterval": "0",
            START: "EVConnected",
        },
    )
    scene.plug_in()
    scene.run(for_s=61)
    assert [one["evseId"] for one in scene.sent("MeterValues")] == [0]
    assert scene.triggers() == ["CablePluggedIn", "MeterValueClock"]


def test_send_during_idle_means_only_then(version: str) -> None:
    """AlignedDataCtrlr.SendDuringIdle: nothing by the clock while a transaction runs."""
    scene = scene_of(
        version,
        {
            "ClockAlignedDataInterval": "60",
            "MeterValueSampleInterval": "0",
            "AlignedDataCtrlr.SendDuringIdle": "true",
        },
        connectors=2,
    )
    scene.run(for_s=61)
    assert [one["evseId"] for one in scene.sent("MeterValues")] == [0, 1, 2]
    scene.mark()
    scene.charge(1)
    scene.run(for_s=120)
    assert scene.sent("MeterValues") == []
    assert "MeterValueClock" not in scene.triggers()


def test_the_register_never_goes_down(version: str) -> None:
    """The register in all events of two transactions, over a loss of power."""
    scene = scene_of(version, {"MeterValueSampleInterval": "30"}, register_wh=500.0)
    scene.charge()
    scene.run(for_s=200)
    scene.cycle_power(for_s=5)
    scene.run(for_s=10)
    scene.unplug()
    scene.charge()
    scene.run(for_s=100)
    registers = [
        samples_of(value)[REGISTER]
        for one in scene.events()
        for value in one.payload.get("meterValue", [])[-1:]
    ]
    assert registers == sorted(registers)
    assert registers[0] == 500
