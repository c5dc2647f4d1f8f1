"""How a station gives account of what goes on at its connectors: the transactions it tells of.

`charging.py` and `authorization.py` say what happens, in the same words for every version. What the
CSMS hears of it differs: OCPP 1.6 knows a transaction from the moment at which a tag and a cable
have come together until the session is stopped (StartTransaction, MeterValues, StopTransaction);
in 2.x it begins and ends where TxStartPoint and TxStopPoint say, and every step of it is a
TransactionEvent (`visits.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from simfleet.station.effects import TransactionClosed, TransactionOpened
from simfleet.station.messages import (
    TransactionEnded,
    TransactionSampled,
    TransactionStarted,
)

if TYPE_CHECKING:
    from simfleet.station.connector import Connector
    from simfleet.station.meter import Reading
    from simfleet.station.station import Station
    from simfleet.station.transaction import Transaction


class Accounts(Protocol):
    """What is called when something has happened. Without state: one object serves all stations."""

    def accepted(self, station: Station, *, at_s: float) -> None:
        """The CSMS has accepted the station after a boot."""

    def plugged(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """A cable has come in; no session has begun yet."""

    def unplugged(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """The cable is out; if a session ended with it, `ended` has been called before."""

    def authorized(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """A tag was accepted; the session begins after this, if the cable is in."""

    def timed_out(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """The tag that waited is forgotten, because no cable came."""

    def began(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """A session has begun: `connector.transaction`."""

    def flow_changed(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """Energy flows, or does not any more, in the session that runs."""

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
        """The meter was read for the session that runs."""

    def ended(
        self, station: Station, connector: Connector, transaction: Transaction, *, at_s: float
    ) -> None:
        """A session has ended, and the cable may be out; the phase has not moved yet."""

    def counts(self, connector: Connector) -> bool:
        """Whether what is measured there belongs to a transaction."""

    def ends_unplugged(self, station: Station) -> bool:
        """Whether a session ends when its cable comes out."""

    def failed(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """A fault has come up while no session runs; the phase has not moved yet."""

    def outlasts(self, station: Station, connector: Connector, *, reason: str, at_s: float) -> bool:
        """The station goes down: whether the session that runs shall go on afterwards."""

    def gone_dark(
        self, station: Station, connector: Connector, *, reason: str, at_s: float
    ) -> None:
        """The station goes down: nothing can go on at its connectors."""

    def woken(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """The station has booted, and is not connected yet."""


def closed(transaction: Transaction, integral_wh: float) -> TransactionClosed:
    """What the books are told of a session that has ended; `integral_wh` is the meter's."""
    return TransactionClosed(
        transaction.number,
        transaction.stop_wh - transaction.start_wh,
        integral_wh - transaction.start_integral_wh,
        transaction.reason,
    )


class Accounts16:
    """OCPP 1.6: only sessions count, from their beginning to their end."""

    def plugged(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """Nothing to tell: the status says it."""

    unplugged = authorized = timed_out = flow_changed = failed = woken = plugged

    def accepted(self, station: Station, *, at_s: float) -> None:
        """Nothing to tell: statuses are told anyway."""

    def counts(self, connector: Connector) -> bool:
        """While a session runs."""
        return connector.transaction is not None

    def ends_unplugged(self, station: Station) -> bool:
        """StopTransactionOnEVSideDisconnect."""
        return station.configuration.flag("StopTransactionOnEVSideDisconnect")

    def outlasts(self, station: Station, connector: Connector, *, reason: str, at_s: float) -> bool:
        """No: it is stopped."""
        return False

    def gone_dark(
        self, station: Station, connector: Connector, *, reason: str, at_s: float
    ) -> None:
        """Nothing to tell: the session has ended."""

    def began(self, station: Station, connector: Connector, *, at_s: float) -> None:
        """StartTransaction, and the first reading for StopTransaction."""
        transaction = connector.transaction
        assert transaction is not None
        station.effects.append(TransactionOpened(transaction.number, connector.id))
        station.say(TransactionStarted(transaction), due_s=at_s)
        if station.keeps_samples:
            wall_s = transaction.start_wall_s
            transaction.keep(wall_s, "Transaction.Begin", connector.reading())

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
        """MeterValues."""
        transaction = connector.transaction
        assert transaction is not None
        wall_s = station.wall_s(due_s)
        if context == "Sample.Periodic" and station.keeps_samples:
            transaction.keep(wall_s, context, reading)
        station.say(
            TransactionSampled(transaction, reading, context, measurands, wall_s), due_s=due_s
        )

    def ended(
        self, station: Station, connector: Connector, transaction: Transaction, *, at_s: float
    ) -> None:
        """StopTransaction."""
        station.effects.append(closed(transaction, connector.meter.integral_wh))
        station.say(TransactionEnded(transaction), due_s=at_s)


ACCOUNTS_16: Final = Accounts16()
