"""When to try again: exponential backoff with full jitter, so that 10,000 chargers never storm a
CSMS that has just come back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from simfleet.station.chance import Chance

FIRST_PAUSE_MAX_S: Final = 2.0
"""The first pause is drawn from 0 to this; the range doubles with every further failure."""
PAUSE_MAX_S: Final = 60.0
CALM_S: Final = 60.0
"""A connection that lasted this long ends the count of failures."""


def pause_s(failures: int, chance: Chance) -> float:
    """How long to wait after the `failures`-th failure in a row (from 1)."""
    return chance.uniform(0.0, min(PAUSE_MAX_S, FIRST_PAUSE_MAX_S * 2 ** min(failures - 1, 16)))
