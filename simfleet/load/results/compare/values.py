"""A figure with its unit, as comparisons show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.documents import quantities

if TYPE_CHECKING:
    from simfleet.load.figures import MetricKind


def value_text(value: float | None, kind: MetricKind) -> str:
    """A figure with its unit; a dash where there is none."""
    if value is None:
        return "-"
    if kind == "duration":
        return f"{value * 1000:,.1f} ms" if value < 10 else f"{value:,.2f} s"
    if kind == "ratio":
        return f"{quantities.number_text(round(value * 100, 4))}%"
    text = quantities.number_text(round(value, 3))
    return text + {"rate": "/s", "energy": " kWh"}.get(kind, "")
