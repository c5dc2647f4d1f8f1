"""What happens to a station from outside the wire: the other half of `Station.tell`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from simfleet.errors import Refused
from simfleet.station import (
    authorization,
    battery_swap,
    certificates,
    charging,
    cost_changes,
    diagnostics,
    energy_commands,
    faults,
    firmware,
    guest,
    payment,
    plug_and_charge,
    publishing,
    resets,
    status,
)
from simfleet.station.connector import NO_ERROR
from simfleet.station.effects import PowerOff, PowerOn
from simfleet.station.energy_events import (
    FrequencyMeasured,
    GridFaulted,
    LimitImposed,
    LimitReleased,
    PriorityPressed,
    SetpointGiven,
)
from simfleet.station.events import (
    BatteriesInserted,
    BatteriesTaken,
    CallSpoilt,
    CardPresented,
    ContractGiven,
    DriverArrives,
    ErrandDone,
    EvCertificateWanted,
    EvPaused,
    EvResumed,
    Failed,
    FailuresExcused,
    FaultCleared,
    FaultInjected,
    FaultRemoved,
    FirmwareWillFail,
    LimitChosen,
    LockFailed,
    PluggedIn,
    PowerLost,
    PowerRestored,
    ResetWillFail,
    Retired,
    Settled,
    StartRequested,
    StopRequested,
    SwapWanted,
    TakeSample,
    TariffRefused,
    TokenPresented,
    Unplugged,
    UploadWillFail,
    VatNumberTyped,
    VehicleCertificateShown,
)
from simfleet.station.phase import Move, Phase
from simfleet.station.spec import LEAVING_RETRY_S

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.events import Event
    from simfleet.station.station import Station


def happen(station: Station, event: Event, *, at_s: float) -> None:
    """Let one event happen. Raises `Refused`, and changes nothing, when it cannot."""
    if station.dark and not isinstance(
        event, PowerRestored | Retired | FaultInjected | FaultRemoved | DriverArrives
    ):
        if isinstance(event, ErrandDone):
            return  # it was given up when the station went down
        raise Refused(f"{station.identity} has no power")
    match event:
        case PluggedIn(connector_id, vehicle, soc):
            charging.plug_in(
                station, station.connector(connector_id), at_s=at_s, vehicle=vehicle, soc=soc
            )
        case Unplugged(connector_id):
            charging.unplug(station, station.connector(connector_id), at_s=at_s)
        case TokenPresented(connector_id, id_tag):
            connector = station.connector(connector_id)
            authorization.present_token(station, connector, id_tag or station.id_tag, at_s=at_s)
        case StartRequested(connector_id, id_tag, energy_wh):
            _start(station, station.connector(connector_id), id_tag, energy_wh, at_s=at_s)
        case DriverArrives():
            guest.come(station, event, at_s=at_s)
        case StopRequested(connector_id, leave, cause):
            connector = station.connector(connector_id)
            charging.stop_by_driver(station, connector, at_s=at_s, leave=leave, reason=cause)
        case EvPaused(connector_id):
            _vehicle_pauses(station, station.connector(connector_id), True, at_s=at_s)
        case EvResumed(connector_id):
            _vehicle_pauses(station, station.connector(connector_id), False, at_s=at_s)
        case Failed(connector_id, error_code, info):
            fail(station, connector_id, error_code, info, at_s=at_s)
        case FaultCleared(connector_id):
            clear(station, connector_id, at_s=at_s)
            if station.faults is not None:
                station.faults.cleared(station, connector_id, at_s=at_s)
        case FaultInjected(fault):
            faults.inject(station, fault, at_s=at_s)
        case FaultRemoved(kind, given):
            if station.faults is not None:
                station.faults.remove(station, kind, given=given, at_s=at_s)
        case CallSpoilt(call_id):
            faults.call_spoilt(station, call_id)
        case FailuresExcused(on):
            faults.excuse(station, on)
        case LockFailed(connector_id, failed):
            station.connector(connector_id).lock_fails = failed
        case ResetWillFail(times):
            resets.hinder(station, times)
        case TakeSample(connector_id):
            connector = station.connector(connector_id)
            if connector.transaction is None:
                raise Refused(f"no transaction runs on connector {connector_id}")
            charging.sample(station, connector, due_s=at_s, context="Sample.Periodic")
        case PowerLost():
            _lose_power(station, at_s=at_s)
        case PowerRestored():
            if not station.dark:
                raise Refused(f"{station.identity} has power")
            station.effects.append(PowerOn())
        case ErrandDone():
            _errand_done(station, event, at_s=at_s)
        case ContractGiven(contract):
            plug_and_charge.learn(station, contract)
        case EvCertificateWanted():
            plug_and_charge.want_certificate(station, event, at_s=at_s)
        case VehicleCertificateShown():
            plug_and_charge.show_vehicle(station, event, at_s=at_s)
        case CardPresented(_, connector_id):
            connector = station.connector(connector_id)
            tag = payment.card_tag(station, event)
            authorization.present_token(station, connector, tag, at_s=at_s)
        case Settled():
            payment.settle(station, event, at_s=at_s)
        case VatNumberTyped():
            payment.ask_vat(station, event, at_s=at_s)
        case LimitChosen(connector_id, limit):
            cost_changes.choose_limit(station, station.connector(connector_id), limit, at_s=at_s)
        case TariffRefused(connector_id):
            cost_changes.refuse_tariff(station, station.connector(connector_id), at_s=at_s)
        case SwapWanted(id_tag):
            battery_swap.present(station, id_tag or station.id_tag, at_s=at_s)
        case BatteriesInserted(batteries):
            battery_swap.insert(station, batteries, at_s=at_s)
        case BatteriesTaken():
            battery_swap.take(station, at_s=at_s)
        case FirmwareWillFail(stage):
            firmware.will_fail(station, stage)
        case UploadWillFail():
            diagnostics.will_fail(station)
        case Retired(leaving):
            retire(station, leaving=leaving, at_s=at_s)
        case (
            LimitImposed()
            | LimitReleased()
            | SetpointGiven()
            | FrequencyMeasured()
            | PriorityPressed()
            | GridFaulted()
        ):
            energy_commands.happen(station, event, at_s=at_s)
        case _:
            assert_never(event)


_ERRANDS: Final = (firmware, publishing, diagnostics, certificates)
"""Whose errands there are."""


def _errand_done(station: Station, done: ErrandDone, *, at_s: float) -> None:
    """Tell whom it concerns; nobody any more, if it was given up meanwhile."""
    for owner in _ERRANDS:
        if owner.owns(station, done.errand):
            owner.errand_done(station, done, at_s=at_s)
            return


def described(event: Event) -> str:
    """An event in a few words, for a log."""
    match event:
        case ErrandDone(errand, ok, detail):
            return f"errand {errand} {'done' if ok else f'failed: {detail}'}"
        case FaultInjected(fault):
            return f"fault {fault.kind}"
        case Failed(connector_id, error_code):
            return f"{error_code} on connector {connector_id}"
        case _:
            where = getattr(event, "connector_id", None)
            name = type(event).__name__
            return name if where is None else f"{name} on connector {where}"


def _start(
    station: Station,
    connector: Connector,
    id_tag: str | None,
    energy_wh: float | None,
    *,
    at_s: float,
) -> None:
    """A driver comes: cable, tag, and so much energy."""
    reserved = connector.phase is Phase.RESERVED
    claim = authorization.reserved_for(station, connector, id_tag or station.id_tag, at_s=at_s)
    if claim == "no":
        raise Refused(f"connector {connector.id} is reserved for another tag")
    if not (connector.free or reserved) or connector.tag_pending is not None:
        raise Refused(f"connector {connector.id} is {connector.phase} and starts no session")
    if not connector.plugged:
        charging.plug_in(station, connector, at_s=at_s)
    if energy_wh is not None:
        connector.target_wh = connector.meter.energy_wh + energy_wh
    if connector.transaction is None:
        authorization.present_token(station, connector, id_tag or station.id_tag, at_s=at_s)


def _vehicle_pauses(station: Station, connector: Connector, paused: bool, *, at_s: float) -> None:
    if connector.transaction is None:
        raise Refused(f"no transaction runs on connector {connector.id}")
    connector.meter_to(at_s)
    connector.ev_paused = paused
    charging.flow(station, connector, at_s=at_s)


def fail(station: Station, connector_id: int, error_code: str, info: str, *, at_s: float) -> None:
    """A fault. It ends the transaction there; a fault of the station (connector 0) is reported for
    connector 0.
    """
    if error_code not in station.dialect.error_codes or error_code == NO_ERROR:
        known = ", ".join(sorted(station.dialect.error_codes - {NO_ERROR}))
        raise Refused(f"{error_code!r} is no fault; known: {known}")
    if connector_id == 0:
        station.error_code = error_code
        if station.may_report:
            station.say(status.status_of_station(station, at_s=at_s), due_s=at_s)
        if station.reservations is not None:
            station.reservations.settle(station, at_s=at_s)
        return
    connector = station.connector(connector_id)
    connector.meter_to(at_s)
    connector.error_code = error_code
    connector.error_info = info[:50]
    if connector.transaction is not None:
        charging.end(station, connector, reason="Other", at_s=at_s, failed=True)
        return
    connector.forget_tag()
    station.dialect.accounts.failed(station, connector, at_s=at_s)
    if connector.phase is not Phase.FAULTED:
        connector.move(Move.FAILED)
    status.moved(station, connector, at_s=at_s)


def clear(station: Station, connector_id: int, *, at_s: float) -> None:
    """A fault is gone. Raises `Refused` when there is none."""
    if connector_id == 0:
        if station.error_code == NO_ERROR:
            raise Refused(f"{station.identity} has no fault")
        station.error_code = NO_ERROR
        if station.may_report:
            station.say(status.status_of_station(station, at_s=at_s), due_s=at_s)
        return
    connector = station.connector(connector_id)
    if connector.phase is not Phase.FAULTED:
        raise Refused(f"connector {connector_id} is {connector.phase}, not Faulted")
    connector.error_code, connector.error_info = NO_ERROR, ""
    if connector.inoperative:
        connector.move(Move.WITHDRAWN)
    else:
        connector.move(Move.OCCUPIED if connector.plugged else Move.CLEARED)
    status.moved(station, connector, at_s=at_s)


def _lose_power(station: Station, *, at_s: float) -> None:
    """Transactions end with PowerLoss; the CSMS hears of it after the next boot (OCPP 1.6 section
    4.10).
    """
    station.go_dark("PowerLoss", at_s=at_s)
    station.boot_reason = "PowerUp"
    station.effects.append(PowerOff())


def retire(station: Station, *, leaving: bool, at_s: float) -> None:
    """Drivers end their sessions and go; no new ones come. See `Retired`."""
    station.leaving = leaving
    if leaving:
        station.outbox.hurry(at_s + LEAVING_RETRY_S)
    for connector in station.connectors:
        if connector.autopilot is not None:
            connector.autopilot.dismissed(station, connector)
            connector.autopilot = None
        if connector.transaction is not None:
            charging.stop_by_driver(station, connector, at_s=at_s, leave=True)
        elif connector.plugged:
            charging.unplug(station, connector, at_s=at_s)
        elif connector.phase is Phase.PREPARING:
            station.dialect.accounts.gone_dark(station, connector, reason="Local", at_s=at_s)
            charging.release(station, connector, at_s=at_s)


def wake_connectors(station: Station, *, at_s: float) -> None:
    """After a boot: tags are forgotten, cables and faults are as they were, out of service stays
    out of service.
    """
    for connector in station.connectors:
        connector.forget_tag()
        connector.reported = None
        connector.metered_s = at_s
        if connector.phase in (Phase.PREPARING, Phase.FINISHING) and not connector.plugged:
            connector.move(Move.RELEASED)
        if connector.inoperative and connector.phase in (Phase.AVAILABLE, Phase.FINISHING):
            connector.move(Move.WITHDRAWN)
        station.dialect.accounts.woken(station, connector, at_s=at_s)
        if connector.autopilot is not None:
            connector.autopilot.moved(station, connector, at_s=at_s)
    if station.reservations is not None:
        station.reservations.wake(station, at_s=at_s)
