"""Where exporters get their figures: read once a second in the event loop, given to all."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, Self

import trio
from msgspec import Struct

from simfleet.clock import real_wall_s
from simfleet.load.exports.buckets import CallBuckets
from simfleet.load.exports.families import Family, families_of, without_secrets
from simfleet.load.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from simfleet.load.stages.engine import Engine


class Reading(Struct, frozen=True):
    """The figures at one moment of real time, also of a run whose clock is faster."""

    at_wall_s: float
    began_wall_s: float
    progress: Progress
    families: list[Family]


class Exporter(Protocol):
    """Somebody who passes readings on."""

    name: str

    def open(self) -> None:
        """Get ready, before the run. Raises `UsageWrong` where that is not possible."""

    def close(self) -> None:
        """Let go of everything; after the run, also when it was refused."""

    def offer(self, reading: Reading) -> None:
        """Called once a second in the event loop; must not wait."""

    async def run(
        self,
        *,
        speed: float = 1.0,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Pass on what was offered, until cancelled; then once more what is left, within a bound.
        `speed` is how many seconds of the event loop's clock a real one has.

        Failures are counted, not raised: a monitoring system that is down ends no run.
        """

    def figures(self) -> dict[str, Any]:
        """What was passed on and what was not."""


class Exports:
    """All exporters of a run, as one companion of it; a context manager around the run."""

    def __init__(self, exporters: Sequence[Exporter]) -> None:
        self._exporters = exporters
        self._calls = CallBuckets()
        self._engine: Engine | None = None
        self._began_wall_s = 0.0
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            for exporter in self._exporters:
                exporter.open()
                opened.callback(exporter.close)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._opened.close()

    async def run(
        self, engine: Engine, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """See `Companion`."""
        self._engine = engine
        self._began_wall_s = real_wall_s()
        async with trio.open_nursery() as nursery:
            for exporter in self._exporters:
                await nursery.start(partial(exporter.run, speed=engine.health.speed))
            engine.timeline.listeners.append(self._calls.add)
            engine.watchers.append(self._read)
            task_status.started()

    def _read(self, progress: Progress) -> None:
        engine = self._engine
        assert engine is not None
        families = families_of(engine, progress, self._calls)
        redactor = engine.scenario.written.redactor
        if redactor:
            families = [without_secrets(family, redactor.clean) for family in families]
        reading = Reading(
            at_wall_s=real_wall_s(),
            began_wall_s=self._began_wall_s,
            progress=progress,
            families=families,
        )
        for exporter in self._exporters:
            exporter.offer(reading)

    def figures(self) -> Mapping[str, Any]:
        """See `Companion`."""
        return {"exports": {exporter.name: exporter.figures() for exporter in self._exporters}}
