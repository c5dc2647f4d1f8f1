"""Faults that change what a station is, rather than what it says: error codes, meter, clock.

`begin` and `end` come in pairs; `end` leaves alone what somebody else has put right meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from simfleet.errors import Refused
from simfleet.station import diagnostics, firmware, happenings, registration, resets, status
from simfleet.station.connector import NO_ERROR
from simfleet.station.effects import Excused
from simfleet.station.fault_kinds import (
    COUNT_MAX,
    ClockSkew,
    ErrorCodeFault,
    FirmwareFailure,
    FrozenMeter,
    LockFailure,
    RegisterJump,
    ResetFailure,
    UploadFailure,
)
from simfleet.station.meter import Meter, Reading, whole_wh
from simfleet.station.phase import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simfleet.station.connector import Connector
    from simfleet.station.fault_kinds import Fault
    from simfleet.station.station import Station
    from simfleet.station.vehicle import Vehicle


class FrozenMeterOf(Meter):
    """The meter of a connector that goes on counting and shows what it showed when it froze."""

    __slots__ = ("shown",)

    def __init__(self, meter: Meter, shown: Reading) -> None:
        super().__init__(meter.spec, start_wh=meter.start_wh)
        self.delivered_wh, self.integral_wh = meter.delivered_wh, meter.integral_wh
        self.shown = shown

    def reading(
        self,
        *,
        vehicle: Vehicle | None = None,
        offered_w: float = 0.0,
        since_wh: float | None = None,
    ) -> Reading:
        """See `Meter.reading`; all of it stands still."""
        since = self.shown.energy_wh if since_wh is None else since_wh
        passed_wh = max(0, whole_wh(self.shown.energy_wh) - whole_wh(since))
        return structs.replace(self.shown, interval_wh=passed_wh)

    def thawed(self) -> Meter:
        """A meter that shows what was counted."""
        meter = Meter(self.spec, start_wh=self.start_wh)
        meter.delivered_wh, meter.integral_wh = self.delivered_wh, self.integral_wh
        return meter


def begin(station: Station, fault: Fault, *, at_s: float) -> None:
    """Let a fault change the station. Raises `Refused`, and nothing has changed."""
    match fault:
        case ErrorCodeFault():
            _begin_error(station, fault, at_s=at_s)
        case FrozenMeter(connector_id=connector_id):
            connector = station.connector(connector_id)
            if not isinstance(connector.meter, FrozenMeterOf):
                connector.meter_to(at_s)
                connector.meter = FrozenMeterOf(connector.meter, connector.reading())
        case RegisterJump(connector_id=connector_id, wh=jump_wh):
            _jump(station, station.connector(connector_id), jump_wh, at_s=at_s)
        case ClockSkew(seconds=seconds):
            _shift_clock(station, seconds, at_s=at_s)
        case FirmwareFailure(stage=stage):
            firmware.will_fail(station, stage)
        case UploadFailure():
            diagnostics.will_fail(station)
        case ResetFailure():
            resets.hinder(station, COUNT_MAX)
        case LockFailure(connector_id=connector_id):
            station.connector(connector_id).lock_fails = True


def end(station: Station, fault: Fault, *, others: Sequence[Fault], at_s: float) -> None:
    """Undo it; `others` are the faults of the same kind that go on."""
    match fault:
        case ErrorCodeFault():
            _end_error(station, fault, at_s=at_s)
        case FrozenMeter(connector_id=connector_id):
            connector = station.connector(connector_id)
            meter = connector.meter
            still = any(getattr(one, "connector_id", 0) == connector_id for one in others)
            if isinstance(meter, FrozenMeterOf) and not still:
                connector.meter = meter.thawed()
        case ClockSkew(seconds=seconds):
            _shift_clock(station, -seconds, at_s=at_s)
        case FirmwareFailure():
            firmware.will_fail(station, "")
        case UploadFailure():
            if station.logs is not None:
                station.logs.fail_next = False
        case ResetFailure() if not others:
            resets.release(station)
        case LockFailure(connector_id=connector_id):
            if all(getattr(one, "connector_id", 0) != connector_id for one in others):
                station.connector(connector_id).lock_fails = False


def skews(by_kind: Mapping[type, object]) -> bool:
    """Whether a fault keeps the clock wrong."""
    return ClockSkew in by_kind


def is_skew(fault: Fault) -> bool:
    """Whether this is one that does."""
    return isinstance(fault, ClockSkew)


def shown_wh(connector: Connector) -> float | None:
    """The register that a frozen meter shows; None where it is not frozen."""
    meter = connector.meter
    return meter.shown.energy_wh if isinstance(meter, FrozenMeterOf) else None


def _begin_error(station: Station, fault: ErrorCodeFault, *, at_s: float) -> None:
    if fault.stop_transaction or fault.connector_id == 0:
        happenings.fail(station, fault.connector_id, fault.error_code, fault.info, at_s=at_s)
        return
    connector = station.connector(fault.connector_id)
    if connector.phase is Phase.FAULTED:
        raise Refused(f"connector {connector.id} is Faulted already: {connector.error_code}")
    connector.error_code, connector.error_info = fault.error_code, fault.info
    status.moved(station, connector, at_s=at_s)


def _end_error(station: Station, fault: ErrorCodeFault, *, at_s: float) -> None:
    if fault.connector_id == 0:
        if station.error_code == fault.error_code:
            happenings.clear(station, 0, at_s=at_s)
        return
    connector = station.connector(fault.connector_id)
    if connector.error_code != fault.error_code:
        return  # repaired, or something else is broken now
    if connector.phase is Phase.FAULTED:
        happenings.clear(station, connector.id, at_s=at_s)
        return
    connector.error_code, connector.error_info = NO_ERROR, ""
    status.moved(station, connector, at_s=at_s)


def _jump(station: Station, connector: Connector, jump_wh: float, *, at_s: float) -> None:
    """Move the register, and with it the marks that a session waits for: the energy is the same."""
    connector.meter_to(at_s)
    meter = connector.meter
    jump_wh = max(jump_wh, -meter.energy_wh)
    meter.start_wh += jump_wh
    if connector.target_wh is not None:
        connector.target_wh += jump_wh
    if connector.limit_wh is not None:
        connector.limit_wh += jump_wh
    running = connector.visit or connector.transaction
    if running is not None:
        station.effects.append(Excused("jumped", running.number, jump_wh))
    if jump_wh < 0:
        # A CSMS may see it twice: at the connector, and in the sum of all (connector 0).
        station.effects.append(Excused("register_down", 0))
        if station.configuration.seconds("ClockAlignedDataInterval"):
            station.effects.append(Excused("register_down", 0))


def _shift_clock(station: Station, seconds: float, *, at_s: float) -> None:
    station.clock_offset_s += seconds
    registration.clock_moved(station, at_s=at_s)
