"""What stages, live actions, cases and everything else that goes along with a run work with.

One object per run, made when the load begins. It holds no task: the runner's tree does.
"""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import trio

from simfleet.load.arrivals import Guestbook
from simfleet.load.cases.outcome import CaseBook
from simfleet.load.live.control import LiveControl
from simfleet.load.stages.stage_clock import StageClock
from simfleet.load.windows import Windows

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from simfleet.clock import WallClock
    from simfleet.csms.embedded import EmbeddedCsms
    from simfleet.fleet.mass import Mass
    from simfleet.fleet.orders import Surroundings
    from simfleet.fleet.plan import ChargerPlan
    from simfleet.fleet.recorder import Recorder
    from simfleet.fleet.supervisor import Supervisor
    from simfleet.load.annotations import Annotations
    from simfleet.load.arrivals import Arrivals
    from simfleet.load.network import Network
    from simfleet.load.progress import Progress
    from simfleet.load.schema1 import Scenario
    from simfleet.load.timeline import Timeline
    from simfleet.load.uploads import RunFiles
    from simfleet.observe.health import Health


class Engine:
    """A run at work. `stage` is the time of the stage that goes on."""

    stage_number = -1
    """Of the stage that goes on, in the scenario, from 0."""
    stage_label = "starting"
    """What people who watch see of it."""
    arrivals: Arrivals | None = None
    """Those of the stage that goes on; None while it is no `sessions`."""
    interrupted: str | None = None
    """Why the stages were ended, if they were: Ctrl-C, a live stop, a threshold."""
    aborted = False
    """Whether it was a threshold."""
    stages_over = False
    """Whether the chargers are being brought home."""
    paused = False
    _skipping: trio.CancelScope | None = None
    _planned_before_s = 0.0
    """Of the stage of the scenario that goes on: what was planned of it and is over."""

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
        network: Network,
        files: RunFiles,
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
        self.network = network
        """The way to the CSMS: `inject` makes it worse, `clear` well again."""
        self.files = files
        """The run's own file server."""
        self.csms = csms
        """None where the target is somebody else's CSMS."""
        self.windows = Windows(recorder, health, timeline)
        """Figures over a part of the run, in the shape of `summary.json`."""
        self.cases = CaseBook()
        """The results of the scenario's cases."""
        self.stage = StageClock(0.0)
        self.watchers: list[Callable[[Progress], None]] = []
        """Told of the progress once a second; must not wait."""
        self.guests = Guestbook()
        """What became of all arrivals so far: `guests.counts`."""
        self.tellers: list[Callable[[], Mapping[str, Any]]] = []
        """What stages have to add to `summary.json`, asked when the run is over."""
        self.stop: Callable[[str, bool], None] = lambda reason, now: None
        """End the stages for a reason; with True, everything at once. The runner's."""
        self.end_stages: Callable[[str], None] = lambda reason: None
        """End the stages in order because a threshold was broken. The runner's."""
        self.live = LiveControl(self)
        """What people do to the run while it goes on."""

    @asynccontextmanager
    async def staged(
        self, do: str, detail: str, planned_s: float, *, name: str | None = None
    ) -> AsyncIterator[StageClock]:
        """Whatever is done inside is a stage of the timeline, even if it is cut short. A stage of
        the scenario may be several of these, one after the other.
        """
        began_s = trio.current_time()
        self.stage = StageClock(planned_s)
        if self.paused:
            self.stage.pause()
        self.stage_label = self.scenario.written.redactor.clean(detail)
        self.annotations.add("stage", detail, at_s=began_s, name=name or do)
        complete = False
        try:
            yield self.stage
            complete = True
        finally:
            self._planned_before_s += planned_s
            await self.timeline.end_stage(
                do,
                detail,
                name=name,
                complete=complete,
                began_s=began_s,
                chargers=self.mass.size,
                connected=self.recorder.counters.connect.connected,
                storm=self.stage.storm,
            )

    # ── for live control ────────────────────────────────────────────────────────────────────────

    @contextmanager
    def going_on(self, number: int) -> Iterator[None]:
        """While inside, this stage of the scenario goes on, unless it is skipped."""
        self.stage_number = number
        self._planned_before_s = 0.0
        with trio.CancelScope() as self._skipping:
            yield
        self._skipping = None

    def skip(self) -> bool:
        """End the stage of the scenario that goes on; False if none does."""
        if self._skipping is None:
            return False
        self._skipping.cancel()
        return True

    def pause(self) -> None:
        """Have stage and fleet stand still: nobody is brought in or sent away, no driver comes."""
        self.paused = True
        self.surroundings.gate.open = False
        self.stage.pause()
        self.mass.pause()

    def resume(self) -> None:
        """Go on. Again changes nothing."""
        self.paused = False
        self.surroundings.gate.open = True
        self.stage.resume()
        self.mass.resume()

    @property
    def run_left_s(self) -> float:
        """How long the stages still take, as planned now; without what chargers take to go."""
        if self.stages_over or self.interrupted is not None:
            return self.stage.left_s
        number = max(0, self.stage_number)
        later = sum(stage.lasts_s for stage in self.scenario.stages[number + 1 :])
        of_this = self.scenario.stages[number].lasts_s - self._planned_before_s
        return later + self.stage.left_s + max(0.0, of_this - self.stage.first_planned_s)

    def note(self, identity: str, kind: str, detail: str) -> None:
        """A problem that the run itself has found; `identity` may be empty."""
        self.recorder.note(identity, kind, detail, at_s=trio.current_time())


def told(engine: Engine | None) -> dict[str, Any]:
    """What the stages of a run add to `summary.json`, by name; where several tell lists under one
    name, all in one. `engine` is None for a run that was over before its load.
    """
    found: dict[str, Any] = {"arrivals": None, "capacity": None, "soak": [], "storms": []}
    for tell in () if engine is None else engine.tellers:
        for name, figures in tell().items():
            so_far = found.get(name)
            if isinstance(so_far, list) and isinstance(figures, list):
                found[name] = [*so_far, *figures]
            else:
                found[name] = figures
    return found


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
