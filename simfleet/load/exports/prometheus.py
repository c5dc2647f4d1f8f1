"""The figures of a run for a Prometheus server to fetch, at ``http://HOST:PORT/metrics``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import trio
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from simfleet.errors import UsageWrong
from simfleet.load.exports.buckets import BOUNDS_S, Bucketed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Thread
    from wsgiref.simple_server import WSGIServer

    from simfleet.load.exports.families import Family
    from simfleet.load.exports.feed import Reading

LAST_SCRAPE_S: Final = 0.2
"""How long a scrape that has begun may go on when the run is over."""


class Prometheus:
    """Serves the last reading from threads of its own; rendering happens there as well."""

    name = "prometheus"

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._last: Reading | None = None
        self._scrapes = 0
        self._server: tuple[WSGIServer, Thread] | None = None
        self.port: int | None = None
        """Where it listens, once it does; another than asked for where 0 was."""

    def offer(self, reading: Reading) -> None:
        """See `Exporter`."""
        self._last = reading

    def describe(self) -> Iterator[Metric]:
        """See prometheus_client's Collector: names are not checked against others."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """See prometheus_client's Collector; called in a thread, for every scrape."""
        self._scrapes += 1
        reading = self._last
        for family in () if reading is None else reading.families:
            yield _metric(family)

    def open(self) -> None:
        """See `Exporter`."""
        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._server = start_http_server(self._port, self._host, registry)
        except OSError as error:
            where = f"{self._host}:{self._port}"
            raise UsageWrong(
                f"--prometheus: cannot listen on {where}: {error.strerror or error}"
            ) from None
        self.port = self._server[0].server_port

    def close(self) -> None:
        """See `Exporter`."""
        if self._server is not None:
            server, thread = self._server
            server.shutdown()
            server.server_close()
            thread.join(LAST_SCRAPE_S)

    async def run(
        self,
        *,
        speed: float = 1.0,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """See `Exporter`."""
        task_status.started()

    def figures(self) -> dict[str, Any]:
        """See `Exporter`."""
        return {"scrapes": self._scrapes}


def _metric(family: Family) -> Metric:
    names = [name for name, _ in family.samples[0][0]]
    metric: Any
    match family.kind:
        case "histogram":
            metric = HistogramMetricFamily(family.name, family.means, labels=names)
            for labels, value in family.samples:
                assert isinstance(value, Bucketed)
                metric.add_metric([text for _, text in labels], _buckets(value), value.sum_s)
        case "counter":
            bare = family.name.removesuffix("_total")
            metric = CounterMetricFamily(bare, family.means, labels=names)
            for labels, value in family.samples:
                metric.add_metric([text for _, text in labels], value)
        case "gauge":
            metric = GaugeMetricFamily(family.name, family.means, labels=names)
            for labels, value in family.samples:
                metric.add_metric([text for _, text in labels], value)
    found: Metric = metric
    return found


def _buckets(value: Bucketed) -> list[tuple[str, float]]:
    """Cumulative, as Prometheus wants them."""
    total, found = 0, []
    for bound, count in zip([*map(str, BOUNDS_S), "+Inf"], value.counts, strict=True):
        total += count
        found.append((bound, float(total)))
    return found
