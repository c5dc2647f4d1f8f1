"""The capacity search at work: one stage of the timeline for each of its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

from simfleet.fleet.orders import Mode
from simfleet.load.capacity import (
    Broken,
    Outcome,
    Search,
    Step,
    finding_of,
    load_text,
)
from simfleet.load.open_fields import Sessions
from simfleet.load.stages.open import receive
from simfleet.load.stages.plain import RAMP_GRACE_S
from simfleet.load.thresholds import result_in
from simfleet.observe.generator_verdict import Level, judge

if TYPE_CHECKING:
    from simfleet.load.capacity_fields import Capacity
    from simfleet.load.stages.engine import Engine
    from simfleet.load.stages.stage_clock import StageClock
    from simfleet.load.thresholds import Threshold
    from simfleet.load.windows import Window

_UP_POLL_S: Final = 0.05


async def capacity(stage: Capacity, engine: Engine) -> None:
    """Search, step by step, until the knee is known or cannot be."""
    search = Search(
        start=stage.start.amount,
        top=stage.to.amount,
        by=stage.by.amount,
        precision=stage.precise_to,
        confirm=stage.confirm,
    )
    steps: list[Step] = []
    engine.tellers.append(lambda: {"capacity": finding_of(search, steps, of=stage.of)})
    while (load := search.wanted) is not None:
        step = await _step(stage, engine, search, load)
        steps.append(step)
        search.tell(step.outcome)
        broken = "; ".join(f"{one.metric} was {one.actual_text}" for one in step.broken)
        text = f"{load_text(load, of=stage.of)} ({step.purpose}): {step.outcome}"
        _note(stage, engine, f"{text}, {broken}" if broken else text)
    _note(stage, engine, finding_of(search, steps, of=stage.of).text)


def _note(stage: Capacity, engine: Engine, text: str) -> None:
    engine.annotations.add("search", text, at_s=trio.current_time(), name=stage.name or "capacity")


async def _step(stage: Capacity, engine: Engine, search: Search, load: float) -> Step:
    detail = f"{search.purpose} at {load_text(load, of=stage.of)}"
    planned_s = stage.settle_s + stage.hold_s
    began_s = trio.current_time()
    async with engine.staged("capacity", detail, planned_s, name=stage.name) as clock:
        missing = 0
        if stage.of == "chargers":
            missing = await _bring_to(stage, engine, round(load))
            clock.extend(clock.elapsed_s)
            window = await _measure(stage, engine, clock)
        else:
            sessions = Sessions(rate_per_s=load, for_s=planned_s)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive, sessions, engine, clock)
                window = await _measure(stage, engine, clock)
    outcome, broken, reasons, level = _judged(stage.until, window, missing=missing)
    figures = window.figures()
    totals, times = figures["call_totals"], figures["call_totals"]["response_ms"]
    failed = sum(totals["errors"].values()) + totals["timeouts"]
    return Step(
        load,
        search.purpose,
        outcome,
        round(began_s - engine.timeline.began_s, 3),
        round(trio.current_time() - engine.timeline.began_s, 3),
        totals["count"],
        figures["throughput"]["calls_per_s"],
        times["p50"],
        times["p99"],
        failed / totals["count"] if totals["count"] else 0.0,
        level,
        broken,
        reasons,
    )


async def _bring_to(stage: Capacity, engine: Engine, chargers: int) -> int:
    """Have so many chargers, and wait for them within reason; how many did not come."""
    engine.mass.apply(chargers, Mode(stage.mode))
    await engine.mass.settled()
    if stage.mode == "idle":
        return 0
    connect, booted = engine.recorder.counters.connect, engine.recorder.booted
    with trio.move_on_after(RAMP_GRACE_S):
        # A count of 10,000 needs no event for each.
        while connect.connected < chargers or len(booted) < chargers:  # noqa: ASYNC110
            await trio.sleep(_UP_POLL_S)
    return max(0, chargers - min(connect.connected, len(booted)))


async def _measure(stage: Capacity, engine: Engine, clock: StageClock) -> Window:
    await clock.until(clock.elapsed_s + stage.settle_s)
    async with engine.windows.window() as window:
        await clock.until_end()
    return window


def _judged(
    limits: tuple[Threshold, ...], window: Window, *, missing: int
) -> tuple[Outcome, list[Broken], list[str], str]:
    """How a step came out, what it broke, why it says less than it should, and the generator."""
    verdict = judge(window.evidence())
    results = [result_in(limit, window.figures(), missing="") for limit in limits]
    broken = [
        Broken(
            limit.metric,
            limit.text,
            result.actual,
            result.actual_text,
            round(result.actual / limit.limit, 3) if limit.limit else None,
        )
        for limit, result in zip(limits, results, strict=True)
        if result.actual is not None and not result.passed
    ]
    if missing:
        text = f"{missing} never came"
        broken.append(Broken("chargers.failed", "== 0", float(missing), text, None))
    reasons = list(verdict.reasons)
    unmeasured = [result for result in results if result.actual is None]
    outcome: Outcome = "failed" if broken else "passed"
    if verdict.level is Level.INVALID:
        outcome = "invalid"
    elif unmeasured and not broken:
        outcome = "unmeasured"
        reasons.append(f"{unmeasured[0].metric} had no figure, so hold longer")
    return outcome, broken, reasons, str(verdict.level)
