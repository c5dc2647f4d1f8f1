"""One charging transaction as the station remembers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simfleet.station.meter import Reading

KEPT_SAMPLES_MAX: Final = 500
"""Readings kept for StopTransaction.transactionData; beyond it every second one is thinned out."""


class Transaction:
    """Begun by a tag on a connector. `id` is the CSMS's, None until it has answered
    StartTransaction.
    """

    __slots__ = (
        "connector_id",
        "deauthorized",
        "id",
        "id_tag",
        "number",
        "parent_id_tag",
        "reason",
        "remote_start",
        "remote_start_id",
        "reservation_id",
        "samples",
        "start_at_s",
        "start_integral_wh",
        "start_wall_s",
        "start_wh",
        "stop_id_tag",
        "stop_wall_s",
        "stop_wh",
    )

    def __init__(
        self,
        *,
        number: int,
        connector_id: int,
        id_tag: str,
        start_wh: float,
        start_integral_wh: float,
        wall_s: float,
        at_s: float = 0.0,
    ) -> None:
        self.number = number
        self.connector_id = connector_id
        self.id_tag = id_tag
        self.parent_id_tag: str | None = None
        self.start_wh = start_wh
        self.start_integral_wh = start_integral_wh
        self.start_wall_s = wall_s
        self.start_at_s = at_s
        """Monotonic; means nothing after a restart, when no transaction runs."""
        self.id: int | None = None
        self.deauthorized = False
        self.remote_start = False
        """The CSMS has asked for it."""
        self.remote_start_id: int | None = None
        """Its number for that (2.x)."""
        self.reservation_id: int | None = None
        """The reservation that it has used up."""
        self.stop_wh = start_wh
        self.stop_wall_s = wall_s
        self.stop_id_tag: str | None = None
        self.reason = ""
        self.samples: list[tuple[float, str, Reading]] | None = None

    @property
    def ended(self) -> bool:
        """Whether a reason to stop has been recorded."""
        return bool(self.reason)

    def keep(self, wall_s: float, context: str, reading: Reading) -> None:
        """Remember a reading for StopTransaction.transactionData, within the bound."""
        if self.samples is None:
            self.samples = []
        if len(self.samples) >= KEPT_SAMPLES_MAX:
            first, *rest = self.samples
            self.samples = [first, *rest[1::2]]  # the begin stays
        self.samples.append((wall_s, context, reading))

    def end(self, *, reason: str, stop_wh: float, wall_s: float, id_tag: str | None) -> None:
        """Record the end, once."""
        assert not self.reason, "a transaction ends once"
        self.reason = reason
        self.stop_wh = stop_wh
        self.stop_wall_s = wall_s
        self.stop_id_tag = id_tag
