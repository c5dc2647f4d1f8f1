"""Contents of a summary.json, small but whole."""

from __future__ import annotations

from typing import Any

TIMES = {"mean": 5.0, "p50": 4.0, "p90": 8.0, "p95": 9.0, "p99": 12.0, "p99_9": 15.0, "max": 20.0}


def a_call(count: int = 100, **changes: object) -> dict[str, Any]:
    """The figures of one action."""
    return {
        "count": count,
        "errors": {},
        "timeouts": 0,
        "lost": 0,
        "response_ms": dict(TIMES),
        "service_ms": dict(TIMES),
        **changes,
    }


def a_summary(
    *,
    result: str = "passed",
    generator: str = "VALID",
    reasons: list[str] | None = None,
    **changes: object,
) -> dict[str, Any]:
    """A run called `peak`."""
    return {
        "schema": 1,
        "scenario": "peak",
        "seed": 7,
        "target": "embedded",
        "verdict": {"result": result, "reasons": reasons or [], "generator": generator},
        "thresholds": [
            {
                "metric": "boot.accepted_ratio",
                "limit": ">= 0.999",
                "actual": 1.0,
                "actual_text": "1",
                "passed": True,
                "reason": "",
            }
        ],
        "load_s": 50.0,
        "chargers": {"target": 20, "booted": 20, "connected_peak": 20, "crashed": 0},
        "transactions": {"started": 21, "stopped": 21, "energy_kwh": 12.5},
        "throughput": {"calls_per_s": 24.0, "frames_per_s": 48.0},
        "calls": {"Authorize": a_call(), "MeterValues": a_call(1100)},
        "call_totals": a_call(1200),
        "ledger": {
            "balanced": True,
            "checks": [
                {"name": "starts", "holds": True, "detail": "starts: 21 and 21", "explained": 0}
            ],
        },
        **changes,
    }
