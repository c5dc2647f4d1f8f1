"""How the truth benchmark judges, without a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.bench_truth import Freeze, compare, read_spread
from bench.children import ChildFailed
from bench.sink import Late
from bench.truth import Spread, delayed, simulate, spread_ms
from simfleet.observe.hlog import HistogramLog
from simfleet.observe.latency import Latencies

if TYPE_CHECKING:
    from pathlib import Path

SCHEDULES = [[charger / 100 + second for second in range(25)] for charger in range(100)]
FREEZE = Freeze(10.0, 15.0, 0.001)


def truth(*, service_s: float = 0.001) -> Spread:
    answered = simulate(SCHEDULES, frozen_at_s=10, thawed_at_s=15, service_s=service_s)
    return spread_ms([one.response_s for one in answered])


def scaled(spread: Spread, by: float) -> Spread:
    return Spread(*(value * by for value in spread))


def reached(measured: Spread) -> list[bool | None]:
    rows = compare(SCHEDULES, FREEZE, measured, measured)
    return [row.reached for row in rows]


@pytest.mark.parametrize(("by", "within"), [(1, True), (1.009, True), (0.991, True), (1.02, False)])
def test_a_deviation_of_one_percent_is_the_limit(by: float, within: bool) -> None:
    mean, _p50, *others = reached(scaled(truth(), by))
    assert [mean, *others] == [within] * 4


def test_a_figure_of_a_few_milliseconds_may_be_off_by_two() -> None:
    assert reached(truth()._replace(p50=truth().p50 + 1.9))[1]
    assert not reached(truth()._replace(p50=truth().p50 + 100))[1]


def test_what_coordinated_omission_reports_is_far_off() -> None:
    answered = simulate(SCHEDULES, frozen_at_s=10, thawed_at_s=15, service_s=0.001)
    mean, _p50, p90, *_ = reached(spread_ms([one.service_s for one in answered]))
    # One CALL in 25 waits for the whole freeze: its p99 happens to be right.
    assert (mean, p90) == (False, False)


def test_the_truth_of_late_answers_counts_what_waits_behind_them() -> None:
    late = Late("one:10,2.5")
    answered = delayed([[float(second) for second in range(20)]], late.delay_s)
    assert [round(one.response_s, 2) for one in answered[9:14]] == [2.5, 1.55, 0.6, 0.05, 0.05]
    ramp = Late("ramp:10")
    answered = delayed([[0.0, 5.0, 20.0]], ramp.delay_s)
    assert [round(one.response_s, 2) for one in answered] == [0.05, 0.55, 0.05]


def test_a_schedule_that_was_not_kept_is_no_truth() -> None:
    with pytest.raises(ChildFailed, match=r"0\.500 s off its schedule"):
        compare([[0.0, 1.0, 2.5]], FREEZE, truth(), truth())


def test_the_runs_own_log_is_what_is_compared(tmp_path: Path) -> None:
    latencies = Latencies()
    path = tmp_path / "run.hlog"
    with HistogramLog(path, start_wall_s=1000.0) as log:
        for second in range(4):
            for took_ms in range(25 * second, 25 * second + 25):
                latencies.record("MeterValues", 0.0, 0.0, (took_ms + 1) / 1000)
                latencies.record("Heartbeat", 0.0, 0.0, 9.0)
            log.write(latencies.take_interval(1000.0 + second, 1001.0 + second))
    spread = read_spread(path, "MeterValues.response")
    assert spread == pytest.approx((50.5, 50, 90, 95, 99, 100, 100), rel=0.002)


def test_a_log_without_the_action_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "run.hlog"
    with HistogramLog(path, start_wall_s=1000.0):
        pass
    with pytest.raises(ChildFailed, match=r"no histogram called MeterValues\.response"):
        read_spread(path, "MeterValues.response")
