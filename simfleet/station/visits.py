"""Transactions as OCPP 2.x tells of them (2.0.1 part 2, block E): from TxStartPoint to TxStopPoint.

A visit is one transaction. It starts at the first event after which one of the start points holds,
ends at the first after which one of the stop points that held does not any more, and every event in
between is told as TransactionEvent Updated. Energy flows in the session of `charging.py`, which may
begin later and end sooner than the visit; what happens outside a visit is no transaction's affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from simfleet.station.configuration_keys import items_of
from simfleet.station.configuration_keys2 import (
    ENDED_MEASURANDS,
    START_POINT,
    STARTED_MEASURANDS,
    STOP_POINT,
)
from simfleet.station.effects import TransactionClosed, TransactionOpened
from simfleet.station.messages import SessionEvent
from simfleet.station.phase import Phase
from simfleet.station.visit import Visit

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.meter import Reading
    from simfleet.station.station import Station
    from simfleet.station.transaction import Transaction

Kind = Literal["Started", "Updated", "Ended"]

_STATES: Final = {
    Phase.CHARGING: "Charging",
    Phase.SUSPENDED_EV: "SuspendedEV",
    Phase.SUSPENDED_EVSE: "SuspendedEVSE",
}
# Why a session ended (a reason of `charging.end`): the trigger of the event, the stoppedReason.
_STOPS: Final = {
    "Local": ("StopAuthorized", "Local"),
    "Remote": ("RemoteStop", "Remote"),
    "EVDisconnected": ("EVCommunicationLost", "EVDisconnected"),
    "DeAuthorized": ("Deauthorized", "DeAuthorized"),
    "HardReset": ("ResetCommand", "ImmediateReset"),
    "SoftReset": ("ResetCommand", "ImmediateReset"),
    "UnlockCommand": ("UnlockCommand", "Other"),
    "PowerLoss": ("AbnormalCondition", "PowerLoss"),
    "Reboot": ("AbnormalCondition", "Reboot"),
    "Other": ("AbnormalCondition", "Other"),
    "EnergyLimitReached": ("EnergyLimitReached", "EnergyLimitReached"),
    "TimeLimitReached": ("TimeLimitReached", "TimeLimitReached"),
}
_CONTEXT_TRIGGERS: Final = {
    "Sample.Periodic": "MeterValuePeriodic",
    "Sample.Clock": "MeterValueClock",
    "Trigger": "Trigger",
}


def state_of(connector: Connector) -> str:
    """The chargingState of a connector now."""
    if connector.transaction is not None and connector.phase in _STATES:
        return _STATES[connector.phase]
    return "EVConnected" if connector.plugged else "Idle"


def points_of(connector: Connector) -> frozenset[str]:
    """The points of TxStartPoint and TxStopPoint that hold now. What is measured is taken to be
    signed with the power path closed, and a bay to be occupied while a cable is in.
    """
    points = set()
    authorized = connector.transaction is not None or connector.authorized_tag is not None
    if connector.plugged:
        points |= {"EVConnected", "ParkingBayOccupancy"}
    if authorized:
        points.add("Authorized")
    if authorized and connector.plugged:
        points |= {"PowerPathClosed", "DataSigned"}
    if connector.phase is Phase.CHARGING:
        points.add("EnergyTransfer")
    return frozenset(points)


def _points(station: Station, name: str) -> frozenset[str]:
    return frozenset(items_of(station.configuration.get(name) or "PowerPathClosed"))


def of_id(station: Station, transaction_id: str) -> Visit | None:
    """The visit of that transactionId, if it goes on."""
    for connector in station.connectors:
        if connector.visit is not None and connector.visit.id == transaction_id:
            return connector.visit
    return None


class Accounts2:
    """See `accounts.Accounts`: OCPP 2.0.1 and 2.1."""

    def plugged(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """The cable may start a transaction, or is told in the one that runs."""
        if connector.transaction is None:  # else the same session goes on: flow_changed tells it
            happened(station, connector, "CablePluggedIn", at_s=at_s)

    def unplugged(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """The vehicle has gone; what a stop left open ends here."""
        visit = connector.visit
        if visit is not None and connector.transaction is None:
            reason = visit.stop_reason or "EVDisconnected"
            happened(station, connector, "EVDeparted", at_s=at_s, reason=reason)

    def authorized(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """A tag may start a transaction, or is told in the one that runs."""
        visit = connector.visit
        if visit is not None:
            visit.id_tag = connector.authorized_tag
        remote = connector.remote_start_id is not None
        happened(station, connector, "RemoteStart" if remote else "Authorized", at_s=at_s)

    def timed_out(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """No cable came."""
        if connector.visit is not None:
            connector.authorized_tag = None
            happened(station, connector, "EVConnectTimeout", at_s=at_s, reason="Timeout")

    def began(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """The session belongs to the visit that its tag or cable has started, if it has."""
        visit, transaction = connector.visit, connector.transaction
        assert transaction is not None
        if visit is not None:
            visit.id_tag = transaction.id_tag
            visit.reservation_id = transaction.reservation_id

    def flow_changed(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """ChargingStateChanged, or the start or end where EnergyTransfer is the point."""
        happened(station, connector, "ChargingStateChanged", at_s=at_s)

    def sampled(
        self,
        station: Station,
        connector: Connector,
        reading: Reading,
        *,
        context: str,
        measurands: tuple[str, ...],
        due_s: float,
    ) -> None:
        """TransactionEvent Updated with the meter values."""
        if connector.visit is None:
            return  # the transaction has not started, or has ended
        trigger = _CONTEXT_TRIGGERS[context]
        _tell(
            station,
            connector,
            "Updated",
            trigger,
            at_s=due_s,
            reading=reading,
            context=context,
            measurands=measurands,
        )

    def ended(
        self, station: Station, connector: Connector, transaction: Transaction, *, at_s: float
    ) -> None:
        """The end of the session is the end of the visit where the stop points say so."""
        visit = connector.visit
        if visit is None:
            return
        trigger, visit.stop_reason = _STOPS.get(transaction.reason, ("AbnormalCondition", "Other"))
        visit.stop_id_tag = transaction.stop_id_tag
        happened(station, connector, trigger, at_s=at_s, reason=visit.stop_reason)

    def gone_dark(
        self, station: Station, connector: Connector, *, reason: str, at_s: float
    ) -> None:
        """What goes on ends here."""
        if connector.visit is not None:
            trigger, stopped = _STOPS.get(reason, ("AbnormalCondition", "Other"))
            _end(station, connector, trigger, at_s=at_s, reason=stopped)


ACCOUNTS_2: Final = Accounts2()


def happened(
    station: Station, connector: Connector, trigger: str, *, at_s: float, reason: str = "Other"
) -> None:
    """Something that may start a transaction, be told in one, or end it (`reason`)."""
    holds = points_of(connector)
    visit = connector.visit
    if visit is None:
        if holds & _points(station, START_POINT):
            _start(station, connector, trigger, at_s=at_s)
        return
    stop_points = _points(station, STOP_POINT)
    if (visit.held & stop_points) - holds:
        _end(station, connector, trigger, at_s=at_s, reason=reason)
        return
    visit.held |= holds & stop_points
    if trigger == "ChargingStateChanged" and visit.state == state_of(connector):
        return
    _tell(station, connector, "Updated", trigger, at_s=at_s)


def _start(station: Station, connector: Connector, trigger: str, *, at_s: float) -> None:
    station.transactions += 1
    number = station.transactions
    visit = connector.visit = Visit(number, connector.id, _transaction_id(station, at_s))
    connector.meter_to(at_s)
    meter = connector.meter
    visit.start_wh, visit.start_integral_wh = meter.energy_wh, meter.integral_wh
    visit.start_wall_s = station.wall_s(at_s)
    visit.held = points_of(connector) & _points(station, STOP_POINT)
    transaction = connector.transaction
    visit.id_tag = connector.authorized_tag if transaction is None else transaction.id_tag
    visit.remote_start_id = connector.remote_start_id
    station.effects.append(TransactionOpened(number, connector.id))
    _tell(
        station,
        connector,
        "Started",
        trigger,
        at_s=at_s,
        reading=connector.reading(),
        context="Transaction.Begin",
        measurands=station.configuration.measurands(STARTED_MEASURANDS),
    )


def _transaction_id(station: Station, at_s: float) -> str:
    """A UUID of the station's own chance and its clock: another run of the same fleet must not use
    the same ids again.
    """
    label = f"transaction:{station.identity}:{station.transactions}:{station.wall_s(at_s)}"
    text = station.chance.fork(label).hex(32)
    text = f"{text[:12]}4{text[13:16]}a{text[17:]}".lower()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _end(station: Station, connector: Connector, trigger: str, *, at_s: float, reason: str) -> None:
    visit = connector.visit
    assert visit is not None
    connector.meter_to(at_s)
    meter = connector.meter
    _tell(
        station,
        connector,
        "Ended",
        trigger,
        at_s=at_s,
        reading=connector.reading(),
        context="Transaction.End",
        measurands=station.configuration.measurands(ENDED_MEASURANDS),
        reason=reason,
    )
    connector.visit = None
    station.effects.append(
        TransactionClosed(
            visit.number,
            meter.energy_wh - visit.start_wh,
            meter.integral_wh - visit.start_integral_wh,
            reason,
        )
    )


def _tell(
    station: Station,
    connector: Connector,
    kind: Kind,
    trigger: str,
    *,
    at_s: float,
    reading: Reading | None = None,
    context: str = "",
    measurands: tuple[str, ...] = (),
    reason: str = "",
) -> None:
    """Queue one event. The tag is told once, at the first event that knows it, and again by the one
    that another tag of the group has caused (2.0.1 E03, E05, E07).
    """
    visit = connector.visit
    assert visit is not None
    state = state_of(connector)
    tag = None
    if visit.stop_id_tag is not None:
        tag, visit.stop_id_tag = visit.stop_id_tag, None
    elif visit.id_tag is not None and not visit.id_tag_told:
        tag, visit.id_tag_told = visit.id_tag, True
    event = SessionEvent(
        visit=visit,
        kind=kind,
        trigger=trigger,
        seq_no=visit.seq_no,
        wall_s=station.wall_s(at_s),
        offline=not station.online,
        state=None if state == visit.state and kind != "Started" else state,
        id_tag=tag,
        reading=reading if measurands else None,
        context=context,
        measurands=measurands,
        reason=reason,
    )
    visit.seq_no += 1
    visit.state = state
    station.say(event, due_s=at_s)
