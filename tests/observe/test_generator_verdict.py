from __future__ import annotations

import msgspec
import pytest

from simfleet.observe.generator_verdict import (
    GeneratorEvidence,
    GeneratorVerdict,
    Level,
    judge,
)

QUIET = GeneratorEvidence(
    load_s=60.0,
    cpu_s=30.0,
    loop_lag_samples=6000,
    loop_lag_p50_ms=0.6,
    loop_lag_p99_ms=8.0,
    loop_lag_max_ms=120.0,
    schedule_lag_samples=5000,
    schedule_lag_p99_ms=9.0,
    schedule_lag_max_ms=80.0,
    descriptors_peak=10_100,
    descriptors_limit=1_048_576,
)


def verdict_with(**changes: float) -> GeneratorVerdict:
    return judge(msgspec.structs.replace(QUIET, **changes))


def test_a_generator_that_kept_up_is_valid_and_needs_no_reason() -> None:
    assert judge(QUIET) == GeneratorVerdict(Level.VALID, [])


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({"loop_lag_p99_ms": 50.0}, Level.VALID),
        ({"loop_lag_p99_ms": 50.1}, Level.SUSPECT),
        ({"loop_lag_p99_ms": 250.0}, Level.SUSPECT),
        ({"loop_lag_p99_ms": 250.1}, Level.INVALID),
        ({"loop_lag_max_ms": 1000.0}, Level.VALID),
        ({"loop_lag_max_ms": 1000.1}, Level.SUSPECT),
        ({"schedule_lag_p99_ms": 50.0}, Level.VALID),
        ({"schedule_lag_p99_ms": 50.1}, Level.SUSPECT),
        ({"schedule_lag_p99_ms": 250.1}, Level.INVALID),
        ({"schedule_lag_max_ms": 1000.1}, Level.SUSPECT),
        ({"cpu_s": 54.0}, Level.VALID),
        ({"cpu_s": 54.1}, Level.SUSPECT),
        ({"cpu_s": 59.9}, Level.SUSPECT),  # all of the core, but nothing was late: a closed loop
        ({"cpu_s": 59.9, "loop_lag_p99_ms": 60.0}, Level.INVALID),
        ({"cpu_s": 59.9, "schedule_lag_p99_ms": 60.0}, Level.INVALID),
        ({"cpu_s": 57.0, "loop_lag_p99_ms": 60.0}, Level.SUSPECT),
        ({"load_s": 4.9, "cpu_s": 4.9}, Level.VALID),  # start-up work
        ({"load_s": 0.0, "cpu_s": 0.0}, Level.VALID),
        ({"loop_lag_samples": 0}, Level.SUSPECT),
        ({"descriptors_peak": 9_500, "descriptors_limit": 10_000}, Level.VALID),
        ({"descriptors_peak": 9_501, "descriptors_limit": 10_000}, Level.SUSPECT),
        ({"descriptors_peak": 9_501, "descriptors_limit": 0}, Level.VALID),
    ],
)
def test_the_level_follows_the_thresholds(changes: dict[str, float], level: Level) -> None:
    verdict = verdict_with(**changes)
    assert verdict.level == level
    assert bool(verdict.reasons) == (level != Level.VALID)


def test_every_reason_is_given_and_the_worst_level_wins() -> None:
    verdict = verdict_with(
        loop_lag_p99_ms=300.0, schedule_lag_p99_ms=60.0, cpu_s=55.0, descriptors_limit=10_100
    )
    assert verdict.level == Level.INVALID
    assert len(verdict.reasons) == 4


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        (
            {"loop_lag_p99_ms": 312.4, "loop_lag_max_ms": 907.6},
            ["event loop", "312 ms", "908 ms", "250 ms", "fewer chargers"],
        ),
        ({"schedule_lag_p99_ms": 72.0}, ["CALLs were started", "72 ms", "50 ms"]),
        ({"loop_lag_max_ms": 2500.0}, ["2500 ms", "1000 ms", "percentiles"]),
        ({"cpu_s": 57.0}, ["95% of one core", "60 s", "fewer chargers"]),
        (
            {"descriptors_peak": 1020, "descriptors_limit": 1024},
            ["1020 of 1024", "ulimit -n"],
        ),
        ({"loop_lag_samples": 0}, ["not measured"]),
    ],
)
def test_a_reason_has_the_figures_and_what_to_do(
    changes: dict[str, float], parts: list[str]
) -> None:
    (reason,) = verdict_with(**changes).reasons
    assert [part for part in parts if part not in reason] == []


def test_a_late_generator_is_told_what_may_have_caused_it() -> None:
    (reason,) = verdict_with(
        loop_lag_p99_ms=80.0,
        gc_max_ms=140.0,
        machine_stolen_ratio=0.3,
        machine_busy_ratio=0.99,
    ).reasons
    assert "garbage collection took 140 ms" in reason
    assert "30% of the machine was taken by other guests" in reason
    assert "99% busy" in reason


def test_a_busy_machine_alone_is_no_reason() -> None:
    assert verdict_with(machine_busy_ratio=1.0, machine_stolen_ratio=0.5, gc_max_ms=500.0) == (
        GeneratorVerdict(Level.VALID, [])
    )


def test_a_lag_is_held_against_the_run_whoever_stole_the_cpu() -> None:
    assert verdict_with(loop_lag_p99_ms=300.0, cpu_s=3.0, machine_stolen_ratio=0.9).level == (
        Level.INVALID
    )


def test_a_verdict_goes_into_json_as_it_is() -> None:
    assert msgspec.json.encode(verdict_with(loop_lag_samples=0)).startswith(
        b'{"level":"SUSPECT","reasons":["event-loop lag was not measured'
    )


def test_local_ports_that_were_nearly_used_up_are_a_doubt() -> None:
    seen = GeneratorEvidence(
        load_s=60.0,
        cpu_s=6.0,
        loop_lag_samples=6000,
        loop_lag_p50_ms=0.5,
        loop_lag_p99_ms=2.0,
        loop_lag_max_ms=9.0,
        ports_peak=27_500,
        ports_limit=28_232,
    )
    verdict = judge(seen)
    assert verdict.level is Level.SUSPECT
    assert "27500 of 28232 local ports" in verdict.reasons[0]
    assert judge(msgspec.structs.replace(seen, ports_peak=20_000)).level is Level.VALID
    assert judge(msgspec.structs.replace(seen, ports_limit=0)).level is Level.VALID
