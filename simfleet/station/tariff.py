"""What charging costs: a tariff of OCPP 2.1 (part 2, block I, TariffType), and when a price in it
applies.

Six fields can have prices. In each the first price applies whose conditions all hold; where none
does, nothing is charged. Prices are without tax. Times of day, days and dates are UTC, the time
zone of the stations. Energy, power and current that flow out of a vehicle are less than 0; a
condition with a negative bound is about those alone, and one without about those that flow in.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from msgspec import Struct

from simfleet.station.display_message import Text

if TYPE_CHECKING:
    from collections.abc import Iterator

DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
DAY_S: Final = 86_400
_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_DATE: Final = re.compile(r"[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")

Part = Literal[
    "energy", "charging_time", "idle_time", "fixed_fee", "reservation_time", "reservation_fixed"
]
PARTS: Final[tuple[Part, ...]] = (
    "energy",
    "charging_time",
    "idle_time",
    "fixed_fee",
    "reservation_time",
    "reservation_fixed",
)
"""The fields of a tariff that can have prices."""


class TaxRate(Struct, frozen=True, omit_defaults=True, gc=False):
    """A tax in percent. Stack 0 is on the price, 1 on the price with the taxes of stack 0, ..."""

    type: str
    tax: float
    stack: int | None = None


class Amount(Struct, frozen=True, omit_defaults=True):
    """The least or the most that a transaction costs (PriceType)."""

    excl_tax: float | None = None
    incl_tax: float | None = None
    tax_rates: tuple[TaxRate, ...] | None = None


class Conditions(Struct, frozen=True, omit_defaults=True, gc=False):
    """All that is given must hold. Fixed prices know only the first eight fields."""

    start_time_of_day: str | None = None
    end_time_of_day: str | None = None
    day_of_week: tuple[str, ...] | None = None
    valid_from_date: str | None = None
    valid_to_date: str | None = None
    evse_kind: str | None = None
    payment_brand: str | None = None
    payment_recognition: str | None = None
    min_energy: float | None = None
    max_energy: float | None = None
    min_current: float | None = None
    max_current: float | None = None
    min_power: float | None = None
    max_power: float | None = None
    min_time: int | None = None
    max_time: int | None = None
    min_charging_time: int | None = None
    max_charging_time: int | None = None
    min_idle_time: int | None = None
    max_idle_time: int | None = None


class Price(Struct, frozen=True, omit_defaults=True):
    """One price: per kWh, per minute, or as it is."""

    price: float
    conditions: Conditions | None = None


class Prices(Struct, frozen=True, omit_defaults=True):
    """One of the fields with prices."""

    prices: tuple[Price, ...]
    tax_rates: tuple[TaxRate, ...] | None = None

    @property
    def factor(self) -> float:
        """What a price with tax is to the price without."""
        return tax_factor(self.tax_rates)

    def applying(self, moment: Moment) -> int | None:
        """The index of the price that applies; None: none does."""
        for index, one in enumerate(self.prices):
            if one.conditions is None or holds(one.conditions, moment):
                return index
        return None


class Tariff(Struct, frozen=True, omit_defaults=True):
    """See the module. `valid_from_wall_s` None: at once."""

    tariff_id: str
    currency: str
    valid_from_wall_s: float | None = None
    description: tuple[Text, ...] | None = None
    energy: Prices | None = None
    charging_time: Prices | None = None
    idle_time: Prices | None = None
    fixed_fee: Prices | None = None
    reservation_time: Prices | None = None
    reservation_fixed: Prices | None = None
    min_cost: Amount | None = None
    max_cost: Amount | None = None

    def part(self, name: Part) -> Prices | None:
        """One of the fields with prices."""
        prices: Prices | None = getattr(self, name)
        return prices

    def parts(self) -> Iterator[Prices]:
        """Those that it has."""
        for name in PARTS:
            prices = self.part(name)
            if prices is not None:
                yield prices

    def conditions(self) -> Iterator[Conditions]:
        """All conditions in it."""
        for prices in self.parts():
            for one in prices.prices:
                if one.conditions is not None:
                    yield one.conditions


class Moment(NamedTuple):
    """What conditions are about: a moment of a transaction."""

    wall_s: float
    kind: str = "AC"
    energy_wh: float = 0.0
    power_w: float = 0.0
    current_a: float = 0.0
    """Of all phases together."""
    charging_s: float = 0.0
    idle_s: float = 0.0
    brand: str | None = None
    recognition: str | None = None


def tax_factor(rates: tuple[TaxRate, ...] | None) -> float:
    """What a price with tax is to the price without."""
    if not rates:
        return 1.0
    stacks: dict[int, float] = {}
    for rate in rates:
        stacks[rate.stack or 0] = stacks.get(rate.stack or 0, 0.0) + rate.tax
    factor = 1.0
    for percent in stacks.values():
        factor *= 1.0 + percent / 100.0
    return factor


def minute_of(time_of_day: str) -> int:
    """Minutes since midnight of a time as it is written in conditions."""
    return int(time_of_day[:2]) * 60 + int(time_of_day[3:])


# ── conditions ────────────────────────────────────────────────────────────────────────────────────


def holds(conditions: Conditions, moment: Moment) -> bool:
    """Whether all that is given holds."""
    one = conditions
    if one.evse_kind is not None and one.evse_kind != moment.kind:
        return False
    if one.payment_brand is not None and one.payment_brand != moment.brand:
        return False
    if one.payment_recognition is not None and one.payment_recognition != moment.recognition:
        return False
    total_s = moment.charging_s + moment.idle_s
    return (
        _calendar_holds(one, moment.wall_s)
        and _flows(moment.energy_wh, one.min_energy, one.max_energy)
        and _flows(moment.power_w, one.min_power, one.max_power)
        and _flows(moment.current_a, one.min_current, one.max_current)
        and _lasts(total_s, one.min_time, one.max_time)
        and _lasts(moment.charging_s, one.min_charging_time, one.max_charging_time)
        and _lasts(moment.idle_s, one.min_idle_time, one.max_idle_time)
    )


def _calendar_holds(one: Conditions, wall_s: float) -> bool:
    if one.start_time_of_day is not None or one.end_time_of_day is not None:
        minute = wall_s % DAY_S / 60.0
        start = minute_of(one.start_time_of_day or "00:00")
        end = minute_of(one.end_time_of_day or "00:00") or 24 * 60
        inside = start <= minute < end if start < end else minute >= start or minute < end
        if not inside:
            return False
    if one.day_of_week is None and one.valid_from_date is None and one.valid_to_date is None:
        return True
    moment = datetime.fromtimestamp(wall_s, UTC)
    if one.day_of_week is not None and DAYS[moment.weekday()] not in one.day_of_week:
        return False
    day = moment.strftime("%Y-%m-%d")
    if one.valid_from_date is not None and day < one.valid_from_date:
        return False
    return one.valid_to_date is None or day < one.valid_to_date


def _flows(value: float, least: float | None, most: float | None) -> bool:
    """Between two bounds, that nearer to zero inclusive."""
    if least is None and most is None:
        return True
    if (least or 0.0) < 0.0 or (most or 0.0) < 0.0:
        return value < 0.0 and _lasts(-value, -(least or 0.0), None if most is None else -most)
    return value >= 0.0 and _lasts(value, least, most)


def _lasts(value: float, least: float | None, most: float | None) -> bool:
    return (least is None or value >= least) and (most is None or value < most)


# ── what a station accepts ────────────────────────────────────────────────────────────────────────


def is_sound(tariff: Tariff) -> bool:
    """Whether a tariff has prices at all, and times and dates that can be read."""
    if not any(True for _ in tariff.parts()):
        return False
    for one in tariff.conditions():
        times = (one.start_time_of_day, one.end_time_of_day)
        dates = (one.valid_from_date, one.valid_to_date)
        if any(time is not None and not _TIME.fullmatch(time) for time in times):
            return False
        if any(date is not None and not _DATE.fullmatch(date) for date in dates):
            return False
    amounts = (tariff.min_cost, tariff.max_cost)
    return all(
        one is None or one.excl_tax is not None or one.incl_tax is not None for one in amounts
    )
