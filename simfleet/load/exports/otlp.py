"""Readings for OpenTelemetry collectors: OTLP over HTTP, as protobuf, at ``/v1/metrics``.

Needs the extra: ``pip install simfleet[otlp]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simfleet import __version__
from simfleet.errors import UsageWrong
from simfleet.load.exports.buckets import BOUNDS_S, Bucketed

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.load.exports.families import Family, Labels
    from simfleet.load.exports.feed import Reading

CONTENT_TYPE = "application/x-protobuf"


def encoder() -> Callable[[Reading], bytes]:
    """`reading` to the body of a request. Raises `UsageWrong` without the extra."""
    try:
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service
        from opentelemetry.proto.common.v1 import common_pb2 as common
        from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics
    except ImportError:
        raise UsageWrong("--otlp needs the extra: pip install 'simfleet[otlp]'") from None

    cumulative = metrics.AGGREGATION_TEMPORALITY_CUMULATIVE

    def attributes(labels: Labels) -> list[Any]:
        return [
            common.KeyValue(key=name, value=common.AnyValue(string_value=text))
            for name, text in labels
        ]

    def metric(family: Family, times: dict[str, int]) -> Any:
        made = metrics.Metric(name=family.name, description=family.means, unit=family.unit)
        for labels, value in family.samples:
            given: dict[str, Any] = {"attributes": attributes(labels), **times}
            if isinstance(value, Bucketed):
                made.histogram.aggregation_temporality = cumulative
                made.histogram.data_points.append(
                    metrics.HistogramDataPoint(
                        count=value.count,
                        sum=value.sum_s,
                        bucket_counts=value.counts,
                        explicit_bounds=BOUNDS_S,
                        **given,
                    )
                )
            elif family.kind == "counter":
                made.sum.aggregation_temporality = cumulative
                made.sum.is_monotonic = True
                made.sum.data_points.append(metrics.NumberDataPoint(as_double=value, **given))
            else:
                made.gauge.data_points.append(metrics.NumberDataPoint(as_double=value, **given))
        return made

    def encode(reading: Reading) -> bytes:
        times = {
            "start_time_unix_nano": int(reading.began_wall_s * 1e9),
            "time_unix_nano": int(reading.at_wall_s * 1e9),
        }
        request = service.ExportMetricsServiceRequest()
        resource = request.resource_metrics.add()
        resource.resource.attributes.extend(
            attributes((("service.name", "simfleet"), ("service.version", __version__)))
        )
        scope = resource.scope_metrics.add()
        scope.scope.name, scope.scope.version = "simfleet.run", __version__
        scope.metrics.extend(metric(family, times) for family in reading.families)
        body: bytes = request.SerializeToString()
        return body

    return encode
