"""Percentiles of a histogram, many at a time and in one pass."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.observe.histogram import FastHistogram

SPECTRUM: Final = (
    *(50.0, 55.0, 60.0, 65.0, 70.0, 75.0, 80.0, 85.0, 90.0, 92.0, 94.0, 95.0, 96.0, 97.0, 98.0),
    *(99.0, 99.2, 99.4, 99.5, 99.6, 99.7, 99.8, 99.9, 99.92, 99.94, 99.95, 99.96, 99.97, 99.98),
    *(99.99, 99.992, 99.995, 99.997, 99.998, 99.999),
)
"""Those of a chart whose axis is logarithmic in the share that is slower."""


def values_ms(histogram: FastHistogram, percentiles: Sequence[float]) -> list[float]:
    """The values at `percentiles` (0 to 100) in milliseconds, each the upper end of its bucket but
    never above the maximum; all 0.0 if nothing was recorded.
    """
    if not histogram.total_count:
        return [0.0] * len(percentiles)
    last = histogram.get_counts_array_index(histogram.max_value) + 1
    below = list(accumulate(histogram.counts[:last]))
    found = []
    for percentile in percentiles:
        wanted = histogram.get_target_count_at_percentile(percentile)
        index = bisect_left(below, wanted)
        value_us = histogram.get_highest_equivalent_value(histogram.get_value_from_index(index))
        found.append(min(value_us, histogram.max_value) / 1000)
    return found
