"""What other tools call our metrics, so that whoever comes from them is told the name here."""

from __future__ import annotations

import re
from typing import Final

_STATISTIC = re.compile(
    r"(?P<head>.*?)\.?(?P<said>p\((?P<of>[0-9.]+)\)|p(?P<dotted>[0-9]+\.[0-9]+)|avg|med|min|average"
    r"|median)"
)
_WORDS: Final = {"avg": "mean", "average": "mean", "med": "p50", "median": "p50"}
_METRICS: Final = {
    "http_req_duration": "call.response.p95",
    "http_req_waiting": "call.service.p95",
    "http_req_failed": "call.error_ratio",
    "http_reqs": "call.count",
    "iterations": "transactions.started",
    "checks": "call.error_ratio",
    "vus": "connections.peak",
    "ws_connecting": "connect.seconds_to_all",
    "ws_sessions": "connect.attempts",
    "ws_msgs_sent": "throughput.frames_per_s",
}
_PERCENTILES: Final = ("50", "90", "95", "99", "99.9")


def foreign(name: str) -> str:
    """`; write call.response.p99 instead` for a name of another tool, else nothing."""
    if name in _METRICS:
        return f"; write {_METRICS[name]} instead"
    found = _STATISTIC.fullmatch(name)
    if found is None or not found["head"]:
        return ""
    head = _METRICS.get(found["head"], f"{found['head']}.p95").rpartition(".")[0]
    percentile = found["of"] or found["dotted"]
    if percentile is not None:
        if percentile not in _PERCENTILES:
            known = ", ".join(f"p{one.replace('.', '_')}" for one in _PERCENTILES)
            return f"; percentiles here are {known}"
        return f"; write {head}.p{percentile.replace('.', '_')} instead"
    if found["said"] == "min":
        return "; there is no minimum here, write mean, p50 to p99_9 or max"
    return f"; write {head}.{_WORDS[found['said']]} instead"


def statistic_in_limit(text: str) -> str:
    """What to say of a limit such as `p(95)<500`; empty for others."""
    found = re.match(r"\s*(p\(([0-9.]+)\)|avg|med|max|rate|count)\s*(<=|>=|==|<|>)\s*(\S*)", text)
    if found is None:
        return ""
    statistic = f"p{found[2].replace('.', '_')}" if found[2] else found[1]
    statistic = _WORDS.get(statistic, statistic)
    limit = f"{found[4]}ms" if re.fullmatch(r"[0-9.]+", found[4]) else found[4]
    return (
        f"the statistic belongs to the metric, and times have a unit; write"
        f' call.response.{statistic}: "{found[3]} {limit}"'
    )
