"""The events of a transaction of OCPP 2.x: what TransactionEvent says of each step, and when for
the first time (2.0.1 part 2, E01 to E08).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from simfleet.station import agenda, costs, payment, visit_meter
from simfleet.station.configuration_keys2 import ENDED_MEASURANDS, STARTED_MEASURANDS, STOP_POINT
from simfleet.station.effects import TransactionClosed, TransactionOpened
from simfleet.station.messages import SessionEvent
from simfleet.station.visit import Visit
from simfleet.station.visit_points import points, state_of

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.messages import Limit
    from simfleet.station.meter import Reading
    from simfleet.station.station import Station

Kind = Literal["Started", "Updated", "Ended"]


def start(
    station: Station, connector: Connector, trigger: str, holds: frozenset[str], *, at_s: float
) -> None:
    """A transaction starts; `holds` are the points that hold."""
    station.transactions += 1
    number = station.transactions
    visit = connector.visit = Visit(number, connector.id, _transaction_id(station, at_s))
    connector.meter_to(at_s)
    meter = connector.meter
    visit.start_wh, visit.start_integral_wh = meter.energy_wh, meter.integral_wh
    visit.start_exported_wh = meter.exported_wh
    visit.start_wall_s = station.wall_s(at_s)
    visit.start_s = visit.state_since_s = at_s
    visit.held = holds & points(station, STOP_POINT)
    transaction = connector.transaction
    if transaction is None:
        visit.id_tag, visit.remote_start_id = connector.authorized_tag, connector.remote_start_id
    else:
        visit.id_tag, visit.remote_start_id = transaction.id_tag, transaction.remote_start_id
        visit.reservation_id = transaction.reservation_id
    station.effects.append(TransactionOpened(number, connector.id))
    if station.payments is not None:
        payment.web_over(station, connector)
    tell(
        station,
        connector,
        "Started",
        trigger,
        at_s=at_s,
        reading=visit_meter.begin(station, connector, visit, at_s=at_s),
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


def end(station: Station, connector: Connector, trigger: str, *, at_s: float, reason: str) -> None:
    """The transaction ends."""
    visit = connector.visit
    assert visit is not None
    connector.meter_to(at_s)
    meter = connector.meter
    visit.stop_wh = meter.energy_wh
    tell(
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
    if station.tariffs is not None:
        costs.close(station, connector, visit)
    if station.profiles is not None:
        station.profiles.transaction_over(visit.number)
    if station.energy is not None:
        station.energy.over(visit.number, connector)
    visit_meter.end(station, connector)
    if station.availability is not None and station.availability.waits:
        agenda.at(station, agenda.Job.AVAILABILITY, at_s)
    station.effects.append(
        TransactionClosed(
            visit.number,
            meter.energy_wh - visit.start_wh,
            meter.integral_wh - visit.start_integral_wh,
            reason,
            meter.exported_wh - visit.start_exported_wh,
        )
    )


def tell_sample(
    station: Station,
    connector: Connector,
    trigger: str,
    *,
    at_s: float,
    reading: Reading,
    context: str,
    measurands: tuple[str, ...],
) -> None:
    """Queue the reading of a transaction: as `tell`, by a short cut where nothing else is new."""
    visit = connector.visit
    assert visit is not None
    if (
        not measurands
        or visit.stop_id_tag is not None
        or (visit.id_tag is not None and not visit.id_tag_told)
        or not visit.cable_told
        or visit.remote_start_id is not None
        or visit.reservation_id is not None
        or station.tariffs is not None
        or visit.state != state_of(connector)
    ):
        tell(
            station,
            connector,
            "Updated",
            trigger,
            at_s=at_s,
            reading=reading,
            context=context,
            measurands=measurands,
        )
        return
    event = SessionEvent(
        visit=visit,
        kind="Updated",
        trigger=trigger,
        seq_no=visit.seq_no,
        wall_s=station.wall_s(at_s),
        offline=not station.online,
        reading=reading,
        context=context,
        measurands=measurands,
        plain=True,
    )
    visit.seq_no += 1
    station.say(event, due_s=at_s)


def tell(
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
    limit: Limit | None = None,
    mode: str | None = None,
) -> None:
    """Queue one event. The tag is told once, at the first event that knows it, and again by the one
    that another tag of the group has caused (2.0.1 E03, E05, E07).
    """
    visit = connector.visit
    assert visit is not None
    state: str | None = state_of(connector)
    tag = phases = cable_a = charging_s = None
    if visit.stop_id_tag is not None:
        tag, visit.stop_id_tag = visit.stop_id_tag, None
    elif visit.id_tag is not None and not visit.id_tag_told:
        tag, visit.id_tag_told = visit.id_tag, True
    if state != visit.state or kind == "Ended":
        if visit.state == "Charging":
            visit.charging_s += max(0.0, at_s - visit.state_since_s)
        charging_s = round(visit.charging_s)
        visit.state_since_s = at_s
        phases = _new_phases(connector, visit, state)
    bill = tariff_id = None
    if station.tariffs is not None:
        bill, tariff_id = costs.told(station, connector, visit, kind, trigger, at_s=at_s)
    first = kind == "Started"
    outlet = connector.plugged and not visit.cable_told and trigger != "EVDetected"
    if outlet:
        visit.cable_told = True
        cable_a = _cable_a(connector)
    if state == visit.state and not first:
        state = None
    else:
        visit.state = state or ""
    event = SessionEvent(
        visit=visit,
        kind=kind,
        trigger=trigger,
        seq_no=visit.seq_no,
        wall_s=station.wall_s(at_s),
        offline=not station.online,
        state=state,
        id_tag=tag,
        reading=reading if measurands else None,
        context=context,
        measurands=measurands,
        reason=reason,
        evse=first or outlet,
        outlet=outlet,
        remote_start_id=visit.remote_start_id,
        reservation_id=visit.reservation_id,
        phases=phases,
        cable_a=cable_a,
        charging_s=charging_s if charging_s or kind == "Ended" else None,
        limit=limit,
        mode=mode,
        bill=bill,
        tariff_id=tariff_id,
        earlier=() if kind != "Ended" or visit.kept is None else tuple(visit.kept),
    )
    visit.seq_no += 1
    visit.remote_start_id = visit.reservation_id = None
    station.say(event, due_s=at_s)


def _new_phases(connector: Connector, visit: Visit, state: str | None) -> int | None:
    """numberOfPhasesUsed, when energy begins to flow over another number of them."""
    if state != "Charging" or connector.meter.spec.kind == "DC":
        return None
    phases = connector.meter.spec.phases_used(connector.vehicle)
    if phases == visit.phases:
        return None
    visit.phases = phases
    return phases


def _cable_a(connector: Connector) -> int | None:
    """What the cable carries: as much as the outlet, in each phase. DC stations do not say."""
    spec = connector.meter.spec
    return None if spec.kind == "DC" else round(spec.max_power_w / spec.nominal_v / spec.phases)
