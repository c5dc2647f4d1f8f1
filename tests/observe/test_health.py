from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from simfleet.observe.generator_verdict import Level, judge
from simfleet.observe.health import Health
from simfleet.observe.histogram import summary_ms
from simfleet.observe.lag import PROBE_CATCH_UP_MAX_TICKS, PROBE_PERIOD_S, LoopLagProbe, ScheduleLag
from simfleet.observe.process import GarbagePauses, open_descriptors, rss_mib, rss_peak_mib

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@contextlib.asynccontextmanager
async def running(health: Health) -> AsyncIterator[Health]:
    with health:
        async with trio.open_nursery() as nursery:
            await nursery.start(health.run)
            yield health
            nursery.cancel_scope.cancel()


# ── the probe ───────────────────────────────────────────────────────────────────────────────────


async def test_an_idle_loop_is_never_late(autojump_clock: trio.testing.MockClock) -> None:
    probe = LoopLagProbe()
    with trio.move_on_after(10 + PROBE_PERIOD_S / 2):
        await probe.run()
    assert probe.histogram.total_count == round(10 / PROBE_PERIOD_S)
    # The probe stays on its grid; sleeping for a period each time would drift.
    assert probe.histogram.max_value == 0


async def test_of_a_stall_every_missed_due_time_is_recorded(
    mock_clock: trio.testing.MockClock,
) -> None:
    probe = LoopLagProbe()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(probe.run)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(1.0)  # nothing runs for a second
        await trio.testing.wait_all_tasks_blocked()
        assert probe.histogram.total_count == pytest.approx(100, abs=1)  # a due time is a float
        lag_ms = summary_ms(probe.histogram)
        assert lag_ms["max"] == pytest.approx(990, abs=1)
        assert lag_ms["mean"] == pytest.approx(495, abs=6)
        assert lag_ms["p50"] == pytest.approx(495, abs=11)

        mock_clock.jump(PROBE_PERIOD_S)  # and then the loop is on time again
        await trio.testing.wait_all_tasks_blocked()
        assert probe.histogram.total_count == pytest.approx(101, abs=1)
        assert probe.histogram.min_value <= PROBE_PERIOD_S * 1e6
        nursery.cancel_scope.cancel()


@contextlib.asynccontextmanager
async def a_running_probe() -> AsyncIterator[LoopLagProbe]:
    probe = LoopLagProbe()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(probe.run)
        await trio.testing.wait_all_tasks_blocked()
        yield probe
        nursery.cancel_scope.cancel()


async def test_a_stall_that_is_not_over_counts_when_the_probe_is_read(
    mock_clock: trio.testing.MockClock,
) -> None:
    async with a_running_probe() as probe:
        mock_clock.jump(0.505)
        assert probe.histogram.total_count == 0
        probe.catch_up(trio.current_time())
        assert probe.histogram.total_count == 50
        probe.catch_up(trio.current_time())
        await trio.testing.wait_all_tasks_blocked()
        assert probe.histogram.total_count == 50, "and counts once"


async def test_a_night_of_sleep_is_recorded_in_bounded_time_and_the_rest_counted(
    mock_clock: trio.testing.MockClock,
) -> None:
    async with a_running_probe() as probe:
        mock_clock.jump(8 * 3600.0)
        await trio.testing.wait_all_tasks_blocked()
        assert probe.histogram.total_count == PROBE_CATCH_UP_MAX_TICKS
        missed = round(8 * 3600 / PROBE_PERIOD_S) - PROBE_CATCH_UP_MAX_TICKS
        assert probe.skipped_ticks == pytest.approx(missed, abs=1)
        assert summary_ms(probe.histogram)["max"] == 3_600_000, "above an hour is an hour"
        mock_clock.jump(2.5 * PROBE_PERIOD_S)
        await trio.testing.wait_all_tasks_blocked()
        assert probe.histogram.total_count == pytest.approx(PROBE_CATCH_UP_MAX_TICKS + 2, abs=1)


async def test_a_restarted_probe_has_forgotten_everything(
    mock_clock: trio.testing.MockClock,
) -> None:
    async with a_running_probe() as probe:
        mock_clock.jump(100.0)
        await trio.testing.wait_all_tasks_blocked()
        probe.restart(trio.current_time())
        assert (probe.histogram.total_count, probe.skipped_ticks) == (0, 0)
        mock_clock.jump(1.5 * PROBE_PERIOD_S)
        await trio.testing.wait_all_tasks_blocked()
        assert probe.histogram.total_count == 1


async def test_a_probe_that_does_not_run_misses_nothing() -> None:
    probe = LoopLagProbe()
    probe.restart(0.0)
    probe.catch_up(100.0)
    assert probe.histogram.total_count == 0


def test_schedule_lag_is_recorded_in_microseconds_and_early_is_on_time() -> None:
    lag = ScheduleLag()
    for late_s in (0.1, 0.3, -1e-9, -5.0):
        lag.record(late_s)
    assert lag.histogram.total_count == 4
    assert lag.histogram.max_value == 300_000
    assert summary_ms(lag.histogram)["mean"] == 100.0


# ── garbage collections ─────────────────────────────────────────────────────────────────────────


def test_collections_are_counted_and_timed_inside_the_block_only() -> None:
    callbacks_before = list(gc.callbacks)
    rings: list[Any] = [[] for _ in range(20_000)]
    with GarbagePauses() as pauses:
        gc.collect()
        gc.collect()
        assert len(gc.callbacks) == len(callbacks_before) + 1
    assert len(rings) == 20_000
    assert pauses.count >= 2
    assert 0 < pauses.max_s <= pauses.total_s
    counted = pauses.count
    gc.collect()
    assert pauses.count == counted
    assert gc.callbacks == callbacks_before


def test_the_callback_is_removed_even_if_the_block_fails() -> None:
    callbacks_before = list(gc.callbacks)
    with pytest.raises(LookupError), GarbagePauses():
        raise LookupError
    assert gc.callbacks == callbacks_before


# ── this process ────────────────────────────────────────────────────────────────────────────────


def test_memory_is_read_in_mib() -> None:
    before_mib = rss_mib()
    assert 5 < before_mib < 4096
    block = bytearray(os.urandom(1)) * (64 * 2**20)
    assert rss_mib() - before_mib == pytest.approx(64, abs=8)
    del block
    assert rss_peak_mib() >= before_mib + 56, "the peak remembers"


def test_open_descriptors_are_counted() -> None:
    before = open_descriptors()
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.socket())
        assert open_descriptors() == before + 50
    assert open_descriptors() == before


# ── Health ──────────────────────────────────────────────────────────────────────────────────────


async def test_an_idle_generator_is_valid(autojump_clock: trio.testing.MockClock) -> None:
    async with running(Health(trio.current_time())) as health:
        health.begin_load(trio.current_time())
        await trio.sleep(20.005)
        evidence = health.evidence(trio.current_time())
    assert evidence.load_s == pytest.approx(20.005)
    assert evidence.loop_lag_samples == 2000
    assert evidence.loop_lag_max_ms == 0.0
    assert judge(evidence).level == Level.VALID


async def test_a_stall_during_the_load_makes_the_run_invalid(
    mock_clock: trio.testing.MockClock,
) -> None:
    async with running(Health(trio.current_time())) as health:
        health.begin_load(trio.current_time())
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(3.0)
        # Asked before the probe itself had a chance to run.
        verdict = judge(health.evidence(trio.current_time()))
    assert verdict.level == Level.INVALID
    assert "event loop" in verdict.reasons[0]


async def test_what_happens_before_and_after_the_load_is_not_held_against_it(
    mock_clock: trio.testing.MockClock,
) -> None:
    async with running(Health(trio.current_time())) as health:
        mock_clock.jump(5.0)
        await trio.testing.wait_all_tasks_blocked()
        health.schedule_lag.record(9.0)
        gc.collect()

        health.begin_load(trio.current_time())
        for _ in range(100):
            mock_clock.jump(PROBE_PERIOD_S)
            await trio.testing.wait_all_tasks_blocked()
        during = health.end_load(trio.current_time())

        mock_clock.jump(5.0)
        await trio.testing.wait_all_tasks_blocked()
        health.schedule_lag.record(9.0)
        assert health.evidence(trio.current_time()) == during
        assert health.snapshot(trio.current_time())["load_s"] == during.load_s
    assert during.load_s == pytest.approx(1.0)
    assert during.loop_lag_samples == pytest.approx(100, abs=1)
    assert during.loop_lag_max_ms < PROBE_PERIOD_S * 1000 + 1
    assert during.schedule_lag_samples == 0
    assert during.gc_pauses == 0 or during.gc_total_ms > 0
    assert judge(during).level == Level.VALID


async def test_cpu_is_counted_over_the_load() -> None:
    with Health(trio.current_time()) as health:
        health.begin_load(trio.current_time())
        idle_cpu_s = health.evidence(trio.current_time()).cpu_s
        assert sum(n * n for n in range(400_000)) > 0
        busy_cpu_s = health.evidence(trio.current_time()).cpu_s
        health.begin_load(trio.current_time())
        assert health.evidence(trio.current_time()).cpu_s < busy_cpu_s
    assert 0 <= idle_cpu_s < busy_cpu_s


async def test_without_the_probe_running_the_run_is_suspect(
    autojump_clock: trio.testing.MockClock,
) -> None:
    with Health(trio.current_time()) as health:
        health.begin_load(trio.current_time())
        await trio.sleep(10)
        verdict = judge(health.evidence(trio.current_time()))
    assert verdict.level == Level.SUSPECT
    assert "not measured" in verdict.reasons[0]


async def test_the_snapshot_has_the_fields_of_the_summary_file(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(Health(trio.current_time())) as health:
        await trio.sleep(1.005)
        health.schedule_lag.record(0.25)
        gc.collect()
        snapshot = health.snapshot(trio.current_time())
    assert json.loads(json.dumps(snapshot)) == snapshot
    assert {"cpu_s", "rss_peak_mib", "loop_lag_ms"} <= set(snapshot)
    assert snapshot["loop_lag_ms"] == {"p50": 0.0, "p99": 0.0, "max": 0.0, "samples": 100}
    assert snapshot["schedule_lag_ms"]["max"] == 250.0
    assert snapshot["gc"]["pauses"] >= 1
    assert 0 < snapshot["rss_start_mib"] <= snapshot["rss_peak_mib"] + 1
    assert snapshot["descriptors"]["peak"] > 0
    assert 0 <= snapshot["machine"]["stolen_ratio"] <= snapshot["machine"]["busy_ratio"] <= 1


async def test_leaving_health_leaves_nothing_behind(autojump_clock: trio.testing.MockClock) -> None:
    callbacks_before = list(gc.callbacks)
    async with running(Health(trio.current_time())):
        await trio.sleep(1)
    assert gc.callbacks == callbacks_before
