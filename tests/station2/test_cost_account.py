"""The account of a transaction: the running cost is what it would be if somebody stood by with a
stopwatch (OCPP 2.1 I12).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle_cost import Oracle
from simfleet.ocpp.v21 import messages as v21
from simfleet.station.connector import Connector
from simfleet.station.cost_account import Account
from simfleet.station.dialects.v21_tariffs import read_tariff
from simfleet.station.meter import ElectricalSpec, Meter
from simfleet.station.phase import Phase
from simfleet.station.vehicle import Vehicle, VehicleSpec

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp()
"""A Sunday."""
CAR = VehicleSpec("small car", 9_000, 11_000, 50_000)
KINDS = {
    "AC": ElectricalSpec.of("AC", max_power_w=11_000),
    "DC": ElectricalSpec.of("DC", max_power_w=40_000),
}


def tariff_of(**fields: Any) -> dict[str, Any]:
    """A tariff as it is on the wire."""
    return {"tariffId": "T", "currency": "EUR", **fields}


def read(tariff: dict[str, Any]) -> Any:
    return read_tariff(msgspec.convert(tariff, v21.Tariff))


def a_session(
    tariff: dict[str, Any], *, kind: str = "AC", soc: float = 0.2, start_wall_s: float = NOON
) -> tuple[Connector, Account, Oracle]:
    """A vehicle charges, and two accounts are kept of it."""
    spec = KINDS[kind]
    connector = Connector(1, Meter(spec))
    connector.plugged = True
    connector.phase = Phase.CHARGING
    connector.vehicle = Vehicle(CAR, soc=soc, kind=spec.kind)
    account = Account(read(tariff), start_s=0.0, wall_offset_s=start_wall_s, kind=kind)
    account.begin()
    connector.account = account
    oracle = Oracle(tariff, Meter(spec), Vehicle(CAR, soc=soc, kind=spec.kind), start_wall_s)
    return connector, account, oracle


def go_on(
    connector: Connector, oracle: Oracle, *, at_s: float, for_s: float, offer_w: float
) -> float:
    """So much is on offer for a while; returns the time then."""
    connector.meter_to(at_s)
    connector.phase = Phase.CHARGING if offer_w else Phase.SUSPENDED_EVSE
    connector.offer(offer_w, at_s=at_s)
    oracle.offered_w = offer_w
    oracle.run(for_s)
    connector.meter_to(at_s + for_s)
    return at_s + for_s


def test_energy_costs_its_price_per_kwh() -> None:
    """TariffEnergyPriceType.priceKwh, without tax."""
    connector, account, oracle = a_session(tariff_of(energy={"prices": [{"priceKwh": 0.5}]}))
    go_on(connector, oracle, at_s=0.0, for_s=1800.0, offer_w=6_000.0)
    excl, incl, kind = account.total()
    assert connector.meter.energy_wh == pytest.approx(3_000.0)
    assert (excl, incl) == pytest.approx((1.5, 1.5))
    assert kind == "NormalCost"


def test_taxes_are_stacked() -> None:
    """TaxRateType: stack 1 is on top of the price with the taxes of stack 0."""
    rates = [
        {"type": "state", "tax": 10.0},
        {"type": "city", "tax": 5.0},
        {"type": "vat", "tax": 20.0, "stack": 1},
    ]
    tariff = tariff_of(fixedFee={"prices": [{"priceFixed": 10.0}], "taxRates": rates})
    _, account, _ = a_session(tariff)
    excl, incl, _ = account.total()
    assert (excl, incl) == pytest.approx((10.0, 10.0 * 1.15 * 1.2))


def test_only_the_first_price_that_applies_is_charged() -> None:
    """Of several prices in a field the first whose conditions hold."""
    prices = [{"priceKwh": 0.2, "conditions": {"maxEnergy": 1000}}, {"priceKwh": 0.6}]
    connector, account, oracle = a_session(tariff_of(energy={"prices": prices}))
    go_on(connector, oracle, at_s=0.0, for_s=1800.0, offer_w=6_000.0)
    assert account.total()[0] == pytest.approx(0.2 + 2 * 0.6)


def test_idle_time_is_what_is_not_charging_time() -> None:
    """I12: idle is the time of the transaction in which no energy flows."""
    tariff = tariff_of(
        chargingTime={"prices": [{"priceMinute": 0.1}]}, idleTime={"prices": [{"priceMinute": 1.0}]}
    )
    connector, account, oracle = a_session(tariff)
    now_s = go_on(connector, oracle, at_s=0.0, for_s=600.0, offer_w=6_000.0)
    go_on(connector, oracle, at_s=now_s, for_s=300.0, offer_w=0.0)
    assert account.total()[0] == pytest.approx(10 * 0.1 + 5 * 1.0)
    assert (account.charging_s, account.idle_s) == pytest.approx((600.0, 300.0))


def test_a_full_vehicle_is_idle() -> None:
    """Energy that does not flow is not charged for as charging time, whatever is on offer."""
    tariff = tariff_of(idleTime={"prices": [{"priceMinute": 1.0}]})
    connector, account, oracle = a_session(tariff, soc=1.0)
    go_on(connector, oracle, at_s=0.0, for_s=120.0, offer_w=6_000.0)
    assert account.total()[0] == pytest.approx(2.0)


def test_a_vehicle_that_has_become_full_is_idle_from_then_on() -> None:
    """Also where rounding has left a hair's breadth to full."""
    tariff = tariff_of(
        energy={"prices": [{"priceKwh": 0.01}]}, idleTime={"prices": [{"priceMinute": 0.01}]}
    )
    connector, account, oracle = a_session(tariff, soc=0.8)
    now_s = go_on(connector, oracle, at_s=0.0, for_s=129.0, offer_w=11_000.0)
    now_s = go_on(connector, oracle, at_s=now_s, for_s=581.0, offer_w=7_400.0)
    go_on(connector, oracle, at_s=now_s, for_s=581.0, offer_w=7_400.0)
    assert account.total()[0] == pytest.approx(oracle.excl, abs=0.001)


@pytest.mark.parametrize(
    ("conditions", "minutes"),
    [
        ({"startTimeOfDay": "12:10", "endTimeOfDay": "12:25"}, 15),
        ({"startTimeOfDay": "12:30", "endTimeOfDay": "12:20"}, 20 + 30),
        ({"startTimeOfDay": "00:00", "endTimeOfDay": "00:00"}, 60),
        ({"endTimeOfDay": "12:05"}, 5),
        ({"dayOfWeek": ["Sunday"]}, 60),
        ({"dayOfWeek": ["Monday", "Saturday"]}, 0),
        ({"validFromDate": "2026-03-01", "validToDate": "2026-03-02"}, 60),
        ({"validToDate": "2026-03-01"}, 0),
        ({"minTime": 1200}, 40),
        ({"maxChargingTime": 900}, 15),
        ({"minIdleTime": 1}, 0),
        ({"evseKind": "DC"}, 0),
        ({"minPower": 5_000, "maxPower": 6_001}, 60),
        ({"minPower": 6_001}, 0),
        ({"minPower": -10, "maxPower": -50_000}, 0),
        ({"minEnergy": 1_500, "maxEnergy": 3_000}, 15),
    ],
)
def test_a_price_applies_while_its_conditions_hold(conditions: Any, minutes: float) -> None:
    """TariffConditionsType, from noon to one o'clock on a Sunday with 6 kW."""
    prices = [{"priceMinute": 1.0, "conditions": conditions}]
    connector, account, oracle = a_session(tariff_of(chargingTime={"prices": prices}), soc=0.1)
    go_on(connector, oracle, at_s=0.0, for_s=3600.0, offer_w=6_000.0)
    assert account.total()[0] == pytest.approx(minutes, abs=1e-3)
    assert oracle.excl == pytest.approx(minutes, abs=0.02)


@pytest.mark.parametrize("level_w", [8_000, 15_000, 20_000, 30_000])
def test_a_price_changes_where_the_power_of_the_vehicle_falls_below_its_bound(
    level_w: int,
) -> None:
    """minPower, in the course of a DC session that tapers off."""
    prices = [{"priceMinute": 5.0, "conditions": {"minPower": level_w}}]
    tariff = tariff_of(chargingTime={"prices": prices})
    connector, account, oracle = a_session(tariff, kind="DC", soc=0.5)
    go_on(connector, oracle, at_s=0.0, for_s=1800.0, offer_w=40_000.0)
    assert account.total()[0] > 1.0
    assert account.total()[0] == pytest.approx(oracle.excl, abs=0.03)  # a tick is 0.02


def test_midnight_is_another_day() -> None:
    """dayOfWeek, from half past eleven in the evening of a Sunday."""
    prices = [{"priceMinute": 1.0, "conditions": {"dayOfWeek": ["Monday"]}}]
    tariff = tariff_of(idleTime={"prices": prices})
    connector, account, oracle = a_session(tariff, start_wall_s=NOON + 11.5 * 3600)
    go_on(connector, oracle, at_s=0.0, for_s=3600.0, offer_w=0.0)
    assert account.total()[0] == pytest.approx(30.0, abs=1e-3)


def test_what_flows_out_of_the_vehicle_has_prices_of_its_own() -> None:
    """TariffConditionsType: negative bounds are about discharging, the nearer to zero is min."""
    giver = msgspec.structs.replace(CAR, max_discharge_w=5_000.0)
    prices = [
        {"priceKwh": 1.0, "conditions": {"minPower": -1_000, "maxPower": -10_000}},
        {"priceKwh": 0.4},
    ]
    connector, account, _ = a_session(tariff_of(energy={"prices": prices}))
    connector.vehicle = Vehicle(giver, soc=0.9, kind="AC")
    connector.offer(-5_000.0, at_s=0.0)
    connector.meter_to(1800.0)
    assert connector.meter.exported_wh == pytest.approx(2_500.0)
    assert account.total()[0] == pytest.approx(-2.5)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"minCost": {"exclTax": 5.0}}, (5.0, 6.0, "MinCost")),
        ({"maxCost": {"exclTax": 1.0, "inclTax": 1.1}}, (1.0, 1.1, "MaxCost")),
        ({"maxCost": {"inclTax": 1.2}}, (1.0, 1.2, "MaxCost")),
        (
            {"minCost": {"inclTax": 5.5, "taxRates": [{"type": "vat", "tax": 10.0}]}},
            (5.0, 5.5, "MinCost"),
        ),
        ({"minCost": {"exclTax": 1.0}, "maxCost": {"exclTax": 4.0}}, (3.0, 3.6, "NormalCost")),
    ],
)
def test_costs_stay_between_the_least_and_the_most(bounds: Any, expected: Any) -> None:
    """minCost and maxCost, without or with tax; here 3.00 with 20 % on it."""
    fee = {"prices": [{"priceFixed": 3.0}], "taxRates": [{"type": "vat", "tax": 20.0}]}
    _, account, _ = a_session(tariff_of(fixedFee=fee, **bounds))
    excl, incl, kind = account.total()
    assert (excl, incl) == pytest.approx(expected[:2])
    assert kind == expected[2]


def test_a_reservation_costs_by_the_minute_and_once() -> None:
    """reservationTime and reservationFixed; the time before the transaction counts."""
    tariff = tariff_of(
        reservationFixed={"prices": [{"priceFixed": 2.0}]},
        reservationTime={
            "prices": [{"priceMinute": 0.1, "conditions": {"startTimeOfDay": "11:50"}}]
        },
    )
    _, account, _ = a_session(tariff)
    account.reserve(NOON - 1800.0, NOON)
    assert account.total()[0] == pytest.approx(2.0 + 10 * 0.1)
    assert account.reserved_s == pytest.approx(1800.0)


def test_another_tariff_costs_from_its_moment_on() -> None:
    """I11: nothing is reckoned anew, and the change begins a new period."""
    first = tariff_of(energy={"prices": [{"priceKwh": 0.5}]})
    second = tariff_of(energy={"prices": [{"priceKwh": 1.0}]}) | {"tariffId": "U"}
    connector, account, oracle = a_session(first)
    now_s = go_on(connector, oracle, at_s=0.0, for_s=1800.0, offer_w=6_000.0)
    account.use(read(second))
    oracle.use(second)
    go_on(connector, oracle, at_s=now_s, for_s=1200.0, offer_w=6_000.0)
    assert account.total()[0] == pytest.approx(1.5 + 2.0)
    periods = account.bill(with_periods=True).periods
    assert [one.tariff_id for one in periods] == ["T", "U"]
    assert [one.energy_wh for one in periods] == [pytest.approx(3_000.0), pytest.approx(2_000.0)]
    assert periods[1].start_wall_s == pytest.approx(NOON + 1800.0)


def test_the_parts_of_a_bill_add_up_to_its_total() -> None:
    """CostDetailsType.totalCost: total is the sum of the parts, as they are told."""
    tariff = tariff_of(
        energy={"prices": [{"priceKwh": 0.3333}], "taxRates": [{"type": "vat", "tax": 19.0}]},
        idleTime={"prices": [{"priceMinute": 0.0777}]},
        fixedFee={"prices": [{"priceFixed": 0.35}]},
    )
    connector, account, oracle = a_session(tariff)
    now_s = go_on(connector, oracle, at_s=0.0, for_s=777.0, offer_w=6_000.0)
    go_on(connector, oracle, at_s=now_s, for_s=111.0, offer_w=0.0)
    bill = account.bill(with_periods=False)
    assert bill.total_excl_tax == round(sum(one.excl_tax for one in bill.costs.values()), 4)
    assert bill.total_incl_tax == round(sum(one.incl_tax for one in bill.costs.values()), 4)
    assert bill.total_incl_tax == pytest.approx(oracle.incl, abs=0.01)


# ── against the oracle ────────────────────────────────────────────────────────────────────────────

BOUNDS: dict[str, st.SearchStrategy[Any]] = {
    "startTimeOfDay": st.sampled_from(["12:07", "12:20", "11:30"]),
    "endTimeOfDay": st.sampled_from(["12:13", "12:40", "00:00"]),
    "dayOfWeek": st.sampled_from([["Sunday"], ["Monday"]]),
    "minEnergy": st.integers(0, 3_000),
    "maxEnergy": st.integers(300, 5_000),
    "minPower": st.sampled_from([1_000, 4_321, 9_999]),
    "maxPower": st.sampled_from([3_000, 8_765, 20_000]),
    "minCurrent": st.sampled_from([5.5, 21.0]),
    "maxCurrent": st.sampled_from([17.0, 45.0, 90.0]),
    "minTime": st.integers(0, 1_200),
    "maxTime": st.integers(60, 1_800),
    "minChargingTime": st.integers(0, 600),
    "maxChargingTime": st.integers(60, 1_200),
    "minIdleTime": st.integers(0, 300),
    "maxIdleTime": st.integers(60, 600),
}
# One or two at a time: more hardly ever hold together.
CONDITIONS = st.lists(st.sampled_from(sorted(BOUNDS)), min_size=1, max_size=2, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: BOUNDS[name] for name in names})
)


def prices_of(field: str, most: float) -> st.SearchStrategy[dict[str, Any]]:
    """Up to two prices with conditions, and perhaps one without."""
    price = st.floats(0.01, most).map(lambda amount: round(amount, 3))
    conditional = st.fixed_dictionaries({field: price, "conditions": CONDITIONS})
    plain = st.fixed_dictionaries({field: price})
    tax = st.fixed_dictionaries(
        {"type": st.just("vat"), "tax": st.sampled_from([7.0, 19.0]), "stack": st.integers(0, 1)}
    )
    prices = st.tuples(st.lists(conditional, max_size=2), st.lists(plain, max_size=1)).map(
        lambda both: [*both[0], *both[1]]
    )
    return st.fixed_dictionaries(
        {"prices": prices.filter(bool)},
        optional={"taxRates": st.lists(tax, min_size=1, max_size=2)},
    )


TARIFFS = st.fixed_dictionaries(
    {"tariffId": st.just("T"), "currency": st.just("EUR"), "energy": prices_of("priceKwh", 0.5)},
    optional={
        "chargingTime": prices_of("priceMinute", 0.1),
        "idleTime": prices_of("priceMinute", 0.1),
    },
)
STRETCHES = st.lists(
    st.tuples(
        st.integers(30, 900).map(float),
        st.sampled_from([0.0, 1_500.0, 4_200.0, 7_400.0, 11_000.0, 40_000.0]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=120, deadline=None)
@given(
    tariff=TARIFFS,
    stretches=STRETCHES,
    kind=st.sampled_from(["AC", "DC"]),
    soc=st.sampled_from([0.1, 0.55, 0.8]),
)
def test_the_running_cost_is_that_of_a_stopwatch(
    tariff: dict[str, Any], stretches: list[tuple[float, float]], kind: str, soc: float
) -> None:
    """I12: within a cent, for any tariff, whatever is on offer."""
    connector, account, oracle = a_session(tariff, kind=kind, soc=soc)
    now_s = 0.0
    for for_s, offer_w in stretches:
        now_s = go_on(connector, oracle, at_s=now_s, for_s=for_s, offer_w=offer_w)
        assert account.total()[0] == pytest.approx(oracle.excl, abs=0.01)
        assert account.total()[1] == pytest.approx(oracle.incl, abs=0.01)
    assert account.energy_wh == pytest.approx(connector.meter.energy_wh, abs=1e-3)
    assert account.charging_s + account.idle_s == pytest.approx(now_s, abs=1e-3)
    periods = account.bill(with_periods=True).periods
    assert sum(one.energy_wh for one in periods) == pytest.approx(account.energy_wh)


@settings(max_examples=40, deadline=None)
@given(tariff=TARIFFS, limit=st.floats(0.05, 2.0), soc=st.sampled_from([0.1, 0.7]))
def test_a_limit_is_reached_when_it_was_foretold(
    tariff: dict[str, Any], limit: float, soc: float
) -> None:
    """E16: not before, and not a cent later."""
    connector, account, _ = a_session(tariff, soc=soc)
    account.limit = limit
    connector.offer(11_000.0, at_s=0.0)
    until_s = account.seconds_until_spent(connector)
    if until_s > 3 * 3600:
        return
    if until_s > 1.0:
        connector.meter_to(until_s - 0.5)
        assert not account.spent
    connector.meter_to(until_s)
    assert account.spent
    assert account.total()[1] == pytest.approx(limit, abs=0.01)
