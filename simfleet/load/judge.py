"""Watches a run's thresholds while it goes on: their windows, and those that end it.

Thresholds of one stage, and those that leave out the warm-up, look at windows. The judge opens and
closes these at the right moments and hands their figures to the summary, from which the verdict is
computed: what is judged can be judged again by whoever has the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import trio

from simfleet.documents.quantities import duration_text
from simfleet.load.summary import measure
from simfleet.load.thresholds import Part, Threshold, actual_of, part_of, result_in

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from simfleet.load.schema1 import Scenario, StageFields
    from simfleet.load.stages.engine import Engine
    from simfleet.load.windows import Window
    from simfleet.observe.latency import Latencies

CHECK_EVERY_S: Final = 1.0
"""Between two looks at the limits that can end a run."""


class Judge:
    """See the module. One per run."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._warm_up_s = scenario.warm_up_s
        self._parts = {
            threshold: part_of(threshold, warm_up_s=self._warm_up_s)
            for threshold in scenario.thresholds
        }
        self._watched = [one for one in scenario.thresholds if one.abort_on_fail]
        self._engine: Engine | None = None
        self._open: dict[str | None, Window] = {}
        """By the stage as selectors call it; None is what comes after the warm-up."""
        self._closed: dict[str | None, Window] = {}
        self._began_s: dict[str | None, float] = {}
        self._seen_s: dict[Threshold, float] = {}
        """The end of the interval on which a limit of a window was looked at last."""
        self._excluded: int | None = None

    async def run(self, engine: Engine) -> None:
        """Go along with the load, from its beginning until cancelled."""
        self._engine = engine
        async with trio.open_nursery() as nursery:
            if self._warm_up_s:
                nursery.start_soon(self._warm_up, engine)
            if self._watched:
                nursery.start_soon(self._watch, engine)

    @asynccontextmanager
    async def during(self, number: int, stage: StageFields, engine: Engine) -> AsyncIterator[None]:
        """A stage of the scenario goes on while inside."""
        wanted = {part.selector.stage for part in self._parts.values()} - {None}
        names = [name for name in (stage.name, str(number)) if name in wanted]
        window = None
        if names:
            window = await engine.windows.open(slices=self._slices_of(names))
            for name in names:
                self._open[name] = window
        try:
            yield
        finally:
            if window is not None:
                await engine.windows.close(window)
                for name in names:
                    self._closed[name] = self._open.pop(name)

    def close(self) -> None:
        """The load is over, and all that was answered is in the timeline."""
        for name, window in list(self._open.items()):
            window.close()
            self._closed[name] = self._open.pop(name)

    def figures(self) -> dict[str, Any]:
        """What it adds to the summary."""
        found = []
        for part in dict.fromkeys(self._parts.values()):
            window = self._closed.get(part.selector.stage)
            if part.is_window and window is not None and self._engine is not None:
                began_s = window.began_s - self._engine.timeline.began_s
                lasts_s = window.lasts_s
                found.append(
                    {
                        "stage": part.selector.stage,
                        "slice": part.selector.slice,
                        "after_warm_up": part.after_warm_up,
                        "began_s": round(began_s, 3),
                        "ended_s": round(began_s + lasts_s, 3),
                        **window.figures(part.selector.slice),
                    }
                )
        return {
            "windows": found,
            "warm_up_s": self._warm_up_s,
            "warm_up_calls": self._calls_excluded(),
        }

    # ── windows ─────────────────────────────────────────────────────────────────────────────────

    async def _warm_up(self, engine: Engine) -> None:
        await trio.sleep_until(engine.timeline.began_s + self._warm_up_s)
        window = await engine.windows.open(slices=self._slices_of([None]))
        self._excluded = engine.recorder.latencies.count()
        self._open[None] = window

    def _slices_of(self, stages: Sequence[str | None]) -> list[str]:
        """The slices that thresholds of these stages name."""
        named = {
            part.selector.slice
            for part in self._parts.values()
            if part.is_window and part.selector.stage in stages
        }
        return sorted(name for name in named if name is not None)

    def _calls_excluded(self) -> int:
        if not self._warm_up_s or self._engine is None:
            return 0
        if self._excluded is None:  # it ended before its warm-up did
            return self._engine.recorder.latencies.count()
        return self._excluded

    # ── limits that end the run ─────────────────────────────────────────────────────────────────

    async def _watch(self, engine: Engine) -> None:
        due_s = engine.timeline.began_s
        while True:
            due_s = max(due_s + CHECK_EVERY_S, trio.current_time())
            await trio.sleep_until(due_s)
            broken = self.broken(engine)
            if broken is not None:
                engine.end_stages(broken)
                return

    def broken(self, engine: Engine) -> str | None:
        """Why the run must end now, as a sentence; None if it need not."""
        running = _Running(self._scenario, engine)
        for threshold in self._watched:
            part = self._parts[threshold]
            window = self._open.get(part.selector.stage) if part.is_window else None
            began_s = engine.timeline.began_s
            if part.selector.stage is not None and window is not None:
                began_s = window.began_s
            now_s = trio.current_time()
            if now_s - began_s < threshold.delay_s:
                continue
            figures = self._figures_now(threshold, part, window, running)
            if figures is None:
                continue
            actual = actual_of(threshold, figures)
            if actual is not None and threshold.broken_by(actual):
                result = result_in(threshold, figures, missing="")
                return (
                    f"threshold {threshold.metric} {threshold.text} was broken"
                    f" ({result.actual_text}) after {duration_text(round(now_s - began_s))}"
                    f" of {'the stage' if part.selector.stage is not None else 'load'}"
                )
        return None

    def _figures_now(
        self, threshold: Threshold, part: Part, window: Window | None, running: _Running
    ) -> Mapping[str, Any] | None:
        """Figures of the part that a threshold looks at; None where there is nothing new."""
        if not part.is_window:
            return running if part.selector.slice is None else running.of_slice(part.selector.slice)
        if window is None or self._seen_s.get(threshold) == window.collected_s:
            return None
        self._seen_s[threshold] = window.collected_s
        return window.figures(part.selector.slice)


class _Running(Mapping[str, Any]):
    """The summary of a run that goes on, in which only what is asked for is computed: 20 ms once a
    second would be a lag of our own making.
    """

    def __init__(self, scenario: Scenario, engine: Engine) -> None:
        self._scenario = scenario
        self._engine = engine
        self._rest: dict[str, Any] | None = None
        latencies = engine.recorder.latencies
        self._quick: dict[str, Callable[[], Any]] = {
            "calls": lambda: _Calls(latencies),
            "call_totals": lambda: latencies.totals,
        }

    def of_slice(self, name: str) -> Mapping[str, Any] | None:
        """The block of a slice."""
        return next((one for one in self._measured()["slices"] if one["name"] == name), None)

    def _measured(self) -> dict[str, Any]:
        if self._rest is None:
            engine = self._engine
            self._rest = measure(
                self._scenario,
                engine.recorder,
                engine.health,
                engine.timeline,
                plans=engine.plans,
                at_s=trio.current_time(),
            )
        return self._rest

    def __getitem__(self, key: str) -> Any:
        return self._quick[key]() if key in self._quick else self._measured()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._measured())

    def __len__(self) -> int:
        return len(self._measured())


class _Calls(Mapping[str, Any]):
    """`calls` of the summary, action by action."""

    def __init__(self, latencies: Latencies) -> None:
        self._latencies = latencies

    def __getitem__(self, action: str) -> Any:
        if action not in self._latencies.actions:
            raise KeyError(action)
        return self._latencies.summary(action)

    def __iter__(self) -> Iterator[str]:
        return iter(self._latencies.actions)

    def __len__(self) -> int:
        return len(self._latencies.actions)
