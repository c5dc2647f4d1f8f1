"""Keeps the cycle collector from stopping the world.

Left alone it walks every object now and then: 100 ms and more at 10,000 chargers, during which all
of them are late. High thresholds do not help: the collector counts what is made less what is freed,
and a fleet that exchanges its objects one for one grows a young generation of hundreds of thousands
before it is looked at. So a task sweeps often and little: it collects what is young, a few
milliseconds, and takes what survives out of the collector's sight.

A cycle that lives longer than one sweep is not freed before the end. Chargers make hardly any, but
a fleet as a whole is one: a service collects all of it once there is no load.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

SWEEP_PERIOD_S: Final = 0.1


@contextmanager
def calm_garbage() -> Iterator[None]:
    """No collection inside but those of `sweep_garbage`; afterwards everything is as it was.

    Within another such block nothing is collected at the beginning: it would stop a service.
    """
    enabled = gc.isenabled()
    if enabled:
        gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if enabled:
            gc.enable()


async def sweep_garbage(
    period_s: float = SWEEP_PERIOD_S,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Collect what is young, and set aside what survives, until cancelled."""
    task_status.started()
    while True:
        await trio.sleep(period_s)
        gc.collect(0)
        gc.freeze()


def collect_all() -> None:
    """Free every cycle, also of what has been set aside. Stops the world, 100 ms and more: for a
    service, after a load.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
