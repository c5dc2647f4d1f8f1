"""One case on one charger, from its first step to its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from simfleet.load.cases import expecting
from simfleet.load.cases.outcome import CaseResult, CaseVerdict
from simfleet.load.cases.scene import POLL_S, Scene, StepFailed
from simfleet.load.cases.steps import (
    Assert,
    Clear,
    CsmsStep,
    Disconnect,
    Expect,
    Plug,
    PowerCycle,
    Reconnect,
    Repeat,
    Set,
    Start,
    Stop,
    Swipe,
    Unplug,
    Until,
    Wait,
)
from simfleet.load.fault_fields import StageFault
from simfleet.station import charging
from simfleet.station.events import (
    EvPaused,
    EvResumed,
    FaultInjected,
    FaultRemoved,
    PluggedIn,
    PowerLost,
    PowerRestored,
    StartRequested,
    StopRequested,
    TokenPresented,
    Unplugged,
)

if TYPE_CHECKING:
    from simfleet.load.cases.fields import Case
    from simfleet.load.cases.frames import Window
    from simfleet.load.cases.steps import Step
    from simfleet.load.stages.engine import Engine

READY_S: Final = 30.0
"""How long a charger may take to be ready for its case."""
TURNS: Final = 4
"""Turns of the event loop after a step: the charger writes what it has to say within them."""
FRAMES_SHOWN: Final = 10
"""The last messages of a failed case, in its result."""
_WAITS: Final = (Expect, Assert, Until, Wait)
"""Steps that do nothing to the charger: the page of messages that `expect` reads stays open."""


class Player:
    """Carries out one case. `place` is where it is in the scenario: `cases[2]`."""

    def __init__(
        self, engine: Engine, case: Case, identity: str, window: Window, *, place: str
    ) -> None:
        self._engine = engine
        self._case = case
        self._identity = identity
        self._window = window
        self._scene = Scene(engine, identity)
        self._began_s = trio.current_time()
        self._place = place
        self._at = self._title = ""
        """The step that goes on: where it is in the scenario, and for people."""
        self._steps = 0
        self._page = 0
        """Number of the first message that `expect` looks at."""

    async def play(self) -> CaseResult:
        """Carry it out. A case never raises, unless it is cancelled; see `cut_short`."""
        try:
            await self._ready()
            for number, step in enumerate(self._case.steps, 1):
                await self._step(step, f"steps[{number - 1}]", f"step {number}")
        except StepFailed as failed:
            return self._result("failed", f"{self._title}: {failed}".removeprefix(": "))
        finally:
            self._scene.tidy_up()
        return self._result("passed")

    def cut_short(self, result: CaseVerdict, why: str) -> CaseResult:
        """The result of a case that was cancelled."""
        at = f" at {self._title}" if self._title else " while the charger was not ready"
        return self._result(result, f"{why}{at}")

    def _result(self, result: CaseVerdict, message: str = "") -> CaseResult:
        frames = list(self._window.frames)[-FRAMES_SHOWN:] if result == "failed" else []
        began_s = self._began_s - self._engine.timeline.began_s
        return CaseResult(
            name=self._case.name,
            charger=self._identity,
            result=result,
            steps=self._steps,
            failed_step=(self._at or None) if result == "failed" else None,
            message=message[:1000],
            began_s=round(began_s, 3),
            took_s=round(trio.current_time() - self._began_s, 3),
            frames=[frame.shown() for frame in frames],
        )

    async def _ready(self) -> None:
        """Wait until the charger is connected, accepted and at rest."""
        problem: str | None = ""
        with trio.move_on_after(READY_S):
            while (problem := self._scene.unready()) is not None:  # noqa: ASYNC110  many conditions
                await trio.sleep(POLL_S)
        if problem is not None:
            raise StepFailed(f"the charger was not ready within {READY_S:g} s: {problem}")

    # ── steps ───────────────────────────────────────────────────────────────────────────────────

    async def _step(self, step: Step, place: str, title: str) -> None:
        act = step.act
        if isinstance(act, Repeat):
            for turn in range(1, act.times + 1):
                for number, inner in enumerate(act.steps, 1):
                    where = f"{place}.repeat.steps[{number - 1}]"
                    await self._step(inner, where, f"{title}.{number} in round {turn}")
            return
        self._at = f"{self._place}.{place}"
        self._title = f"{title} ({step.word})"
        self._steps += 1
        if not isinstance(act, _WAITS):
            self._page = self._window.total
        await self._do(act)
        for _ in range(TURNS):
            await trio.lowlevel.checkpoint()

    async def _do(self, act: object) -> None:
        scene, window = self._scene, self._window
        match act:
            case Expect():
                await expecting.expect(act, scene, window, self._page)
            case Assert():
                expecting.check_now(act, scene, window)
            case Until():
                await expecting.until(act, scene, window)
            case CsmsStep():
                await expecting.send(act, scene)
            case Wait(for_s=for_s):
                clock = self._engine.stage
                await clock.until(clock.elapsed_s + for_s)
            case Disconnect(for_s=for_s):
                await scene.cut_link(for_s)
            case Reconnect():
                scene.restore_link()
            case PowerCycle(off_for_s=off_for_s):
                scene.tell(PowerLost())
                scene.unpowered = True
                await trio.sleep(off_for_s)
                scene.tell(PowerRestored())
                scene.unpowered = False
            case _:
                self._happen(act)

    def _happen(self, act: object) -> None:
        """What hands, drivers, vehicles and defects do."""
        scene = self._scene
        match act:
            case Plug():
                scene.tell(PluggedIn(act.connector_id, soc=act.soc))
                self._want(act.connector_id, act.energy_wh)
            case Unplug():
                scene.tell(Unplugged(act.connector_id))
            case Swipe():
                scene.id_tag = scene.fill(act.id_tag)
                scene.tell(TokenPresented(act.connector_id, scene.id_tag))
            case Start():
                scene.id_tag = scene.fill(act.id_tag)
                scene.tell(StartRequested(act.connector_id, scene.id_tag, act.energy_wh))
            case Stop():
                scene.tell(StopRequested(act.connector_id, act.unplug, act.reason))
            case StageFault():
                scene.tell(FaultInjected(act.fault))
            case Clear():
                scene.tell(FaultRemoved(act.kind))
            case Set():
                if act.vehicle is not None:
                    event = EvPaused if act.vehicle == "suspended" else EvResumed
                    scene.tell(event(act.connector_id))
                self._want(act.connector_id, act.energy_wh)
            case _:
                raise AssertionError(f"{act!r} is no step")

    def _want(self, connector_id: int, energy_wh: float | None) -> None:
        """The driver wants so much from now on."""
        if energy_wh is None:
            return
        connector = self._scene.connector(connector_id)
        station, at_s = self._scene.station, trio.current_time()
        if connector.transaction is None:
            connector.target_wh = connector.meter.energy_wh + energy_wh
        else:
            charging.want_energy(station, connector, energy_wh, at_s=at_s)
            station.tick(at_s=at_s)
        self._scene.nudge(self._scene.charger)
