"""The meter of one connector: what it counts, what it shows, and how that is written in OCPP.

Everything shown comes from one chain. The vehicle takes a power; power and voltage give the
current; power over time gives the energy. So a CSMS that recomputes one from the others finds no
contradiction.

The register is fed by the vehicle's closed-form integration. `Meter.integral_wh` is found by
another road, adaptive Simpson integration of the power as it would have been read; the ledger of a
run holds one against the other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import msgspec

from simfleet.station.vehicle import CurrentKind, Vehicle

NOMINAL_AC_V = 230.0
NOMINAL_DC_V = 400.0
GRID_HZ = 50.0
SINGLE_PHASE_MAX_W = 7_400.0
"""Up to here an AC outlet is built with one phase (32 A), above with three."""

_OPEN_CIRCUIT_RISE = 0.01
_AMBIENT_C = 25.0
_WARMING_C = 20.0  # above ambient, at full load
_TOLERANCE_WS = 1e-3
_RELATIVE_TOLERANCE = 1e-8
_MAX_HALVINGS = 30


def whole_wh(energy_wh: float) -> int:
    """A register as OCPP reports it: whole watt-hours, cut, but for the noise of float sums."""
    return int(energy_wh + 1e-6)


class ElectricalSpec(msgspec.Struct, frozen=True, gc=False):
    """The outlet's electrical side, shared by all connectors of one kind."""

    kind: CurrentKind
    max_power_w: float
    phases: Literal[1, 3] = 3  # DC: 1, as there is one pair of conductors
    nominal_v: float = NOMINAL_AC_V  # AC: phase to neutral
    tethered: bool = False  # the cable is part of the station: no lock there that could be opened

    def __post_init__(self) -> None:
        if self.max_power_w <= 0 or self.nominal_v <= 0:
            raise ValueError("an outlet has a power and a voltage above 0")
        if self.kind == "DC" and self.phases != 1:
            raise ValueError("a DC outlet counts as one phase")

    @classmethod
    def of(cls, kind: CurrentKind, *, max_power_w: float) -> ElectricalSpec:
        """The usual outlet of that kind and power."""
        if kind == "DC":
            return cls("DC", max_power_w, 1, NOMINAL_DC_V)
        return cls("AC", max_power_w, 1 if max_power_w <= SINGLE_PHASE_MAX_W else 3)

    def phases_used(self, vehicle: Vehicle | None) -> int:
        """How many phases carry current: a one-phase vehicle uses one of three."""
        if self.kind == "AC" and vehicle is not None and vehicle.spec.phases < self.phases:
            return vehicle.spec.phases
        return self.phases

    def usable_w(self, offered_w: float, vehicle: Vehicle) -> float:
        """What `vehicle` can take of `offered_w`: the share of the phases it uses."""
        offered_w = max(-self.max_power_w, min(offered_w, self.max_power_w))
        return offered_w * self.phases_used(vehicle) / self.phases


class Reading(msgspec.Struct, frozen=True, gc=False):
    """All that a meter shows at one instant. power_w = voltage_v * current_a * phases."""

    kind: CurrentKind
    outlet_phases: int
    phases: int  # carrying current; 1 for DC
    energy_wh: float  # the register
    interval_wh: int  # since the reading before, in whole Wh of the register
    power_w: float
    current_a: float  # in each phase that carries any
    voltage_v: float  # phase to neutral, or DC; 0 at a DC outlet without vehicle
    soc_percent: float | None  # None: AC, or no vehicle
    offered_w: float
    offered_a: float  # per phase
    temperature_c: float
    frequency_hz: float | None  # None: DC
    exported_wh: float = 0.0  # the register of what vehicles have given back
    exported_w: float = 0.0  # what the vehicle gives back now; power_w is 0 then


class Meter:
    """The meter of one connector. It belongs to the hardware: resets and reboots do not touch it.

    `start_wh` is what the register showed when the charger was made; a charger restored from a
    store goes on from the register it had.
    """

    __slots__ = ("delivered_wh", "exported_wh", "integral_wh", "spec", "start_wh")

    def __init__(self, spec: ElectricalSpec, *, start_wh: float = 0.0) -> None:
        if start_wh < 0:
            raise ValueError(f"an energy register starts at 0 or above, not at {start_wh}")
        self.spec = spec
        self.start_wh = start_wh
        self.delivered_wh = 0.0
        self.integral_wh = 0.0
        self.exported_wh = 0.0
        """What vehicles have given back; never decreases either."""

    @property
    def energy_wh(self) -> float:
        """The energy register; never decreases."""
        return self.start_wh + self.delivered_wh

    @property
    def register_wh(self) -> int:
        """The register as reported (meterStart, meterStop): whole Wh, not rounded up."""
        return whole_wh(self.start_wh + self.delivered_wh)

    def advance(self, dt_s: float, *, vehicle: Vehicle, offered_w: float) -> float:
        """Let the vehicle charge for `dt_s` seconds with up to `offered_w`; returns the Wh. Less
        than 0 on offer takes energy out of the vehicle: then it is the export register that counts.
        """
        limit_w = self.spec.usable_w(offered_w, vehicle)
        if dt_s <= 0.0 or limit_w <= 0.0:
            if limit_w < 0.0 < dt_s:
                self.exported_wh += vehicle.give(dt_s, -limit_w)
            return 0.0
        soc = vehicle.soc
        before_w = vehicle.power_w(limit_w)
        energy_wh = vehicle.advance(dt_s, limit_w)
        after_w = vehicle.power_w(limit_w)
        # A curve only rises to its peak and then falls, so power that begins and ends at its cap
        # was there throughout.
        if before_w == after_w and before_w in (limit_w, vehicle.peak_w, 0.0):
            self.integral_wh += before_w * dt_s / 3600.0
        else:
            scout = vehicle.copy()
            scout.soc = soc
            self.integral_wh += _simpson_ws(scout, dt_s, limit_w) / 3600.0
        self.delivered_wh += energy_wh
        return energy_wh

    def power_w(self, *, vehicle: Vehicle, offered_w: float) -> float:
        """The power the vehicle takes now."""
        return vehicle.power_w(self.spec.usable_w(offered_w, vehicle))

    def voltage_v(self, power_w: float, vehicle: Vehicle) -> float:
        """The voltage while the vehicle takes that power, as `reading` shows it."""
        spec = self.spec
        if spec.kind == "DC":
            return vehicle.spec.pack_v * (0.9 + 0.2 * vehicle.soc)
        load = power_w * spec.phases / (spec.phases_used(vehicle) * spec.max_power_w)
        return spec.nominal_v * (1.0 + _OPEN_CIRCUIT_RISE * (1.0 - min(1.0, load)))

    def power_at_current(self, current_a: float, vehicle: Vehicle) -> tuple[float, float]:
        """The power at which so much current flows in all phases together, and by how much that
        power rises per unit of soc.
        """
        spec = self.spec
        if spec.kind == "DC":
            pack_v = vehicle.spec.pack_v
            return current_a * pack_v * (0.9 + 0.2 * vehicle.soc), current_a * pack_v * 0.2
        nominal_w = current_a * spec.nominal_v
        load_per_w = spec.phases / (spec.phases_used(vehicle) * spec.max_power_w)
        rise = _OPEN_CIRCUIT_RISE
        return nominal_w * (1.0 + rise) / (1.0 + nominal_w * rise * load_per_w), 0.0

    def seconds_until(self, energy_wh: float, *, vehicle: Vehicle, offered_w: float) -> float:
        """How long `advance` takes to deliver `energy_wh`; inf when it never will."""
        return vehicle.seconds_until(energy_wh, self.spec.usable_w(offered_w, vehicle))

    def seconds_until_full(self, *, vehicle: Vehicle, offered_w: float) -> float:
        """How long until the vehicle is full; inf when nothing is on offer."""
        return vehicle.seconds_until_full(self.spec.usable_w(offered_w, vehicle))

    def reading(
        self,
        *,
        vehicle: Vehicle | None = None,
        offered_w: float = 0.0,
        since_wh: float | None = None,
    ) -> Reading:
        """What the meter shows now.

        `offered_w` is what the station offers the vehicle at this instant, 0 while it withholds
        energy. `since_wh` is the register at the reading before, for Energy.Active.Import.Interval.
        """
        spec = self.spec
        energy_wh = self.start_wh + self.delivered_wh
        taken_w = -offered_w
        offered_w = max(0.0, min(offered_w, spec.max_power_w))
        phases = spec.phases_used(vehicle)
        power_w = 0.0
        if vehicle is not None:
            power_w = vehicle.power_w(offered_w * phases / spec.phases)
        load = min(1.0, power_w * spec.phases / (phases * spec.max_power_w))
        soc_percent: float | None = None
        frequency_hz: float | None = None
        if spec.kind == "AC":
            # Above nominal, and at nominal under full load: so a limit in amperes, converted with
            # the nominal voltage, is never exceeded by the current we show.
            voltage_v = spec.nominal_v * (1.0 + _OPEN_CIRCUIT_RISE * (1.0 - load))
            offered_a = offered_w / (spec.nominal_v * spec.phases)
            frequency_hz = GRID_HZ
        elif vehicle is None:
            voltage_v = 0.0
            offered_a = offered_w / spec.nominal_v
        else:
            # A lithium pack rests at about 90 % of its nominal voltage when empty, and 110 % when
            # full.
            voltage_v = vehicle.spec.pack_v * (0.9 + 0.2 * vehicle.soc)
            offered_a = offered_w / voltage_v
            soc_percent = 100.0 * vehicle.soc
        exported_w = 0.0
        if taken_w > 0.0 and vehicle is not None:
            exported_w = vehicle.gives_w(min(taken_w, spec.max_power_w) * phases / spec.phases)
        return Reading(
            spec.kind,
            spec.phases,
            phases,
            energy_wh,
            0 if since_wh is None else whole_wh(energy_wh) - whole_wh(since_wh),
            power_w,
            power_w / (voltage_v * phases) if power_w else 0.0,
            voltage_v,
            soc_percent,
            offered_w,
            offered_a,
            _AMBIENT_C + _WARMING_C * load,
            frequency_hz,
            self.exported_wh,
            exported_w,
        )


def _simpson_ws(scout: Vehicle, dt_s: float, limit_w: float) -> float:
    """The integral of the power over the next `dt_s` seconds, from nothing but readings of that
    power.

    Adaptive Simpson: a stretch is halved until halving it changes nothing, so bends of the curve
    and the sudden end at full are found. `scout` is used up.
    """

    def read_after(soc: float, dt_s: float) -> tuple[float, float]:
        scout.soc = soc
        scout.advance(dt_s, limit_w)
        return scout.soc, scout.power_w(limit_w)

    start, start_w = scout.soc, scout.power_w(limit_w)
    middle, middle_w = read_after(start, dt_s / 2)
    _, end_w = read_after(middle, dt_s / 2)
    coarse_ws = dt_s / 6 * (start_w + 4 * middle_w + end_w)
    stretches = [(start, start_w, middle, middle_w, end_w, coarse_ws, dt_s, 0)]
    total_ws = 0.0
    while stretches:
        start, start_w, middle, middle_w, end_w, coarse_ws, dt_s, halvings = stretches.pop()
        first, first_w = read_after(start, dt_s / 4)
        third, third_w = read_after(middle, dt_s / 4)
        left_ws = dt_s / 12 * (start_w + 4 * first_w + middle_w)
        right_ws = dt_s / 12 * (middle_w + 4 * third_w + end_w)
        error_ws = (left_ws + right_ws - coarse_ws) / 15
        if (
            abs(error_ws) <= _TOLERANCE_WS + _RELATIVE_TOLERANCE * coarse_ws
            or halvings == _MAX_HALVINGS
        ):
            total_ws += left_ws + right_ws + error_ws
            continue
        halvings += 1
        stretches.append((middle, middle_w, third, third_w, end_w, right_ws, dt_s / 2, halvings))
        stretches.append((start, start_w, first, first_w, middle_w, left_ws, dt_s / 2, halvings))
    return total_ws


# ── OCPP's words for it ────────────────────────────────────────────────────────────

REGISTER = "Energy.Active.Import.Register"


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One sampled value, ready for a dialect; None is a field left out."""

    measurand: str
    value: str
    unit: str | None
    phase: str | None = None
    location: str | None = None


_Sampler = Callable[[Reading], "Sample | None"]


def _register(reading: Reading) -> Sample:
    return Sample(REGISTER, str(whole_wh(reading.energy_wh)), "Wh")


def _interval(reading: Reading) -> Sample:
    return Sample("Energy.Active.Import.Interval", str(reading.interval_wh), "Wh")


def _power(reading: Reading) -> Sample:
    return Sample("Power.Active.Import", f"{reading.power_w:.0f}", "W")


def _power_offered(reading: Reading) -> Sample:
    return Sample("Power.Offered", f"{reading.offered_w:.0f}", "W")


def _current(reading: Reading) -> Sample:
    return Sample("Current.Import", f"{reading.current_a:.1f}", "A")


def _current_offered(reading: Reading) -> Sample:
    return Sample("Current.Offered", f"{reading.offered_a:.1f}", "A")


def _voltage(reading: Reading) -> Sample:
    return Sample("Voltage", f"{reading.voltage_v:.1f}", "V")


def _soc(reading: Reading) -> Sample | None:
    soc_percent = reading.soc_percent
    if soc_percent is None:
        return None
    # Not rounded up: 100 means full.
    return Sample("SoC", str(int(soc_percent)), "Percent", None, "EV")


def _temperature(reading: Reading) -> Sample:
    return Sample("Temperature", f"{reading.temperature_c:.1f}", "Celsius", None, "Body")


def _frequency(reading: Reading) -> Sample | None:
    if reading.frequency_hz is None:
        return None
    # OCPP 1.6 has no unit for it ("the UnitOfMeasure for any SampledValue with measurand Frequency
    # is Hertz").
    return Sample("Frequency", f"{reading.frequency_hz:.1f}", None)


def _exported(reading: Reading) -> Sample:
    return Sample("Energy.Active.Export.Register", str(whole_wh(reading.exported_wh)), "Wh")


def _power_exported(reading: Reading) -> Sample:
    return Sample("Power.Active.Export", f"{reading.exported_w:.0f}", "W")


def _current_exported(reading: Reading) -> Sample:
    volts = reading.voltage_v * reading.phases
    current_a = reading.exported_w / volts if reading.exported_w else 0.0
    return Sample("Current.Export", f"{current_a:.1f}", "A")


def _of_phase(measurand: str, phase: str) -> _Sampler:
    """A sampler for one phase of an AC outlet; it gives None where there is no such phase."""
    number = int(phase[1])

    def sample(reading: Reading) -> Sample | None:
        if reading.kind == "DC" or number > reading.outlet_phases:
            return None
        carries = number <= reading.phases
        if measurand == "Voltage":
            return Sample(measurand, f"{reading.voltage_v:.1f}", "V", phase)
        if measurand == "Current.Import":
            return Sample(measurand, f"{reading.current_a if carries else 0.0:.1f}", "A", phase)
        if measurand == "Current.Offered":
            return Sample(measurand, f"{reading.offered_a:.1f}", "A", phase)
        return Sample(
            measurand, f"{reading.power_w / reading.phases if carries else 0.0:.0f}", "W", phase
        )

    return sample


_SAMPLERS: dict[str, _Sampler] = {
    REGISTER: _register,
    "Energy.Active.Import.Interval": _interval,
    "Power.Active.Import": _power,
    "Power.Offered": _power_offered,
    "Current.Import": _current,
    "Current.Offered": _current_offered,
    "Voltage": _voltage,
    "SoC": _soc,
    "Temperature": _temperature,
    "Frequency": _frequency,
}
for _phase in ("L1", "L2", "L3"):
    _SAMPLERS[f"Voltage.{_phase}-N"] = _of_phase("Voltage", f"{_phase}-N")
    for _name in ("Voltage", "Current.Import", "Current.Offered", "Power.Active.Import"):
        _SAMPLERS[f"{_name}.{_phase}"] = _of_phase(_name, _phase)

_OF_EXPORT: dict[str, _Sampler] = {
    "Energy.Active.Export.Register": _exported,
    "Power.Active.Export": _power_exported,
    "Current.Export": _current_exported,
}
EXPORTED: frozenset[str] = frozenset(_OF_EXPORT)
"""What can be asked as well of the meter of a station of 2.x, where vehicles give energy back."""
MEASURANDS: frozenset[str] = frozenset(_SAMPLERS)
"""What can be asked of this meter, spelled as in MeterValuesSampledData: with the phase behind a
dot where it has one ("Voltage.L1", OCPP 1.6 section 9.1). Without a phase, Current.Import and
Voltage are those of each phase in use."""
ONLY_16: frozenset[str] = frozenset({"Temperature"})
"""Of these, what OCPP 2.x has no word for (MeasurandEnumType)."""


@lru_cache(maxsize=1024)
def _samplers(measurands: tuple[str, ...]) -> tuple[_Sampler, ...]:
    return tuple(_SAMPLERS.get(measurand) or _OF_EXPORT[measurand] for measurand in measurands)


def samples(reading: Reading, measurands: tuple[str, ...]) -> list[Sample]:
    """`reading` in OCPP's words, in the order asked for.

    Leaves out what this outlet does not have (SoC on AC, L3 on one phase). A meter value needs at
    least one sampled value, so when nothing is left, it is the energy register. KeyError for a name
    that is not in `MEASURANDS` or `EXPORTED`.
    """
    taken = [
        sample for sampler in _samplers(measurands) if (sample := sampler(reading)) is not None
    ]
    return taken or [_register(reading)]
