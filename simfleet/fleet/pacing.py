"""When the n-th of something is due. Pure: seconds from the beginning, no clock, no drift."""

from __future__ import annotations


def even_due_s(n: int, *, count: int, over_s: float) -> float:
    """The due time of step `n` (from 0) of `count` spread evenly over `over_s` seconds.

    The first is due at once, and the last one step before the end: ::

        n    0   1   2   3      count = 4
        |----|---|---|---|
        0               over_s
    """
    return over_s * n / count if count else 0.0
