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

from bench.report_summary import made_up_summary, online_share
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
    summary = made_up_summary(totals, lasts_s=lasts_s, chargers=chargers)
    for name, content in (("summary.json", summary), ("manifest.json", _manifest(chargers))):
        (path / name).write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2))
    return summary


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
                wanted = share * 0.3 * chargers * INTERVAL_S * online_share(ended_s, lasts_s)
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
            online, slow = online_share(t_s, lasts_s), _stalled(t_s, lasts_s)
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
                "connects": int(max(0, online_share(t_s + 1, lasts_s) - online) * chargers),
                "disconnects": int(max(0, online - online_share(t_s + 1, lasts_s)) * chargers),
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
