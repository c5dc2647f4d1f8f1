"""Runs as a service offers them: started, followed and stopped from outside; kept afterwards.

A run is carried out in the service's own event loop by the same `Runner` as `simfleet run`, with
the same run folder, below the service's data folder. The store keeps one document for each run.
"""

from __future__ import annotations

import secrets
import sys
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import trio
from msgspec.structs import asdict, replace

from simfleet.clock import iso, utc
from simfleet.errors import Missing, Refused, ScenarioInvalid, SimFleetError
from simfleet.link.opening import open_link
from simfleet.load import preflight
from simfleet.load.fleet_plans import plans_of
from simfleet.load.live.actions import ActionTaken, LiveAction
from simfleet.load.live.refusals import NotRunning
from simfleet.load.live_run import LiveRun
from simfleet.load.results.artefacts import finish
from simfleet.load.run_folder import RunFolder, manifest
from simfleet.load.run_views import (
    ARTEFACTS,
    Run,
    RunDetail,
    RunVerdict,
    as_left_behind,
    stored,
)
from simfleet.load.runner import Runner
from simfleet.load.scenario import parse_scenario
from simfleet.load.scenario_json import parse_json_scenario
from simfleet.load.summary import most_wanted
from simfleet.models.catalogue import built_in

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from simfleet.clock import WallClock
    from simfleet.fleet.plan import ChargerPlan
    from simfleet.link.link import Dialer
    from simfleet.load.generator import Caller, Generator
    from simfleet.load.schema1 import Scenario
    from simfleet.models.catalogue import Catalogue

__all__ = ["RunService", "RunStore"]

STOP_S: Final = 5.0
"""How long a run may take to stop in order when the service ends; then it is cut off."""
SAVE_S: Final = 5.0
"""How long keeping the result of a run may take while everything is being cancelled."""
UNSAVED_MAX: Final = 100
"""Results that the store could not take, kept in memory; the oldest give way."""


class StoredDocument(Protocol):
    """What the store gives back."""

    @property
    def document(self) -> bytes:
        """As it was saved."""


class RunStore(Protocol):
    """The part of the store that keeps runs; see `simfleet.store.store.Store`."""

    async def save_run(self, run_id: str, user_id: int, document: bytes) -> None:
        """Add a run or replace its document."""

    async def runs(
        self, user_id: int, *, limit: int = 100, offset: int = 0
    ) -> Sequence[StoredDocument]:
        """A user's runs, newest first."""

    async def run(self, user_id: int, run_id: str) -> StoredDocument:
        """One run of a user. Raises `Missing`."""


class RunFileMissing(Missing):
    """A run has no such artefact, or not yet."""

    code = "RUN_FILE_NOT_FOUND"

    def __init__(self, run_id: str, name: str) -> None:
        super().__init__(
            f"run {run_id!r} has no file {name!r} now; there may be {', '.join(ARTEFACTS)}"
        )


class RunFinished(Refused):
    """A run that is over cannot be stopped."""

    code = "RUN_FINISHED"

    def __init__(self, run_id: str) -> None:
        super().__init__(f"run {run_id!r} is finished already")


class RunService:
    """See the module. `run` must be running; everything else is for the API's handlers."""

    def __init__(
        self,
        *,
        store: RunStore,
        generator: Generator,
        clock: WallClock,
        folder: Path,
        dial: Dialer = open_link,
        models: Catalogue | None = None,
    ) -> None:
        """`folder` gets a run folder for each run; it is made when needed. `models` are those that
        a scenario can name, None: the built-in ones.
        """
        self._store = store
        self._generator = generator
        self._clock = clock
        self._folder = folder
        self._dial = dial
        self._models = built_in() if models is None else models
        self._nursery: trio.Nursery | None = None
        self._live: dict[str, LiveRun] = {}
        self._unsaved: dict[str, tuple[int, Run]] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry out runs until cancelled; then one that goes on is cut off at once."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            await trio.sleep_forever()

    async def close(self) -> None:
        """End a run in order, within a bound, and keep its result; before `run` is cancelled."""
        for live in list(self._live.values()):
            live.stop("the end of the service", now=False)
            with trio.move_on_after(STOP_S):
                await live.ended.wait()
            live.stop("the end of the service", now=True)
            with trio.move_on_after(STOP_S):
                await live.ended.wait()

    # ── for handlers ────────────────────────────────────────────────────────────────────────────

    async def start(self, user: Caller, content: bytes, *, is_json: bool = False) -> RunDetail:
        """Begin a run of the scenario that `content` is, YAML or JSON.

        Raises `ScenarioInvalid` with all problems and where they are, `GeneratorBusy`,
        `PreflightFailed`, `StoreFailed`. What is found out later, such as a CSMS that cannot be
        reached, is in the run's verdict.
        """
        scenario, plans = await trio.to_thread.run_sync(
            partial(_read, content, is_json=is_json, models=self._models)
        )
        most = most_wanted(scenario)
        preflight.ensure_descriptors(most)
        preflight.ensure_ports(most)
        wall_s = self._clock.wall_s(trio.current_time())
        run = Run(
            id=f"{utc(wall_s):%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            scenario=scenario.name,
            status="queued",
            chargers=scenario.chargers,
            target=scenario.target.url,
            planned_s=scenario.lasts_s,
            created_at=iso(wall_s),
        )
        assert self._nursery is not None, "start() needs run()"
        hold = self._generator.take(user, f"run {run.id} ({scenario.name})")
        try:
            await self._store.save_run(run.id, user.id, stored(run))
        except BaseException:
            self._generator.release(hold)
            raise
        live = LiveRun(run, hold=hold, scenario=scenario, plans=plans, source=content)
        self._live[run.id] = live
        self._nursery.start_soon(self._keep, live, name=f"run:{run.id}")
        return RunDetail(**asdict(live.run))

    async def all_of(self, user: Caller, *, limit: int = 100, offset: int = 0) -> list[Run]:
        """The user's runs, newest first."""
        documents = await self._store.runs(user.id, limit=limit, offset=offset)
        return [self._now(user, as_left_behind(one.document)) for one in documents]

    async def find(self, user: Caller, run_id: str) -> RunDetail:
        """One run, with its summary once it is finished. Raises `Missing`."""
        run = await self._find(user, run_id)
        with_summary = run.status == "finished"
        look = partial(_left_behind, self._folder / run.id, with_summary=with_summary)
        files, summary = await trio.to_thread.run_sync(look)
        return RunDetail(**asdict(run), files=files, summary=summary)

    async def stop(self, user: Caller, run_id: str, *, now: bool = False) -> RunDetail:
        """End the stages and bring the chargers home; `now`: cut everything off.

        Returns at once; the run is finished a little later. Raises `Missing`, `RunFinished`.
        """
        run = await self._find(user, run_id)
        live = self._live.get(run.id)
        if live is None or run.status == "finished":
            raise RunFinished(run_id)
        live.stop("a request to stop", now=now)
        return RunDetail(**asdict(live.run))

    async def act(self, user: Caller, run_id: str, action: LiveAction) -> ActionTaken:
        """Do something to a run while it goes on. Raises `Missing`, `RunFinished`, `Refused`."""
        run = await self._find(user, run_id)
        live = self._live.get(run.id)
        if live is None or run.status == "finished":
            raise RunFinished(run_id)
        return live.act(action, by=user.name)

    async def actions(self, user: Caller, run_id: str) -> list[ActionTaken]:
        """What was done to a run while it went on, refused or not. Raises `Missing`."""
        run = await self._find(user, run_id)
        live = self._live.get(run.id)
        if live is not None and run.status != "finished":
            try:
                return list(live.live.taken)
            except NotRunning:
                return []
        summary = (await self.find(user, run_id)).summary or {}
        return msgspec.convert(summary.get("actions", []), list[ActionTaken])

    async def at(self, user: Caller, run_id: str, due_s: float) -> Run:
        """The run as it is at `due_s`, monotonic, or at its end if that is sooner.

        Without files and summary. Raises `Missing`.
        """
        live = self._live.get(run_id)
        if live is not None and live.hold.user_id == user.id:
            with trio.CancelScope(deadline=due_s):
                await live.ended.wait()
        return await self._find(user, run_id)

    async def file(self, user: Caller, run_id: str, name: str) -> Path:
        """Where an artefact is. Raises `Missing` for a name that no run has, or has not yet."""
        run = await self._find(user, run_id)
        path = self._folder / run.id / name
        if name not in ARTEFACTS or not await trio.Path(path).is_file():
            raise RunFileMissing(run_id, name)
        return path

    # ── looking up ──────────────────────────────────────────────────────────────────────────────

    async def _find(self, user: Caller, run_id: str) -> Run:
        live = self._live.get(run_id)
        if live is not None and live.hold.user_id == user.id:
            return live.run
        kept = self._unsaved.get(run_id)
        if kept is not None and kept[0] == user.id:
            return kept[1]
        return as_left_behind((await self._store.run(user.id, run_id)).document)

    def _now(self, user: Caller, run: Run) -> Run:
        """A run that came from the store, as this process knows it."""
        live = self._live.get(run.id)
        if live is not None:
            return live.run
        kept = self._unsaved.get(run.id)
        return run if kept is None or kept[0] != user.id else kept[1]

    # ── carrying out ────────────────────────────────────────────────────────────────────────────

    async def _keep(self, live: LiveRun) -> None:
        """Carry out a run and keep what came of it. A bug in it ends nothing else."""
        verdict = RunVerdict("interrupted", ["the service ended before the run did"])
        try:
            verdict = await self._carry_out(live)
        except SimFleetError as refused:  # before any load
            verdict = RunVerdict("refused", [str(refused).removeprefix("--out: ")])
        except Exception as error:
            verdict = RunVerdict("crashed", [f"{type(error).__name__}: {error}"])
            text = "".join(traceback.format_exception(error))
            print(f"simfleet: bug, in run {live.run.id}:\n{text}", file=sys.stderr)
        finally:
            live.run = replace(
                live.run,
                status="finished",
                stopping=False,
                progress=None,
                verdict=verdict,
                ended_at=iso(self._clock.wall_s(trio.current_time())),
            )
            self._generator.release(live.hold)
            await self._save_result(live)
            del self._live[live.run.id]
            live.ended.set()
            assert self._nursery is not None
            self._nursery.start_soon(self._generator.tidy_up, name="garbage of a run")

    async def _save_result(self, live: LiveRun) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + SAVE_S):
            try:
                await self._store.save_run(live.run.id, live.hold.user_id, stored(live.run))
            except SimFleetError as failure:
                print(f"simfleet: cannot keep run {live.run.id}: {failure}", file=sys.stderr)
            else:
                return
        if len(self._unsaved) >= UNSAVED_MAX:
            del self._unsaved[next(iter(self._unsaved))]
        self._unsaved[live.run.id] = (live.hold.user_id, live.run)

    async def _carry_out(self, live: LiveRun) -> RunVerdict:
        began_wall_s = self._clock.wall_s(trio.current_time())
        live.run = replace(live.run, status="running", began_at=iso(began_wall_s))
        await self._store.save_run(live.run.id, live.hold.user_id, stored(live.run))
        made = await trio.to_thread.run_sync(partial(self._make_folder, live, began_wall_s))
        with made as folder:
            try:
                runner = Runner(
                    live.scenario, folder, watch=live.note, dial=self._dial, plans=live.plans
                )
                live.hand_over(runner)
                finished = await runner.run(heed_signals=False)
            except SimFleetError:
                folder.discard()
                raise
            summary = msgspec.to_builtins(finished.summary)
            verdict = RunVerdict.of(finished.verdict)
            with trio.CancelScope(shield=True):
                damage = await trio.to_thread.run_sync(finish, folder, summary)
        if damage is not None:
            reason = f"the run folder is not complete: {damage}"
            verdict = replace(verdict, reasons=[*verdict.reasons, reason])
        return verdict

    def _make_folder(self, live: LiveRun, began_wall_s: float) -> RunFolder:
        name = live.scenario.name
        path = self._folder / live.run.id
        folder = RunFolder.create(path, name=name, start_wall_s=began_wall_s)
        made_of = manifest(
            live.scenario,
            source=live.source,
            arguments=[],
            began_wall_s=began_wall_s,
            plans=live.plans,
        )
        try:
            folder.write("manifest.json", made_of)
        except OSError as error:
            with folder:
                folder.discard()
            raise Refused(f"cannot write to {path}: {error.strerror or error}") from None
        return folder


def _read(
    content: bytes, *, is_json: bool, models: Catalogue
) -> tuple[Scenario, list[ChargerPlan]]:
    """The scenario and its chargers; for a thread, because 10,000 take a while."""
    parse = parse_json_scenario if is_json else parse_scenario
    scenario = parse(content, models=models)
    if scenario.time_scale != 1.0:
        raise ScenarioInvalid(
            [
                f"time_scale: a service has a real clock, and this scenario wants one"
                f" {scenario.time_scale:g} times as fast; run it with `simfleet run`"
            ]
        )
    return scenario, plans_of(scenario)


def _left_behind(path: Path, *, with_summary: bool) -> tuple[list[str], dict[str, Any] | None]:
    files = [name for name in ARTEFACTS if (path / name).is_file()]
    if not with_summary or "summary.json" not in files:
        return files, None
    try:
        summary: dict[str, Any] = msgspec.json.decode((path / "summary.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return files, None
    return files, summary
