"""Numbers and names as people read them."""

from __future__ import annotations

import math
import re
from typing import Final

MISSING: Final = "\u2013"
_UNITS: Final = {
    "ms": "ms",
    "s": "s",
    "us": "µs",
    "mib": "MiB",
    "kib": "KiB",
    "kwh": "kWh",
    "wh": "Wh",
    "kw": "kW",
    "w": "W",
    "bytes": "bytes",
    "ratio": "ratio",
}
_PERCENTILE: Final = re.compile(r"p\d[\d.]*")
_WORDS: Final = {"cpu": "CPU", "csms": "CSMS", "rss": "memory", "gc": "GC", "p99_9": "p99.9"}


def count(value: float | None) -> str:
    """A number of things: `12,345`."""
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.0f}"


def number(value: float | None) -> str:
    """Any number with what digits matter: `12,345`, `12.3`, `0.0012`."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.1e}"


def milliseconds(value: float | None) -> str:
    """A time in milliseconds, with its unit: `0.42 ms`, `250 ms`, `1.5 s`."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value >= 60_000:
        return duration(value / 1000)
    if value >= 1000:
        return f"{value / 1000:.3g} s"
    return f"{value:.3g} ms" if value < 100 else f"{value:.0f} ms"


def duration(seconds: float | None) -> str:
    """A span of time: `45 s`, `12 min 5 s`, `24 h`."""
    if seconds is None or not math.isfinite(seconds):
        return MISSING
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    return " ".join(f"{value} {unit}" for value, unit in parts if value)


def share(value: float | None) -> str:
    """A ratio as a percentage; a small one keeps its digits: `0.012 %`."""
    if value is None or not math.isfinite(value):
        return MISSING
    percent = value * 100
    if 0 < abs(percent) < 0.1:
        return f"{percent:.2g} %"
    return f"{percent:.4g} %"


def title(name: str) -> str:
    """A name of `summary.json` as a heading: `time_to_95_s` is `Time to 95 (s)`."""
    words = name.split("_")
    unit = _UNITS.get(words[-1].lower()) if len(words) > 1 else None
    if unit is not None:
        words = words[:-1]
    if name in _WORDS:
        return _WORDS[name]
    shown = " ".join(_WORDS.get(word, word) for word in words)
    shown = shown.replace("per s ", "per second, ")
    if shown and shown[0].islower() and not _PERCENTILE.fullmatch(shown):
        shown = shown[0].upper() + shown[1:]
    return f"{shown} ({unit})" if unit else shown
