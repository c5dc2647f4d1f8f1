"""Is a difference more than noise? Pure.

Figures of a run are taken apart into its intervals (5 s each), and the two sets are compared by
rank (Mann and Whitney 1947), which assumes nothing about how times are distributed. What it does
assume is that intervals are independent; those of one run are less so than of several, so a small
p says "not by the noise within these two runs", and a repetition says more. Shares of CALLs are
compared as two proportions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

P_MAX: Final = 0.01
"""Below it a difference is called significant."""
INTERVALS_MIN: Final = 8
"""Of each run; fewer cannot tell."""


def by_rank(a: Sequence[float], b: Sequence[float]) -> float | None:
    """The two-sided p of "these come from the same distribution"; None with too few values.

    Normal approximation with correction for ties and continuity, good from about eight values.
    """
    if min(len(a), len(b)) < INTERVALS_MIN:
        return None
    ranked = sorted([*((value, 0) for value in a), *((value, 1) for value in b)])
    rank_sum_a, ties = 0.0, 0.0
    begin = 0
    while begin < len(ranked):
        end = begin
        while end < len(ranked) and ranked[end][0] == ranked[begin][0]:
            end += 1
        rank = (begin + 1 + end) / 2
        rank_sum_a += rank * sum(1 for _, of in ranked[begin:end] if of == 0)
        ties += (end - begin) ** 3 - (end - begin)
        begin = end
    n, n_a, n_b = len(ranked), len(a), len(b)
    u = rank_sum_a - n_a * (n_a + 1) / 2
    variance = n_a * n_b / 12 * (n + 1 - ties / (n * (n - 1)))
    if variance <= 0:
        return 1.0  # all values are equal
    distance = max(0.0, abs(u - n_a * n_b / 2) - 0.5)
    return math.erfc(distance / math.sqrt(2 * variance))


def by_share(part_a: float, whole_a: float, part_b: float, whole_b: float) -> float | None:
    """The two-sided p of "the same share of both"; None where there is nothing to take a share of.

    Fisher's exact test where a part is small, the normal approximation elsewhere.
    """
    if whole_a <= 0 or whole_b <= 0:
        return None
    parts, whole = part_a + part_b, whole_a + whole_b
    if parts in (0, whole):
        return 1.0
    if min(parts, whole - parts) <= _EXACT_MAX:
        return _fisher(round(part_a), round(whole_a), round(part_b), round(whole_b))
    share = parts / whole
    error = math.sqrt(share * (1 - share) * (1 / whole_a + 1 / whole_b))
    return math.erfc(abs(part_a / whole_a - part_b / whole_b) / error / math.sqrt(2))


_EXACT_MAX: Final = 200


def _fisher(part_a: int, whole_a: int, part_b: int, whole_b: int) -> float:
    parts = part_a + part_b
    if parts > (whole_a + whole_b) / 2:  # the rarer side has fewer tables to go through
        part_a, part_b = whole_a - part_a, whole_b - part_b
        parts = part_a + part_b
    least, most = max(0, parts - whole_b), min(parts, whole_a)

    def log_of(count: int) -> float:
        return (
            _log_choose(whole_a, count)
            + _log_choose(whole_b, parts - count)
            - _log_choose(whole_a + whole_b, parts)
        )

    seen = log_of(part_a) + 1e-7
    return min(
        1.0, math.fsum(math.exp(log) for log in map(log_of, range(least, most + 1)) if log <= seen)
    )


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
