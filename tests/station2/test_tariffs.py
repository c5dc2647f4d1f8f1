"""Tariffs at the station and the costs it tells of (OCPP 2.1 part 2, I07 to I12)."""

from __future__ import annotations

from typing import Any

import pytest

from builders_device import value
from builders_station2 import OTHER_TAG, TAG, Scene2, accepted
from simfleet.station.events import (
    EvPaused,
    EvResumed,
    LimitChosen,
    StopRequested,
    TariffRefused,
)
from simfleet.station.memory import decode_kept, encode_kept, recall, remember
from simfleet.station.messages import Limit

KWH = {"prices": [{"priceKwh": 0.5}]}
MINUTE = {"prices": [{"priceMinute": 0.1}]}
QUIET = {"MeterValueSampleInterval": "0"}
VAT = [{"type": "vat", "tax": 20.0}]


def tariff(tariff_id: str = "day", **fields: Any) -> dict[str, Any]:
    return {"tariffId": tariff_id, "currency": "EUR", **(fields or {"energy": KWH})}


def a_scene(*, configuration: dict[str, str | int] | None = None, **options: Any) -> Scene2:
    scene = Scene2(version="ocpp2.1", configuration=QUIET | (configuration or {}), **options)
    scene.boot()
    return scene


def set_default(scene: Scene2, evse_id: int = 0, **fields: Any) -> Any:
    return scene.call("SetDefaultTariff", evseId=evse_id, tariff=tariff(**fields))


def installed(scene: Scene2, evse_id: int = 0) -> list[dict[str, Any]]:
    return list(scene.call("GetTariffs", evseId=evse_id).payload.get("tariffAssignments", []))


def cleared(scene: Scene2, **criteria: Any) -> list[tuple[str | None, str]]:
    results = scene.call("ClearTariffs", **criteria).payload["clearTariffsResult"]
    return [(one.get("tariffId"), one["status"]) for one in results]


# ── I07: default tariffs ──────────────────────────────────────────────────────────────────────────


def test_a_tariff_for_evse_0_is_at_every_evse() -> None:
    """I07, I09: set, then get returns what was set."""
    scene = a_scene(connectors=2)
    assert set_default(scene).status == "Accepted"
    assert installed(scene) == [
        {"tariffId": "day", "tariffKind": "DefaultTariff", "evseIds": [1, 2]}
    ]


def test_a_tariff_of_one_evse_replaces_the_one_of_all_there() -> None:
    """I07."""
    scene = a_scene(connectors=2)
    set_default(scene)
    assert set_default(scene, 2, tariff_id="night").status == "Accepted"
    assert {one["tariffId"]: one["evseIds"] for one in installed(scene)} == {
        "day": [1],
        "night": [2],
    }
    assert [one["tariffId"] for one in installed(scene, 2)] == ["night"]


def test_a_tariff_id_is_unique_on_the_station() -> None:
    """I07: DuplicateTariffId, until it is not installed any more."""
    scene = a_scene(connectors=2)
    set_default(scene, 1)
    assert set_default(scene, 2).status == "DuplicateTariffId"
    set_default(scene, 1, tariff_id="night")
    assert set_default(scene, 2).status == "Accepted"


def test_more_prices_than_the_station_takes_are_refused_for_each_field() -> None:
    """I07: TooManyElements counts by field (TC_I_102_CS)."""
    scene = a_scene()
    most = int(value(scene, "TariffCostCtrlr.MaxElements[Tariff]"))
    many = {"prices": [{"priceKwh": 1.0}] * most}
    minutes = {"prices": [{"priceMinute": 1.0}] * most}
    one_more = {"prices": [*many["prices"], {"priceKwh": 1.0}]}
    assert set_default(scene, energy=one_more).status == "TooManyElements"
    assert set_default(scene, energy=many, chargingTime=minutes).status == "Accepted"


def test_a_tariff_needs_prices_and_times_that_can_be_read() -> None:
    """I07: Rejected (TC_I_106_CS)."""
    scene = a_scene()
    none = scene.call("SetDefaultTariff", evseId=0, tariff={"tariffId": "T", "currency": "EUR"})
    assert (none.status, none.payload["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidValue")
    late = {"prices": [{"priceKwh": 1.0, "conditions": {"startTimeOfDay": "25:00"}}]}
    assert set_default(scene, energy=late).status == "Rejected"
    assert installed(scene) == []


def test_an_evse_that_does_not_exist_has_no_tariff() -> None:
    """I07, I09: Rejected."""
    scene = a_scene()
    assert set_default(scene, 2).status == "Rejected"
    assert scene.call("GetTariffs", evseId=2).status == "Rejected"
    assert scene.call("GetTariffs", evseId=1).status == "NoTariff"


def test_a_station_that_knows_no_conditions_says_so() -> None:
    """I07: ConditionNotSupported (TC_I_105_CS)."""
    scene = a_scene(configuration={"TariffCostCtrlr.ConditionsSupported[Tariff]": "false"})
    timed = {"prices": [{"priceKwh": 1.0, "conditions": {"minTime": 60}}]}
    assert set_default(scene, energy=timed).status == "ConditionNotSupported"
    assert set_default(scene).status == "Accepted"


@pytest.mark.parametrize("action", ["SetDefaultTariff", "GetTariffs", "ClearTariffs"])
def test_a_station_that_calculates_no_costs_supports_no_tariffs(action: str) -> None:
    """I07: CALLERROR NotSupported (TC_I_103_CS)."""
    scene = a_scene(configuration={"TariffCostCtrlr.Enabled[Tariff]": "false"})
    more: dict[str, Any] = {} if action == "ClearTariffs" else {"evseId": 1}
    if action == "SetDefaultTariff":
        more["tariff"] = tariff()
    assert scene.call(action, **more).error == "NotSupported"


def test_tariffs_are_of_2_1_alone() -> None:
    """2.0.1 knows no such message."""
    scene = Scene2(version="ocpp2.0.1")
    scene.boot()
    with pytest.raises(KeyError):
        scene.catalog.actions["SetDefaultTariff"]


def test_a_tariff_that_begins_later_waits_for_its_time() -> None:
    """I07: validFrom; until then the one before it goes on."""
    scene = a_scene()
    set_default(scene)
    assert (
        set_default(scene, tariff_id="late", validFrom="2026-03-01T13:00:00Z", energy=KWH).status
        == "Accepted"
    )
    assert [one["tariffId"] for one in installed(scene)] == ["day", "late"]
    scene.charge()
    assert scene.events()[0]["transactionInfo"]["tariffId"] == "day"
    scene.tell(StopRequested())
    scene.run(for_s=3700)
    assert [one["tariffId"] for one in installed(scene)] == ["late"]
    assert installed(scene)[0]["validFrom"] == "2026-03-01T13:00:00Z"


def test_a_tariff_that_began_earlier_does_not_replace_a_later_one() -> None:
    """I07: the later validFrom stays."""
    scene = a_scene()
    set_default(scene, tariff_id="new", validFrom="2026-02-20T00:00:00Z", energy=KWH)
    set_default(scene, tariff_id="old", validFrom="2026-02-10T00:00:00Z", energy=KWH)
    assert [one["tariffId"] for one in installed(scene)] == ["new"]


def test_tariffs_survive_a_reset_and_a_restart_of_all() -> None:
    """I07: they are kept in non-volatile memory (TC_I_106_CS)."""
    scene = a_scene(connectors=2)
    set_default(scene, 2)
    before = installed(scene)
    scene.call("Reset", type="Immediate")
    scene.run(for_s=30)
    assert installed(scene) == before
    kept = decode_kept(encode_kept(remember(scene.station)))
    other = Scene2(version="ocpp2.1", connectors=2)
    recall(other.station, kept, at_s=other.now_s)
    other.boot()
    assert installed(other) == before


# ── I10: clearing ─────────────────────────────────────────────────────────────────────────────────


def test_clearing_reports_on_every_tariff() -> None:
    """I10: all, those of an EVSE, or those of ids; NoTariff without an id when there is none."""
    scene = a_scene(connectors=2)
    assert cleared(scene) == [(None, "NoTariff")]
    set_default(scene)
    set_default(scene, 2, tariff_id="night")
    assert cleared(scene, tariffIds=["day"], evseId=2) == [(None, "NoTariff")]
    assert cleared(scene, tariffIds=["night", "none"]) == [
        ("night", "Accepted"),
        ("none", "NoTariff"),
    ]
    assert cleared(scene, evseId=1) == [("day", "Accepted")]
    assert installed(scene) == []


def test_a_transaction_keeps_a_tariff_that_is_cleared() -> None:
    """I10: it is used until the transaction ends."""
    scene = a_scene()
    set_default(scene)
    scene.charge()
    assert cleared(scene) == [("day", "Accepted")]
    scene.run(for_s=3600)
    scene.tell(StopRequested())
    (ended,) = scene.events("Ended")
    assert ended["costDetails"]["totalCost"]["total"]["exclTax"] == pytest.approx(5.5, abs=0.01)


# ── I12: costs ────────────────────────────────────────────────────────────────────────────────────


def test_the_tariff_is_told_once_and_the_costs_in_full_at_the_end() -> None:
    """I12: transactionInfo.tariffId; costDetails with periods in the Ended event."""
    scene = a_scene()
    fields: dict[str, Any] = {
        "energy": {**KWH, "taxRates": VAT},
        "idleTime": MINUTE,
        "fixedFee": {"prices": [{"priceFixed": 1.0}]},
    }
    set_default(scene, **fields)
    scene.charge()
    scene.run(for_s=1800)
    scene.tell(EvPaused())
    scene.run(for_s=600)
    scene.tell(StopRequested())
    told = [one["transactionInfo"].get("tariffId") for one in scene.events()]
    assert [told[0], told.count("day")] == ["day", 1]
    (ended,) = scene.events("Ended")
    costs = ended["costDetails"]
    total = costs["totalCost"]
    assert (total["currency"], total["typeOfCost"]) == ("EUR", "NormalCost")
    assert total["energy"]["exclTax"] == pytest.approx(2.75, abs=0.001)
    assert total["energy"]["inclTax"] == pytest.approx(3.30, abs=0.001)
    assert total["energy"]["taxRates"] == VAT
    assert total["idleTime"]["exclTax"] == pytest.approx(1.0, abs=0.001)
    assert total["fixed"]["exclTax"] == 1.0
    assert total["total"]["inclTax"] == pytest.approx(5.30, abs=0.001)
    usage = costs["totalUsage"]
    assert usage["energy"] == pytest.approx(5_500, abs=1)
    assert (usage["chargingTime"], usage["idleTime"]) == (2400, 600)
    charging, idle = costs["chargingPeriods"]
    assert charging["startPeriod"] == scene.events()[0]["timestamp"]
    assert {one["type"] for one in idle["dimensions"]} == {"IdleTIme"}


def test_the_running_cost_is_told_at_its_interval_without_periods() -> None:
    """I12, TariffCostCtrlr.Interval[Cost]: TransactionEvent Updated, RunningCost."""
    scene = a_scene(configuration={"TariffCostCtrlr.Interval[Cost]": "300"})
    set_default(scene)
    scene.charge()
    scene.run(for_s=1000)
    costs = [one for one in scene.events() if one["triggerReason"] == "RunningCost"]
    totals = [one["costDetails"]["totalCost"]["total"]["inclTax"] for one in costs]
    assert totals == [pytest.approx(0.5 * 11 * n / 12, abs=0.001) for n in (1, 2, 3)]
    assert all("chargingPeriods" not in one["costDetails"] for one in costs)


@pytest.mark.parametrize(
    "off",
    [{"TariffCostCtrlr.Interval[Cost]": "0"}, {"TariffCostCtrlr.Enabled[RunningCost]": "false"}],
)
def test_no_running_cost_is_told_where_it_is_off(off: dict[str, str | int]) -> None:
    """TariffCostCtrlr.Enabled[RunningCost]; an interval of 0."""
    scene = a_scene(configuration=off)
    set_default(scene)
    scene.charge()
    scene.run(for_s=1000)
    assert "RunningCost" not in scene.triggers()


def test_without_a_tariff_no_costs_are_told() -> None:
    """I12 is for stations that have a tariff."""
    scene = a_scene()
    scene.charge()
    scene.run(for_s=100)
    scene.tell(StopRequested())
    assert not any("costDetails" in one.payload for one in scene.events())


def test_idle_time_before_the_tag_counts() -> None:
    """I12: the account goes back to the beginning of the transaction."""
    scene = a_scene(configuration={"TxCtrlr.TxStartPoint": "EVConnected"})
    set_default(scene, idleTime=MINUTE)
    scene.plug_in()
    scene.run(for_s=600)
    scene.present_tag()
    scene.run(for_s=600)
    scene.tell(StopRequested())
    (ended,) = scene.events("Ended")
    assert ended["costDetails"]["totalUsage"]["idleTime"] == 600
    assert ended["costDetails"]["totalCost"]["total"]["exclTax"] == pytest.approx(1.0, abs=0.01)


def test_a_used_reservation_is_charged_for() -> None:
    """I12: reservationTime from ReserveNow to the start, reservationFixed once (TC_I_120_CS)."""
    scene = a_scene()
    set_default(scene, reservationTime=MINUTE, reservationFixed={"prices": [{"priceFixed": 2.0}]})
    scene.call(
        "ReserveNow",
        id=7,
        expiryDateTime="2026-03-01T18:00:00Z",
        idToken={"idToken": TAG, "type": "ISO14443"},
        evseId=1,
    )
    scene.run(for_s=900)
    scene.charge()
    scene.run(for_s=60)
    scene.tell(StopRequested())
    (ended,) = scene.events("Ended")
    total = ended["costDetails"]["totalCost"]
    assert total["reservationTime"]["exclTax"] == pytest.approx(1.5, abs=0.001)
    assert total["reservationFixed"]["exclTax"] == 2.0
    assert ended["costDetails"]["totalUsage"]["reservationTime"] == 900


def test_costs_survive_a_loss_of_power_without_a_farewell() -> None:
    """The Ended event that is made on recall tells what it had come to."""
    scene = a_scene()
    set_default(scene)
    scene.charge()
    scene.run(for_s=1800)
    scene.call("TriggerMessage", requestedMessage="TransactionEvent", evse={"id": 1})
    kept = decode_kept(encode_kept(remember(scene.station)))
    other = Scene2(version="ocpp2.1")
    other.witness.gaps_allowed = True
    recall(other.station, kept, at_s=other.now_s)
    other.boot()
    (ended,) = other.events("Ended")
    total = ended["costDetails"]["totalCost"]["total"]["exclTax"]
    assert total == pytest.approx(2.75, abs=0.001)


# ── I08: tariffs of drivers ───────────────────────────────────────────────────────────────────────


def driver(scene: Scene2, **fields: Any) -> None:
    """From now on, tags are accepted with that tariff."""
    scene.on("Authorize", **accepted(), tariff=tariff(**fields))


def test_the_tariff_of_the_driver_goes_before_the_default_one() -> None:
    """I08, and I09: it is known by its token, and at the EVSE of its transaction."""
    scene = a_scene(connectors=2, configuration={"AuthCacheCtrlr.Enabled": "true"})
    set_default(scene)
    driver(scene, tariff_id="gold", energy={"prices": [{"priceKwh": 0.1}]})
    scene.charge(2)
    assert scene.events()[0]["transactionInfo"]["tariffId"] == "gold"
    assert installed(scene)[1] == {
        "tariffId": "gold",
        "tariffKind": "DriverTariff",
        "evseIds": [2],
        "idTokens": [TAG],
    }
    assert [one["tariffId"] for one in installed(scene, 1)] == ["day"]


def test_the_tariff_of_the_driver_goes_when_the_transaction_ends_and_nothing_is_cached() -> None:
    """I08: it is used for that transaction alone."""
    scene = a_scene(configuration={"AuthorizationCacheEnabled": "false"})
    driver(scene, tariff_id="gold")
    scene.charge()
    assert [one["tariffId"] for one in installed(scene)] == ["gold"]
    scene.tell(StopRequested())
    assert installed(scene) == []


@pytest.mark.parametrize(("handling", "used"), [("UseDefaultTariff", "day"), ("CentralCost", None)])
def test_a_tariff_that_cannot_be_used_is_handled_as_configured(
    handling: str, used: str | None
) -> None:
    """I08, TariffCostCtrlr.HandleFailedTariff; Problem is true then."""
    scene = a_scene(configuration={"TariffCostCtrlr.HandleFailedTariff[Tariff]": handling})
    set_default(scene)
    driver(scene, tariff_id="odd", energy={"prices": [{"priceKwh": 1.0}] * 30})
    scene.charge()
    assert scene.events()[0]["transactionInfo"].get("tariffId") == used
    assert value(scene, "TariffCostCtrlr.Problem") == "true"


def test_a_tariff_that_cannot_be_used_can_keep_the_driver_out() -> None:
    """I08: Deauthorize."""
    scene = a_scene(configuration={"TariffCostCtrlr.HandleFailedTariff[Tariff]": "Deauthorize"})
    driver(scene, tariff_id="odd", energy={"prices": [{"priceKwh": 1.0}] * 30})
    scene.charge()
    assert scene.events() == []


def test_a_driver_who_does_not_accept_the_tariff_is_deauthorized() -> None:
    """I08: TariffNotAccepted, stoppedReason DeAuthorized."""
    scene = a_scene(configuration={"TxCtrlr.TxStopPoint": "Authorized"})
    set_default(scene)
    scene.charge()
    scene.tell(TariffRefused())
    (ended,) = scene.events("Ended")
    assert ended["triggerReason"] == "TariffNotAccepted"
    assert ended["transactionInfo"]["stoppedReason"] == "DeAuthorized"


# ── I11: another tariff ───────────────────────────────────────────────────────────────────────────


def test_a_transaction_can_be_given_another_tariff() -> None:
    """I11: TransactionEvent TariffChanged with the costs so far; prices count from now on."""
    scene = a_scene()
    set_default(scene)
    scene.charge()
    scene.run(for_s=3600)
    answer = scene.call(
        "ChangeTransactionTariff",
        transactionId=scene.transaction,
        tariff=tariff("peak", energy={"prices": [{"priceKwh": 1.0}]}),
    )
    assert answer.status == "Accepted"
    changed = scene.events()[-1]
    assert changed["triggerReason"] == "TariffChanged"
    assert changed["transactionInfo"]["tariffId"] == "peak"
    assert changed["costDetails"]["totalCost"]["total"]["exclTax"] == pytest.approx(5.5, abs=0.01)
    scene.run(for_s=1800)
    scene.tell(StopRequested())
    (ended,) = scene.events("Ended")
    assert ended["costDetails"]["totalCost"]["total"]["exclTax"] == pytest.approx(11.0, abs=0.01)
    assert [one["tariffId"] for one in ended["costDetails"]["chargingPeriods"]] == ["day", "peak"]


def test_a_transaction_without_a_tariff_can_be_given_one() -> None:
    """I11: from then on the station calculates."""
    scene = a_scene()
    scene.charge()
    scene.run(for_s=60)
    answer = scene.call("ChangeTransactionTariff", transactionId=scene.transaction, tariff=tariff())
    assert answer.status == "Accepted"
    assert scene.events()[-1]["transactionInfo"]["tariffId"] == "day"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"currency": "SEK"}, "NoCurrencyChange"),
        ({"energy": {"prices": [{"priceKwh": 1.0}] * 30}}, "TooManyElements"),
    ],
)
def test_not_every_tariff_can_be_changed_to(fields: dict[str, Any], status: str) -> None:
    """I11."""
    scene = a_scene()
    set_default(scene)
    scene.charge()
    answer = scene.call(
        "ChangeTransactionTariff",
        transactionId=scene.transaction,
        tariff=tariff("peak") | fields,
    )
    assert answer.status == status
    assert "TariffChanged" not in scene.triggers()


def test_a_transaction_that_is_not_there_has_no_tariff() -> None:
    """I11: TxNotFound."""
    scene = a_scene()
    answer = scene.call("ChangeTransactionTariff", transactionId="x", tariff=tariff())
    assert answer.status == "TxNotFound"


# ── E16: limits ───────────────────────────────────────────────────────────────────────────────────


def limit(scene: Scene2, **fields: Any) -> None:
    """The next TransactionEvent is answered with that limit."""
    scene.on("TransactionEvent", {"transactionLimit": fields}, {})


def test_energy_stops_where_the_cost_has_reached_its_limit() -> None:
    """E16: LimitSet, then CostLimitReached with the costs, SuspendedEVSE; to the cent."""
    scene = a_scene()
    set_default(scene, energy={**KWH, "taxRates": VAT})
    limit(scene, maxCost=3.0)
    scene.charge()
    scene.run(for_s=7200)
    assert "LimitSet" in scene.triggers()
    (reached,) = [one for one in scene.events() if one["triggerReason"] == "CostLimitReached"]
    assert reached["transactionInfo"]["chargingState"] == "SuspendedEVSE"
    total = reached["costDetails"]["totalCost"]["total"]
    assert total["inclTax"] == pytest.approx(3.0, abs=0.01)
    assert scene.station.connectors[0].meter.energy_wh == pytest.approx(5_000, abs=10)


def test_a_vehicle_that_resumes_gets_nothing_beyond_the_limit() -> None:
    """E16: idle fees may have used it up."""
    scene = a_scene()
    set_default(scene, idleTime={"prices": [{"priceMinute": 1.0}]})
    limit(scene, maxCost=3.0)
    scene.charge()
    scene.tell(EvPaused())
    scene.run(for_s=600)
    before_wh = scene.station.connectors[0].meter.energy_wh
    scene.tell(EvResumed())
    scene.run(for_s=600)
    assert scene.station.connectors[0].meter.energy_wh == pytest.approx(before_wh)
    assert scene.triggers().count("CostLimitReached") == 1


def test_a_higher_limit_lets_energy_flow_again() -> None:
    """E16: the CSMS may raise it."""
    scene = a_scene()
    set_default(scene)
    limit(scene, maxCost=1.0)
    scene.charge()
    scene.run(for_s=1800)
    assert scene.events()[-1]["transactionInfo"].get("chargingState") != "Charging"
    limit(scene, maxCost=100.0)
    scene.call("TriggerMessage", requestedMessage="TransactionEvent", evse={"id": 1})
    scene.run(for_s=60)
    assert "Charging" in scene.states()[-3:]


def test_the_costs_of_the_csms_count_where_the_station_knows_none() -> None:
    """I02, E16: totalCost in an answer, or CostUpdated."""
    scene = a_scene()
    limit(scene, maxCost=3.0)
    scene.charge()
    scene.run(for_s=60)
    scene.call("CostUpdated", transactionId=scene.transaction, totalCost=2.9)
    assert "CostLimitReached" not in scene.triggers()
    scene.call("CostUpdated", transactionId=scene.transaction, totalCost=3.0)
    assert scene.triggers()[-1] == "CostLimitReached"


@pytest.mark.parametrize(
    ("fields", "trigger", "reason"),
    [
        ({"maxEnergy": 1000}, "EnergyLimitReached", "EnergyLimitReached"),
        ({"maxTime": 600}, "TimeLimitReached", "TimeLimitReached"),
        ({"maxSoC": 25}, "SoCLimitReached", "SOCLimitReached"),
        ({"maxCost": 1.0}, "CostLimitReached", "LocalOutOfCredit"),
    ],
)
def test_a_limit_ends_the_transaction_where_energy_is_its_stop_point(
    fields: dict[str, Any], trigger: str, reason: str
) -> None:
    """E16 with TxStopPoint EnergyTransfer: the limit is the trigger, and the stoppedReason."""
    points: dict[str, str | int] = {"TxCtrlr.TxStopPoint": "EnergyTransfer"}
    scene = a_scene(configuration=points)
    set_default(scene)
    limit(scene, **fields)
    scene.charge(soc=0.2)
    scene.run(for_s=7200)
    (ended,) = scene.events("Ended")
    assert ended["triggerReason"] == trigger
    assert ended["transactionInfo"]["stoppedReason"] == reason


def test_a_driver_can_choose_a_limit() -> None:
    """E16: LimitSet with the limit."""
    scene = a_scene()
    set_default(scene)
    scene.charge(tag=OTHER_TAG)
    scene.tell(LimitChosen(limit=Limit(cost=1.0)))
    chosen = scene.events()[-1]
    assert chosen["triggerReason"] == "LimitSet"
    assert chosen["transactionInfo"]["transactionLimit"] == {"maxCost": 1.0}
    scene.run(for_s=3600)
    assert "CostLimitReached" in scene.triggers()
