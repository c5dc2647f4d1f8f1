"""Which function carries out which kind of stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.load.capacity_fields import Capacity
from simfleet.load.cases.fields import Cases
from simfleet.load.cases.stage import cases
from simfleet.load.closed_fields import Soak, Spike, Stairs, Step
from simfleet.load.open_fields import Sessions
from simfleet.load.schema1 import Hold, Ramp, StageFields, Stop
from simfleet.load.stages.capacity import capacity
from simfleet.load.stages.closed import soak, spike, stairs, step
from simfleet.load.stages.firmware_wave import firmware_wave
from simfleet.load.stages.open import sessions
from simfleet.load.stages.plain import hold, ramp, stop
from simfleet.load.stages.storms import (
    blackout,
    boot_storm,
    reconnect_storm,
    rolling_restart,
)
from simfleet.load.storm_fields import (
    Blackout,
    BootStorm,
    FirmwareWave,
    ReconnectStorm,
    RollingRestart,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from simfleet.load.stages.engine import Engine

CARRIED_OUT: Final[Mapping[type[StageFields], Callable[[Any, Engine], Awaitable[None]]]] = {
    Ramp: ramp,
    Hold: hold,
    Stop: stop,
    Step: step,
    Stairs: stairs,
    Spike: spike,
    Soak: soak,
    Capacity: capacity,
    Sessions: sessions,
    Cases: cases,
    BootStorm: boot_storm,
    ReconnectStorm: reconnect_storm,
    Blackout: blackout,
    RollingRestart: rolling_restart,
    FirmwareWave: firmware_wave,
}


async def carry_out(stage: StageFields, engine: Engine) -> None:
    """Carry out a stage of the scenario, from its beginning to its end."""
    await CARRIED_OUT[type(stage)](stage, engine)
