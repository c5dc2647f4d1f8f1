"""How long a fleet took to be back: the figures of a storm. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

CURVE_MAX: Final = 100
"""Points of a curve."""
SHARES: Final = {"seconds_to_50": 0.5, "seconds_to_95": 0.95, "seconds_to_100": 1.0}
"""The figures, and what share of the chargers must be back for each."""


def seconds_to(back_s: Sequence[float], whole: int, share: float) -> float | None:
    """When a share of `whole` chargers was back; None if it never was, or there are none.

    `back_s` is when each was back that came, in seconds, in any order.
    """
    needed = math.ceil(share * whole - 1e-9)
    if not 0 < needed <= len(back_s):
        return None
    return sorted(back_s)[needed - 1]


def recovery(back_s: Sequence[float], whole: int) -> dict[str, Any]:
    """The figures of a storm over `whole` chargers, see `seconds_to`."""
    found: dict[str, Any] = {"chargers": whole, "back": len(back_s)}
    found["missing"] = whole - len(back_s)
    for name, share in SHARES.items():
        took_s = seconds_to(back_s, whole, share)
        found[name] = None if took_s is None else round(took_s, 3)
    return found


def curve(back_s: Sequence[float]) -> list[dict[str, Any]]:
    """How many were back after how many seconds, in at most `CURVE_MAX` points, the last included.
    Between two points as many came back as they are apart.
    """
    ordered = sorted(back_s)
    whole = len(ordered)
    points: dict[float, int] = {}
    for step in range(1, min(whole, CURVE_MAX) + 1):
        back = math.ceil(step * whole / min(whole, CURVE_MAX))
        points[round(ordered[back - 1], 3)] = back
    return [{"after_s": after_s, "back": back} for after_s, back in points.items()]
