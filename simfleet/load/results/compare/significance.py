"""Is a difference more than noise? Pure.

Figures of a run are taken apart into its intervals (5 s each), and the intervals of each stage of
one run are compared with those of the same stage of the other, by rank: Mann and Whitney 1947, put
together over the stages as by van Elteren 1960. That assumes nothing about how times are
distributed, and does not mistake a ramp for a change.

It would assume that intervals are independent, and those of a run are not: a slow one is followed
by a slow one. So their autocorrelation is measured and takes away from what they prove, as if there
were fewer of them. What differs from run to run is in neither run; a repetition says more.

Shares of CALLs are compared as two proportions.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

P_MAX: Final = 0.01
"""Below it a difference is called significant."""
INTERVALS_MIN: Final = 8
"""Of each run; fewer cannot tell."""
CORRELATION_MAX: Final = 0.95
"""Beyond it, hardly anything is left to prove something with."""


class Ranked(NamedTuple):
    """What ranks say: `p` is two-sided, of "these come from the same distribution"; `shift` is
    above 0 where the values of the second run tend to be higher.
    """

    p: float
    shift: float


class _Stratum(NamedTuple):
    distance: float
    """How far the rank sum of the second run is above what chance gives."""
    variance: float
    weight: float
    ranks: tuple[list[float], list[float]]
    """Of each run's values, in their order, from the run's mean rank."""


def by_rank(a: Mapping[int, Sequence[float]], b: Mapping[int, Sequence[float]]) -> Ranked | None:
    """Compare values by stage, each stage with its own; None with too few values in the stages that
    both runs have.

    Normal approximation with correction for ties and continuity, good from about eight values.
    """
    shared = [stage for stage in a if a[stage] and b.get(stage)]
    if min(sum(len(run[stage]) for stage in shared) for run in (a, b)) < INTERVALS_MIN:
        return None
    strata = [_stratum(a[stage], b[stage]) for stage in shared]
    distance = sum(one.weight * one.distance for one in strata)
    variance = sum(one.weight**2 * one.variance for one in strata) * _inflation(strata)
    if variance <= 0:
        return Ranked(1.0, 0.0)  # all values are equal
    clear = max(0.0, abs(distance) - max(one.weight for one in strata) / 2)
    return Ranked(math.erfc(clear / math.sqrt(2 * variance)), distance)


def _stratum(a: Sequence[float], b: Sequence[float]) -> _Stratum:
    ranked = sorted((value, run, n) for run, of in enumerate((a, b)) for n, value in enumerate(of))
    ranks = ([0.0] * len(a), [0.0] * len(b))
    ties = 0.0
    begin = 0
    while begin < len(ranked):
        end = begin
        while end < len(ranked) and ranked[end][0] == ranked[begin][0]:
            end += 1
        for _, run, number in ranked[begin:end]:
            ranks[run][number] = (begin + 1 + end) / 2
        ties += (end - begin) ** 3 - (end - begin)
        begin = end
    n, n_a, n_b = len(ranked), len(a), len(b)
    distance = sum(ranks[1]) - n_b * (n_b + 1) / 2 - n_a * n_b / 2
    variance = n_a * n_b / 12 * (n + 1 - ties / (n * (n - 1)))
    means = [sum(of_run) / len(of_run) for of_run in ranks]
    centred = tuple([rank - mean for rank in of] for of, mean in zip(ranks, means, strict=True))
    return _Stratum(distance, variance, 1 / (n + 1), (centred[0], centred[1]))


def _inflation(strata: Sequence[_Stratum]) -> float:
    """By how much the variance of a mean grows because its values follow one another.

    From the correlation of each rank with the next in its run and stage, which is estimated too low
    by about one over the number of values.
    """
    series = [one for stratum in strata for one in stratum.ranks if len(one) > 1]
    spread = sum(rank * rank for ranks in series for rank in ranks)
    if not spread:
        return 1.0
    together = sum(x * y for ranks in series for x, y in itertools.pairwise(ranks))
    bias = len(series) / sum(map(len, series))
    correlation = min(CORRELATION_MAX, max(0.0, together / spread + bias))
    return (1 + correlation) / (1 - correlation)


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
