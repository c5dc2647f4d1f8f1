"""Histograms of CALL times with the few fixed buckets that monitoring systems can add up.

Made of the run's interval histograms, so that nothing is recorded twice. The buckets lose precision
that `run.hlog` and `summary.json` keep: percentiles for an argument come from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from simfleet.load.timeline import Interval
    from simfleet.observe.histogram import FastHistogram

BOUNDS_S: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0),
)
"""Upper ends of the buckets; the last one has none. 30 s is OCPP's usual timeout."""
_BOUNDS_US: Final = tuple(int(bound_s * 1_000_000) for bound_s in BOUNDS_S)


class Bucketed(Struct):
    """Times in buckets: `counts` has one more than `BOUNDS_S`, and is not cumulative."""

    counts: list[int]
    sum_s: float = 0.0

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.counts)


class CallBuckets:
    """Sums over the run, by action and kind (`response`, `service`). A listener of the timeline."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], Bucketed] = {}

    def add(self, interval: Interval) -> None:
        """Add what was answered in an interval."""
        for histogram in interval.histograms:
            action, _, kind = histogram.get_tag().rpartition(".")
            found = self._of.get((action, kind))
            if found is None:
                found = self._of[action, kind] = Bucketed([0] * (len(BOUNDS_S) + 1))
            _add(found, histogram)

    def actions(self, kind: str) -> list[str]:
        """Those with times of this kind."""
        return sorted(action for action, its_kind in self._of if its_kind == kind)

    def of(self, action: str, kind: str) -> Bucketed:
        """A copy of the buckets, for a reader in another thread."""
        found = self._of[action, kind]
        return Bucketed(list(found.counts), found.sum_s)


def _add(into: Bucketed, histogram: FastHistogram) -> None:
    """A count belongs to the first bucket that holds all values of its own, so times are never
    shown shorter than they were; they are up to 0.1 % longer.
    """
    begin, counts, left = 0, histogram.counts, histogram.total_count
    for place, bound_us in enumerate(_BOUNDS_US):
        end = histogram.get_counts_array_index(bound_us)
        if histogram.get_highest_equivalent_value(bound_us) <= bound_us:
            end += 1
        found = sum(counts[begin:end])
        into.counts[place] += found
        begin, left = end, left - found
        if not left:
            break
    into.counts[-1] += left
    into.sum_s += histogram.sum_value / 1_000_000
