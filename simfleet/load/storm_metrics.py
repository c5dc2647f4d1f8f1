"""Metrics of storms: how long chargers took to be back, over all storms or of one by its name."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final

from simfleet.load.figures import Metric, figure

if TYPE_CHECKING:
    from simfleet.load.figures import Figures, MetricKind

_FIGURES: Final[dict[str, tuple[MetricKind, str]]] = {
    "seconds_to_50": ("duration", "until half of the chargers were back"),
    "seconds_to_95": ("duration", "until 95 % of the chargers were back"),
    "seconds_to_100": ("duration", "until all chargers were back"),
    "missing": ("count", "chargers that were not back when the stage was over"),
}
_NAME: Final = r"storm\[([A-Za-z0-9][A-Za-z0-9._-]{0,39})\]\."
STORM_PATTERNS: Final[dict[MetricKind, str]] = {
    "duration": _NAME + "(seconds_to_50|seconds_to_95|seconds_to_100)",
    "count": _NAME + "(missing)",
}
"""`storm[NAME].seconds_to_95`, the name being that of the stage."""


def metrics_of_storms() -> list[Metric]:
    """Over all storms of a run, the worst of them; the missing of all together."""
    return [
        Metric(
            f"storm.{name}",
            kind,
            f"{means}, {'of all storms' if kind == 'count' else 'of the slowest storm'}",
            f"{'sum' if kind == 'count' else 'largest'} of {name} over storms",
            functools.partial(_worst, name),
        )
        for name, (kind, means) in _FIGURES.items()
    ]


@functools.cache
def storm_metric(name: str) -> Metric | None:
    """The metric of a name such as `storm[wave].seconds_to_95`; None for other names.

    Raises ValueError for what a storm does not have.
    """
    if not name.startswith("storm["):
        return None
    matches = (re.fullmatch(pattern, name) for pattern in STORM_PATTERNS.values())
    found = next((match for match in matches if match is not None), None)
    if found is None:
        known = ", ".join(_FIGURES)
        raise ValueError(
            f"a figure of a storm is written storm[NAME].seconds_to_95; known: {known}"
        )
    stage, of = found[1], found[2]
    kind, means = _FIGURES[of]
    return Metric(
        name, kind, means, f"{of} of the storm {stage}", functools.partial(_worst, of, stage=stage)
    )


def storm_named(name: str) -> str | None:
    """The storm that a metric's name is about, `wave` of `storm[wave].missing`; None if none is."""
    found = re.match(_NAME, name)
    return found[1] if found else None


def _worst(name: str, summary: Figures, *, stage: str | None = None) -> float | None:
    """None where there is no storm, or one of them never came so far."""
    storms = [
        storm for storm in summary.get("storms") or () if stage is None or storm["name"] == stage
    ]
    found = [figure(storm, name) for storm in storms]
    if not found or None in found:
        return None
    values = [value for value in found if value is not None]
    return sum(values) if name == "missing" else max(values)
