"""From what the command line asks for to the exporters of a run.

Tokens come from the environment, under the names that each system's own tools use: whatever is in
an argument can be read by everybody on the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from simfleet.errors import UsageWrong
from simfleet.load.exports import influx, otlp
from simfleet.load.exports.feed import Exports
from simfleet.load.exports.jsonl import JsonLines
from simfleet.load.exports.pushing import Push, Receiver, receiver

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from simfleet.load.exports.feed import Exporter

INFLUX_TOKEN: Final = "INFLUX_TOKEN"
OTLP_HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"
OTLP_PATH: Final = "/v1/metrics"


def exports_of(
    *,
    prometheus: tuple[str, int] | None = None,
    influx_url: str | None = None,
    otlp_url: str | None = None,
    jsonl: Path | None = None,
    environ: Mapping[str, str],
) -> Exports | None:
    """The exporters asked for, or None. Raises `UsageWrong`."""
    chosen: list[Exporter] = []
    if prometheus is not None:
        from simfleet.load.exports.prometheus import Prometheus  # 60 ms that few runs need

        chosen.append(Prometheus(*prometheus))
    if influx_url is not None:
        to = _influx(influx_url, environ)
        chosen.append(Push("influx", to, influx.lines_of, content_type=influx.CONTENT_TYPE))
    if otlp_url is not None:
        to = _otlp(otlp_url, environ)
        chosen.append(Push("otlp", to, otlp.encoder(), content_type=otlp.CONTENT_TYPE))
    if jsonl is not None:
        chosen.append(JsonLines(jsonl))
    return Exports(chosen) if chosen else None


def _influx(url: str, environ: Mapping[str, str]) -> Receiver:
    token = environ.get(INFLUX_TOKEN, "").strip()
    headers = {} if not token else {"Authorization": f"Token {token}"}
    to = receiver("--influx", url, headers)
    if to.resource.partition("?")[0] == "/":
        raise UsageWrong(
            "--influx takes the whole address to write to, such as"
            " 'http://localhost:8086/api/v2/write?org=ORG&bucket=BUCKET'"
        )
    return to


def _otlp(url: str, environ: Mapping[str, str]) -> Receiver:
    """A URL without a path is a collector's base, as in OTEL_EXPORTER_OTLP_ENDPOINT."""
    headers = {}
    for pair in environ.get(OTLP_HEADERS, "").split(","):
        name, sign, value = pair.partition("=")
        if sign:
            headers[name.strip()] = unquote(value.strip())
    to = receiver("--otlp", url, headers)
    return to._replace(resource=OTLP_PATH) if to.resource == "/" else to
