"""What a mass fleet tells about itself: figures and errors, as the API answers them."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from simfleet.clock import utc
from simfleet.fleet.orders import Mode
from simfleet.observe.generator_verdict import Level, judge
from simfleet.observe.histogram import summary_ms

if TYPE_CHECKING:
    from simfleet.fleet.recorder import Problem, Recorder
    from simfleet.observe.health import Health
    from simfleet.observe.histogram import FastHistogram
    from simfleet.observe.latency import Latencies

ERRORS_MAX: Final = 500
"""Errors kept with their cause; older ones give way and are only counted."""

__all__ = ["ActionFigures", "GeneratorFigures", "MassError", "MassStats", "Percentiles"]


class Percentiles(Struct, frozen=True):
    """Of a time, in milliseconds."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0

    @classmethod
    def of(cls, histogram: FastHistogram) -> Percentiles:
        """Of what a histogram of microseconds holds; all 0.0 when that is nothing."""
        at_ms = summary_ms(histogram)
        return cls(at_ms["p50"], at_ms["p95"], at_ms["p99"])


class ActionFigures(Struct, frozen=True):
    """The finished CALLs of one action. Response time counts from when a CALL was due, service time
    from when it was sent.
    """

    count: int
    errors: int
    timeouts: int
    lost: int
    response_ms: Percentiles
    service_ms: Percentiles

    @classmethod
    def of(cls, latencies: Latencies, action: str) -> ActionFigures:
        """Everything since the fleet began."""
        return cls(
            count=latencies.count(action),
            errors=sum(latencies.errors(action).values()),
            timeouts=latencies.timeouts(action),
            lost=latencies.lost(action),
            response_ms=Percentiles.of(latencies.histogram(action, "response")),
            service_ms=Percentiles.of(latencies.histogram(action, "service")),
        )


class GeneratorFigures(Struct, frozen=True):
    """Whether this process keeps up: while the fleet moves, judged since it began to; then, since
    it has been as it was wished.
    """

    level: Literal["VALID", "SUSPECT", "INVALID"] = "VALID"
    reasons: list[str] = []
    cpu_ratio: float = 0.0
    loop_lag_p99_ms: float = 0.0
    loop_lag_max_ms: float = 0.0
    schedule_lag_p99_ms: float = 0.0

    @classmethod
    def of(cls, health: Health, at_s: float) -> GeneratorFigures:
        """What `health` says at `at_s`."""
        seen = health.evidence(at_s)
        verdict = judge(seen)
        level: Literal["VALID", "SUSPECT", "INVALID"]
        match verdict.level:
            case Level.VALID:
                level = "VALID"
            case Level.SUSPECT:
                level = "SUSPECT"
            case Level.INVALID:
                level = "INVALID"
        return cls(
            level=level,
            reasons=verdict.reasons,
            cpu_ratio=round(seen.cpu_ratio, 3),
            loop_lag_p99_ms=seen.loop_lag_p99_ms,
            loop_lag_max_ms=seen.loop_lag_max_ms,
            schedule_lag_p99_ms=seen.schedule_lag_p99_ms,
        )


class Costly(Struct, frozen=True):
    """The figures that take milliseconds to find: refreshed once a second at most."""

    latency_ms: Percentiles = Percentiles()
    actions: dict[str, ActionFigures] = {}
    generator: GeneratorFigures = GeneratorFigures()

    @classmethod
    def of(cls, recorder: Recorder, health: Health, at_s: float) -> Costly:
        """As they are at `at_s`."""
        latencies = recorder.latencies
        return cls(
            latency_ms=Percentiles.of(latencies.histogram()),
            actions={action: ActionFigures.of(latencies, action) for action in latencies.actions},
            generator=GeneratorFigures.of(health, at_s),
        )


class MassStats(Struct, frozen=True, kw_only=True):
    """A mass fleet at one moment. The first four are the document's; counts are since it began,
    errors since they were cleared.
    """

    connected: int = 0
    charging: int = 0
    """Transactions that run."""
    errors: int = 0
    messages: int = 0
    """OCPP messages, both directions."""
    target: int = 0
    mode: Mode = Mode.IDLE
    chargers: int = 0
    """That live and were not told to leave: on its way to `target`."""
    leaving: int = 0
    """Told to leave and still telling the CSMS what is owed to it."""
    booted: int = 0
    """That the CSMS has accepted at least once."""
    sessions: int = 0
    """Transactions begun."""
    energy_kwh: float = 0.0
    """Of transactions that are over."""
    messages_per_s: int = 0
    """In the last whole second, as the next three."""
    sent_per_s: int = 0
    received_per_s: int = 0
    connects_per_s: int = 0
    latency_ms: Percentiles = Percentiles()
    """Response time of all actions together."""
    actions: dict[str, ActionFigures] = {}
    generator: GeneratorFigures = GeneratorFigures()
    injected: dict[str, int] = {}
    """Acts of faults on purpose, by kind."""
    ocpp_version: str = ""
    """Of all of them; "" when there never was a fleet."""
    backend_url: str = ""
    started_at: str | None = None
    """UTC, without a zone as the document writes times; null when there never was a fleet."""


class MassError(Struct, frozen=True):
    """Something that went wrong with a mass charger. `type` is the kind, such as
    ``connect:refused``, ``timeout:BootNotification`` or ``callerror:Authorize:InternalError``.
    """

    id: int
    chargepoint_id: str
    type: str
    message: str
    timestamp: str


class ErrorRing:
    """The newest `ERRORS_MAX` errors of a user's mass chargers; the counter goes on beyond."""

    __slots__ = ("_kept", "_next_id", "total")

    def __init__(self) -> None:
        self.total = 0
        """Errors since the last `clear`."""
        self._next_id = 1
        self._kept: deque[tuple[int, Problem]] = deque(maxlen=ERRORS_MAX)

    def add(self, problem: Problem) -> None:
        """Keep one more; the oldest gives way when there are too many."""
        self.total += 1
        self._kept.append((self._next_id, problem))
        self._next_id += 1

    def clear(self) -> None:
        """Forget all of them; ids go on."""
        self.total = 0
        self._kept.clear()

    def newest(self, limit: int) -> list[MassError]:
        """At most `limit` of those kept, newest first."""
        wanted = list(self._kept)[::-1][: max(0, limit)]
        return [
            MassError(number, one.charger_id, one.kind, one.detail, naive_iso(one.at_wall_s))
            for number, one in wanted
        ]


def naive_iso(wall_s: float) -> str:
    """UTC without a zone and with microseconds, as the document writes times of its logs."""
    return utc(wall_s).replace(tzinfo=None).isoformat(timespec="microseconds")
