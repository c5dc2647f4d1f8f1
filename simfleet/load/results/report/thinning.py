"""Fewer points that look the same: extremes are kept, whatever else is left out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

POINTS_MAX: Final = 1_000
"""Of one line."""
ROWS_MAX: Final = 500
"""Of a chart whose areas are stacked."""


def thinned(
    xs: Sequence[float], ys: Sequence[float], *, points: int = POINTS_MAX
) -> tuple[list[float], list[float]]:
    """At most `points` of a line: the lowest and the highest of each stretch, in their order, and
    both ends.
    """
    count = min(len(xs), len(ys))
    if count <= points:
        return list(xs[:count]), list(ys[:count])
    stretches = max(1, (points - 2) // 2)
    kept = {0, count - 1}
    for number in range(stretches):
        first, last = number * count // stretches, (number + 1) * count // stretches
        indices = range(first, last)
        kept.add(min(indices, key=ys.__getitem__))
        kept.add(max(indices, key=ys.__getitem__))
    chosen = sorted(kept)
    return [xs[index] for index in chosen], [ys[index] for index in chosen]


def thinned_rows(columns: Sequence[Sequence[float]], *, rows: int = ROWS_MAX) -> list[int]:
    """Which rows to show of columns that belong together: of each stretch the first, and the one
    that differs most from it.
    """
    count = min((len(column) for column in columns), default=0)
    if count <= rows:
        return list(range(count))
    stretches = max(1, (rows - 1) // 2)
    kept = {count - 1}
    for number in range(stretches):
        first, last = number * count // stretches, (number + 1) * count // stretches
        kept.add(first)
        farthest, distance = first, 0.0
        for index in range(first + 1, last):
            away = sum(abs(column[index] - column[first]) for column in columns)
            if away > distance:
                farthest, distance = index, away
        kept.add(farthest)
    return sorted(kept)
