"""How the service itself is: /health and /metrics. Without a key, so that probes need none."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal

import msgspec
import trio
from quart import Blueprint, Response, current_app

from simfleet import __version__
from simfleet.api.bodies import Media
from simfleet.api.routes import route
from simfleet.api.services import Component, services
from simfleet.observe.process import open_descriptors, rss_mib

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simfleet.api.limits import Limiter

__all__ = ["EXTENSION", "HealthReport", "Served", "exposition", "system"]

system = Blueprint("system", __name__)

EXTENSION: Final = "simfleet.served"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"


class Served:
    """What the API counts about itself. Labels take few values, whatever clients send."""

    __slots__ = ("answers", "limiter")

    def __init__(self, *, limiter: Limiter) -> None:
        self.limiter = limiter
        self.answers: Counter[tuple[str, int]] = Counter()

    def count(self, method: str, status: int) -> None:
        """Count one answer."""
        self.answers[method if method in METHODS else "other", status] += 1


class HealthReport(msgspec.Struct, frozen=True):
    """`status` is that of the worst component: what is off on purpose counts as ok."""

    status: Literal["ok", "degraded", "down"]
    version: str
    components: dict[str, Component]


@route(
    system,
    "GET",
    "/health",
    summary="Whether the service works, and each of its parts",
    description="200 while it works, also with losses (`degraded`); 503 when a part is down.",
    answers={200: HealthReport, 503: HealthReport},
)
async def health() -> tuple[HealthReport, int]:
    components = {name: ask() for name, ask in services().components.items()}
    found = {component.status for component in components.values()}
    status: Literal["ok", "degraded", "down"] = "ok"
    if "down" in found:
        status = "down"
    elif "degraded" in found:
        status = "degraded"
    report = HealthReport(status, __version__, components)
    return report, 503 if status == "down" else 200


@route(
    system,
    "GET",
    "/metrics",
    summary="Counters and gauges for Prometheus",
    description="The Prometheus text format. No label has more than a few values.",
    answers={200: Media(("text/plain",), "Prometheus text format 0.0.4")},
)
async def metrics() -> Response:
    known = services()
    served: Served = current_app.extensions[EXTENSION]
    loop_ms = known.health.snapshot(trio.current_time())["loop_lag_ms"]
    figures: dict[str, float] = {
        "simfleet_streams_open": len(known.streams),
        "simfleet_requests_limited_total": served.limiter.refused,
        "simfleet_records_total": known.hub.published,
        "simfleet_loop_lag_p99_seconds": loop_ms["p99"] / 1000,
        "simfleet_loop_lag_max_seconds": loop_ms["max"] / 1000,
        "simfleet_resident_memory_bytes": rss_mib() * 2**20,
        "simfleet_open_descriptors": open_descriptors(),
        **{
            f'simfleet_component_up{{component="{name}"}}': ask().status in {"ok", "degraded"}
            for name, ask in known.components.items()
        },
        **{
            f'simfleet_http_answers_total{{method="{method}",status="{status}"}}': count
            for (method, status), count in sorted(served.answers.items())
        },
        **known.figures(),
    }
    return Response(exposition(figures), content_type=EXPOSITION)


def exposition(figures: Mapping[str, float]) -> bytes:
    """Figures in the Prometheus text format; a name that ends in `_total` is a counter.

    Names may carry labels, ``name{label="value"}``; rows of one name must be adjacent.
    """
    return "".join(_lines(figures)).encode()


def _lines(figures: Mapping[str, float]) -> Iterable[str]:
    before = ""
    for name, value in figures.items():
        family = name.partition("{")[0]
        if family != before:
            kind = "counter" if family.endswith("_total") else "gauge"
            yield f"# TYPE {family} {kind}\n"
            before = family
        yield f"{name} {float(value):.15g}\n"
