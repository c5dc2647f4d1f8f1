"""Fleet-wide counters of one run: everything the summary counts that is not a latency.

Plain slotted objects in bounded memory, changed from the one event loop of a shard and read by
`snapshot()`. Rule of the house: every drop has a counter, and every counter is visible here.
Keys that a peer chooses (error codes, actions, reasons) go through `Tally` (`tally.py`), so a CSMS
that answers garbage cannot fill our memory with the names of it.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from simfleet.clock import iso
from simfleet.observe.rates import rate_at
from simfleet.observe.tally import TALLY_KEY_MAX_CHARS, TALLY_KEYS_MAX, TALLY_OTHER, Tally

if TYPE_CHECKING:
    from simfleet.errors import ConnectReason, ProtocolViolation

__all__ = [
    "CRASHES_MAX",
    "VIOLATIONS_MAX",
    "VIOLATION_FRAME_MAX_BYTES",
    "ConnectCounters",
    "Counters",
    "CrashLog",
    "Tide",
    "ViolationLog",
]

VIOLATIONS_MAX = 100
"""Violations kept with their frame; further ones are only counted."""
VIOLATION_FRAME_MAX_BYTES = 2 * 1024
"""Kept of an offending frame; enough for all but firmware-sized DataTransfers."""
CRASHES_MAX = 20
"""Crashes kept with their traceback; further ones are only counted."""
TRACEBACK_MAX_CHARS = 16 * 1024
"""Kept of a traceback, from its end: the last lines say what went wrong."""


class Tide:
    """The fewest and the most connections open at once, for as long as somebody watches."""

    __slots__ = ("high", "low")

    def __init__(self, connected: int) -> None:
        self.low = self.high = connected


class ConnectCounters:
    """Attempts to open a connection, and how they ended.

    `connected` is the number open now. `first_at_s` is when the first attempt began (monotonic);
    with `wanted` set, `all_at_s` is when so many were first connected at once. `connected_min` is
    kept while `watch_min` says so.
    """

    __slots__ = (
        "_tides",
        "all_at_s",
        "attempts",
        "connected",
        "connected_min",
        "connected_peak",
        "failures",
        "first_at_s",
        "opened",
        "wanted",
        "watching_min",
    )

    def __init__(self, *, speed: float = 1.0) -> None:
        self.attempts = 0
        self.failures = Tally()
        self.opened = rate_at(speed)
        self.connected = 0
        self.connected_peak = 0
        self.first_at_s: float | None = None
        self.wanted = 0
        self.all_at_s: float | None = None
        self.connected_min: int | None = None
        self.watching_min = False
        self._tides: list[Tide] = []

    def attempt(self, at_s: float) -> None:
        """Count one attempt, started at `at_s`."""
        self.attempts += 1
        if self.first_at_s is None:
            self.first_at_s = at_s

    def open(self, at_s: float) -> None:
        """Count one attempt that ended in an open connection."""
        self.opened.add(at_s)
        self.connected += 1
        if self.connected > self.connected_peak:
            self.connected_peak = self.connected
            if self.all_at_s is None and self.connected >= self.wanted:
                self.all_at_s = at_s
        for tide in self._tides:
            tide.high = max(tide.high, self.connected)

    def close(self) -> None:
        """Count one open connection less."""
        self.connected -= 1
        if self.watching_min and self.connected_min is not None:
            self.connected_min = min(self.connected_min, self.connected)
        for tide in self._tides:
            tide.low = min(tide.low, self.connected)

    def watch_tide(self) -> Tide:
        """Keep the fewest and the most connections from now on, until `forget_tide`."""
        tide = Tide(self.connected)
        self._tides.append(tide)
        return tide

    def forget_tide(self, tide: Tide) -> None:
        """Leave it as it is now."""
        self._tides = [one for one in self._tides if one is not tide]

    def watch_min(self, watching: bool) -> None:
        """Begin, or stop, to keep the fewest connections open at once."""
        self.watching_min = watching
        if watching and self.connected_min is None:
            self.connected_min = self.connected

    def fail(self, reason: ConnectReason | str) -> None:
        """Count one attempt that ended in `reason`, see `errors.ConnectReason`."""
        self.failures.add(str(reason))

    def snapshot(self) -> dict[str, Any]:
        """Return the counters; rates are per whole second."""
        return {
            "attempts": self.attempts,
            "failures": self.failures.snapshot(),
            "opened": self.opened.total,
            "per_s_peak": self.opened.peak,
            "connected": self.connected,
            "connected_peak": self.connected_peak,
        }


class _CommandCounters:
    __slots__ = ("count", "errors")

    def __init__(self) -> None:
        self.count = 0
        self.errors = Tally()


class _FirstOnes:
    """The first few of something in full, all counted."""

    __slots__ = ("kept", "total")

    def __init__(self) -> None:
        self.total = 0
        self.kept: list[dict[str, Any]] = []

    def snapshot(self) -> dict[str, Any]:
        """Return the total, how many are not kept, and the kept ones, oldest first."""
        return {
            "total": self.total,
            "not_kept": self.total - len(self.kept),
            "kept": list(self.kept),
        }


class ViolationLog(_FirstOnes):
    """What the peer sent against the protocol: the first `VIOLATIONS_MAX` in full, all counted."""

    __slots__ = ()

    def add(
        self,
        violation: ProtocolViolation,
        *,
        charger_id: str,
        frame: bytes,
        at_wall_s: float,
        kind: str = "schema",
        action: str = "",
    ) -> None:
        """Count `violation` of a `kind` (see `ocpp.rpc.Violation`); keep it if there is room."""
        self.total += 1
        if len(self.kept) >= VIOLATIONS_MAX:
            return
        self.kept.append(
            {
                "at": iso(at_wall_s),
                "charger": charger_id,
                "kind": kind,
                "action": action,
                "error_code": violation.error_code,
                "description": violation.description,
                "path": violation.path,
                "message_id": violation.message_id,
                # Cut in bytes, maybe inside a character; what is no UTF-8 stays visible.
                "frame": frame[:VIOLATION_FRAME_MAX_BYTES].decode("utf-8", "backslashreplace"),
                "frame_bytes": len(frame),
            }
        )


class CrashLog(_FirstOnes):
    """Bugs of ours that ended a charger's task: the first `CRASHES_MAX` with traceback."""

    __slots__ = ()

    def add(self, error: BaseException, *, charger_id: str, at_wall_s: float) -> None:
        """Count the crash of `charger_id`; keep its traceback if there is room."""
        self.total += 1
        if len(self.kept) >= CRASHES_MAX:
            return
        text = "".join(traceback.format_exception(error))
        self.kept.append(
            {
                "at": iso(at_wall_s),
                "charger": charger_id,
                "error": f"{type(error).__name__}: {error}"[:TRACEBACK_MAX_CHARS],
                "traceback": text[-TRACEBACK_MAX_CHARS:],
            }
        )


class Counters:
    """All counters of a fleet. Public attributes that are ints may be counted up directly."""

    __slots__ = (
        "_commands",
        "boot",
        "connect",
        "crashes",
        "disconnects",
        "dropped",
        "duplicate_replies",
        "frames_received",
        "frames_sent",
        "injected",
        "late_replies",
        "malformed_frames",
        "unknown_replies",
        "violations",
    )

    def __init__(self, *, speed: float = 1.0) -> None:
        """`speed` is that of the clock of all `at_s`; rates are per real second."""
        self.connect = ConnectCounters(speed=speed)
        self.disconnects = Tally()
        self.boot = Tally("accepted", "pending", "rejected")
        self._commands: dict[str, _CommandCounters] = {}
        self.violations = ViolationLog()
        self.crashes = CrashLog()
        self.dropped = Tally()
        self.injected = Tally()
        """Acts of faults on purpose, by kind."""
        self.late_replies = 0
        self.unknown_replies = 0
        self.duplicate_replies = 0
        self.malformed_frames = 0
        self.frames_sent = rate_at(speed)
        self.frames_received = rate_at(speed)

    def disconnect(self, kind: str) -> None:
        """Count one open connection that ended; `kind` as in `errors.LinkClosed`, or ours."""
        self.disconnects.add(kind)
        self.connect.close()

    def boot_answered(self, status: str) -> None:
        """Count one BootNotification response by its status: Accepted, Pending or Rejected."""
        self.boot.add(status.lower())

    def command(self, action: str, error_code: str | None = None) -> None:
        """Count one CALL from the CSMS, answered with a CALLERROR if there is an `error_code`."""
        counters = self._commands.get(action)
        if counters is None:
            action = action[:TALLY_KEY_MAX_CHARS]
            if action not in self._commands and len(self._commands) >= TALLY_KEYS_MAX:
                action = TALLY_OTHER
            counters = self._commands.setdefault(action, _CommandCounters())
        counters.count += 1
        if error_code is not None:
            counters.errors.add(error_code)

    def drop(self, kind: str, n: int = 1) -> None:
        """Count `n` messages that were given up; `kind` says which and why."""
        self.dropped.add(kind, n)

    def snapshot(self) -> dict[str, Any]:
        """Return everything as plain values, ready for JSON."""
        return {
            "connect": self.connect.snapshot(),
            "disconnects": self.disconnects.snapshot(),
            "boot": self.boot.snapshot(),
            "commands": {
                action: {"count": counters.count, "errors": counters.errors.snapshot()}
                for action, counters in sorted(self._commands.items())
            },
            "violations": self.violations.snapshot(),
            "replies": {
                "late": self.late_replies,
                "unknown": self.unknown_replies,
                "duplicate": self.duplicate_replies,
            },
            "malformed_frames": self.malformed_frames,
            "dropped": self.dropped.snapshot(),
            "injected": self.injected.snapshot(),
            "crashes": self.crashes.snapshot(),
            "frames": {
                "sent": self.frames_sent.total,
                "sent_per_s_peak": self.frames_sent.peak,
                "received": self.frames_received.total,
                "received_per_s_peak": self.frames_received.peak,
            },
        }
