"""Step, stairs, spike and soak; what drifts during a soak."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import trio

from simfleet.errors import CsmsFailed
from simfleet.fleet.orders import Mode
from simfleet.load.stages.plain import bring_to
from simfleet.observe.histogram import FastHistogram, summary_ms
from simfleet.observe.process import rss_mib

if TYPE_CHECKING:
    from simfleet.load.closed_fields import Soak, Spike, Stairs, Step
    from simfleet.load.stages.engine import Engine
    from simfleet.load.timeline import Interval

PART: Final = 0.1
"""The part of a soak at its beginning, and at its end, that are compared."""
CLOSE_S: Final = 1e-6
"""Two moments no further apart are one: what floating point makes of a sum."""
STATS_MAX_S: Final = 5.0
"""How long an embedded CSMS may take to say how large it is."""


async def step(stage: Step, engine: Engine) -> None:
    """Bring the fleet to a size as fast as it goes."""
    async with engine.staged("step", stage.described(), 0.0, name=stage.name):
        await bring_to(engine, stage.to, Mode(stage.mode), over_s=None)


async def stairs(stage: Stairs, engine: Engine) -> None:
    """Bring the fleet to one size after the other; each stair is a stage of the timeline."""
    sizes = stage.sizes
    for number, size in enumerate(sizes, start=1):
        detail = f"stair {number} of {len(sizes)}: {size} {stage.mode}"
        name = f"{stage.name}.{number}" if stage.name else None
        async with engine.staged("stairs", detail, stage.every_s, name=name):
            await bring_to(engine, size, Mode(stage.mode), over_s=None)


async def spike(stage: Spike, engine: Engine) -> None:
    """Bring the fleet to a size for a while and back: three stages of the timeline."""
    before = engine.mass.wish
    over_s = stage.over_s or None

    def called(part: str) -> str | None:
        return f"{stage.name}.{part}" if stage.name else None

    detail = f"spike up to {stage.to} {stage.mode}"
    async with engine.staged("spike", detail, stage.over_s, name=called("up")):
        await bring_to(engine, stage.to, Mode(stage.mode), over_s=over_s)
    detail = f"spike at {stage.to} {stage.mode}"
    async with engine.staged("spike", detail, stage.for_s, name=called("top")) as clock:
        await clock.until_end()
    detail = f"spike back to {before.target} {before.mode}"
    async with engine.staged("spike", detail, stage.over_s, name=called("back")):
        await bring_to(engine, before.target, before.mode, over_s=over_s)


async def soak(stage: Soak, engine: Engine) -> None:
    """Let time pass, and compare the beginning with the end."""
    async with engine.staged("soak", stage.described(), stage.for_s, name=stage.name) as clock:
        drift = Drift(await _memory(engine))
        engine.tellers.append(lambda: {"soak": [drift.figures(stage.name)]})
        engine.timeline.listeners.append(drift.heed)
        try:
            await clock.until(clock.planned_s * PART)
            await engine.timeline.take_interval()
            drift.first_over()
            while clock.elapsed_s < clock.planned_s * (1 - PART) - CLOSE_S:  # it may be extended
                await clock.until(clock.planned_s * (1 - PART))
            await engine.timeline.take_interval()
            drift.last_begins()
            await clock.until_end()
            await engine.timeline.take_interval()
        finally:
            engine.timeline.listeners.remove(drift.heed)
            drift.over(clock.elapsed_s, chargers=engine.recorder.counters.connect.connected)
        drift.memory_at_end = await _memory(engine)


Memory = dict[str, float | None]
"""Resident memory by process, in MiB; None where it is not known."""


class Drift:
    """What a soak finds: how the response times of its first and last part differ, and what memory
    has grown.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.memory_at_end: Memory | None = None
        """None: the soak was cut short."""
        self._first = FastHistogram()
        self._last = FastHistogram()
        self._filling: FastHistogram | None = self._first
        self._took_s = 0.0
        self._chargers = 0

    def heed(self, interval: Interval) -> None:
        """An interval of the run is over."""
        if self._filling is None:
            return
        for histogram in interval.histograms:
            if histogram.get_tag().endswith(".response"):
                self._filling.add(histogram)

    def first_over(self) -> None:
        """What comes now is in neither part."""
        self._filling = None

    def last_begins(self) -> None:
        """What comes now is in the last part."""
        self._filling = self._last

    def over(self, took_s: float, *, chargers: int) -> None:
        """The soak is over, and so many chargers are connected."""
        self._took_s, self._chargers = took_s, chargers

    def figures(self, name: str | None) -> dict[str, Any]:
        """One entry of `soak` in `summary.json`."""
        first, last = (
            summary_ms(part)["p99"] if part.total_count else None
            for part in (self._first, self._last)
        )
        ratio = None if not first or last is None else round(last / first - 1, 4)
        return {
            "name": name,
            "for_s": round(self._took_s, 3),
            "chargers": self._chargers,
            "response_p99_ms": {"first_tenth": first, "last_tenth": last, "drift_ratio": ratio},
            "generator": self._grown("generator"),
            "csms": None if self._memory["csms"] is None else self._grown("csms"),
        }

    def _grown(self, process: str) -> dict[str, float | None]:
        begin_mib = self._memory[process]
        end_mib = None if self.memory_at_end is None else self.memory_at_end[process]

        def per_charger_kib(mib: float) -> float | None:
            return round(mib * 1024 / self._chargers, 1) if self._chargers else None

        return {
            "rss_begin_mib": begin_mib,
            "rss_end_mib": end_mib,
            "rss_per_charger_kib": None if end_mib is None else per_charger_kib(end_mib),
            "grown_per_charger_kib": None
            if begin_mib is None or end_mib is None
            else per_charger_kib(end_mib - begin_mib),
        }


async def _memory(engine: Engine) -> Memory:
    """Of the generator, and of the embedded CSMS, if there is one and it answers."""
    csms_mib = None
    if engine.csms is not None:
        with trio.move_on_after(STATS_MAX_S), contextlib.suppress(CsmsFailed):
            csms_mib = round((await engine.csms.stats())["rss_bytes"] / 2**20, 1)
    return {"generator": round(rss_mib(), 1), "csms": csms_mib}
