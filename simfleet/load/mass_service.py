"""The mass fleet as a service offers it: live retarget, figures, errors; one fleet at a time.

`apply` is declarative and never waits for the fleet: it records the wish, and the wish that was
recorded last counts, whoever of the fleet's owner's clients came first. The fleet then moves by
`mass_batch_size` chargers a second. Backend and batch size are read at every `apply`, and a fleet
whose backend has changed moves there, its sessions going on; what a charger is born with (tag,
heartbeat interval) is read when the fleet begins.
"""

from __future__ import annotations

import sys
import traceback
from collections import deque
from typing import TYPE_CHECKING, Final, cast

import trio
from msgspec.structs import replace

from simfleet.errors import Invalid, Missing, Refused
from simfleet.fleet.orders import Mode
from simfleet.link.opening import open_link
from simfleet.load import preflight
from simfleet.load.mass_figures import ERRORS_MAX, ErrorRing, MassError, MassStats
from simfleet.load.mass_fleet import IDENTITY_PATTERN, TARGET_MAX, MassFleet, mass_plans
from simfleet.models.catalogue import built_in
from simfleet.observe.hub import RECENT_RECORDS
from simfleet.ocpp.versions import VERSIONS, catalog_of, number_of
from simfleet.station.fault_kinds import problems

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simfleet.clock import WallClock
    from simfleet.link.link import Dialer
    from simfleet.load.generator import Caller, Generator
    from simfleet.load.mass_fleet import MassSettings
    from simfleet.models.catalogue import Catalogue
    from simfleet.models.model import ChargerModel
    from simfleet.observe.hub import Hub
    from simfleet.observe.records import Record
    from simfleet.ocpp.versions import Version
    from simfleet.station.fault_kinds import Fault

__all__ = ["MassService"]

SHUTDOWN_S: Final = 5.0
"""How long a fleet may take to go when the service ends."""


class NoBackend(Refused):
    """There is no CSMS to connect to."""

    code = "NO_BACKEND"


class NoFleet(Refused):
    """There are no mass chargers."""

    code = "NO_FLEET"


class OtherModel(Refused):
    """The fleet that runs has chargers of another model."""

    code = "OTHER_MODEL"

    def __init__(self, running: str, wanted: str) -> None:
        super().__init__(
            f"the fleet that runs is of {_model_text(running)}; stop it before you start one of"
            f" {_model_text(wanted)}"
        )


class OtherVersion(Refused):
    """The fleet that runs speaks another version."""

    code = "OTHER_VERSION"

    def __init__(self, running: str, wanted: str) -> None:
        super().__init__(
            f"the fleet that runs speaks OCPP {running}; stop it before you start one that speaks"
            f" {wanted}"
        )


def _model_text(model: str) -> str:
    return f"model {model}" if model else "SimFleet's own model"


class _Mine:
    """What one user's fleets leave behind: the errors, and the figures of the last one."""

    __slots__ = ("errors", "last")

    def __init__(self) -> None:
        self.errors = ErrorRing()
        self.last = MassStats()


class _Span:
    """Ids of the hub's records between which mass chargers were a certain user's."""

    __slots__ = ("after_id", "last_id", "user_id")

    def __init__(self, user_id: int, after_id: int) -> None:
        self.user_id = user_id
        self.after_id = after_id
        self.last_id: float = float("inf")


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
        models: Catalogue | None = None,
    ) -> None:
        """`models` are what chargers can be of, None: the built-in ones. `own_csms_url`: of the
        CSMS in this process, where each charger needs two sockets.
        """
        self._generator = generator
        self._hub = hub
        self._clock = clock
        self._settings_of = settings_of
        self._own_csms_url = own_csms_url
        self._dial = dial
        self._models = built_in() if models is None else models
        self._nursery: trio.Nursery | None = None
        self._live: MassFleet | None = None
        self._of: dict[int, _Mine] = {}
        self._spans: deque[_Span] = deque()
        self._registers_wh: dict[str, tuple[float, ...]] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the fleets until cancelled; then every charger is cut off at once."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    async def close(self) -> None:
        """Send everybody home, within `SHUTDOWN_S`; the orderly end before `run` is cancelled."""
        fleet = self._live
        if fleet is not None:
            fleet.apply(0, Mode.IDLE, batch=TARGET_MAX)
            fleet.end_by(trio.current_time() + SHUTDOWN_S)
            await fleet.gone.wait()

    # ── for handlers ────────────────────────────────────────────────────────────────────────────

    async def apply(
        self, user: Caller, target: int, mode: Mode, *, model: str = "", ocpp_version: str = ""
    ) -> MassStats:
        """Wish for `target` chargers (0 to 10,000; 0 stops the fleet) in `mode`.

        `model` is what a new fleet's chargers are ("": SimFleet's own), and those of one that runs
        must be: `OtherModel`. Without one, a fleet stays what it is. The same goes for the version
        (`1.6`, `2.0.1` or `2.1`; "": 1.6 for a new fleet) and `OtherVersion`. Raises `Invalid`,
        `GeneratorBusy` when somebody else has the generator or a run has, `NoBackend`, and
        `PreflightFailed` when this machine cannot hold so many sockets.
        """
        if not 0 <= target <= TARGET_MAX:
            raise Invalid(f"target is {target}; write a number from 0 to {TARGET_MAX}")
        try:
            found = self._models.find(model) if model else None
        except Missing as missing:
            raise Invalid(f"model: {missing}") from None
        version = f"ocpp{ocpp_version}"
        if ocpp_version and version not in VERSIONS:
            known = ", ".join(number_of(one) for one in VERSIONS)
            raise Invalid(f"ocpp_version is {ocpp_version[:40]!r}; write {known}")
        settings = await self._settings_of(user.id)
        await self._until_not_ending(user)
        # From here to the wish nothing waits: two callers cannot get into each other's way.
        fleet = self._fleet_of(user)
        if target:
            if not settings.ocpp_backend_url:
                raise NoBackend("there is no backend to connect to; set ocpp_backend_url first")
            self._ensure_room(target, settings.ocpp_backend_url)
            if fleet is None:
                fleet = self._begin(user, settings, found, version if ocpp_version else VERSIONS[0])
            elif model and model != fleet.model:
                raise OtherModel(fleet.model, model)
            elif ocpp_version and version != fleet.version:
                raise OtherVersion(number_of(fleet.version), ocpp_version)
            fleet.direct(settings.ocpp_backend_url)
        if fleet is not None:
            fleet.apply(target, mode, batch=settings.mass_batch_size)
        return self.stats(user)

    async def stop(self, user: Caller) -> MassStats:
        """Stop the user's fleet: what `apply` with target 0 does. Nothing to stop is no error."""
        return await self.apply(user, 0, Mode.IDLE)

    def add_fault(self, user: Caller, fault: Fault, *, share: float = 1.0) -> int:
        """Have a share of the user's mass chargers do something wrong on purpose; how many took it.

        Raises `Invalid` for what they cannot have, and `NoFleet`.
        """
        fleet = self._fleet_of(user)
        version = VERSIONS[0] if fleet is None else fleet.version
        for name, problem in problems(fault, connectors=1, catalog=catalog_of(version)):
            raise Invalid(f"{fault.kind}: {name}: {problem}")
        return self._living(user).add_fault(fault, share=share)

    def remove_faults(self, user: Caller, kind: str | None = None) -> int:
        """Have the user's mass chargers do right again; how many were told. Raises `NoFleet`."""
        return self._living(user).remove_faults(kind)

    def _living(self, user: Caller) -> MassFleet:
        fleet = self._fleet_of(user)
        if fleet is None:
            raise NoFleet("no load test is going on; start one first")
        return fleet

    def stats(self, user: Caller) -> MassStats:
        """The figures of the user's own fleet, also when it is over; all zero without one."""
        if (fleet := self._fleet_of(user)) is not None:
            return fleet.stats()
        mine = self._of.get(user.id)
        return MassStats() if mine is None else replace(mine.last, errors=mine.errors.total)

    def errors(self, user: Caller, *, limit: int = ERRORS_MAX) -> list[MassError]:
        """What went wrong with the user's mass chargers, newest first; at most `ERRORS_MAX`."""
        mine = self._of.get(user.id)
        return [] if mine is None else mine.errors.newest(limit)

    def clear_errors(self, user: Caller) -> None:
        """Forget the errors, and count from 0 again."""
        mine = self._of.get(user.id)
        if mine is not None:
            mine.errors.clear()

    def owns(self, user: Caller, record: Record) -> bool:
        """Whether a record of the hub is a frame of one of the user's own mass chargers."""
        if IDENTITY_PATTERN.fullmatch(record.charger_id) is None:
            return False
        return any(
            span.after_id < record.id <= span.last_id and span.user_id == user.id
            for span in self._spans
        )

    # ── fleets ──────────────────────────────────────────────────────────────────────────────────

    async def _until_not_ending(self, user: Caller) -> None:
        """A fleet that is being cut off cannot be called back; it takes a moment."""
        while (fleet := self._live) is not None and fleet.cut_off and fleet.hold.user_id == user.id:
            await fleet.gone.wait()

    def _fleet_of(self, user: Caller) -> MassFleet | None:
        fleet = self._live
        return fleet if fleet is not None and fleet.hold.user_id == user.id else None

    def _ensure_room(self, target: int, url: str) -> None:
        own = self._own_csms_url
        both_ends = bool(own) and url.startswith(own)
        preflight.ensure_descriptors(target, both_ends=both_ends)
        preflight.ensure_ports(target)

    def _begin(
        self, user: Caller, settings: MassSettings, model: ChargerModel | None, version: str
    ) -> MassFleet:
        assert self._nursery is not None, "apply() needs run()"
        spoken = cast("Version", version)
        hold = self._generator.take(user, "the mass fleet")
        mine = self._of.setdefault(user.id, _Mine())
        try:
            fleet = MassFleet(
                mass_plans(settings, model, version=spoken),
                settings,
                hold=hold,
                errors=mine.errors,
                hub=self._hub,
                clock=self._clock,
                dial=self._dial,
                registers_wh=self._registers_wh,
                model="" if model is None else model.name,
                version=spoken,
            )
        except BaseException:
            self._generator.release(hold)
            raise
        self._live = fleet
        self._nursery.start_soon(self._keep, fleet, name="mass fleet")
        return fleet

    async def _keep(self, fleet: MassFleet) -> None:
        """Run a fleet. A bug in it ends the fleet, is counted and shown, and ends nothing else."""
        span = self._open_span(fleet.hold.user_id)
        try:
            await fleet.run()
        except Exception as error:
            fleet.crashed(error)
            text = "".join(traceback.format_exception(error))
            print(f"simfleet: bug, in the mass fleet:\n{text}", file=sys.stderr)
        finally:
            span.last_id = self._hub.published
            self._of[fleet.hold.user_id].last = fleet.last_stats()
            self._live = None
            self._generator.release(fleet.hold)
            fleet.gone.set()
            assert self._nursery is not None
            self._nursery.start_soon(self._generator.tidy_up, name="garbage of a mass fleet")

    def _open_span(self, user_id: int) -> _Span:
        oldest_id = self._hub.published - RECENT_RECORDS
        while self._spans and self._spans[0].last_id < oldest_id:
            self._spans.popleft()
        span = _Span(user_id, self._hub.published)
        self._spans.append(span)
        return span
