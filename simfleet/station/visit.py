"""One transaction as OCPP 2.x knows it; what happens to it is in `visits.py`."""

from __future__ import annotations


class Visit:
    """One transaction. `number` counts the station's, as its books do; `id` is what the CSMS knows
    it by.
    """

    __slots__ = (
        "connector_id",
        "deauthorized",
        "held",
        "id",
        "id_tag",
        "id_tag_told",
        "number",
        "remote_start_id",
        "reservation_id",
        "seq_no",
        "start_integral_wh",
        "start_wall_s",
        "start_wh",
        "state",
        "stop_id_tag",
        "stop_reason",
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
        self.reservation_id: int | None = None
        self.deauthorized = False
        self.state = "Idle"
        """The charging state last told."""
        self.stop_reason = ""
        """Why the session in it ended, as stoppedReason will say."""
        self.start_wh = 0.0
        self.start_integral_wh = 0.0
        self.start_wall_s = 0.0
