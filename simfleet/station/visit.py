"""One transaction as OCPP 2.x knows it; what happens to it is in `visits.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simfleet.station.bill import Bill
    from simfleet.station.messages import Limit, Measured

KEPT_MAX: Final = 500
"""Readings kept for the Ended event; beyond it every second one is thinned out."""


class Visit:
    """One transaction. `number` counts the station's, as its books do; `id` is what the CSMS knows
    it by.
    """

    __slots__ = (
        "bill",
        "cable_told",
        "charging_priority",
        "charging_s",
        "connector_id",
        "deauthorized",
        "held",
        "id",
        "id_tag",
        "id_tag_told",
        "interrupted_wall_s",
        "kept",
        "limit",
        "number",
        "personal_message",
        "phases",
        "priced",
        "remote_start_id",
        "reservation_id",
        "seq_no",
        "start_exported_wh",
        "start_integral_wh",
        "start_s",
        "start_wall_s",
        "start_wh",
        "state",
        "state_since_s",
        "stop_id_tag",
        "stop_reason",
        "stop_wh",
        "total_cost",
    )

    def __init__(self, number: int, connector_id: int, transaction_id: str) -> None:
        self.number = number
        self.connector_id = connector_id
        self.id = transaction_id
        self.seq_no = 0
        """Of the next event."""
        self.held: frozenset[str] = frozenset()
        """The stop points that have held."""
        self.id_tag: str | None = None
        self.id_tag_told = False
        self.stop_id_tag: str | None = None
        self.remote_start_id: int | None = None
        """The CSMS's number of the start that it has asked for; None again once told."""
        self.reservation_id: int | None = None
        """The reservation used up; None again once told."""
        self.cable_told = False
        """The CSMS knows that, and where, the vehicle is connected."""
        self.phases: int | None = None
        """numberOfPhasesUsed as last told."""
        self.deauthorized = False
        """The CSMS has refused its tag."""
        self.state = "Idle"
        """The charging state last told."""
        self.state_since_s = 0.0
        self.charging_s = 0.0
        """Time spent charging, up to `state_since_s`."""
        self.stop_reason = ""
        """Why the session in it ended, as stoppedReason will say."""
        self.start_wh = self.stop_wh = 0.0
        self.start_integral_wh = self.start_exported_wh = 0.0
        self.start_wall_s = 0.0
        self.start_s = 0.0
        self.interrupted_wall_s: float | None = None
        """When power failed; None while there is power."""
        self.kept: list[Measured] | None = None
        """Readings that the Ended event will bring, the first of the transaction to begin with."""
        self.limit: Limit | None = None
        self.charging_priority: int | None = None
        self.personal_message: str | None = None
        self.total_cost: float | None = None
        """What the CSMS has said of it last."""
        self.priced = False
        """The station has looked for its tariff."""
        self.bill: Bill | None = None
        """What it had come to when it was remembered."""

    def keep(self, measured: Measured) -> None:
        """Remember a reading for the Ended event, within the bound."""
        if self.kept is None:
            self.kept = []
        if len(self.kept) >= KEPT_MAX:
            first, *rest = self.kept
            self.kept = [first, *rest[1::2]]  # the begin stays
        self.kept.append(measured)
