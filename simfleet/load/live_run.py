"""A run that a task of this process carries out, as those see it who follow and stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
from msgspec.structs import replace

from simfleet.load.live.actions import ActionTaken, LiveAction, StopRun
from simfleet.load.live.refusals import NotRunning

if TYPE_CHECKING:
    from simfleet.fleet.plan import ChargerPlan
    from simfleet.load.generator import Hold
    from simfleet.load.live.control import LiveControl
    from simfleet.load.progress import Progress
    from simfleet.load.run_views import Run
    from simfleet.load.runner import Runner
    from simfleet.load.schema1 import Scenario


class LiveRun:
    """See the module. What is asked of it before its runner is there is done when it is."""

    def __init__(
        self, run: Run, *, hold: Hold, scenario: Scenario, plans: list[ChargerPlan], source: bytes
    ) -> None:
        self.run = run
        self.hold = hold
        self.scenario = scenario
        self.plans = plans
        self.source = source
        self.ended = trio.Event()
        self._runner: Runner | None = None
        self._stop: tuple[str, bool] | None = None

    def note(self, progress: Progress) -> None:
        """What the runner says once a second."""
        self.run = replace(self.run, progress=progress)

    def stop(self, reason: str, *, now: bool) -> None:
        """Stop it; being asked again changes nothing, unless it is `now` and was not before."""
        if self._stop is not None and (self._stop[1] or not now):
            return
        self._stop = (reason, now)
        self.run = replace(self.run, stopping=True)
        if self._runner is not None:
            self._runner.stop(reason, now=now)

    @property
    def live(self) -> LiveControl:
        """Where live actions go. Raises `NotRunning` before the load has begun."""
        if self._runner is None or self._runner.engine is None:
            raise NotRunning
        return self._runner.engine.live

    def act(self, action: LiveAction, *, by: str) -> ActionTaken:
        """Do something to it now. Raises `Refused`."""
        live = self.live
        live.act(action, by=by)
        if isinstance(action, StopRun):
            self._stop = (by, action.now)  # the runner has been told
            self.run = replace(self.run, stopping=True)
        taken = live.last
        assert taken is not None
        return taken

    def hand_over(self, runner: Runner) -> None:
        """From now on the runner is told to stop."""
        self._runner = runner
        if self._stop is not None:
            reason, now = self._stop
            runner.stop(reason, now=now)
