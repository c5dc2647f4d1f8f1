"""The resolution of a station's own timers.

What a station does by itself (samples, heartbeats, the movements of its drivers) falls on steps of
10 ms, as firmware timers do. The step is part of the due time, so nothing is late because of it,
and a fleet of ten thousand is woken a hundred times a second instead of for each one alone.
"""

from __future__ import annotations

import math
from typing import Final

STEPS_PER_S: Final = 100


def on_step(at_s: float) -> float:
    """The first timer step at or after a moment (monotonic seconds)."""
    # The tolerance keeps a moment that is on a step, but for the noise of floats, where it is.
    return math.ceil(at_s * STEPS_PER_S - 1e-6) / STEPS_PER_S
