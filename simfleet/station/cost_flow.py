"""The energy that flows at a connector from now on, as long as nothing changes from outside: what a
tariff is applied to, ahead of the meter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.station.phase import Phase

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.meter import Meter
    from simfleet.station.vehicle import Vehicle

NEVER_S: Final = float("inf")


class Flow:
    """A vehicle of its own at a meter, with a limit in W: less than 0 takes energy out."""

    __slots__ = ("limit_w", "meter", "vehicle")

    def __init__(self, meter: Meter, vehicle: Vehicle, limit_w: float) -> None:
        self.meter = meter
        self.vehicle = vehicle
        self.limit_w = limit_w

    @classmethod
    def at(cls, connector: Connector) -> Flow | None:
        """What flows now; None: nothing."""
        vehicle = connector.vehicle
        if vehicle is None or connector.phase is not Phase.CHARGING:
            return None
        limit_w = connector.meter.spec.usable_w(connector.offered_w, vehicle)
        return cls(connector.meter, vehicle.copy(), limit_w)

    def copy(self) -> Flow:
        """Another one in the same state."""
        return Flow(self.meter, self.vehicle.copy(), self.limit_w)

    @property
    def power_w(self) -> float:
        """Now; less than 0 is out of the vehicle."""
        if self.limit_w < 0.0:
            return -self.vehicle.gives_w(-self.limit_w)
        return self.vehicle.power_w(self.limit_w)

    @property
    def current_a(self) -> float:
        """Of all phases together, now."""
        power_w = self.power_w
        return power_w / self.meter.voltage_v(max(0.0, power_w), self.vehicle) if power_w else 0.0

    def advance(self, dt_s: float) -> float:
        """Let time pass; returns the Wh that went into the vehicle."""
        if self.limit_w < 0.0:
            return -self.vehicle.give(dt_s, -self.limit_w)
        return self.vehicle.advance(dt_s, self.limit_w)

    def until_bend_s(self) -> float:
        """How long until the power changes in another way, or ends."""
        if self.limit_w < 0.0:
            return self.vehicle.seconds_until_spent(-self.limit_w)
        return self.vehicle.next_bend_s(self.limit_w)

    def until_energy_s(self, energy_wh: float) -> float:
        """How long until so much has gone into the vehicle (less than 0: come out of it)."""
        if self.limit_w < 0.0:
            power_w = self.power_w
            return energy_wh * 3600.0 / power_w if power_w and energy_wh < 0.0 else NEVER_S
        return self.vehicle.seconds_until(energy_wh, self.limit_w) if energy_wh > 0.0 else NEVER_S

    def until_power_s(self, power_w: float) -> float:
        """How long until that power flows, before the next bend."""
        if self.limit_w <= 0.0:
            return NEVER_S
        return self.vehicle.seconds_to_level(self.limit_w, power_w)

    def until_current_s(self, current_a: float) -> float:
        """How long until that current flows, before the next bend."""
        if self.limit_w <= 0.0:
            return NEVER_S
        level_w, rise_w = self.meter.power_at_current(current_a, self.vehicle)
        return self.vehicle.seconds_to_level(self.limit_w, level_w, rise_w)
