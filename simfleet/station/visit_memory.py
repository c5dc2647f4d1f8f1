"""What the hardware keeps of the transactions of OCPP 2.x: those that run, and the events that the
CSMS has not answered. See `memory`.

A transaction that ran when power failed is over: its Ended event, made on recall, says so, with the
register and the time that were kept. seqNo goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.station.bill import Bill
from simfleet.station.configuration_keys2 import ENDED_MEASURANDS
from simfleet.station.effects import TransactionClosed
from simfleet.station.messages import Limit, Measured, SessionEvent, Step
from simfleet.station.visit import Visit
from simfleet.station.visits import ACCOUNTS_2

if TYPE_CHECKING:
    from simfleet.station.meter import Meter
    from simfleet.station.station import Station

POWER_LOSS: Final = "PowerLoss"
_STEP: Final = Step.__struct_fields__


class KeptVisit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A transaction that runs, or of which something is still to be told. See `Visit`."""

    number: int
    connector_id: int
    id: str
    seq_no: int
    id_tag: str | None = None
    id_tag_told: bool = False
    cable_told: bool = False
    deauthorized: bool = False
    state: str = "Idle"
    charging_s: float = 0.0
    remote_start_id: int | None = None
    reservation_id: int | None = None
    start_wh: float
    stop_wh: float
    start_integral_wh: float
    start_exported_wh: float = 0.0
    start_wall_s: float
    kept: list[Measured] | None = None
    limit: Limit | None = None
    bill: Bill | None = None


_VISIT: Final = KeptVisit.__struct_fields__


class KeptEvent(Step, frozen=True, kw_only=True, tag="event"):
    """A TransactionEvent without an answer; `visit` is the number of its transaction."""

    visit: int
    attempts: int = 0


def kept_visit(visit: Visit) -> KeptVisit:
    """A transaction as plain values."""
    return KeptVisit(**{name: getattr(visit, name) for name in _VISIT})


def kept_event(event: SessionEvent, attempts: int) -> KeptEvent:
    """An event as plain values."""
    said = {name: getattr(event, name) for name in _STEP}
    return KeptEvent(**said, visit=event.visit.number, attempts=attempts)


def running(station: Station) -> list[Visit]:
    """The transactions that go on."""
    return [one.visit for one in station.connectors if one.visit is not None]


def visit_of(kept: KeptVisit) -> Visit:
    """The inverse of `kept_visit`."""
    visit = Visit(kept.number, kept.connector_id, kept.id)
    for name in _VISIT:
        setattr(visit, name, getattr(kept, name))
    if visit.kept is not None:
        visit.kept = list(visit.kept)
    return visit


def event_of(kept: KeptEvent, visit: Visit) -> SessionEvent:
    """The inverse of `kept_event`."""
    return SessionEvent(**{name: getattr(kept, name) for name in _STEP}, visit=visit)


def tells(station: Station) -> bool:
    """Whether the station tells of transactions so; it may have spoken another version before."""
    return station.dialect.accounts is ACCOUNTS_2


def interrupt(
    station: Station, visit: Visit, meter: Meter, *, metered_wall_s: float, at_s: float
) -> None:
    """End a transaction that ran when power failed, where and when it was last known to run."""
    wall_s = max(metered_wall_s, visit.start_wall_s)
    visit.stop_wh = meter.energy_wh
    measurands = station.configuration.measurands(ENDED_MEASURANDS)
    event = SessionEvent(
        visit=visit,
        kind="Ended",
        trigger="AbnormalCondition",
        seq_no=visit.seq_no,
        wall_s=wall_s,
        offline=True,
        state=None if visit.state == "Idle" else "Idle",
        reading=meter.reading() if measurands else None,
        context="Transaction.End",
        measurands=measurands,
        reason=POWER_LOSS,
        charging_s=round(visit.charging_s),
        bill=visit.bill,
        earlier=() if visit.kept is None else tuple(visit.kept),
    )
    visit.seq_no += 1
    station.effects.append(
        TransactionClosed(
            visit.number,
            visit.stop_wh - visit.start_wh,
            meter.integral_wh - visit.start_integral_wh,
            POWER_LOSS,
            meter.exported_wh - visit.start_exported_wh,
        )
    )
    station.say(event, due_s=at_s)
