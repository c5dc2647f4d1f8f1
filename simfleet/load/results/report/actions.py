"""What was asked of the target, by action: one table, and for each the times and their spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.load.results.report import scale, wording
from simfleet.load.results.report.chart import Frame, Line, line_chart
from simfleet.load.results.report.markup import NONE, Html, foreign, section, table
from simfleet.load.results.report.spectra import of_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.load.results.report.reading import Block, RunFiles
    from simfleet.load.results.report.spectra import Spectrum

CHARTED_MAX: Final = 12
"""Actions with charts of their own; the table has all of them."""
ROWS_MAX: Final = 200
_STATISTICS: Final = (
    ("p50", "p50"),
    ("p90", "p90"),
    ("p99", "p99"),
    ("p99_9", "p99.9"),
    ("max", "max"),
)


def actions(files: RunFiles, frame: Frame, spectra: Mapping[str, Spectrum]) -> Html:
    """The section of CALLs."""
    return section(
        "actions",
        "CALLs of the chargers, by action",
        call_table(files.summary),
        *_charts(files, frame, spectra),
        intro="Response time counts from when a CALL was due, so it includes waiting behind an"
        " earlier CALL of the same charger, and without power or connection after a storm: what a"
        " driver, or the operator, waits for. Service time counts from when"
        " it was sent. Where the two part, the target was too slow for the load.",
    )


def call_table(summary: Block) -> Html:
    """Counts and times of every action, all of them together at the end."""
    calls = summary.block("calls")
    named = [(name, calls.block(name)) for name in list(calls.content)[:ROWS_MAX]]
    named.sort(key=lambda pair: -(pair[1].number("count") or 0))
    totals = summary.block("call_totals")
    if totals:
        named.append(("all", totals))
    rows = [
        [
            name,
            wording.count(call.number("count")),
            wording.count(sum(call.counts("errors").values())),
            wording.count(call.number("timeouts")),
            wording.count(call.number("lost")),
            *(wording.number(_rounded(call, "response_ms", key)) for key, _ in _STATISTICS),
            wording.number(_rounded(call, "service_ms", "p50")),
            wording.number(_rounded(call, "service_ms", "p99")),
            wording.number(_rounded(call, "service_ms", "max")),
        ]
        for name, call in named
    ]
    head = ["action", "count", "errors", "timeouts", "lost"]
    head += [f"response {name}, ms" for _, name in _STATISTICS]
    head += ["service p50, ms", "service p99, ms", "service max, ms"]
    return table(head, rows, numbers=range(1, len(head)))


def _rounded(call: Block, *names: str) -> float | None:
    value = call.number(*names)
    return None if value is None else round(value, 2 if value < 100 else 1)


def _charts(files: RunFiles, frame: Frame, spectra: Mapping[str, Spectrum]) -> list[Html]:
    response, service = of_kind(spectra, "response"), of_kind(spectra, "service")
    count = {name: sum(rows.column("count")) for name, rows in files.actions.items()}
    count |= {name: one.count for name, one in response.items()}
    busiest = sorted(count, key=lambda name: -count[name])
    charts = []
    for action in busiest[:CHARTED_MAX]:
        pair = _over_time(files, frame, action) + spectrum_chart(
            "Percentiles", response.get(action), service.get(action)
        )
        if pair:
            charts.append(Html(f'<h3>{foreign(action)}</h3><div class="two">{pair}</div>'))
    if len(busiest) > CHARTED_MAX:
        more = f"{len(busiest) - CHARTED_MAX} less frequent actions have no charts."
        charts.append(Html(f'<p class="note">{more}</p>'))
    return charts


def _over_time(files: RunFiles, frame: Frame, action: str) -> str:
    rows = files.actions.get(action)
    if rows is None:
        return NONE
    xs = rows.column("t_s")
    columns = (
        ("response_max_ms", "response max", "c-grey"),
        ("response_p99_ms", "response p99", "c-red"),
        ("response_p90_ms", "response p90", "c-orange"),
        ("response_p50_ms", "response p50", "c-blue"),
        ("service_p99_ms", "service p99", "c-green"),
    )
    lines = [
        Line(
            name,
            xs,
            rows.column(column),
            tone,
            dashed=column.startswith("service"),
            thin=column == "response_max_ms",
        )
        for column, name, tone in columns
        if len(rows.column(column)) == len(xs)
    ]
    values = [value for line in lines for value in line.ys if value > 0]
    y = scale.times_ms(min(values, default=0.0), max(values, default=0.0))
    return line_chart("Over time", lines, frame=frame, y=y, unit="ms", small=True)


def spectrum_chart(title: str, response: Spectrum | None, service: Spectrum | None) -> Html:
    """Response and service times over their percentiles, which shows how bad the slowest are."""
    lines = []
    for name, one, tone in (("response", response, "c-red"), ("service", service, "c-green")):
        if one is not None:
            percentiles, values = one.points()
            xs = [scale.percentile_at(percentile) for percentile in percentiles]
            lines.append(Line(name, xs, values, tone, dashed=name == "service"))
    values = [value for line in lines for value in line.ys if value > 0]
    if not values:
        return NONE
    return line_chart(
        title,
        lines,
        frame=Frame(scale.slower_share(), percentiles=True),
        y=scale.times_ms(min(values), max(values)),
        unit="ms",
        small=True,
    )
