"""What a transaction costs, kept to the second by its tariff (OCPP 2.1 I07 to I12).

The account moves ahead of the meter, in steps in which the same prices apply: a step ends where a
condition begins or ceases to hold, and where the power of the vehicle bends. In a step the price is
that of its middle, so that no rounding at its ends can choose another one.

Charging is the time in which energy flows, idle all the rest of the transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from simfleet.station.bill import Bill, Cost, Period
from simfleet.station.cost_flow import Flow
from simfleet.station.tariff import (
    DAY_S,
    PARTS,
    Amount,
    Moment,
    Part,
    Prices,
    Tariff,
    minute_of,
    tax_factor,
)

if TYPE_CHECKING:
    from simfleet.station.connector import Connector

NEVER_S: Final = float("inf")
STEP_MIN_S: Final = 1e-6
"""Boundaries nearer than that are behind us."""
PERIODS_MAX: Final = 200
"""Periods told of a transaction; what comes after them is added to the last."""
HORIZON_S: Final = 14 * DAY_S
"""How far ahead a limit is looked for."""
DECIMALS: Final = 4
_AT_LIMIT: Final = 1e-7

Kind = Literal["NormalCost", "MinCost", "MaxCost"]


class Marks:
    """Where conditions of a tariff begin or cease to hold."""

    __slots__ = (
        "charging_s",
        "currents_a",
        "daily",
        "energies_wh",
        "flows",
        "idle_s",
        "minutes",
        "powers_w",
        "totals_s",
    )

    def __init__(self, tariff: Tariff) -> None:
        found = tuple(tariff.conditions())

        def values(*names: str) -> tuple[float, ...]:
            given = {getattr(one, name) for one in found for name in names}
            return tuple(float(value) for value in given if value is not None)

        self.energies_wh = values("min_energy", "max_energy")
        self.powers_w = values("min_power", "max_power")
        self.currents_a = values("min_current", "max_current")
        self.totals_s = values("min_time", "max_time")
        self.charging_s = values("min_charging_time", "max_charging_time")
        self.idle_s = values("min_idle_time", "max_idle_time")
        times = {one.start_time_of_day for one in found} | {one.end_time_of_day for one in found}
        self.minutes = tuple({minute_of(time) for time in times if time is not None})
        self.daily = any(
            one.day_of_week or one.valid_from_date or one.valid_to_date for one in found
        )
        self.flows = bool(self.powers_w or self.currents_a)
        """Whether the power that flows matters."""

    def next_wall_s(self, wall_s: float) -> float:
        """How long until a time of day, or midnight, that matters."""
        if not self.minutes and not self.daily:
            return NEVER_S
        minutes = {*self.minutes, 0} if self.daily else self.minutes
        into_s = wall_s % DAY_S
        return min((minute * 60 - into_s - STEP_MIN_S) % DAY_S + STEP_MIN_S for minute in minutes)


class Account:
    """The account of one transaction, from `start_s` on (monotonic; + `wall_offset_s`: Unix)."""

    __slots__ = (
        "at_s",
        "brand",
        "charging_s",
        "costs",
        "energy_wh",
        "from_default",
        "idle_s",
        "kind",
        "limit",
        "marks",
        "periods",
        "prices_key",
        "recognition",
        "reserved_s",
        "tariff",
        "told_id",
        "wall_offset_s",
    )

    def __init__(
        self,
        tariff: Tariff,
        *,
        start_s: float,
        wall_offset_s: float,
        kind: str = "AC",
        brand: str | None = None,
        recognition: str | None = None,
    ) -> None:
        self.at_s = start_s
        self.wall_offset_s = wall_offset_s
        self.kind = kind
        self.brand = brand
        self.recognition = recognition
        self.energy_wh = self.charging_s = self.idle_s = self.reserved_s = 0.0
        self.costs: dict[Part, tuple[float, float]] = {}
        """Without and with tax."""
        self.periods: list[Period] = []
        self.prices_key: tuple[object, ...] = ()
        self.limit: float | None = None
        """The cost at which no more energy is given."""
        self.from_default = False
        """The tariff is the default one of the EVSE."""
        self.told_id: str | None = None
        """The tariffId that the CSMS was told last."""
        self.use(tariff)

    def use(self, tariff: Tariff) -> None:
        """From now on that tariff is applied."""
        self.tariff = tariff
        self.marks = Marks(tariff)

    # ── costs that come once ──

    def begin(self) -> None:
        """Charge what is due at the start: the fixed fee."""
        self._charge("fixed_fee", self._start(self.at_s + self.wall_offset_s), 1.0)

    def _start(self, wall_s: float) -> Moment:
        return Moment(wall_s, kind=self.kind, brand=self.brand, recognition=self.recognition)

    def reserve(self, from_wall_s: float, until_wall_s: float) -> None:
        """Charge for the reservation that the transaction has used up. What lasts is reckoned from
        its beginning.
        """
        self._charge("reservation_fixed", self._start(until_wall_s), 1.0)
        total_s = self.reserved_s = max(0.0, until_wall_s - from_wall_s)
        elapsed_s = 0.0
        while total_s - elapsed_s > STEP_MIN_S:
            marks = (*self.marks.totals_s, *self.marks.idle_s)
            ahead = [mark - elapsed_s for mark in marks if mark - elapsed_s > STEP_MIN_S]
            ahead.append(self.marks.next_wall_s(from_wall_s + elapsed_s))
            step_s = min(total_s - elapsed_s, *ahead)
            middle_s = elapsed_s + step_s / 2
            middle = self._start(from_wall_s + middle_s)._replace(idle_s=middle_s)
            self._charge("reservation_time", middle, step_s / 60.0)
            elapsed_s += step_s

    def _charge(self, name: Part, moment: Moment, amount: float) -> int | None:
        """Add so much of what a price is for; returns which price it was."""
        prices: Prices | None = getattr(self.tariff, name)
        index = None if prices is None else prices.applying(moment)
        if prices is None or index is None:
            return None
        cost = prices.prices[index].price * amount
        excl, incl = self.costs.get(name, (0.0, 0.0))
        self.costs[name] = (excl + cost, incl + cost * prices.factor)
        return index

    # ── time that passes ──

    def advance(self, connector: Connector, at_s: float) -> None:
        """Charge for what happens until then. Before the meter of the connector moves."""
        if connector.metered_s > self.at_s:
            self._pass(None, min(connector.metered_s, at_s) - self.at_s)  # it was dark
        if at_s > self.at_s:
            self._pass(Flow.at(connector), at_s - self.at_s)

    def _pass(self, flow: Flow | None, dt_s: float) -> None:
        left_s = dt_s
        while left_s > STEP_MIN_S:
            step_s = self._step_s(flow, left_s)
            self._take(flow, step_s)
            left_s -= step_s
        self.at_s += max(0.0, left_s)

    def _step_s(self, flow: Flow | None, most_s: float) -> float:
        """How long the same prices apply."""
        marks = self.marks
        ahead: list[float] = [marks.next_wall_s(self.at_s + self.wall_offset_s)]
        ahead += [mark - self.charging_s - self.idle_s for mark in marks.totals_s]
        if flow is not None and flow.power_w != 0.0:
            # Rounding can leave a rest of the stretch: without a step over it, a vehicle that is
            # full would seem to go on charging.
            ahead.append(max(flow.until_bend_s(), 2 * STEP_MIN_S))
            ahead += [mark - self.charging_s for mark in marks.charging_s]
            ahead += [flow.until_energy_s(mark - self.energy_wh) for mark in marks.energies_wh]
            ahead += [flow.until_power_s(mark) for mark in marks.powers_w]
            ahead += [flow.until_current_s(mark) for mark in marks.currents_a]
        else:
            ahead += [mark - self.idle_s for mark in marks.idle_s]
        for one_s in ahead:
            if STEP_MIN_S < one_s < most_s:
                most_s = one_s
        return most_s

    def _take(self, flow: Flow | None, step_s: float) -> None:
        """One step in which the same prices apply."""
        charging = flow is not None and flow.power_w != 0.0
        start_wall_s = self.at_s + self.wall_offset_s
        half_s = step_s / 2
        energy_wh = power_w = current_a = middle_wh = 0.0
        ends_w = (0.0, 0.0)
        if charging:
            assert flow is not None
            before_w = flow.power_w
            middle_wh = flow.advance(half_s)
            power_w, current_a = flow.power_w, flow.current_a if self.marks.currents_a else 0.0
            energy_wh = middle_wh + flow.advance(half_s)
            ends_w = (before_w, flow.power_w or power_w)
        moment = Moment(
            start_wall_s + half_s,
            self.kind,
            self.energy_wh + middle_wh,
            power_w,
            current_a,
            self.charging_s + (half_s if charging else 0.0),
            self.idle_s + (0.0 if charging else half_s),
            self.brand,
            self.recognition,
        )
        name: Part = "charging_time" if charging else "idle_time"
        of_energy = self._charge("energy", moment, energy_wh / 1000.0) if charging else None
        of_time = self._charge(name, moment, step_s / 60.0)
        self.energy_wh += energy_wh
        if charging:
            self.charging_s += step_s
        else:
            self.idle_s += step_s
        self.at_s += step_s
        key = (self.tariff.tariff_id, charging, of_energy, of_time)
        self._note(key, start_wall_s, energy_wh, step_s, charging, ends_w)

    def _note(
        self,
        key: tuple[object, ...],
        start_wall_s: float,
        energy_wh: float,
        step_s: float,
        charging: bool,
        ends_w: tuple[float, float],
    ) -> None:
        """Put a step into the period that it belongs to."""
        charging_s, idle_s = (step_s, 0.0) if charging else (0.0, step_s)
        least_w, most_w = (min(ends_w), max(ends_w)) if self.marks.flows else (0.0, 0.0)
        if self.periods and (key == self.prices_key or len(self.periods) >= PERIODS_MAX):
            last = self.periods[-1]
            self.periods[-1] = Period(
                last.start_wall_s,
                last.tariff_id,
                last.energy_wh + energy_wh,
                last.charging_s + charging_s,
                last.idle_s + idle_s,
                min(last.least_w, least_w),
                max(last.most_w, most_w),
            )
            return
        self.prices_key = key
        tariff_id = self.tariff.tariff_id
        self.periods.append(
            Period(start_wall_s, tariff_id, energy_wh, charging_s, idle_s, least_w, most_w)
        )

    # ── what it comes to ──

    def total(self) -> tuple[float, float, Kind]:
        """Without tax, with tax, and whether the least or the most that is charged."""
        excl = sum(cost for cost, _ in self.costs.values())
        incl = sum(cost for _, cost in self.costs.values())
        most, least = self.tariff.max_cost, self.tariff.min_cost
        if most is not None and _compared(most, excl, incl) < 0.0:
            return (*_both(most, excl, incl), "MaxCost")
        if least is not None and _compared(least, excl, incl) > 0.0:
            return (*_both(least, excl, incl), "MinCost")
        return excl, incl, "NormalCost"

    @property
    def spent(self) -> bool:
        """Whether the limit is reached."""
        return self.limit is not None and self.total()[1] >= self.limit - _AT_LIMIT

    def seconds_until_spent(self, connector: Connector) -> float:
        """How long until the limit is reached if all goes on as it does; inf: not soon."""
        if self.limit is None:
            return NEVER_S
        if self.spent:
            return 0.0
        twin, flow = self._twin(), Flow.at(connector)
        took_s = 0.0
        while took_s < HORIZON_S:
            step_s = twin._step_s(flow, HORIZON_S - took_s)
            before, flow_before = twin._twin(), None if flow is None else flow.copy()
            twin._take(flow, step_s)
            if twin.spent:
                return took_s + before._seconds_into(flow_before, step_s)
            took_s += step_s
        return NEVER_S

    def _seconds_into(self, flow: Flow | None, step_s: float) -> float:
        """Where in a step the limit is reached."""
        low_s, high_s = 0.0, step_s
        while high_s - low_s > 1e-4:
            middle_s = (low_s + high_s) / 2
            twin = self._twin()
            twin._take(None if flow is None else flow.copy(), middle_s)
            if twin.spent:
                high_s = middle_s
            else:
                low_s = middle_s
        return high_s

    def _twin(self) -> Account:
        """One that can be let run ahead."""
        twin = Account.__new__(Account)
        for name in Account.__slots__:
            setattr(twin, name, getattr(self, name))
        twin.costs = dict(self.costs)
        twin.periods = self.periods[-1:]
        return twin

    def bill(self, *, with_periods: bool) -> Bill:
        """What is told of it."""
        costs: dict[str, Cost] = {}
        for name in PARTS:
            if name not in self.costs:
                continue
            excl, incl = self.costs[name]
            prices: Prices | None = getattr(self.tariff, name)
            rates = None if prices is None else prices.tax_rates
            costs[name] = Cost(round(excl, DECIMALS), round(incl, DECIMALS), rates)
        excl, incl, kind = self.total()
        if kind == "NormalCost":  # the parts add up to it as they are told
            excl = sum(one.excl_tax for one in costs.values())
            incl = sum(one.incl_tax for one in costs.values())
        return Bill(
            currency=self.tariff.currency,
            kind=kind,
            total_excl_tax=round(excl, DECIMALS),
            total_incl_tax=round(incl, DECIMALS),
            costs=costs,
            energy_wh=self.energy_wh,
            charging_s=self.charging_s,
            idle_s=self.idle_s,
            reserved_s=self.reserved_s,
            periods=tuple(self.periods) if with_periods else (),
        )


def _compared(bound: Amount, excl: float, incl: float) -> float:
    """How far the bound is above the costs."""
    if bound.incl_tax is not None:
        return bound.incl_tax - incl
    assert bound.excl_tax is not None
    return bound.excl_tax - excl


def _both(bound: Amount, excl: float, incl: float) -> tuple[float, float]:
    """A bound without and with tax: where one is not given, with its own taxes, or else with those
    of the costs.
    """
    factor = tax_factor(bound.tax_rates)
    if bound.tax_rates is None and excl > 0.0:
        factor = incl / excl
    if bound.excl_tax is None:
        assert bound.incl_tax is not None
        return bound.incl_tax / factor, bound.incl_tax
    if bound.incl_tax is None:
        return bound.excl_tax, bound.excl_tax * factor
    return bound.excl_tax, bound.incl_tax
