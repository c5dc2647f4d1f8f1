"""What people do to a run while it goes on: carried out, recorded, drawn on its charts.

Everything returns at once; what follows from it, such as chargers that come one by one, is the
business of whoever does that for stages, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio

from simfleet.clock import iso
from simfleet.documents.quantities import duration_text
from simfleet.errors import Refused
from simfleet.fleet.actor import Charger
from simfleet.fleet.backoff import back_off_of
from simfleet.fleet.mass import STARTS_PER_S
from simfleet.fleet.orders import Away, Mode
from simfleet.link.impairments import problem as problem_of_network
from simfleet.load.live import refusals
from simfleet.load.live.actions import (
    ActionTaken,
    ChangeMode,
    ChangeRate,
    ChangeTarget,
    ClearFaults,
    ClearNetwork,
    ExtendStage,
    ImpairNetwork,
    InjectFault,
    KillChargers,
    LiveAction,
    PauseRun,
    ResumeRun,
    SkipStage,
    StopRun,
)
from simfleet.load.recipients import Recipients
from simfleet.load.stage_faults import chosen
from simfleet.ocpp.versions import catalog_of
from simfleet.station.events import FaultInjected, FaultRemoved, PowerLost, PowerRestored
from simfleet.station.fault_kinds import problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.load.stages.engine import Engine

KEPT_MAX: Final = 1_000
"""Actions in `summary.json`; more are only counted."""


class LiveControl:
    """See the module. `run` must be running for what is to happen later."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._drawn = 0
        """Times that chargers were drawn: each time others."""
        self._outages: list[tuple[float, list[str]]] = []
        """When the mains come back, and to whom."""
        self._stirred = trio.Event()
        self.changed = False
        """Something was done that makes the run another one than the scenario says."""
        self.targeted = False
        """Somebody has wished for another number of chargers, or another mode, than the stages."""
        self.total = 0
        self.taken: list[ActionTaken] = []
        self.last: ActionTaken | None = None

    def act(self, action: LiveAction, *, by: str) -> str:
        """Do it, and record it; returns what was done. Raises `Refused`, and nothing has changed.

        `by` is `terminal` or the name of a user.
        """
        try:
            done = self._act(action, by)
        except Refused as refused:
            self._record(action, by, str(refused), done=False)
            raise
        self.changed = self.changed or not isinstance(action, StopRun)
        self._engine.annotations.add("action", done, at_s=trio.current_time(), by=by)
        self._record(action, by, done, done=True)
        return done

    @property
    def wanted(self) -> int | None:
        """The largest number of chargers that were wished for and brought in; None: as the stages
        say.
        """
        return self._engine.mass.most_settled if self.targeted else None

    def _record(self, action: LiveAction, by: str, result: str, *, done: bool) -> None:
        at_s = trio.current_time()
        self.total += 1
        self.last = ActionTaken(
            at_s=round(max(0.0, at_s - self._engine.annotations.began_s), 3),
            at=iso(self._engine.clock.wall_s(at_s)),
            by=by,
            do=action.do,
            what=action.asked(),
            asked=action.fields(),
            done=done,
            result=result,
        )
        if len(self.taken) < KEPT_MAX:
            self.taken.append(self.last)

    def _act(self, action: LiveAction, by: str) -> str:
        engine = self._engine
        ending = engine.interrupted is not None or engine.stages_over
        if ending and not isinstance(action, StopRun):
            raise refusals.StagesOver
        match action:
            case PauseRun():
                return self._pause()
            case ResumeRun():
                return self._resume()
            case ChangeTarget():
                return self._target(action.to, action.mode, over_s=action.over_s)
            case ChangeMode():
                return self._target(engine.mass.wish.target, action.mode, over_s=None)
            case ChangeRate():
                return self._rate(action.per_s)
            case KillChargers():
                return self._kill(action)
            case InjectFault():
                return self._inject(action)
            case ClearFaults():
                return self._clear(action.kind)
            case ImpairNetwork():
                return self._impair(action)
            case ClearNetwork():
                return f"the network of {engine.network.clear()} chargers is good again"
            case ExtendStage():
                return self._extend(action.by_s)
            case SkipStage():
                return self._skip()
            case StopRun():
                return self._stop(by, now=action.now)

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    def _pause(self) -> str:
        if self._engine.paused:
            raise refusals.PausedAlready
        self._engine.pause()
        return f"paused in {self._engine.stage_label!r}"

    def _resume(self) -> str:
        if not self._engine.paused:
            raise refusals.NotPaused
        self._engine.resume()
        return "resumed"

    def _stop(self, by: str, *, now: bool) -> str:
        engine = self._engine
        if engine.interrupted is not None and not now:
            raise refusals.StoppingAlready
        engine.stop(f"{by} (live)", now)
        return "stopped now" if now else "stopping: the chargers are brought home"

    def _extend(self, by_s: float) -> str:
        if not by_s:
            raise refusals.NoTimeToMove
        clock = self._engine.stage
        clock.extend(by_s)
        return f"{self._engine.stage_label!r} ends in {duration_text(round(clock.left_s, 1))} now"

    def _skip(self) -> str:
        engine = self._engine
        label = engine.stage_label
        wish = engine.mass.wish
        self.targeted = True
        self._wish(engine.mass.size, wish.mode, over_s=None)
        if not engine.skip():
            raise refusals.StagesOver
        return f"skipped the rest of {label!r}"

    # ── the fleet ───────────────────────────────────────────────────────────────────────────────

    def _target(self, to: int, mode_name: str | None, *, over_s: float | None) -> str:
        engine = self._engine
        if to > len(engine.plans):
            raise refusals.TargetTooLarge(to, len(engine.plans))
        mode = engine.mass.wish.mode if mode_name is None else Mode(mode_name)
        connect = engine.recorder.counters.connect
        if mode is Mode.IDLE or to < connect.connected:
            connect.watch_min(False)  # fewer because a person wants fewer
        self.targeted = True
        over_s = self._wish(to, mode, over_s=over_s)
        over = f" over {duration_text(round(over_s, 1))}" if over_s >= 1 else ""
        return f"target {to} {mode}{over}"

    def _wish(self, to: int, mode: Mode, *, over_s: float | None) -> float:
        mass = self._engine.mass
        if over_s is None:
            over_s = mass.steps_to(to, mode) / STARTS_PER_S
        mass.apply(to, mode, over_s=over_s)
        return over_s

    def _rate(self, per_s: float) -> str:
        arrivals = self._engine.arrivals
        if arrivals is None:
            raise refusals.NoArrivals
        try:
            arrivals.set_rate(per_s)
        except ValueError as problem:
            raise refusals.RateImpossible(str(problem)) from None
        return f"rate {per_s:g}/s"

    def _kill(self, action: KillChargers) -> str:
        engine = self._engine
        living = [plan for plan in self._of(action.slices) if self._online(plan) is not None]
        if not living:
            raise refusals.NoChargers("connected")
        found = self._draw(living, action.share)
        at_s = trio.current_time()
        until_s = at_s + (action.for_s or 0.0)
        engine.network.books.mark(plan.identity for plan in found)
        for plan in found:
            charger = self._charger(plan)
            if charger is not None:
                self._cut_off(charger, action)
        engine.recorder.counters.injected.add(f"kill_{action.how}", len(found))
        if action.how == "power" and action.for_s:
            self._outages.append((until_s, [plan.identity for plan in found]))
            self._stirred.set()
        engine.annotations.add("fault", action.asked(), at_s=at_s)
        away = f", away for {duration_text(action.for_s)}" if action.for_s else ""
        return f"cut {len(found)} of {len(living)} chargers off ({action.how}){away}"

    def _inject(self, action: InjectFault) -> str:
        engine = self._engine
        there = [plan for plan in self._of(action.slices) if self._charger(plan) is not None]
        if not there:
            raise refusals.NoChargers("there")
        for spec in {plan.spec.version: plan.spec for plan in there}.values():
            connectors = min(plan.spec.connectors for plan in there)
            for field, problem in problems(
                action.fault, connectors=connectors, catalog=catalog_of(spec.version)
            ):
                raise refusals.FaultImpossible(field, problem)
        found = self._draw(there, action.share)
        given = sum(
            engine.supervisor.chargers[plan.identity].post(FaultInjected(action.fault))
            for plan in found
        )
        return f"{given} of {len(there)} chargers have {action.fault.kind} now"

    def _clear(self, kind: str | None) -> str:
        told = [
            charger.post(FaultRemoved(kind))
            for charger in self._engine.supervisor.chargers.values()
        ]
        return f"{kind or 'all faults'} removed from {sum(told)} chargers"

    def _impair(self, action: ImpairNetwork) -> str:
        wrong = problem_of_network(action.impairment)
        if wrong is not None:
            raise refusals.ImpairmentImpossible(*wrong)
        self._of(action.slices)
        kind = action.impairment.kind
        to = Recipients(slices=action.slices, share=action.share)
        return f"{self._engine.network.inject(action.impairment, to)} chargers have {kind} now"

    # ── who ─────────────────────────────────────────────────────────────────────────────────────

    def _cut_off(self, charger: Charger, action: KillChargers) -> None:
        if action.how == "power":
            charger.post(PowerLost())
            if not action.for_s:
                charger.post(PowerRestored())
        elif action.for_s or not charger.cut("killed live"):
            charger.post(Away((action.for_s or 0.0) + self._wait_s(charger)))

    def _wait_s(self, charger: Charger) -> float:
        """How long it waits before it connects again, as after any lost connection."""
        station = charger.station
        chance = station.chance.fork(f"killed:{self._drawn}")
        return back_off_of(station.configuration).next_s(0.0, failures=1, chance=chance)

    def _charger(self, plan: ChargerPlan) -> Charger | None:
        place = self._engine.supervisor.chargers.get(plan.identity)
        return place if isinstance(place, Charger) and not place.leaving else None

    def _online(self, plan: ChargerPlan) -> Charger | None:
        charger = self._charger(plan)
        return charger if charger is not None and charger.online else None

    def _of(self, slices: Iterable[str]) -> Sequence[ChargerPlan]:
        """The chargers of these slices. Raises `Refused` for one that the fleet has not."""
        plans = self._engine.plans
        if not slices:
            return plans
        known = [part.name for part in self._engine.scenario.fleet]
        for name in slices:
            if name not in known:
                raise refusals.NoSuchSlice(name, known)
        wanted = set(slices)
        return [plan for plan in plans if plan.slice_name in wanted]

    def _draw(self, plans: Sequence[ChargerPlan], share: float) -> list[ChargerPlan]:
        self._drawn += 1
        seed = self._engine.scenario.seed
        return chosen(plans, share, seed=seed, place=f"live:{self._drawn}")

    # ── later ───────────────────────────────────────────────────────────────────────────────────

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Bring the mains back when it is time, until cancelled."""
        task_status.started()
        while True:
            self._stirred = trio.Event()
            next_s = min((due_s for due_s, _ in self._outages), default=float("inf"))
            with trio.CancelScope(deadline=next_s):
                await self._stirred.wait()
            at_s = trio.current_time()
            due = [one for one in self._outages if one[0] <= at_s]
            self._outages = [one for one in self._outages if one[0] > at_s]
            for _, identities in due:
                self._restore(identities)

    def _restore(self, identities: Iterable[str]) -> None:
        for identity in identities:
            charger = self._engine.supervisor.chargers.get(identity)
            if isinstance(charger, Charger) and charger.station.dark:
                charger.post(PowerRestored())


def live_figures(engine: Engine | None) -> dict[str, Any]:
    """What people have done to a run, as in `summary.json`; `engine` is None if it never began."""
    live = None if engine is None else engine.live
    return {
        "changed_live": live is not None and live.changed,
        "actions": [] if live is None else list(live.taken),
        "actions_total": 0 if live is None else live.total,
    }
