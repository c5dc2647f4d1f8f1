"""The mass fleet as a service offers it: live retarget, figures, errors; one fleet at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import trio
from msgspec import Struct

from simfleet.fleet.actor import Mode
from simfleet.link.opening import open_link

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simfleet.clock import WallClock
    from simfleet.link.link import Dialer
    from simfleet.load.generator import Caller, Generator
    from simfleet.observe.hub import Hub
    from simfleet.observe.records import Record

TARGET_MAX = 10_000


class MassSettings(Protocol):
    """What a mass fleet takes from its user's settings; the registry's `UserSettings` has it."""

    ocpp_backend_url: str
    rfid_card_id: str
    heartbeat_interval: int
    mass_batch_size: int


class Percentiles(Struct, frozen=True):
    """Milliseconds."""

    p50: float
    p95: float
    p99: float


class ActionFigures(Struct, frozen=True):
    """CALLs of one action."""

    count: int
    errors: int
    timeouts: int
    response_ms: Percentiles
    service_ms: Percentiles


class GeneratorFigures(Struct, frozen=True):
    """Whether this process keeps up."""

    level: str
    reasons: list[str]
    loop_lag_p99_ms: float
    schedule_lag_p99_ms: float
    cpu_ratio: float


class MassStats(Struct, frozen=True, kw_only=True):
    """The body of GET /api/mass-charger/stats and of the answers to apply and stop."""

    connected: int
    charging: int
    errors: int
    messages: int
    target: int
    mode: Mode


class MassError(Struct, frozen=True):
    """One entry of GET /api/mass-charger/errors."""

    id: int
    chargepoint_id: str
    type: str
    message: str
    timestamp: str


class MassService:
    """See the module. `run` must be running; everything else is for the API's handlers."""

    def __init__(
        self,
        *,
        generator: Generator,
        hub: Hub,
        clock: WallClock,
        settings_of: Callable[[int], Awaitable[MassSettings]],
        own_csms_url: str = "",
        dial: Dialer = open_link,
    ) -> None:
        """`own_csms_url`: of the CSMS in this process, where each charger needs two sockets."""
        raise NotImplementedError

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the fleets until cancelled; then every charger is cut off at once."""

    async def close(self) -> None:
        """Send everybody home, within a bound; the orderly end before `run` is cancelled."""

    async def apply(self, user: Caller, target: int, mode: Mode) -> MassStats:
        """Wish for so many chargers in this mode. Raises `Invalid`, `GeneratorBusy`."""
        raise NotImplementedError

    async def stop(self, user: Caller) -> MassStats:
        """Wish for none: what `apply` with target 0 does."""
        raise NotImplementedError

    def stats(self, user: Caller) -> MassStats:
        """The figures of the user's own fleet; all zero when there never was one."""
        raise NotImplementedError

    def errors(self, user: Caller, *, limit: int = 500) -> list[MassError]:
        """What went wrong, newest first."""
        raise NotImplementedError

    def clear_errors(self, user: Caller) -> None:
        """Forget the errors and count from 0 again."""

    def owns(self, user: Caller, record: Record) -> bool:
        """Whether a record of the hub is a frame of the user's own mass fleet."""
        raise NotImplementedError
