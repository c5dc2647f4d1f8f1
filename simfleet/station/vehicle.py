"""The vehicle at the cable: battery, state of charge, and how much power it takes.

A charge curve is piecewise linear: power as a fraction of the vehicle's maximum, over the state of
charge. On one piece P(soc) = p + m * soc, and soc itself moves with P, so power over time is
constant (m = 0) or exponential. Each piece is integrated in closed form: one step of an hour gives
the same as 3600 steps of a second, and the time at which a given energy will be reached is computed
instead of awaited.

Energy is counted at the connector. Losses in the car are part of `battery_wh`.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import expm1, inf, log1p
from typing import Literal

import msgspec

CurrentKind = Literal["AC", "DC"]
Curve = tuple[tuple[float, float], ...]
"""Points (state of charge 0 to 1, fraction of the maximum power), in order, from soc 0 to soc 1."""

MIN_FRACTION = 0.01
"""The least a curve may fall to; with nothing left, full would never be reached."""

AC_CURVE: Curve = ((0.0, 1.0), (0.97, 1.0), (1.0, 0.15))
DC_CURVE: Curve = ((0.0, 0.8), (0.05, 1.0), (0.5, 1.0), (0.8, 0.45), (0.92, 0.15), (1.0, 0.04))
DC_FLAT_CURVE: Curve = ((0.0, 1.0), (0.78, 1.0), (0.9, 0.4), (1.0, 0.05))

_WATT_SECONDS_PER_WH = 3600.0
_ROUNDING = 1e-12


class VehicleSpec(msgspec.Struct, frozen=True, gc=False):
    """What all vehicles of one model share. ValueError when the numbers describe no vehicle."""

    name: str
    battery_wh: float
    max_ac_w: float
    max_dc_w: float = 0.0  # 0: no DC inlet
    phases: Literal[1, 3] = 3  # of the on-board charger
    max_discharge_w: float = 0.0  # what it gives back at most; 0: it never does
    least_soc: float = 0.2  # below which it gives nothing back
    iso15118: bool = False  # tells the station its needs, and chooses a schedule
    pack_v: float = 400.0  # nominal pack voltage, seen at a DC outlet
    ac_curve: Curve = AC_CURVE
    dc_curve: Curve = DC_CURVE

    def __post_init__(self) -> None:
        if self.battery_wh <= 0 or self.max_ac_w <= 0 or self.max_dc_w < 0 or self.pack_v <= 0:
            raise ValueError(f"{self.name}: battery, AC power and pack voltage must be above 0")
        if self.max_discharge_w < 0 or not 0 <= self.least_soc <= 1:
            raise ValueError(f"{self.name}: what it gives back is not below 0, nor from beyond it")
        for curve in (self.ac_curve, self.dc_curve):
            problem = _curve_problem(curve)
            if problem:
                raise ValueError(f"{self.name}: {problem}")


def _curve_problem(curve: Curve) -> str | None:
    """What is wrong with a curve; the meter's check of the integral relies on all of it."""
    socs = [soc for soc, _ in curve]
    fractions = [fraction for _, fraction in curve]
    if not curve or socs[0] != 0.0 or socs[-1] != 1.0:
        return "a charge curve runs from state of charge 0 to 1"
    if any(after <= before for before, after in pairwise(socs)):
        return "the states of charge of a curve must rise"
    if min(fractions) < MIN_FRACTION or max(fractions) != 1.0:
        return f"the fractions of a curve lie between {MIN_FRACTION} and 1, and reach 1"
    top = fractions.index(1.0)
    if fractions != sorted(fractions[:top]) + sorted(fractions[top:], reverse=True):
        return "a charge curve rises to its maximum and then falls"
    return None


# (soc at the end, soc at the start, power at the start in W, slope in W per unit of soc)
_Segment = tuple[float, float, float, float]


@lru_cache(maxsize=256)
def _segments(spec: VehicleSpec, kind: CurrentKind) -> tuple[_Segment, ...]:
    """The curve in watts; made once per model and shared by all its vehicles."""
    curve, max_w = (
        (spec.ac_curve, spec.max_ac_w) if kind == "AC" else (spec.dc_curve, spec.max_dc_w)
    )
    return tuple(
        (end, start, max_w * before, max_w * (after - before) / (end - start))
        for (start, before), (end, after) in pairwise(curve)
    )


class Vehicle:
    """One vehicle at one outlet. `soc` is the state of charge, 0 to 1; only `give` lets it fall."""

    __slots__ = ("_segments", "peak_w", "soc", "spec")

    def __init__(self, spec: VehicleSpec, *, soc: float, kind: CurrentKind = "AC") -> None:
        """ValueError for a `soc` outside 0 to 1, or DC into a vehicle without a DC inlet."""
        if not 0.0 <= soc <= 1.0:
            raise ValueError(f"a state of charge lies between 0 and 1, not at {soc}")
        self.spec = spec
        self.soc = soc
        self.peak_w = spec.max_ac_w if kind == "AC" else spec.max_dc_w
        if self.peak_w <= 0:
            raise ValueError(f"{spec.name} cannot charge with {kind}")
        self._segments = _segments(spec, kind)

    @property
    def full(self) -> bool:
        """Whether the battery takes no more."""
        return self.soc >= 1.0

    @property
    def room_wh(self) -> float:
        """The energy still missing to full."""
        return (1.0 - self.soc) * self.spec.battery_wh

    def copy(self) -> Vehicle:
        """Another vehicle in the same state."""
        twin = Vehicle.__new__(Vehicle)
        twin.spec, twin.soc, twin.peak_w = self.spec, self.soc, self.peak_w
        twin._segments = self._segments
        return twin

    def power_w(self, limit_w: float) -> float:
        """The power drawn now when `limit_w` is on offer; 0 when full or when nothing is."""
        soc = self.soc
        if limit_w <= 0.0:
            return 0.0
        for end, start, power_w, slope_w in self._segments:
            if soc < end:
                power_w += slope_w * (soc - start)
                return power_w if power_w < limit_w else limit_w
        return 0.0

    def advance(self, dt_s: float, limit_w: float) -> float:
        """Charge for `dt_s` seconds with up to `limit_w`; returns the energy taken, in Wh."""
        if limit_w <= 0.0:
            return 0.0
        battery_ws = self.spec.battery_wh * _WATT_SECONDS_PER_WH
        left_s = dt_s
        gained = 0.0  # in units of soc
        while left_s > 0.0 and self.soc < 1.0:
            end, power_w, slope_w = self._stretch(limit_w)
            ahead = end - self.soc
            needed_s = _seconds(ahead, power_w, slope_w, battery_ws)
            if needed_s <= left_s:
                self.soc = end
                gained += ahead
                left_s -= needed_s
                continue
            if slope_w == 0.0:
                step = power_w * left_s / battery_ws
            else:
                step = power_w / slope_w * expm1(slope_w / battery_ws * left_s)
            self.soc = min(end, self.soc + step)
            gained += step
            break
        return gained * self.spec.battery_wh

    def gives_w(self, limit_w: float) -> float:
        """The power given back now when the station takes up to `limit_w`."""
        if limit_w <= 0.0 or self.soc <= self.spec.least_soc:
            return 0.0
        return min(limit_w, self.spec.max_discharge_w)

    def give(self, dt_s: float, limit_w: float) -> float:
        """Discharge for `dt_s` seconds; returns the energy given back, in Wh."""
        power_w = self.gives_w(limit_w)
        if power_w <= 0.0:
            return 0.0
        if dt_s >= self.seconds_until_spent(limit_w):
            energy_wh = self.spare_wh
            self.soc = self.spec.least_soc
            return energy_wh
        energy_wh = power_w * dt_s / _WATT_SECONDS_PER_WH
        self.soc -= energy_wh / self.spec.battery_wh
        return energy_wh

    @property
    def spare_wh(self) -> float:
        """The energy that it would give back."""
        if self.spec.max_discharge_w <= 0.0:
            return 0.0
        return max(0.0, self.soc - self.spec.least_soc) * self.spec.battery_wh

    def seconds_until_spent(self, limit_w: float) -> float:
        """How long `give` takes until the vehicle gives no more; 0 when it does not now, inf when
        nothing is wanted of it.
        """
        if limit_w <= 0.0:
            return inf
        power_w = self.gives_w(limit_w)
        return self.spare_wh * _WATT_SECONDS_PER_WH / power_w if power_w > 0.0 else 0.0

    def seconds_until(self, energy_wh: float, limit_w: float) -> float:
        """How long `advance` takes to deliver `energy_wh` with this limit.

        inf when it never will: nothing on offer, or not that much room in the battery. 0 when
        nothing is wanted.
        """
        if energy_wh <= 0.0:
            return 0.0
        if limit_w <= 0.0 or energy_wh > self.room_wh * (1.0 + _ROUNDING):
            return inf
        scout = self.copy()
        battery_ws = self.spec.battery_wh * _WATT_SECONDS_PER_WH
        wanted = energy_wh / self.spec.battery_wh
        took_s = 0.0
        while wanted > 0.0 and scout.soc < 1.0:
            end, power_w, slope_w = scout._stretch(limit_w)
            ahead = min(wanted, end - scout.soc)
            took_s += _seconds(ahead, power_w, slope_w, battery_ws)
            wanted -= ahead
            scout.soc = end
        return took_s

    def bends_s(self, limit_w: float) -> list[float]:
        """How long until each bend of the power that is drawn with this limit, up to full."""
        battery_ws = self.spec.battery_wh * _WATT_SECONDS_PER_WH
        scout = self.copy()
        bends: list[float] = []
        took_s = 0.0
        while limit_w > 0.0 and scout.soc < 1.0:
            end, power_w, slope_w = scout._stretch(limit_w)
            took_s += _seconds(end - scout.soc, power_w, slope_w, battery_ws)
            bends.append(took_s)
            scout.soc = end
        return bends

    def next_bend_s(self, limit_w: float) -> float:
        """How long until the next bend of the power that is drawn with this limit; inf: none."""
        if limit_w <= 0.0 or self.soc >= 1.0:
            return inf
        end, power_w, slope_w = self._stretch(limit_w)
        battery_ws = self.spec.battery_wh * _WATT_SECONDS_PER_WH
        return _seconds(end - self.soc, power_w, slope_w, battery_ws)

    def seconds_to_level(self, limit_w: float, level_w: float, rise_w: float = 0.0) -> float:
        """How long until the power that is drawn with this limit meets a level, which rises by
        `rise_w` per unit of soc; inf: not before the next bend.
        """
        if limit_w <= 0.0 or self.soc >= 1.0:
            return inf
        end, power_w, slope_w = self._stretch(limit_w)
        if slope_w == rise_w:
            return inf
        ahead = (level_w - power_w) / (slope_w - rise_w)
        if not 0.0 < ahead <= end - self.soc:
            return inf
        battery_ws = self.spec.battery_wh * _WATT_SECONDS_PER_WH
        return _seconds(ahead, power_w, slope_w, battery_ws)

    def seconds_until_full(self, limit_w: float) -> float:
        """How long until the battery is full; 0 when it is, inf when nothing is on offer."""
        return self.seconds_until(self.room_wh, limit_w)

    def _stretch(self, limit_w: float) -> tuple[float, float, float]:
        """From here to (end_soc): power now (W) and its slope (W per unit of soc), limit applied.

        A stretch ends where the curve bends or where it crosses the limit. Only for a battery that
        is not full.
        """
        soc = self.soc
        for segment in self._segments:
            if soc < segment[0]:
                break
        end, start, power_w, slope_w = segment
        power_w += slope_w * (soc - start)
        if power_w < limit_w:
            if slope_w > 0.0 and power_w + slope_w * (end - soc) > limit_w:
                crossing = soc + (limit_w - power_w) / slope_w
                # Rounding may put the crossing where we stand: then the limit holds from here on.
                return (crossing, power_w, slope_w) if crossing > soc else (end, limit_w, 0.0)
            return end, power_w, slope_w
        if slope_w < 0.0 and power_w + slope_w * (end - soc) < limit_w:
            crossing = soc + (limit_w - power_w) / slope_w
            return (crossing, limit_w, 0.0) if crossing > soc else (end, limit_w, slope_w)
        return end, limit_w, 0.0


def _seconds(ahead: float, power_w: float, slope_w: float, battery_ws: float) -> float:
    """How long a rise of soc by `ahead` takes on a stretch that starts at `power_w`."""
    if slope_w == 0.0:
        return ahead * battery_ws / power_w
    return log1p(slope_w * ahead / power_w) * battery_ws / slope_w


VEHICLES: tuple[VehicleSpec, ...] = (
    VehicleSpec("plug-in hybrid", 12_000, 3_680, phases=1),
    VehicleSpec("city car", 36_000, 7_360, 50_000, phases=1, dc_curve=DC_FLAT_CURVE),
    VehicleSpec("compact", 58_000, 11_000, 120_000),
    VehicleSpec("family car", 77_000, 11_000, 150_000),
    VehicleSpec("delivery van", 75_000, 11_000, 80_000, dc_curve=DC_FLAT_CURVE),
    VehicleSpec("long-range saloon", 100_000, 22_000, 250_000, pack_v=800.0),
)
"""Anonymous vehicles as they are met in the street, small to large."""


def vehicles_for(kind: CurrentKind) -> tuple[VehicleSpec, ...]:
    """Those of `VEHICLES` that can charge at such an outlet."""
    return VEHICLES if kind == "AC" else tuple(spec for spec in VEHICLES if spec.max_dc_w > 0)
