"""Every built-in model: a device that looks real, boots, charges and stops, and breaks no rule."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import trio
from msgspec.structs import replace

from builders_fleet import QUICK, a_fleet
from simfleet.fleet.orders import Mode
from simfleet.fleet.plan import ChargerPlan
from simfleet.models.catalogue import built_in
from simfleet.models.schema import MODEL_NAME

if TYPE_CHECKING:
    from trio.testing import MockClock

    from builders_fleet import Fleet, Seen

NAMES = built_in().names
MODELS = {name: built_in().find(name) for name in NAMES}


def plans_of(name: str) -> list[ChargerPlan]:
    model = MODELS[name]
    spec = replace(model.spec(), habits=QUICK)
    return [ChargerPlan(f"CP-{n:04}", n, 7, "models", spec, model.factory()) for n in range(2)]


def registers(call: Seen) -> list[dict[str, str]]:
    return [
        sampled
        for value in call.payload["meterValue"]
        for sampled in value["sampledValue"]
        if sampled.get("measurand", "").startswith("Energy") or "measurand" not in sampled
    ]


def test_there_are_enough_models_of_enough_brands() -> None:
    assert len(NAMES) >= 14
    assert len({name.partition("/")[0] for name in NAMES}) >= 7
    assert len({model.words.nameplate.vendor for model in MODELS.values()}) >= 7


def test_the_powers_of_the_street_are_there() -> None:
    powers = {
        (outlet.kind, outlet.max_power_w / 1000)
        for model in MODELS.values()
        for outlet in model.words.connectors
    }
    assert {("AC", 3.7), ("AC", 7.4), ("AC", 11), ("AC", 22)} <= powers
    assert {("DC", power) for power in (50, 75, 150, 180, 300, 400)} <= powers
    assert {len(model.words.connectors) for model in MODELS.values()} == {1, 2, 3, 4}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_named_after_its_folder_and_says_what_it_is(name: str) -> None:
    words = MODELS[name].words
    assert re.fullmatch(MODEL_NAME, name)
    assert words.nameplate.vendor.lower().startswith(name.partition("-")[0].partition("/")[0])
    assert words.about.endswith(".")
    assert len(words.nameplate.vendor) <= 20
    assert len(words.nameplate.model) <= 20
    assert all(why.endswith(".") for why in words.quirks.present().values())


def test_two_models_never_look_alike_in_a_boot_notification() -> None:
    plates = [(m.words.nameplate.vendor, m.words.nameplate.model) for m in MODELS.values()]
    assert len(set(plates)) == len(plates)


@pytest.mark.parametrize("name", NAMES)
async def test_a_model_boots_charges_and_stops_with_balanced_books(
    name: str, autojump_clock: MockClock
) -> None:
    model = MODELS[name]
    async with a_fleet(plans=plans_of(name)) as fleet:
        await fleet.settle(2, Mode.CHARGING)
        await fleet.until(lambda: fleet.wire.count("StopTransaction") >= 2)
        await fleet.stop()
        await trio.sleep(1)
        if model.quirks is None or not model.quirks.registers_mislead:
            fleet.assert_balanced()
        else:
            assert_balanced_but_for_registers(fleet)
        booted = fleet.wire.of("CP-0000", "BootNotification")[0].payload
        plate = model.words.nameplate
        assert (booted["chargePointVendor"], booted["chargePointModel"]) == (
            plate.vendor,
            plate.model,
        )
        assert booted["firmwareVersion"] == plate.firmware_version
        for field, given in (
            ("iccid", plate.iccid),
            ("imsi", plate.imsi),
            ("meterType", plate.meter_type),
            ("meterSerialNumber", plate.meter_serial_number),
        ):
            assert (field in booted) == bool(given), field
        other = fleet.wire.of("CP-0001", "BootNotification")[0].payload
        assert other["chargePointSerialNumber"] != booted["chargePointSerialNumber"]


def assert_balanced_but_for_registers(fleet: Fleet) -> None:
    """As `assert_balanced`, with a CSMS that takes misleading numbers at their word."""
    books: dict[str, Any] = fleet.ledger.snapshot()
    ledger: dict[str, Any] = fleet.csms.ledger()
    assert books["faults"] == []
    opened = books["transactions_opened"]
    assert books["transactions_closed"] == opened == ledger["starts"] == ledger["stops"] > 0
    assert abs(books["energy_wh"] - ledger["energy_wh"]) <= opened
    for name in ("transactions_open", "stop_unknown", "violations", "overlapping_calls"):
        assert ledger[name] == 0, (name, ledger)
    assert fleet.recorder.counters.crashes.total == 0


@pytest.mark.parametrize("name", NAMES)
async def test_a_model_samples_what_it_is_set_to(name: str, autojump_clock: MockClock) -> None:
    model = MODELS[name]
    async with a_fleet(plans=plans_of(name)) as fleet:
        await fleet.settle(1, Mode.CHARGING)
        interval_s = int(model.factory().values["MeterValueSampleInterval"])
        await fleet.until(lambda: fleet.wire.count("MeterValues") >= 1, within_s=interval_s + 7200)
        (first, *_) = fleet.wire.of("CP-0000", "MeterValues")
        assert registers(first), first.payload
        await fleet.stop()


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_key_of_a_model_shows_up_in_get_configuration(name: str) -> None:
    model = MODELS[name]
    factory = model.factory()
    for key, value in model.words.configuration.items():
        assert factory.values[key].lower() == value.lower(), key
    for key in model.words.vendor_keys:
        assert key in factory.keys
    assert factory.values["NumberOfConnectors"] == str(len(model.words.connectors))
