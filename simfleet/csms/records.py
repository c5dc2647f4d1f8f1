"""What the CSMS knows of one transaction, one connector, one station. Pure, and small:
there are 10,000 of each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from simfleet.csms.notices import StationNotices
from simfleet.csms.records2 import Transaction2
from simfleet.csms.upkeep import StationUpkeep

if TYPE_CHECKING:
    from datetime import datetime

    from simfleet.csms.convergence import Watch
    from simfleet.ocpp.v16.messages import (
        MeterValue,
        StartTransactionRequest,
        StopTransactionRequest,
    )

CONNECTORS_MAX: Final = 64
"""Connectors remembered per station, connector 0 included."""


class Transaction:
    """One charging session as the station told it."""

    __slots__ = (
        "connector_id",
        "id",
        "id_tag",
        "identity",
        "key",
        "last_meter_value",
        "meter_start_wh",
        "meter_stop_wh",
        "meter_values",
        "reason",
        "started",
        "stopped",
    )

    def __init__(self, transaction_id: int, identity: str, start: StartTransactionRequest) -> None:
        self.id = self.key = transaction_id
        self.identity = identity
        self.connector_id = start.connector_id
        self.id_tag: str | None = start.id_tag
        self.meter_start_wh = start.meter_start
        self.started = start.timestamp
        self.meter_stop_wh: int | None = None
        self.stopped: datetime | None = None
        self.reason: str | None = None
        self.meter_values = 0
        self.last_meter_value: MeterValue | None = None

    def is_start(self, start: StartTransactionRequest) -> bool:
        """Whether `start` is the message that began this one, sent again."""
        return (
            self.connector_id == start.connector_id
            and self.id_tag == start.id_tag
            and self.meter_start_wh == start.meter_start
            and self.started == start.timestamp
        )

    def is_stop(self, stop: StopTransactionRequest) -> bool:
        """Whether `stop` is the message that ended this one, sent again."""
        return (
            self.meter_stop_wh == stop.meter_stop
            and self.stopped == stop.timestamp
            and self.reason == stop.reason
        )


AnyTransaction: TypeAlias = Transaction | Transaction2
Key: TypeAlias = int | tuple[str, str]
"""What tells a transaction from all others: its id in 1.6, the identity and the id in 2.x."""


class ConnectorRecord:
    """The last that is known of one connector; 0 is the station as a whole. In 2.x, of one EVSE.

    `others` has the statuses of the second and further connectors of an EVSE, None without any.
    """

    __slots__ = ("error_code", "last_start", "others", "register_at", "register_wh", "status")

    def __init__(self) -> None:
        self.status: str | None = None
        self.error_code: str | None = None
        self.register_wh: float | None = None
        self.register_at: datetime | None = None
        self.last_start: AnyTransaction | None = None
        self.others: dict[int, str] | None = None

    def note_status(self, connector_id: int, status: str) -> None:
        """Keep the status of a connector of an EVSE (2.x)."""
        if connector_id <= 1:
            self.status = status
            return
        if self.others is None:
            self.others = {}
        if connector_id in self.others or len(self.others) < CONNECTORS_MAX:
            self.others[connector_id] = status


class StationRecord:
    """One identity, across its connections."""

    __slots__ = (
        "accepted",
        "boots",
        "calls",
        "connected",
        "connections",
        "connectors",
        "doubled",
        "firmware_version",
        "identity",
        "last_tag",
        "model",
        "noticed",
        "open",
        "seen_at_s",
        "serial_number",
        "told",
        "vendor",
        "version",
        "watches",
    )

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.forget_counts()
        self.accepted = False
        """Whether its last BootNotification was accepted."""
        self.connected = 0
        """Open connections; 2 while a new one replaces the old."""
        self.seen_at_s = 0.0
        self.watches: list[Watch] | None = None
        """CALLs to it whose effect has not shown yet, see `convergence.py`; None without any."""
        self.last_tag: str | None = None
        """The last tag of this station that was accepted, as `station.tokens` writes tags."""
        self.version = ""
        """The subprotocol of its newest connection."""
        self.vendor: str | None = None
        self.model: str | None = None
        self.serial_number: str | None = None
        self.firmware_version: str | None = None

    def forget_counts(self) -> None:
        """Begin again, except for what the open connection is."""
        self.boots = 0
        self.calls = 0
        self.connections = 0
        self.doubled = False
        """Whether it ever opened a connection while it had one."""
        self.connectors: dict[int, ConnectorRecord] = {}
        self.open = 0
        """Open transactions."""
        self.told: StationUpkeep | None = None
        """What it has told of firmware, logs and security; None before the first of these."""
        self.noticed: StationNotices | None = None
        """What it has told of all else in 2.x; None before the first of these."""

    def upkeep(self) -> StationUpkeep:
        """What it has told of firmware, logs and security, to be added to."""
        if self.told is None:
            self.told = StationUpkeep()
        return self.told

    def notices(self) -> StationNotices:
        """What it has told of all else in 2.x, to be added to."""
        if self.noticed is None:
            self.noticed = StationNotices()
        return self.noticed

    def connector(self, connector_id: int) -> ConnectorRecord | None:
        """The record of a connector; None when it would be one too many."""
        record = self.connectors.get(connector_id)
        if record is None and len(self.connectors) < CONNECTORS_MAX:
            record = self.connectors[connector_id] = ConnectorRecord()
        return record
