"""Which way energy flows, and how much, where a profile of OCPP 2.1 says more than a limit (block
Q): what each operation mode means for one connector at one instant.

A setpoint above 0 is a limit that the vehicle is expected to use up; one below 0 takes energy out
of the vehicle, within the discharge limit, the outlet, and what the vehicle gives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.station import visit_events
from simfleet.station.energy import BIDIRECTIONAL, of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.station.charging_profiles import Flow, Mode
    from simfleet.station.connector import Connector
    from simfleet.station.limits import Outlet, Said
    from simfleet.station.station import Station


def directed(
    station: Station, connector: Connector, said: Said, outlet: Outlet, *, limit_w: float
) -> tuple[float, float]:
    """What the connector may offer, of `limit_w`, and what the vehicle shall give back; one of them
    is 0. Both as offers, see `Outlet.offer_w`.
    """
    flow = said.flow
    if flow is None:
        return limit_w, 0.0
    if flow.mode == "Idle":
        return 0.0, 0.0
    volts = outlet.volts if said.unit == "A" else 1.0
    target_w = target(station, connector, flow, volts)
    if target_w is None:
        return limit_w, 0.0
    spread = 1.0 if outlet.dc else outlet.phases / outlet.vehicle_phases
    if target_w >= 0.0:
        return min(limit_w, target_w * spread), 0.0
    if not may_give(station, connector):
        return 0.0, 0.0
    bounds_w = [-target_w, outlet.max_w]
    if flow.discharge_limit is not None:
        bounds_w.append(-flow.discharge_limit * volts)
    share = discharge_share(station)
    if share is not None and connector.vehicle is not None:
        bounds_w.append(share * min(connector.vehicle.spec.max_discharge_w, outlet.max_w))
    return 0.0, max(0.0, min(bounds_w)) * spread


def target(station: Station, connector: Connector, flow: Flow, volts: float) -> float | None:
    """The power to be followed, less than 0 out of the vehicle; None: only limits count. `volts`
    makes watts of the unit of the schedule.
    """
    energy = station.energy
    setpoint_w = None if flow.setpoint is None else flow.setpoint * volts
    match flow.mode:
        case "CentralSetpoint":
            return setpoint_w
        case "ExternalSetpoint" | "LocalLoadBalancing":
            return None if energy is None else energy.setpoints_w.get(connector.id)
        case "CentralFrequency":
            base_w = flow.baseline_w if flow.baseline_w is not None else setpoint_w or 0.0
            if not flow.signal_curve or energy is None or energy.signal is None:
                return base_w
            return base_w + on_curve(flow.signal_curve, energy.signal)
        case "LocalFrequency":
            frequency_hz = of(station).frequency_hz
            return (flow.baseline_w or 0.0) + on_curve(flow.frequency_curve, frequency_hz)
    return None


def on_curve(curve: Sequence[tuple[float, float]], x: float) -> float:
    """A value on straight lines between points; beyond the outermost ones it stays theirs."""
    points = sorted(curve)
    before = points[0]
    if x <= before[0]:
        return before[1]
    for after in points[1:]:
        if x <= after[0]:
            part = (x - before[0]) / (after[0] - before[0])
            return before[1] + part * (after[1] - before[1])
        before = after
    return before[1]


def may_give(station: Station, connector: Connector) -> bool:
    """Whether energy may flow out of the vehicle there: the station can, and the CSMS has not said
    otherwise for this transaction.
    """
    if station.configuration.get("V2XChargingCtrlr.Enabled") != "true":
        return False
    allowed = None if station.energy is None else station.energy.allows(connector)
    return allowed is None or bool(allowed & BIDIRECTIONAL)


def discharge_share(station: Station) -> float | None:
    """What a DER control leaves of the most that can be given back, 0 to 1; None: all of it."""
    if station.energy is None:
        return None
    limiting = [
        control
        for control in station.energy.controls
        if control.discharge_share is not None
        and not control.superseded
        and (control.default or control.running)
    ]
    # One that runs comes before a default, then the lower number has priority.
    limiting.sort(key=lambda control: (control.default, control.priority))
    return limiting[0].discharge_share if limiting else None


def mode_told(station: Station, connector: Connector, mode: Mode | None) -> None:
    """Another operation mode is told in the transaction (2.1 Q: OperationModeChanged)."""
    visit = connector.visit
    if visit is None:
        return
    energy = of(station)
    mode = mode or "ChargingOnly"
    if energy.modes.get(visit.number, "ChargingOnly") != mode:
        energy.modes[visit.number] = mode
        at_s = connector.metered_s
        visit_events.tell(
            station, connector, "Updated", "OperationModeChanged", at_s=at_s, mode=mode
        )
