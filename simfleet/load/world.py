"""The world of a run: its clock, its network, and how its target is reached.

A run in the real world dials sockets and counts real seconds. In a scaled one the sockets are
real, and the event loop's clock runs faster. In a virtual one the clock jumps to whatever is due
next, the network is memory, and the embedded CSMS answers in the same event loop.

    world = virtual_world(scenario)             # virtual.py; or scaled_world(10), or REAL
    runner = Runner(scenario, folder, watch=..., world=world)
    trio.run(runner.run, clock=world.clock())
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import trio
from msgspec import Struct

from simfleet.clock import stopwatch_s
from simfleet.fleet.clockwork import Clockwork
from simfleet.fleet.garbage import SWEEP_PERIOD_S
from simfleet.link.link import Dialer
from simfleet.link.opening import open_link
from simfleet.load.security import reached

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.link.link import LinkOptions
    from simfleet.load.schema1 import Scenario
    from simfleet.load.security import Reached

ClockKind = Literal["real", "virtual", "scaled"]
TICK_S: Final = 1.0
INTERVAL_TICKS: Final = 5
"""Ticks of one interval histogram in `run.hlog`; stage ends cut it short."""


class Reach(Protocol):
    """How the target of a run is reached, as long as the block lasts."""

    def __call__(
        self, scenario: Scenario, plans: Sequence[ChargerPlan], options: LinkOptions
    ) -> AbstractAsyncContextManager[Reached]:
        """See `security.reached`."""


class World(Struct, frozen=True, kw_only=True):
    """See the module."""

    kind: ClockKind = "real"
    scale: float = 1.0
    """Seconds of the event loop's clock in a real one. 1 where the clock jumps: there is no such
    number."""
    dial: Dialer = open_link
    reached: Reach = reached
    clock: Callable[[], trio.abc.Clock | None] = lambda: None
    """Makes the clock for `trio.run`; None is Trio's own."""
    clockwork: Callable[[], Clockwork] = Clockwork
    """Makes the alarm clock of the fleet."""
    wall_s: float | None = None
    """Unix time at the beginning; None: what it really is."""
    tick_s: float = TICK_S
    """Between two looks of whoever watches, in seconds of the run's clock."""
    interval_ticks: int = INTERVAL_TICKS
    sweep_s: float = SWEEP_PERIOD_S
    """Between two collections of young garbage, in seconds of the run's clock."""

    @property
    def measures(self) -> bool:
        """Whether times of the CSMS can be measured: not where no time passes while it works."""
        return self.kind != "virtual"

    @property
    def touches_network(self) -> bool:
        """Whether descriptors and ports are needed."""
        return self.kind != "virtual"


REAL: Final = World()


class Stopwatch:
    """How long the load took, on the run's clock and in truth: `clock` in `summary.json`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._began = self._ended = (0.0, 0.0)

    def begin(self, at_s: float) -> None:
        """The load begins."""
        self._began = self._ended = (at_s, stopwatch_s())

    def end(self, at_s: float) -> None:
        """The load is over."""
        self._ended = (at_s, stopwatch_s())

    def figures(self) -> dict[str, Any]:
        """As in `summary.json`."""
        run_s, real_s = (end - begin for end, begin in zip(self._ended, self._began, strict=True))
        return {
            "clock": {
                "kind": self._world.kind,
                "scale": self._world.scale,
                "run_s": round(run_s, 3),
                "real_s": round(real_s, 3),
                "speed": round(run_s / real_s, 1) if real_s > 0 else None,
            }
        }
