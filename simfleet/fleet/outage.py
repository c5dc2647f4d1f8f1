"""Has the CSMS gone? From the last lost connection of a fleet to the next one that opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.errors import ConnectReason
from simfleet.observe.tally import Tally

if TYPE_CHECKING:
    from simfleet.errors import ConnectFailed

_SERVER_ERRORS: Final = range(500, 600)
"""What a proxy answers whose CSMS is gone."""


class Outage:
    """Nobody is connected, the peer ended the last connection, and attempts fail since then.

    A CSMS that refuses a charger by 401, say, is there all the same: that is no outage.
    """

    __slots__ = ("_failures", "_kind", "_since_s")

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._kind = ""
        self._failures = Tally()

    def begin(self, kind: str, *, at_s: float) -> None:
        """The last connection was lost; `kind` as in `errors.LinkClosed`."""
        self._since_s, self._kind = at_s, kind

    def end(self) -> None:
        """A connection is open."""
        if self._since_s is not None:
            self._since_s, self._failures = None, Tally()

    def attempt_failed(self, failure: ConnectFailed) -> None:
        """A charger could not connect."""
        answered = failure.reason is ConnectReason.NO_SUBPROTOCOL or (
            failure.reason is ConnectReason.HTTP_STATUS and failure.status not in _SERVER_ERRORS
        )
        if self._since_s is not None and not answered:
            self._failures.add(str(failure.reason))

    def described(self, *, began_s: float) -> str | None:
        """A sentence about an outage that goes on, None without one. `began_s` is when the load
        began, monotonic.
        """
        failures = self._failures.snapshot()
        if self._since_s is None or not failures:
            return None
        reasons = ", ".join(f"{count} {reason}" for reason, count in failures.items())
        return (
            f"the target was lost {self._since_s - began_s:.0f} s into the load and did not come"
            f" back: the last connection ended ({self._kind}), and every attempt since then"
            f" failed ({reasons})"
        )
