"""The stage that carries out cases: on some chargers at a time, on each one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio
from msgspec import Struct

from simfleet.load.cases.fields import Case
from simfleet.load.cases.frames import Desk
from simfleet.load.cases.outcome import CaseResult
from simfleet.load.cases.player import Player
from simfleet.load.stage_faults import chosen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.load.cases.fields import Cases
    from simfleet.load.cases.outcome import CaseVerdict
    from simfleet.load.stages.engine import Engine

ANNOTATED_MAX: Final = 50
"""Failed cases of one stage that are drawn on charts."""
_TIME_IS_UP: Final = "the time of the stage was over"
_ENDED: Final = "the run was ended"


class Job(Struct, frozen=True):
    """One case on one charger."""

    case: Case
    place: str
    identity: str


async def cases(stage: Cases, engine: Engine) -> None:
    """Carry out the cases of a stage; those that its time is too short for fail."""
    async with engine.staged("cases", stage.described(), stage.within_s, name=stage.name) as clock:
        work = _Work(engine, list(jobs_of(stage, engine)))
        running = trio.CancelScope()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_at_end, clock.until_end, running)
                with running:
                    await work.run(parallel=stage.parallel)
                nursery.cancel_scope.cancel()
        finally:
            work.give_up("failed" if running.cancelled_caught else "skipped")


async def _cancel_at_end(until_end: object, running: trio.CancelScope) -> None:
    await until_end()  # type: ignore[operator]
    running.cancel()


def jobs_of(stage: Cases, engine: Engine) -> Iterator[Job]:
    """Every case of the stage on every charger that it is for, in the order of the scenario."""
    for number, case in enumerate(engine.scenario.cases):
        if not stage.only or case.name in stage.only:
            for identity in chargers_of(case, engine.plans, seed=engine.scenario.seed):
                yield Job(case, f"cases[{number}]", identity)


def chargers_of(case: Case, plans: Sequence[ChargerPlan], *, seed: int) -> list[str]:
    """The chargers that a case is for; the same seed and case choose the same."""
    if case.charger is not None:
        return [case.charger]
    if case.to is not None:
        of_slice = [plan.identity for plan in plans if plan.slice_name == case.to.slice_name]
        return of_slice[case.to.number - 1 : case.to.number]
    each = case.each
    assert each is not None, "the scenario was checked"
    among = [
        plan
        for plan in plans
        if (not each.slices or plan.slice_name in each.slices)
        and (not each.versions or plan.spec.version in each.versions)
    ]
    drawn = chosen(among, each.share, seed=seed, place=f"case:{case.name}")
    return [plan.identity for plan in drawn]


class _Work:
    """The jobs of a stage, and who does them."""

    def __init__(self, engine: Engine, jobs: list[Job]) -> None:
        self._engine = engine
        self._jobs = jobs
        self._next = 0
        self._last: dict[str, trio.Event] = {}
        """The end of the job that each charger was given last."""
        self._desk = Desk()
        self._annotated = 0

    async def run(self, *, parallel: int) -> None:
        """Do all of them."""
        hub = self._engine.recorder.hub
        assert hub is not None, "a run has a hub"
        with self._desk.listening(hub):
            async with trio.open_nursery() as workers:
                for _ in range(min(parallel, len(self._jobs))):
                    workers.start_soon(self._work)

    async def _work(self) -> None:
        while self._next < len(self._jobs):
            job = self._jobs[self._next]
            before, done = self._last.get(job.identity), trio.Event()
            self._last[job.identity] = done
            self._next += 1
            try:
                if before is not None:  # given out earlier, so it ends without our doing
                    await before.wait()
                await self._play(job)
            finally:
                done.set()

    async def _play(self, job: Job) -> None:
        with self._desk.window(job.identity) as window:
            player = Player(self._engine, job.case, job.identity, window, place=job.place)
            try:
                self._take(await player.play())
            except trio.Cancelled:
                why = _TIME_IS_UP if self._time_is_up() else _ENDED
                self._take(player.cut_short("failed" if why == _TIME_IS_UP else "skipped", why))
                raise

    def _time_is_up(self) -> bool:
        return self._engine.stage.left_s <= 0.0

    def give_up(self, verdict: CaseVerdict) -> None:
        """Account for the jobs that nobody has begun."""
        why = _TIME_IS_UP if verdict == "failed" else _ENDED
        at_s = round(trio.current_time() - self._engine.timeline.began_s, 3)
        for job in self._jobs[self._next :]:
            self._take(
                CaseResult(
                    name=job.case.name,
                    charger=job.identity,
                    result=verdict,
                    steps=0,
                    message=f"{why} before it began",
                    began_s=at_s,
                )
            )
        self._next = len(self._jobs)

    def _take(self, result: CaseResult) -> None:
        engine = self._engine
        engine.cases.add(result)
        if result.result != "failed":
            return
        engine.note(result.charger, f"case:{result.name}", result.message)
        self._annotated += 1
        if self._annotated <= ANNOTATED_MAX:
            text = f"case {result.name} failed on {result.charger}"
            engine.annotations.add("case", text, at_s=trio.current_time(), name=result.name)
