"""What stages, live actions, cases and everything else that goes along with a run work with.

One object per run, made when the load begins. It holds no task: the runner's tree does.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import trio

from simfleet.load.stages.stage_clock import StageClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from simfleet.clock import WallClock
    from simfleet.csms.embedded import EmbeddedCsms
    from simfleet.fleet.mass import Mass
    from simfleet.fleet.orders import Surroundings
    from simfleet.fleet.plan import ChargerPlan
    from simfleet.fleet.recorder import Recorder
    from simfleet.fleet.supervisor import Supervisor
    from simfleet.load.annotations import Annotations
    from simfleet.load.progress import Progress
    from simfleet.load.schema1 import Scenario
    from simfleet.load.timeline import Timeline
    from simfleet.observe.health import Health


class Engine:
    """A run at work. `stage` is the time of the stage that goes on."""

    def __init__(
        self,
        scenario: Scenario,
        plans: Sequence[ChargerPlan],
        *,
        mass: Mass,
        supervisor: Supervisor,
        surroundings: Surroundings,
        recorder: Recorder,
        health: Health,
        timeline: Timeline,
        annotations: Annotations,
        clock: WallClock,
        csms: EmbeddedCsms | None,
    ) -> None:
        self.scenario = scenario
        self.plans = plans
        self.mass = mass
        self.supervisor = supervisor
        self.surroundings = surroundings
        self.recorder = recorder
        self.health = health
        self.timeline = timeline
        self.annotations = annotations
        self.clock = clock
        self.csms = csms
        """None where the target is somebody else's CSMS."""
        self.stage = StageClock(0.0)
        self.stage_number = -1
        """Of the stage that goes on, in the scenario, from 0."""
        self.stage_label = "starting"
        """What people who watch see of it."""
        self.watchers: list[Callable[[Progress], None]] = []
        """Told of the progress once a second; must not wait."""
        self.arrivals = 0
        """Drivers that open load models have sent so far, in all."""
        self.interrupted: str | None = None
        """Why the stages were ended, if they were: Ctrl-C, a live stop, a threshold."""

    @asynccontextmanager
    async def staged(
        self, do: str, detail: str, planned_s: float, *, name: str | None = None
    ) -> AsyncIterator[StageClock]:
        """Whatever is done inside is a stage of the timeline, even if it is cut short. A stage of
        the scenario may be several of these, one after the other.
        """
        began_s = trio.current_time()
        self.stage = StageClock(planned_s)
        self.stage_label = detail
        self.annotations.add("stage", detail, at_s=began_s, name=name or do)
        complete = False
        try:
            yield self.stage
            complete = True
        finally:
            await self.timeline.end_stage(
                do,
                detail,
                name=name,
                complete=complete,
                began_s=began_s,
                chargers=self.mass.size,
                connected=self.recorder.counters.connect.connected,
            )

    def note(self, identity: str, kind: str, detail: str) -> None:
        """A problem that the run itself has found; `identity` may be empty."""
        self.recorder.note(identity, kind, detail, at_s=trio.current_time())


class Companion(Protocol):
    """Something that goes along with a run: an exporter, the keyboard, a watch on thresholds."""

    async def run(
        self, engine: Engine, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Started before the first stage, cancelled when the last charger has gone. What it raises
        ends the run as a bug; what may go wrong it keeps to itself and tells by `figures`.
        """

    def figures(self) -> Mapping[str, Any]:
        """What it adds to `summary.json`, by name, once the run is over."""
