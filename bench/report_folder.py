"""A run folder as an hour of 10,000 chargers leaves one: made up, and the same every time.

A ramp of ten minutes, a plateau with a stall of the CSMS in it, a blackout, and the way home. Every
figure is drawn from a seeded generator; files have the columns and the sizes of real ones.
"""

from __future__ import annotations

import csv
import math
import random
from typing import TYPE_CHECKING, Any

import msgspec

from simfleet.clock import iso
from simfleet.load.results.columns import (
    ACTION_COLUMNS,
    ACTIONS,
    CONNECTOR_STATES,
    TIMELINE,
    TIMELINE_COLUMNS,
)
from simfleet.observe.histogram import FastHistogram, summary_ms
from simfleet.observe.hlog import HistogramLog
from simfleet.observe.percentiles import values_ms

if TYPE_CHECKING:
    from pathlib import Path

BEGAN_WALL_S = 1_795_000_000.0
INTERVAL_S = 5
SAMPLES = 120
"""Different times in an interval of one action."""
BUSY = {
    "MeterValues": (0.62, 4.0),
    "StatusNotification": (0.16, 3.0),
    "Heartbeat": (0.09, 2.0),
    "Authorize": (0.04, 9.0),
    "StartTransaction": (0.03, 14.0),
    "StopTransaction": (0.03, 16.0),
    "BootNotification": (0.01, 22.0),
    "DataTransfer": (0.008, 6.0),
    "FirmwareStatusNotification": (0.005, 3.0),
    "DiagnosticsStatusNotification": (0.004, 3.0),
    "SecurityEventNotification": (0.002, 4.0),
    "SignCertificate": (0.001, 40.0),
}
"""Share of the CALLs and the median service time in ms, by action."""


def make_folder(path: Path, *, lasts_s: int = 3600, chargers: int = 10_000) -> dict[str, Any]:
    """Write all files but the report; returns the content of `summary.json`."""
    path.mkdir(parents=True, exist_ok=True)
    chance = random.Random(6)
    totals = _calls(path, chance, lasts_s=lasts_s, chargers=chargers)
    _timeline(path, chance, lasts_s=lasts_s, chargers=chargers)
    _errors(path, chance)
    summary = _summary(totals, lasts_s=lasts_s, chargers=chargers)
    for name, content in (("summary.json", summary), ("manifest.json", _manifest(chargers))):
        (path / name).write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2))
    return summary


def _online(t_s: float, lasts_s: int) -> float:
    """The share of the fleet that is connected."""
    share = t_s / lasts_s
    if 0.70 <= share < 0.78:
        return 0.4 + 0.6 * max(0.0, (share - 0.72) / 0.06)
    return min(1.0, share / 0.17, max(0.0, (1 - share) / 0.04))


def _stalled(t_s: float, lasts_s: int) -> float:
    """How many times slower the CSMS is than usual."""
    away = abs(t_s / lasts_s - 0.45) / 0.02
    return 1 + 60 * math.exp(-away * away)


def _calls(
    path: Path, chance: random.Random, *, lasts_s: int, chargers: int
) -> dict[str, dict[str, Any]]:
    totals = {
        f"{action}.{kind}": FastHistogram() for action in BUSY for kind in ("response", "service")
    }
    log = HistogramLog(path / "run.hlog", start_wall_s=BEGAN_WALL_S, comments=["made up"])
    with log, (path / ACTIONS).open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(ACTION_COLUMNS)
        for ended_s in range(INTERVAL_S, lasts_s + 1, INTERVAL_S):
            for action, (share, median_ms) in BUSY.items():
                slow = _stalled(ended_s, lasts_s)
                wanted = share * 0.3 * chargers * INTERVAL_S * _online(ended_s, lasts_s)
                pair = _interval(chance, action, max(1, int(wanted)), median_ms, slow, ended_s)
                log.write(pair)
                response, service = pair
                totals[f"{action}.response"].add(response)
                totals[f"{action}.service"].add(service)
                times = [*values_ms(response, (50.0, 90.0, 99.0, 99.9)), response.max_value / 1000]
                times += [*values_ms(service, (50.0, 99.0)), service.max_value / 1000]
                errors, timeouts = int(slow > 20 and share > 0.01), int(slow > 50)
                rows.writerow(
                    [ended_s, INTERVAL_S, action, response.total_count, errors, timeouts]
                    + [f"{time:.3f}" for time in times]
                )
    return {tag: {"count": one.total_count, **summary_ms(one)} for tag, one in totals.items()}


def _interval(
    chance: random.Random, action: str, count: int, median_ms: float, slow: float, ended_s: int
) -> list[FastHistogram]:
    response, service = FastHistogram(), FastHistogram()
    each, rest = divmod(count, SAMPLES)
    for number in range(min(count, SAMPLES)):
        times = each + (number < rest)
        service_us = int(1000 * median_ms * slow * chance.lognormvariate(0, 0.55))
        waited_us = int(service_us * (slow - 1) * 0.08 * chance.random()) + int(
            300 * chance.random()
        )
        service.record_value(max(1, service_us), times)
        response.record_value(max(1, service_us + waited_us), times)
    for kind, histogram in (("response", response), ("service", service)):
        histogram.set_tag(f"{action}.{kind}")
        histogram.set_start_time_stamp((BEGAN_WALL_S + ended_s - INTERVAL_S) * 1000)
        histogram.set_end_time_stamp((BEGAN_WALL_S + ended_s) * 1000)
    return [response, service]


def _timeline(path: Path, chance: random.Random, *, lasts_s: int, chargers: int) -> None:
    with (path / TIMELINE).open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, TIMELINE_COLUMNS, lineterminator="\n")
        rows.writeheader()
        for t_s in range(1, lasts_s + 1):
            online, slow = _online(t_s, lasts_s), _stalled(t_s, lasts_s)
            connected = int(chargers * online)
            calls = int(connected * 0.3 * chance.uniform(0.93, 1.07) / (1 + slow / 200))
            wanted = 0 if t_s > 0.96 * lasts_s else int(chargers * min(1, t_s / lasts_s / 0.17))
            states = _states(chance, connected, chargers=min(chargers, wanted or connected))
            row = {
                **dict.fromkeys(TIMELINE_COLUMNS, 0),
                **states,
                "t_s": t_s,
                "at": iso(BEGAN_WALL_S + t_s),
                "lasts_s": 1,
                "stage": "hold",
                "wanted": wanted,
                "alive": max(wanted, connected),
                "connected": connected,
                "registered": int(connected * 0.998),
                "booted": connected,
                "transactions": states["charging"] + states["suspended_ev"],
                "started": int(calls * 0.03),
                "stopped": int(calls * 0.03),
                "calls": calls,
                "errors": int(calls * 0.002) if slow > 20 else int(chance.random() < 0.02),
                "timeouts": int(calls * 0.01) if slow > 45 else 0,
                "frames_sent": int(calls * 1.04),
                "frames_received": int(calls * 1.05),
                "connects": int(max(0, _online(t_s + 1, lasts_s) - online) * chargers),
                "disconnects": int(max(0, online - _online(t_s + 1, lasts_s)) * chargers),
                "loop_lag_p99_ms": f"{chance.lognormvariate(0.9, 0.4):.3f}",
                "schedule_lag_max_ms": f"{chance.lognormvariate(2.2, 0.5):.3f}",
                "cpu_ratio": f"{0.08 + 0.5 * online * chance.uniform(0.9, 1.1):.3f}",
                "rss_mib": f"{90 + 240 * online + t_s / lasts_s * 6:.1f}",
                "descriptors": connected + 30,
            }
            rows.writerow(row)


def _states(chance: random.Random, connected: int, *, chargers: int) -> dict[str, int]:
    shares = (0.14, 0.05, 0.58, 0.09, 0.02, 0.06, 0.01, 0.01, 0.004)
    counted = [int(connected * share * chance.uniform(0.97, 1.03)) for share in shares]
    counted[0] += max(0, connected - sum(counted))
    return dict(zip(CONNECTOR_STATES, [*counted, max(0, chargers - connected)], strict=True))


def _errors(path: Path, chance: random.Random) -> None:
    kinds = (
        ("timeout:MeterValues", "no answer within 30 s"),
        ("callerror:Authorize:InternalError", "database is locked"),
        ("link:reset", "connection reset by peer"),
        ("connect:refused", "connection refused"),
    )
    with (path / "errors.jsonl").open("wb") as file:
        for number in range(4_000):
            kind, detail = kinds[number % len(kinds)]
            charger = f"BER-{chance.randrange(10_000):05}"
            at = iso(BEGAN_WALL_S + 1600 + number / 40)
            line: dict[str, Any] = {"at": at, "charger": charger, "kind": kind, "detail": detail}
            if number < 40 and kind.startswith("callerror"):
                line["frames"] = [
                    {"direction": "sent", "frame": '[2,"a1","Authorize",{"idTag":"TAG-0041"}]'},
                    {
                        "direction": "received",
                        "frame": '[4,"a1","InternalError","database is locked",{}]',
                    },
                ]
            file.write(msgspec.json.encode(line) + b"\n")


def _call(totals: dict[str, dict[str, Any]], action: str) -> dict[str, Any]:
    response, service = dict(totals[f"{action}.response"]), dict(totals[f"{action}.service"])
    count = response.pop("count")
    service.pop("count")
    errors = {"InternalError": 212} if action == "Authorize" else {}
    return {
        "count": count,
        "errors": errors,
        "timeouts": 1_840 if action == "MeterValues" else 0,
        "lost": 3 if action == "Heartbeat" else 0,
        "response_ms": response,
        "service_ms": service,
    }


def _summary(totals: dict[str, dict[str, Any]], *, lasts_s: int, chargers: int) -> dict[str, Any]:
    calls = {action: _call(totals, action) for action in sorted(BUSY)}
    count = sum(call["count"] for call in calls.values())
    ends = [0, 0.17, 0.6, 0.70, 0.80, 0.96, 1]
    names = ["ramp", "morning peak", "plateau", "blackout", "evening", "home"]
    does = ["ramp", "hold", "hold", "blackout", "hold", "stop"]
    stages = [
        {
            "do": does[number],
            "name": names[number],
            "detail": f"{does[number]} {chargers} chargers",
            "complete": True,
            "began_s": ends[number] * lasts_s,
            "ended_s": ends[number + 1] * lasts_s,
            "chargers": chargers,
            "connected": int(chargers * _online(ends[number + 1] * lasts_s, lasts_s)),
            "calls": {},
        }
        for number in range(len(names))
    ]
    notes = [
        (0.30, "action", "rate raised by 20 %", "terminal"),
        (0.45, "fault", "CSMS slow: 2 s more for every answer", ""),
        (0.70, "storm", "blackout of 60 % of the fleet", ""),
        (0.86, "action", "stage extended by 5 min", "ann"),
    ]
    return {
        "schema": 1,
        "scenario": "morning-peak",
        "seed": 6,
        "target": "wss://csms.example.test/ocpp",
        "verdict": {
            "result": "threshold_failed",
            "reasons": [
                "threshold: call[Authorize].response.p99 < 500ms: was 1.2s",
                "generator SUSPECT: CALLs were started 61 ms late at p99 and 240 ms at most, which"
                " is part of every time measured (limit 50 ms at p99): use fewer chargers per"
                " process, a faster or a quieter machine",
            ],
            "generator": "SUSPECT",
        },
        "thresholds": [
            _threshold("boot.accepted_ratio", ">= 0.999", 1.0, "1", passed=True),
            _threshold("call[Authorize].response.p99", "< 500ms", 1.2, "1.2s", passed=False),
            _threshold("call.error_ratio", "< 0.1%", 0.0004, "0.0004", passed=True),
            _threshold("sessions.lost", "== 0", 0, "0", passed=True),
        ],
        "load_s": float(lasts_s),
        "chargers": {
            "target": chargers,
            "connected_peak": chargers,
            "connected_min": int(chargers * 0.4),
            "booted": chargers,
            "failed": 0,
            "crashed": 0,
        },
        "connect": {
            "attempts": chargers + 6_300,
            "opened": chargers + 6_000,
            "failures": {"refused": 240, "timed_out": 60},
            "per_s_peak": 412,
            "seconds_to_all": 0.17 * lasts_s,
        },
        "boot": {"accepted": chargers, "pending": 0, "rejected": 0},
        "disconnects": {"ended": chargers, "reset": 6_000},
        "calls": calls,
        "call_totals": {
            **_call(totals, "MeterValues"),
            "count": count,
            "errors": {"InternalError": 212},
            "lost": 3,
        },
        "transactions": {"started": 38_214, "stopped": 38_214, "energy_kwh": 412_803.2},
        "throughput": {
            "calls_per_s": round(count / lasts_s, 1),
            "frames_per_s": round(2 * count / lasts_s, 1),
            "frames_per_s_peak": 7_204,
        },
        "generator": {
            "load_s": float(lasts_s),
            "cpu_s": 0.5 * lasts_s,
            "cpu_ratio": 0.5,
            "cpu_us_per_call": 165.0,
            "rss_start_mib": 88.0,
            "rss_peak_mib": 336.0,
            "rss_per_charger_kib": 24.8,
            "loop_lag_ms": {"p50": 0.6, "p99": 4.1, "max": 48.0, "samples": 360_000},
            "schedule_lag_ms": {"p50": 1.1, "p99": 61.0, "max": 240.0, "samples": 9_000_000},
            "gc": {"pauses": 212, "total_ms": 640.0, "max_ms": 9.0},
        },
        "stages": stages,
        "annotations": {
            "total": len(notes),
            "kept": [
                {"at_s": share * lasts_s, "kind": kind, "text": text, "by": by, "name": ""}
                for share, kind, text, by in notes
            ],
        },
        "problems": {"total": 8_352, "kept": 4_000},
        "worst_chargers": {
            "chargers": 3_120,
            "kept": [
                {
                    "charger": f"BER-{41 * number:05}",
                    "problems": 30 - number,
                    "timeouts": 20 - number,
                    "errors": 8,
                    "links": 2,
                }
                for number in range(12)
            ],
        },
        "ledger": {
            "balanced": True,
            "checks": [
                {
                    "name": "starts_equal_stops",
                    "holds": True,
                    "detail": "transactions begun and ended: 38214 and 38214",
                    "explained": 0,
                }
            ],
        },
        "storms": [
            {
                "stage": 2,
                "do": "blackout",
                "name": "district",
                "began_s": 0.70 * lasts_s,
                "chargers": 6_000,
                "back": 5_940,
                "missing": 60,
                "seconds_to_50": 41.2,
                "seconds_to_95": 118.4,
                "seconds_to_100": None,
                "curve": [
                    {"after_s": round(163 * (step / 100) ** 2, 1), "back": 594 * step // 10}
                    for step in range(1, 101)
                ],
            }
        ],
        "rooms": [{"to_95_s": 118.4, "chargers": 6_000}, {"to_95_s": 0.5, "chargers": 2}],
        "capacity": _capacity(),
        "slices": {
            "berlin": {
                "chargers": 6_000,
                "count": count // 2,
                "response_ms": {"p50": 4.2, "p99": 61},
            },
            "munich": {
                "chargers": 4_000,
                "count": count // 2,
                "response_ms": {"p50": 4.4, "p99": 90},
            },
        },
    }


def _capacity() -> dict[str, Any]:
    """A search that found its knee between 3,000 and 3,250 chargers."""
    broken = [
        {
            "metric": "call.response.p99",
            "limit": "< 500ms",
            "actual": 0.8125,
            "actual_text": "812.5ms",
            "by": 1.625,
        }
    ]
    times = {1_000: 21.0, 2_000: 34.5, 3_000: 118.0, 4_000: 4120.0, 3_500: 1730.0, 3_250: 812.5}
    steps = [
        {
            "load": float(load),
            "purpose": "climb" if load % 1_000 == 0 else "bisect",
            "outcome": "passed" if p99_ms < 500 else "failed",
            "began_s": 10.0 * number,
            "ended_s": 10.0 * number + 10,
            "calls": load,
            "calls_per_s": load / 10,
            "p50_ms": p99_ms / 9,
            "p99_ms": p99_ms,
            "error_ratio": 0.0,
            "generator": "VALID",
            "broken": [] if p99_ms < 500 else broken,
            "reasons": [],
        }
        for number, (load, p99_ms) in enumerate(times.items())
    ]
    names = ("load", "p50_ms", "p99_ms", "error_ratio", "outcome")
    by_load = sorted(steps, key=lambda step: float(str(step["load"])))
    return {
        "of": "chargers",
        "text": "3000 chargers; 3250 chargers broke call.response.p99 < 500ms: was 812.5ms",
        "highest_passed": 3000.0,
        "lowest_failed": 3250.0,
        "confirmed": False,
        "ended": "knee",
        "broken": broken,
        "steps": steps,
        "curve": [{name: step[name] for name in names} for step in by_load],
    }


def _threshold(
    metric: str, limit: str, actual: float, text: str, *, passed: bool
) -> dict[str, Any]:
    return {
        "metric": metric,
        "limit": limit,
        "actual": actual,
        "actual_text": text,
        "passed": passed,
        "reason": "",
    }


def _manifest(chargers: int) -> dict[str, Any]:
    return {
        "schema": 1,
        "scenario": {
            "description": "A working day's morning: everybody plugs in within an hour",
            "fleet": [
                {
                    "name": "berlin",
                    "count": int(chargers * 0.6),
                    "version": "ocpp1.6",
                    "type": "AC",
                    "id": "BER-{n:05}",
                    "security_profile": 1,
                },
                {
                    "name": "munich",
                    "count": int(chargers * 0.4),
                    "version": "ocpp2.0.1",
                    "type": "DC",
                    "id": "MUC-{n:05}",
                    "security_profile": 2,
                },
            ],
        },
        "scenario_sha256": "6f" * 32,
        "seed": 6,
        "arguments": ["run", "scenarios/morning-peak.yaml"],
        "began": iso(BEGAN_WALL_S),
        "versions": {"simfleet": "0.1.0", "python": "3.11.7", "trio": "0.35.0"},
        "host": {"system": "Linux", "cpus": 8, "memory_mib": 32_000},
        "limits": {"open_files": {"soft": 65_536, "hard": 65_536}},
    }
