"""What a transaction costs, found the long way: in small steps of time, each with the price that
applies in its middle. Knows tariffs as they are on the wire, and nothing of the station's own.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simfleet.station.meter import Meter
    from simfleet.station.vehicle import Vehicle

TICK_S = 0.25
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class Oracle:
    """A transaction at a meter of its own. `offer` and `pause`, then let time pass."""

    def __init__(self, tariff: dict[str, Any], meter: Meter, vehicle: Vehicle, wall_s: float):
        self.tariff, self.meter, self.vehicle, self.wall_s = tariff, meter, vehicle, wall_s
        self.offered_w = 0.0
        self.energy_wh = self.charging_s = self.idle_s = 0.0
        self.excl = self.incl = 0.0
        self._once("fixedFee")

    def use(self, tariff: dict[str, Any]) -> None:
        self.tariff = tariff

    def run(self, for_s: float) -> None:
        ticks = round(for_s / TICK_S)
        for _ in range(ticks):
            self._tick()

    def _tick(self) -> None:
        before_wh = self.meter.energy_wh
        half_s = TICK_S / 2
        self.meter.advance(half_s, vehicle=self.vehicle, offered_w=self.offered_w)
        shown = self.meter.reading(vehicle=self.vehicle, offered_w=self.offered_w)
        middle_wh = self.meter.energy_wh
        self.meter.advance(half_s, vehicle=self.vehicle, offered_w=self.offered_w)
        moved_wh = self.meter.energy_wh - before_wh
        charging = moved_wh > 0.0
        state = {
            "wall": self.wall_s + half_s,
            "Energy": self.energy_wh + middle_wh - before_wh,
            "Power": shown.power_w,
            "Current": shown.current_a * shown.phases,
            "ChargingTime": self.charging_s + (half_s if charging else 0.0),
            "IdleTime": self.idle_s + (0.0 if charging else half_s),
            "Time": self.charging_s + self.idle_s + half_s,
            "kind": shown.kind,
        }
        if charging:
            self._add("energy", "priceKwh", moved_wh / 1000.0, state)
        part = "chargingTime" if charging else "idleTime"
        self._add(part, "priceMinute", TICK_S / 60.0, state)
        self.energy_wh += moved_wh
        self.charging_s += TICK_S if charging else 0.0
        self.idle_s += 0.0 if charging else TICK_S
        self.wall_s += TICK_S

    def _once(self, part: str) -> None:
        self._add(part, "priceFixed", 1.0, {"wall": self.wall_s, "kind": self.meter.spec.kind})

    def _add(self, part: str, field: str, amount: float, state: dict[str, Any]) -> None:
        prices = self.tariff.get(part)
        if prices is None:
            return
        for one in prices["prices"]:
            if _hold(one.get("conditions", {}), state):
                self.excl += one[field] * amount
                self.incl += one[field] * amount * _with_taxes(prices.get("taxRates", []))
                return


def _with_taxes(rates: list[dict[str, Any]]) -> float:
    price = 1.0
    for stack in sorted({rate.get("stack", 0) for rate in rates}):
        price += price * sum(r["tax"] for r in rates if r.get("stack", 0) == stack) / 100.0
    return price


def _hold(conditions: dict[str, Any], state: dict[str, Any]) -> bool:
    moment = datetime.fromtimestamp(state["wall"], UTC)
    for name, wanted in conditions.items():
        if name == "dayOfWeek" and DAYS[moment.weekday()] not in wanted:
            return False
        if name == "validFromDate" and moment.date().isoformat() < wanted:
            return False
        if name == "validToDate" and moment.date().isoformat() >= wanted:
            return False
        if name == "evseKind" and state["kind"] != wanted:
            return False
        if name.startswith("min") and state[name[3:]] < wanted:
            return False
        if name.startswith("max") and state[name[3:]] >= wanted:
            return False
    start, end = conditions.get("startTimeOfDay"), conditions.get("endTimeOfDay")
    now = moment.strftime("%H:%M")
    if start is not None and end is not None and end != "00:00" and end < start:
        return bool(now >= start or now < end)
    if start is not None and now < start:
        return False
    return end is None or end == "00:00" or now < end
