"""Transactions as OCPP 2.x tells of them (2.0.1 part 2, block E): from TxStartPoint to TxStopPoint.

A visit is one transaction. It starts at the first event after which one of the start points holds,
ends at the first after which one of the stop points that held does not any more, and every event in
between is told as TransactionEvent Updated. Energy flows in the session of `charging.py`, which may
begin later and end sooner than the visit; what happens outside a visit is no transaction's affair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.station import battery_swap, charging, costs, ev_needs, visit_limits
from simfleet.station.configuration_keys2 import (
    BEFORE_ACCEPTED,
    RESUMPTION,
    START_POINT,
    STOP_POINT,
)
from simfleet.station.connector import NEVER_S
from simfleet.station.phase import Phase
from simfleet.station.registration import Registration
from simfleet.station.visit_events import end, start, tell, tell_sample
from simfleet.station.visit_points import (
    CONNECTED,
    SEEN,
    points,
    points_of,
    senses_bay,
    state_of,
)

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.messages import Limit
    from simfleet.station.meter import Reading
    from simfleet.station.station import Station
    from simfleet.station.transaction import Transaction
    from simfleet.station.visit import Visit

# Why a session ended (a reason of `charging.end`): the trigger of the event, the stoppedReason.
_STOPS: Final = {
    "Local": ("StopAuthorized", "Local"),
    "Remote": ("RemoteStop", "Remote"),
    "EVDisconnected": ("EVCommunicationLost", "EVDisconnected"),
    "DeAuthorized": ("Deauthorized", "DeAuthorized"),
    "HardReset": ("ResetCommand", "ImmediateReset"),
    "SoftReset": ("ResetCommand", "ImmediateReset"),
    "ResumeReset": ("ResetCommand", "ImmediateReset"),
    "ScheduledReset": ("ResetCommand", "Reboot"),
    "UnlockCommand": ("UnlockCommand", "Other"),
    "PowerLoss": ("AbnormalCondition", "PowerLoss"),
    "Reboot": ("AbnormalCondition", "Reboot"),
    "Other": ("AbnormalCondition", "Other"),
    "EmergencyStop": ("AbnormalCondition", "EmergencyStop"),
    "PowerQuality": ("AbnormalCondition", "PowerQuality"),
    "MasterPass": ("StopAuthorized", "MasterPass"),
    "StoppedByEV": ("StopAuthorized", "StoppedByEV"),
    "LocalOutOfCredit": ("StopAuthorized", "LocalOutOfCredit"),
    "SOCLimitReached": ("EnergyLimitReached", "SOCLimitReached"),
    "EnergyLimitReached": ("EnergyLimitReached", "EnergyLimitReached"),
    "TimeLimitReached": ("TimeLimitReached", "TimeLimitReached"),
    "TariffNotAccepted": ("TariffNotAccepted", "DeAuthorized"),
}
_FINAL: Final = frozenset(
    {"HardReset", "PowerLoss", "Reboot", "ResumeReset", "ScheduledReset", "SoftReset"}
)
"""What ends a transaction whatever the stop points are: the station goes down."""
_RESUMABLE: Final = frozenset({"PowerLoss", "ResumeReset"})
_LIMITS: Final = {
    "CostLimitReached": "LocalOutOfCredit",
    "EnergyLimitReached": "EnergyLimitReached",
    "SoCLimitReached": "SOCLimitReached",
    "TimeLimitReached": "TimeLimitReached",
}
"""stoppedReason where a limit that is reached ends the transaction, by its triggerReason."""
_FAULTS: Final = {
    "GroundFailure": "GroundFault",
    "OverCurrentFailure": "OvercurrentFault",
    "OverVoltage": "PowerQuality",
    "UnderVoltage": "PowerQuality",
}
"""stoppedReason of a fault, by the name that 1.6 gives it."""
_CONTEXT_TRIGGERS: Final = {
    "Sample.Periodic": "MeterValuePeriodic",
    "Sample.Clock": "MeterValueClock",
    "Trigger": "Trigger",
}


def of_id(station: Station, transaction_id: str) -> Visit | None:
    """The visit of that transactionId, if it goes on."""
    for connector in station.connectors:
        if connector.visit is not None and connector.visit.id == transaction_id:
            return connector.visit
    return None


class Accounts2:
    """See `accounts.Accounts`: OCPP 2.0.1 and 2.1."""

    def accepted(self, station: Station, *, at_s: float) -> None:
        """What may start a transaction may have happened before (2.0.1 B02, B03)."""
        for connector in station.connectors:
            if connector.visit is None and connector.plugged:
                happened(station, connector, "CablePluggedIn", at_s=at_s)
        if station.swaps is not None:
            battery_swap.resume(station, at_s=at_s)

    def plugged(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """The cable may start a transaction, or is told in the one that runs."""
        if connector.transaction is not None:
            return  # the same session goes on: flow_changed has told it
        if senses_bay(station):
            happened(station, connector, "EVDetected", at_s=at_s)
        happened(station, connector, "CablePluggedIn", at_s=at_s)

    def unplugged(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """The cable is out, and so is the vehicle a moment later."""
        visit = connector.visit
        if visit is None or connector.transaction is not None:
            return
        reason = visit.stop_reason or "EVDisconnected"
        if visit.state != "Idle":
            happened(
                station,
                connector,
                "EVCommunicationLost",
                at_s=at_s,
                reason=reason,
                occupied=senses_bay(station),
            )
        if connector.visit is not None:
            happened(station, connector, "EVDeparted", at_s=at_s, reason=reason)

    def counts(self, connector: Connector) -> bool:
        """While a visit lasts, be there a session in it or not."""
        return connector.visit is not None

    def ends_unplugged(self, station: Station) -> bool:
        """StopTxOnEVSideDisconnect, and what hangs on a vehicle that is connected."""
        flag = station.configuration.flag("StopTransactionOnEVSideDisconnect")
        return flag or not CONNECTED.isdisjoint(points(station, STOP_POINT))

    def authorized(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """A tag may start a transaction, or is told in the one that runs."""
        visit = connector.visit
        remote_start_id = connector.remote_start_id
        if visit is not None:
            visit.id_tag_told = visit.id_tag_told and visit.id_tag == connector.authorized_tag
            visit.id_tag = connector.authorized_tag
            visit.deauthorized = False
            visit.stop_reason = ""
            visit.remote_start_id = remote_start_id
        trigger = "Authorized" if remote_start_id is None else "RemoteStart"
        happened(station, connector, trigger, at_s=at_s)

    def timed_out(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """No cable came."""
        if connector.visit is not None:
            connector.authorized_tag = None
            happened(station, connector, "EVConnectTimeout", at_s=at_s, reason="Timeout")

    def began(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """The session belongs to the visit that its tag or cable has started, if it has."""
        visit, transaction = connector.visit, connector.transaction
        assert transaction is not None
        if station.energy is not None:
            station.energy.began(connector)
        if connector.vehicle is not None and connector.vehicle.spec.iso15118:
            ev_needs.announce(station, connector, at_s=at_s)
        if visit is None:
            return
        visit.id_tag = transaction.id_tag
        visit.reservation_id = transaction.reservation_id
        if connector.account is not None:
            costs.reserved(connector, visit)
        visit_limits.apply(station, connector, visit, at_s=at_s)
        if visit.deauthorized:
            charging.withhold(station, connector)

    def flow_changed(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """ChargingStateChanged, or its deeper cause; or the start or end where EnergyTransfer is
        the point.
        """
        visit = connector.visit
        trigger = "ChargingStateChanged"
        if visit is not None:
            if not connector.plugged:
                trigger = "EVCommunicationLost"
            elif visit.state == "Idle" and visit.cable_told:
                trigger = "CablePluggedIn"
            elif visit.limit is not None and connector.phase is Phase.SUSPENDED_EVSE:
                trigger = visit_limits.reached(connector, visit, at_s=at_s) or trigger
        reason = "StoppedByEV" if connector.phase is Phase.SUSPENDED_EV else "Other"
        reason = _LIMITS.get(trigger, reason)
        happened(station, connector, trigger, at_s=at_s, reason=reason)

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
        tell_sample(
            station,
            connector,
            _CONTEXT_TRIGGERS[context],
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
        reason = transaction.reason
        trigger, visit.stop_reason = _STOPS.get(reason, ("AbnormalCondition", "Other"))
        if reason == "Other":
            visit.stop_reason = _FAULTS.get(connector.error_code, "Other")
        visit.stop_id_tag = transaction.stop_id_tag
        if reason in _FINAL:
            end(station, connector, trigger, at_s=at_s, reason=visit.stop_reason)
            return
        happened(
            station,
            connector,
            trigger,
            at_s=at_s,
            reason=visit.stop_reason,
            occupied=senses_bay(station),
        )

    def failed(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """A fault while no energy flows."""
        if connector.visit is not None:
            reason = _FAULTS.get(connector.error_code, "Other")
            happened(station, connector, "AbnormalCondition", at_s=at_s, reason=reason)

    def outlasts(self, station: Station, connector: Connector, *, reason: str, at_s: float) -> bool:
        """Whether a transaction may go on after the power comes back (2.1 E17)."""
        visit = connector.visit
        if visit is None or not connector.plugged or reason not in _RESUMABLE:
            return False
        if not station.dialect.resumes or not station.configuration.seconds(RESUMPTION):
            return False
        connector.meter_to(at_s)
        connector.offered_w = 0.0
        connector.change_due_s = NEVER_S
        visit.interrupted_wall_s = station.wall_s(at_s)
        return True

    def gone_dark(
        self, station: Station, connector: Connector, *, reason: str, at_s: float
    ) -> None:
        """What goes on ends here."""
        if connector.visit is not None:
            trigger, stopped = _STOPS.get(reason, ("AbnormalCondition", "Other"))
            end(station, connector, trigger, at_s=at_s, reason=stopped)

    def woken(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """What outlasted the dark goes on, or has waited too long."""
        visit = connector.visit
        if visit is None or visit.interrupted_wall_s is None:
            return
        away_s = station.wall_s(at_s) - visit.interrupted_wall_s
        visit.interrupted_wall_s = None
        if away_s <= station.configuration.seconds(RESUMPTION):
            tell(station, connector, "Updated", "TxResumed", at_s=at_s)
            if connector.transaction is not None:
                charging.flow(station, connector, at_s=at_s)
        elif connector.transaction is not None:
            charging.end(station, connector, reason="PowerLoss", at_s=at_s)
        else:
            end(station, connector, "AbnormalCondition", at_s=at_s, reason="PowerLoss")


ACCOUNTS_2: Final = Accounts2()


def happened(
    station: Station,
    connector: Connector,
    trigger: str,
    *,
    at_s: float,
    reason: str = "Other",
    occupied: bool = False,
) -> None:
    """Something that may start a transaction, be told in one, or end it (`reason`). The bay may be
    `occupied` by a vehicle without a cable.
    """
    visit = connector.visit
    # A vehicle in the bay is seen before its cable is.
    holds = SEEN if trigger == "EVDetected" else points_of(connector, occupied=occupied)
    if visit is None:
        if holds & points(station, START_POINT) and _may_start(station):
            start(station, connector, trigger, holds, at_s=at_s)
        return
    stop_points = points(station, STOP_POINT)
    if (visit.held & stop_points) - holds or not holds:
        end(station, connector, trigger, at_s=at_s, reason=reason)
        return
    visit.held |= holds & stop_points
    if trigger == "ChargingStateChanged" and visit.state == state_of(connector):
        return
    tell(station, connector, "Updated", trigger, at_s=at_s)


def deauthorize(station: Station, connector: Connector, *, at_s: float) -> None:
    """The CSMS refuses the tag of a visit in which no energy flows yet (2.0.1 E05)."""
    visit = connector.visit
    assert visit is not None
    visit.deauthorized = True
    if connector.authorized_tag is None or not station.configuration.flag(
        "StopTransactionOnInvalidId"
    ):
        return  # the session, if it comes, gets no energy
    visit.stop_reason = "DeAuthorized"
    connector.forget_tag()
    happened(station, connector, "Deauthorized", at_s=at_s, reason="DeAuthorized")
    if connector.phase is Phase.PREPARING and not connector.plugged:
        charging.release(station, connector, at_s=at_s)


def limited(station: Station, connector: Connector, limit: Limit, *, at_s: float) -> None:
    """The CSMS limits a visit (2.1 E16): it is told that this is known."""
    visit = connector.visit
    assert visit is not None
    if limit == visit.limit:
        return
    visit.limit = limit
    tell(station, connector, "Updated", "LimitSet", at_s=at_s, limit=limit)
    if connector.transaction is not None:
        visit_limits.apply(station, connector, visit, at_s=at_s)
        charging.flow(station, connector, at_s=at_s)


def _may_start(station: Station) -> bool:
    """Not before the CSMS has accepted the station, unless TxBeforeAcceptedEnabled."""
    return (
        station.registration is Registration.ACCEPTED
        or station.configuration.get(BEFORE_ACCEPTED) == "true"
    )
