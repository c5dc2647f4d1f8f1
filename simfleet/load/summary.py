"""`summary.json`: what a run measured. Its names are an interface, explained in docs/summary.md."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from simfleet.load.slice_figures import slices_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.fleet.recorder import Recorder
    from simfleet.load.schema1 import Scenario
    from simfleet.load.timeline import Timeline
    from simfleet.observe.health import Health

SUMMARY_SCHEMA: Final = 1
VIOLATION_GROUPS_MAX: Final = 50


def most_wanted(scenario: Scenario) -> int:
    """The most chargers that any stage wants."""
    return max((stage.most or 0 for stage in scenario.stages), default=0)


def most_online(scenario: Scenario) -> int:
    """The most chargers that any stage wants to boot: those of idle ramps have no socket."""
    return max((stage.most_online or 0 for stage in scenario.stages), default=0)


def measure(
    scenario: Scenario,
    recorder: Recorder,
    health: Health,
    timeline: Timeline,
    *,
    plans: Sequence[ChargerPlan] = (),
    at_s: float | None = None,
) -> dict[str, Any]:
    """Everything but verdict, ledger and problems, as recorder and health know it; `at_s` is now,
    for a run that goes on.
    """
    target = most_wanted(scenario)
    until_s = timeline.ended_s if at_s is None else at_s
    load_s = until_s - timeline.began_s
    real_s = load_s / health.speed
    counters, latencies, ledger = recorder.counters, recorder.latencies, recorder.ledger
    totals = latencies.totals
    calls = totals["count"]
    return {
        "schema": SUMMARY_SCHEMA,
        "scenario": scenario.name,
        "seed": scenario.seed,
        "target": scenario.target.url,
        "chargers": _chargers(recorder, wanted=target, online=most_online(scenario)),
        "connect": _connect(recorder),
        "boot": counters.boot.snapshot(),
        "disconnects": counters.disconnects.snapshot(),
        "calls": latencies.snapshot(),
        "call_totals": totals,
        "commands": counters.snapshot()["commands"],
        "replies": {
            "late": counters.late_replies,
            "duplicate": counters.duplicate_replies,
            "unknown": counters.unknown_replies,
        },
        "violations": _violations(recorder),
        "dropped": counters.dropped.snapshot(),
        "transactions": {
            "started": ledger.opened,
            "stopped": ledger.closed,
            "energy_kwh": round(ledger.energy_wh / 1000, 3),
            "energy_lost_kwh": round(ledger.lost_wh / 1000, 3),
        },
        "throughput": _throughput(recorder, calls, real_s),
        "generator": _generator(health, until_s, recorder),
        "crashes": counters.crashes.snapshot()["kept"],
        "load_s": round(load_s, 3),
        "stages": timeline.stages,
        "slices": slices_of(
            scenario,
            plans,
            recorder,
            wanted=target,
            online=most_online(scenario),
            load_s=real_s,
        ),
    }


def _chargers(recorder: Recorder, *, wanted: int, online: int) -> dict[str, Any]:
    connect, booted = recorder.counters.connect, len(recorder.booted)
    return {
        "target": wanted,
        "connected_peak": connect.connected_peak,
        "connected_min": connect.connected_min,
        "booted": booted,
        "failed": max(0, online - booted),
        "crashed": recorder.counters.crashes.total,
    }


def _throughput(recorder: Recorder, calls: int, real_s: float) -> dict[str, float]:
    sent, received = recorder.counters.frames_sent, recorder.counters.frames_received
    frames = sent.total + received.total
    return {
        "calls_per_s": round(calls / real_s, 1) if real_s > 0 else 0.0,
        "frames_per_s": round(frames / real_s, 1) if real_s > 0 else 0.0,
        "frames_per_s_peak": sent.peak + received.peak,
    }


def _connect(recorder: Recorder) -> dict[str, Any]:
    connect = recorder.counters.connect
    to_all_s = None
    if connect.all_at_s is not None and connect.first_at_s is not None:
        to_all_s = round(connect.all_at_s - connect.first_at_s, 3)
    return {
        "attempts": connect.attempts,
        "opened": connect.opened.total,
        "failures": connect.failures.snapshot(),
        "per_s_peak": connect.opened.peak,
        "seconds_to_all": to_all_s,
    }


def _violations(recorder: Recorder) -> list[dict[str, Any]]:
    """The CSMS's violations, one entry for each kind of mistake, with its first frame."""
    log = recorder.counters.violations
    keys = ("kind", "action", "error_code", "path", "description")
    counts = Counter(tuple(kept[key] for key in keys) for kept in log.kept)
    found = []
    for group, count in counts.most_common(VIOLATION_GROUPS_MAX):
        first = next(kept for kept in log.kept if tuple(kept[key] for key in keys) == group)
        named = dict(zip(keys, group, strict=True))
        example = {"charger": first["charger"], "frame": first["frame"]}
        found.append({**named, "count": count, "example": example})
    uncounted = log.total - sum(entry["count"] for entry in found)
    if uncounted:
        found.append({"kind": "more", "description": "not kept in detail", "count": uncounted})
    return found


def _generator(health: Health, at_s: float, recorder: Recorder) -> dict[str, Any]:
    latencies, chargers = recorder.latencies, recorder.counters.connect.connected_peak
    calls = latencies.count()
    seen = health.snapshot(at_s)
    grown_kib = (seen["rss_peak_mib"] - seen["rss_start_mib"]) * 1024
    return {
        **seen,
        "looks_skipped": health.loop_lag.skipped_ticks,
        "times_clipped": max(
            latencies.clipped, sum(part.clipped for part in latencies.parts.values())
        ),
        "cpu_us_per_call": round(seen["cpu_s"] * 1e6 / calls, 1) if calls else None,
        "rss_per_charger_kib": round(grown_kib / chargers, 1) if chargers else None,
    }
