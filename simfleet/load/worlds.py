"""Which world a run is carried out in: what the command line and the scenario say about time."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

from simfleet.errors import UsageWrong
from simfleet.fleet.garbage import SWEEP_PERIOD_S
from simfleet.load.clocks import ScaledClock
from simfleet.load.security import reached
from simfleet.load.virtual import virtual_world
from simfleet.load.world import REAL, TICK_S, World

if TYPE_CHECKING:
    from simfleet.load.schema1 import Scenario

SCALE_MAX: Final = 100.0
"""Beyond, a millisecond of the machine is a tenth of a second of the run."""


def world_of(
    scenario: Scenario, *, virtual: bool = False, time_scale: float | None = None
) -> World:
    """The world for one run. Raises `UsageWrong` for what does not go together."""
    scale = scenario.time_scale if time_scale is None else time_scale
    if virtual:
        if time_scale is not None:
            raise UsageWrong("--virtual and --time-scale: a virtual clock has no scale; leave one")
        if scenario.target.url != "embedded":
            raise UsageWrong(
                f"--virtual: the target is {scenario.target.url}, and a virtual run touches no"
                " network; use --target embedded, or --dry-run, which lets the embedded CSMS"
                " stand in for it"
            )
        return virtual_world(scenario)
    return REAL if scale == 1.0 else scaled_world(scale)


def scaled_world(scale: float) -> World:
    """Real sockets under a clock that runs `scale` times as fast, the embedded CSMS's as well."""
    return World(
        kind="scaled",
        scale=scale,
        clock=lambda: ScaledClock(scale),
        reached=partial(reached, time_scale=scale),
        tick_s=TICK_S * scale,
        sweep_s=SWEEP_PERIOD_S * scale,
    )


def with_stand_in(scenario: Scenario) -> Scenario:
    """The scenario with the embedded CSMS in the place of its target, for a prediction."""
    if scenario.target.url == "embedded":
        return scenario
    target = msgspec.structs.replace(
        scenario.target, url="embedded", client_cert=None, client_key=None, ca_file=None
    )
    return msgspec.structs.replace(scenario, target=target)
