"""What the API feels of a mass fleet in the same process, and what a long list of chargers costs.

A real `simfleet serve`. First alone: calls on one named charger, fifty a second, each timed from
when it was due. Then with 10,000 mass chargers of its own charging (MeterValues every 10 s),
against a sink in another process: the same calls, how late the event loop was, and whether every
charger was still there at the end. Last, in a fresh service, GET /api/chargers with 1,000 chargers
that are on.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench import results
from bench.children import Child, python
from bench.machine import peer_core
from bench.results import Row, say
from bench.serving import Service, a_service

if TYPE_CHECKING:
    from collections.abc import Iterator

MEASURES = (
    "Calls on one charger while 10,000 mass chargers of the same service charge (MeterValues every "
    "10 s), beside the same calls on an idle service; how late its event loop runs, chargers lost; "
    "and GET /api/chargers with 1,000 chargers."
)
MASS, MASS_QUICK = 10_000, 500
BATCH = 1_000
LISTED, LISTED_QUICK = 1_000, 100
CALLS_PER_S = 50.0
CALL_P99_MAX_MS = 100.0
LAG_P99_MAX_MS = 100.0
LIST_MAX_MS = 50.0
CHARGER = "/api/chargers/BENCH-1"
STATS = "/api/mass-charger/stats"


class Times(NamedTuple):
    """Milliseconds of one kind of call, sorted."""

    ms: list[float]

    def at(self, share: float) -> float:
        """The value that `share` of the calls did not exceed."""
        return self.ms[min(len(self.ms) - 1, int(share * len(self.ms)))]


def measure(*, quick: bool) -> tuple[list[Row], list[str]]:
    """Measure both services."""
    mass, lasts_s = (MASS_QUICK, 4.0) if quick else (MASS, 60.0)
    with Child(python("bench.sink"), core=peer_core()) as sink:
        url = f"ws://127.0.0.1:{sink.hear()['port']}"
        with tempfile.TemporaryDirectory() as folder, a_service(Path(folder)) as service:
            rows = _loaded(service, url, mass=mass, lasts_s=lasts_s)
        with tempfile.TemporaryDirectory() as folder, a_service(Path(folder)) as service:
            rows.append(_listed(service, url, LISTED_QUICK if quick else LISTED))
    return rows, [
        "The CSMS is a sink on another core: the service's own would need a second socket for each "
        "charger in the same process."
    ]


# ── calls under load ─────────────────────────────────────────────────────────────────────────────


def _loaded(service: Service, url: str, *, mass: int, lasts_s: float) -> list[Row]:
    settings = {"ocpp_backend_url": url, "mass_batch_size": BATCH}
    service.call("POST", "/api/settings", settings)
    _a_charger(service, "BENCH-1")
    say("calls on an idle service ...")
    idle = _calls(service, min(lasts_s, 10.0))
    say(f"{mass:,} mass chargers ...")
    service.call("POST", "/api/mass-charger/apply", {"target": mass, "mode": "charging"})
    ramp_s = mass / BATCH + 60
    service.wait_until(STATS, lambda stats: stats["charging"] >= mass * 0.99, within_s=ramp_s)
    time.sleep(3)  # the figures of the generator begin anew
    before, cpu_s, began_s = service.get(STATS), service.child.cpu_s(), time.monotonic()
    say(f"calls for {lasts_s:g} s ...")
    loaded = _calls(service, lasts_s)
    after, took_s = service.get(STATS), time.monotonic() - began_s
    cpu_share = (service.child.cpu_s() - cpu_s) / took_s
    return _judged(idle, loaded, before, after, mass=mass, took_s=took_s, cpu_share=cpu_share)


def _judged(
    idle: dict[str, Times],
    loaded: dict[str, Times],
    before: dict[str, Any],
    after: dict[str, Any],
    *,
    mass: int,
    took_s: float,
    cpu_share: float,
) -> list[Row]:
    p99_ms, idle_ms = _together(loaded).at(0.99), _together(idle).at(0.99)
    lag_ms = after["generator"]["loop_lag_p99_ms"]
    lost = mass - after["connected"] + after["errors"]
    samples = _count(after, "MeterValues") - _count(before, "MeterValues")
    return [
        Row(
            case=f"{mass:,} mass chargers: calls on one charger, p99",
            figure=p99_ms,
            unit="ms",
            beside="idle service",
            beside_figure=idle_ms,
            ratio=p99_ms / idle_ms,
            target=f"under {CALL_P99_MAX_MS:g} ms",
            reached=p99_ms < CALL_P99_MAX_MS,
            details={
                "calls": len(_together(loaded).ms),
                "p50 ms": _together(loaded).at(0.5),
                "max ms": _together(loaded).at(1),
                **{f"{name} p99 ms": times.at(0.99) for name, times in loaded.items()},
            },
        ),
        Row(
            case=f"{mass:,} mass chargers: event loop late, p99",
            figure=lag_ms,
            unit="ms",
            target=f"under {LAG_P99_MAX_MS:g} ms",
            reached=lag_ms < LAG_P99_MAX_MS,
            details={
                "max ms": after["generator"]["loop_lag_max_ms"],
                "CPU share of one core": cpu_share,
                "MeterValues/s": samples / took_s,
                "messages/s": (after["messages"] - before["messages"]) / took_s,
                "generator": after["generator"]["level"],
            },
        ),
        Row(
            case=f"{mass:,} mass chargers: lost, or in error",
            figure=lost,
            unit="chargers",
            target="none",
            reached=lost == 0,
            details={"charging at the end": after["charging"]},
        ),
    ]


def _count(stats: dict[str, Any], action: str) -> int:
    count: int = stats["actions"].get(action, {"count": 0})["count"]
    return count


def _calls(service: Service, lasts_s: float) -> dict[str, Times]:
    """Calls at an even pace, each timed from when it was due: one that waits behind a slow one
    counts its wait.
    """
    ms: dict[str, list[float]] = {}
    began_s = time.monotonic()
    for number, (name, method, path, body) in enumerate(_mix()):
        due_s = began_s + number / CALLS_PER_S
        if due_s - began_s >= lasts_s:
            break
        time.sleep(max(0.0, due_s - time.monotonic()))
        service.call(method, path, body)
        ms.setdefault(name, []).append((time.monotonic() - due_s) * 1000)
    return {name: Times(sorted(values)) for name, values in ms.items()}


def _mix() -> Iterator[tuple[str, str, str, object]]:
    for number in itertools.count():
        yield "GET charger", "GET", CHARGER, None
        yield "POST name", "POST", f"{CHARGER}/name", {"charger_name": f"number {number}"}
        yield "GET charger", "GET", CHARGER, None
        free = {"free_charging": number % 2 == 0}
        yield "POST free-charging", "POST", f"{CHARGER}/free-charging", free
        yield "GET configuration", "GET", f"{CHARGER}/configuration", None


def _together(of: dict[str, Times]) -> Times:
    return Times(sorted(itertools.chain.from_iterable(times.ms for times in of.values())))


# ── a long list ──────────────────────────────────────────────────────────────────────────────────


def _listed(service: Service, url: str, chargers: int) -> Row:
    say(f"a list of {chargers:,} chargers ...")
    service.call("POST", "/api/settings", {"ocpp_backend_url": url})
    for number in range(chargers):
        _a_charger(service, f"BENCH-{number + 1}")

    def all_on(found: list[dict[str, Any]]) -> bool:
        return len([one for one in found if one["connected"]]) == chargers

    service.wait_until("/api/chargers", all_on, within_s=60)
    time.sleep(2)
    ms, size = [], 0
    for _ in range(50):
        began_s = time.monotonic()
        size = len(service.call("GET", "/api/chargers"))
        ms.append((time.monotonic() - began_s) * 1000)
        time.sleep(0.02)
    times = Times(sorted(ms))
    return Row(
        case=f"GET /api/chargers with {chargers:,} chargers on, p95",
        figure=times.at(0.95),
        unit="ms",
        target=f"under {LIST_MAX_MS:g} ms",
        reached=times.at(0.95) < LIST_MAX_MS,
        details={"p50 ms": times.at(0.5), "max ms": times.at(1), "KiB": size / 1024},
    )


def _a_charger(service: Service, chargepoint_id: str) -> None:
    new = {"chargepoint_id": chargepoint_id, "charger_type": "AC", "max_power_kw": 22}
    service.call("POST", "/api/chargers", new)
    service.call("POST", f"/api/chargers/{chargepoint_id}/mode", {"mode": "on"})


if __name__ == "__main__":
    sys.exit(results.main("bench_api", MEASURES, measure, packages=("quart", "hypercorn")))
