"""Drivers who come at a rate: how many, when, and what happens when the rate is changed live."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import pytest
import trio

from builders_storms import broken, stormy, virtually
from simfleet.fleet.actor import Charger
from simfleet.load.arrivals import Arrivals, Guestbook
from simfleet.load.open_fields import RATE_MAX_PER_S, Sessions
from simfleet.load.pacers import Curve
from simfleet.load.stages.stage_clock import StageClock
from simfleet.station.chance import Span
from simfleet.station.events import DriverArrives
from simfleet.station.spec import Habits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trio.testing import MockClock

    from simfleet.station.chance import Chance

NOON_S = 43_200.0


class Lot:
    """Free connectors, as many as it is given; notes who came when."""

    def __init__(self, room: int = 1_000_000) -> None:
        self.room = room
        self.came: list[tuple[float, DriverArrives]] = []
        self.spec = type("Spec", (), {"habits": Habits(energy_wh=Span(5, 9))})
        self.station = self

    def take(self, chance: Chance) -> tuple[Any, int] | None:
        if not self.room:
            return None
        self.room -= 1
        return self, chance.integer(1, 5)

    def post(self, event: DriverArrives) -> bool:
        self.came.append((trio.current_time(), event))
        return True

    def freed(self, identity: str, connector_id: int) -> None:
        self.room += 1


class Day:
    """A stage of sessions at work. Times are seconds since it began."""

    def __init__(self, stage: Sessions, lot: Lot, *, seed: int, curve: Curve | None) -> None:
        self.lot, self.book = lot, Guestbook()
        self.clock = StageClock(stage.for_s)
        self.began_s = trio.current_time()
        self.arrivals = Arrivals(
            stage, self.clock, lot, self.book,  # type: ignore[arg-type]
            curve=stage.curve or curve, label=f"{seed}:sessions:0", day_s=NOON_S,
        )  # fmt: skip

    @property
    def moments_s(self) -> list[float]:
        return [at_s - self.began_s for at_s, _ in self.lot.came]

    def between(self, begin_s: float, end_s: float) -> int:
        return sum(begin_s <= moment_s < end_s for moment_s in self.moments_s)


async def a_day(
    meanwhile: dict[float, Callable[[Day], object]] | None = None,
    *,
    lot: Lot | None = None,
    seed: int = 1,
    curve: Curve | None = None,
    **fields: Any,
) -> Day:
    """Run a stage to its end, doing things at moments meanwhile."""
    stage = Sessions(**{"rate_per_s": 2.0, "for_s": 60.0, **fields})
    day = Day(stage, lot or Lot(), seed=seed, curve=curve)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(day.arrivals.run)
        for moment_s, do in (meanwhile or {}).items():
            await trio.sleep_until(day.began_s + moment_s)
            do(day)
    return day


# ── how many, and when ───────────────────────────────────────────────────────────────────────────


async def test_as_many_come_as_rate_and_time_make(autojump_clock: MockClock) -> None:
    day = await a_day()
    assert len(day.moments_s) == 120
    gaps_s = [b - a for a, b in zip(day.moments_s, day.moments_s[1:], strict=False)]
    assert all(gap_s == pytest.approx(0.5) for gap_s in gaps_s)
    assert day.book.counts.wanted == day.book.counts.arrived == 120
    assert day.book.counts.late == 0


async def test_the_first_comes_at_a_moment_of_the_seeds_or_at_once(
    autojump_clock: MockClock,
) -> None:
    firsts_s = {(await a_day(seed=seed, for_s=2.0)).moments_s[0] for seed in range(5)}
    assert len(firsts_s) == 5
    assert all(0 < first_s < 0.5 for first_s in firsts_s)
    assert (await a_day(first="at_once")).moments_s[0] == pytest.approx(0.0, abs=1e-6)


async def test_a_ramp_of_the_rate_brings_more_and_more(autojump_clock: MockClock) -> None:
    day = await a_day(rate_per_s=0.0, to_per_s=4.0)
    assert len(day.moments_s) == 120
    assert day.between(0, 30) == pytest.approx(30, abs=1)


async def test_poisson_arrivals_are_as_many_but_not_at_even_distances(
    autojump_clock: MockClock,
) -> None:
    day = await a_day(arrivals="poisson", for_s=600.0)
    assert len(day.moments_s) == pytest.approx(1200, abs=140)
    assert (
        len({round(b - a, 3) for a, b in zip(day.moments_s, day.moments_s[1:], strict=False)}) > 100
    )


async def test_a_curve_gives_the_share_of_the_rate_at_the_time_of_day(
    autojump_clock: MockClock,
) -> None:
    curve = Curve(((NOON_S, 0.0), (NOON_S + 60, 1.0)))
    day = await a_day(curve=curve)
    assert len(day.moments_s) == pytest.approx(60, abs=1)
    assert day.between(30, 60) == pytest.approx(45, abs=1)


async def test_the_same_seed_brings_the_same_drivers(autojump_clock: MockClock) -> None:
    def told(day: Day) -> list[tuple[float, int, float, int]]:
        return [
            (round(at_s - day.began_s, 6), event.connector_id, event.energy_wh, event.seed)
            for at_s, event in day.lot.came
        ]

    one, again, other = [await a_day(arrivals="poisson", seed=seed) for seed in (7, 7, 8)]
    assert told(one) == told(again)
    assert {event.seed for _, event in one.lot.came}.isdisjoint(e.seed for _, e in other.lot.came)


async def test_energies_and_times_are_those_of_the_stage_or_of_the_fleet(
    autojump_clock: MockClock,
) -> None:
    own = await a_day(energy_wh=Span(100, 200), think_time_s=Span(1, 2))
    assert all(100 <= event.energy_wh <= 200 for _, event in own.lot.came)
    assert {event.think_time_s for _, event in own.lot.came} == {Span(1, 2)}
    usual = await a_day()
    assert all(5 <= event.energy_wh <= 9 for _, event in usual.lot.came)
    assert {event.think_time_s for _, event in usual.lot.came} == {None}


# ── nobody is dropped in silence ─────────────────────────────────────────────────────────────────


async def test_who_finds_no_free_connector_is_turned_away(autojump_clock: MockClock) -> None:
    day = await a_day(lot=Lot(room=50))
    counts = day.book.counts
    assert (counts.wanted, counts.arrived, counts.turned_away) == (120, 50, 70)


class Deaf(Lot):
    """Every fifth charger takes no more mail."""

    tried = 0

    def post(self, event: DriverArrives) -> bool:
        self.tried += 1
        return self.tried % 5 != 0 and super().post(event)


async def test_a_driver_whose_charger_takes_no_mail_is_turned_away_and_counted(
    autojump_clock: MockClock,
) -> None:
    day = await a_day(lot=Deaf())
    counts = day.book.counts
    assert (counts.wanted, counts.arrived, counts.turned_away) == (120, 96, 24)
    assert len(day.lot.came) == counts.arrived


async def test_a_driver_whose_charger_takes_no_mail_waits_where_drivers_may(
    autojump_clock: MockClock,
) -> None:
    day = await a_day(lot=Deaf(), queue=3)
    counts = day.book.counts
    assert counts.wanted == 120 == counts.arrived + counts.turned_away
    assert counts.queued > 10
    assert counts.turned_away <= 1  # who came last
    assert len(day.lot.came) == counts.arrived


def test_a_charger_whose_mailbox_was_full_gets_drivers_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connector that was chosen for the driver is not lost to the others."""
    post = Charger.post
    refused: list[str] = []

    def full_at_first(charger: Charger, mail: Any) -> bool:
        if isinstance(mail, DriverArrives) and len(refused) < 20:
            refused.append(charger.station.identity)
            return False
        return post(charger, mail)

    monkeypatch.setattr(Charger, "post", full_at_first)
    summary, rows = arriving(tmp_path)
    arrivals = summary["arrivals"]
    assert arrivals["turned_away"] == 20
    assert arrivals["wanted"] == arrivals["arrived"] + 20
    assert arrivals["started"] == arrivals["arrived"] > 20  # at chargers that had refused
    assert broken(summary) == []
    assert sum(int(row["arrivals"]) for row in rows) == arrivals["arrived"]


def test_the_column_of_arrivals_follows_what_has_arrived(tmp_path: Path) -> None:
    summary, rows = arriving(tmp_path, "rate: 1/s, to: 3/s, for: 60s")
    came = [(float(row["t_s"]), int(row["arrivals"])) for row in rows]
    assert sum(number for _, number in came) == summary["arrivals"]["arrived"] == 120
    [stage] = [stage for stage in summary["stages"] if stage["do"] == "sessions"]
    early = sum(n for at_s, n in came if at_s <= stage["began_s"] + 30)
    late = sum(n for at_s, n in came if at_s > stage["began_s"] + 30)
    assert early == pytest.approx(45, abs=12)
    assert late == pytest.approx(75, abs=12)
    assert all(
        n == 0 for at_s, n in came if at_s <= stage["began_s"] or at_s > stage["ended_s"] + 5
    )


def arriving(
    tmp_path: Path, sessions: str = "rate: 2/s, for: 60s"
) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """A run of 20 chargers where drivers arrive: its summary and the rows of its timeline."""
    stages = (f"{{do: sessions, {sessions}, energy_kwh: 0.01..0.02}}", "{do: hold, for: 40s}")
    slices = ('{name: all, count: 80, id: "A-{n:02}"}',)
    scenario = stormy(*stages, slices=slices).replace(b"to: 20", b"to: 80")
    summary = virtually(scenario.replace(b"mode: charging", b"mode: connect"), tmp_path)
    with (tmp_path / "timeline.csv").open(encoding="utf-8", newline="") as file:
        return summary, list(csv.DictReader(file))


async def test_some_may_wait_and_get_the_next_connector(autojump_clock: MockClock) -> None:
    day = await a_day({30.0: lambda day: day.arrivals.freed("x", 1)}, lot=Lot(room=50), queue=10)
    counts = day.book.counts
    assert counts.waiting_peak == 10
    assert counts.queued == 11  # one got a connector, another one its place
    assert (counts.arrived, counts.turned_away) == (51, 69)
    assert day.moments_s[50] == pytest.approx(30.0)
    waited = day.lot.came[50][1]
    assert waited.due_s == day.lot.came[50][0]  # where the fleet is full, nobody is slow


async def test_an_arrival_that_is_begun_late_is_counted_and_told_from_when_it_was_due(
    mock_clock: MockClock,
) -> None:
    lags_s: list[float] = []
    day = Day(Sessions(rate_per_s=1.0, for_s=10.0, first="at_once"), Lot(), seed=1, curve=None)
    day.book.late = lags_s.append
    async with trio.open_nursery() as nursery:
        nursery.start_soon(day.arrivals.run)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(3.25)  # a generator that was away for that long
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(6.75)
        await trio.testing.wait_all_tasks_blocked()
    assert day.book.counts.wanted == 10
    assert lags_s[:4] == pytest.approx([0.0, 2.25, 1.25, 0.25])
    assert day.book.counts.late == 9
    assert [event.due_s - day.began_s for _, event in day.lot.came] == pytest.approx(range(10))
    assert day.book.figures()["lag_ms"]["max"] == pytest.approx(6000)


# ── live ─────────────────────────────────────────────────────────────────────────────────────────


async def test_the_rate_is_changed_live_without_a_gap_or_a_burst(
    autojump_clock: MockClock,
) -> None:
    day = await a_day({20.0: lambda day: day.arrivals.set_rate(10.0)})
    assert day.between(0, 20) == 40
    assert day.between(20, 60) == 400
    gaps_s = [b - a for a, b in zip(day.moments_s, day.moments_s[1:], strict=False)]
    assert max(gaps_s) <= 0.5 + 1e-6
    assert min(gaps_s) >= 0.1 - 1e-6


async def test_a_live_rate_keeps_the_curve_and_ends_a_ramp(autojump_clock: MockClock) -> None:
    curve = Curve(((NOON_S, 0.0), (NOON_S + 60, 1.0)))
    day = await a_day({30.0: lambda day: day.arrivals.set_rate(4.0)}, curve=curve)
    assert day.between(30, 60) == pytest.approx(90, abs=1)
    ramped = await a_day({30.0: lambda day: day.arrivals.set_rate(1.0)}, to_per_s=50.0)
    assert ramped.between(30, 60) == pytest.approx(30, abs=1)


async def test_the_rate_of_this_moment_can_be_asked(autojump_clock: MockClock) -> None:
    seen: list[float] = []
    look = lambda day: seen.append(day.arrivals.rate_per_s)  # noqa: E731
    day = await a_day({0.5: look, 30.0: look, 59.0: look}, to_per_s=62.0)
    assert seen == pytest.approx([2.5, 32.0, 61.0])
    assert day.arrivals.rate_per_s == 0.0  # over


async def test_nobody_comes_while_arrivals_are_paused_nor_later_instead(
    autojump_clock: MockClock,
) -> None:
    day = await a_day(
        {20.0: lambda day: day.arrivals.pause(), 40.0: lambda day: day.arrivals.resume()}
    )
    assert day.between(20, 40) == 0
    assert (day.between(0, 20), day.between(40, 60)) == (40, 40)


async def test_a_rate_that_is_set_while_paused_counts_from_the_resume_on(
    autojump_clock: MockClock,
) -> None:
    seen: list[bool] = []

    def change(day: Day) -> None:
        day.arrivals.set_rate(5.0)
        seen.append(day.arrivals.paused)

    day = await a_day(
        {
            20.0: lambda day: day.arrivals.pause(),
            30.0: change,
            40.0: lambda day: day.arrivals.resume(),
        }
    )
    assert seen == [True]
    assert day.between(20, 40) == 0
    assert day.between(40, 60) == pytest.approx(100, abs=1)


async def test_a_stage_that_stands_still_has_all_its_arrivals_later(
    autojump_clock: MockClock,
) -> None:
    day = await a_day({20.0: lambda day: day.clock.pause(), 50.0: lambda day: day.clock.resume()})
    assert day.between(20, 50) == 0
    assert len(day.moments_s) == 120
    assert trio.current_time() - day.began_s == pytest.approx(90.0)
    assert day.book.counts.late == 0


async def test_a_stage_that_is_extended_has_more_arrivals_and_a_shorter_one_fewer(
    autojump_clock: MockClock,
) -> None:
    longer = await a_day({59.9: lambda day: day.clock.extend(30.0)})
    assert len(longer.moments_s) == 180
    shorter = await a_day({20.0: lambda day: day.clock.extend(-30.0)})
    assert len(shorter.moments_s) == 60


async def test_nobody_comes_at_rate_zero_until_there_is_one(autojump_clock: MockClock) -> None:
    day = await a_day({30.0: lambda day: day.arrivals.set_rate(1.0)}, rate_per_s=0.0)
    assert day.between(0, 30) == 0
    assert len(day.moments_s) == pytest.approx(30, abs=1)


async def test_a_rate_out_of_range_is_refused_and_changes_nothing(
    autojump_clock: MockClock,
) -> None:
    def wrong(day: Day) -> None:
        for per_s in (-1.0, RATE_MAX_PER_S + 1, float("nan")):
            with pytest.raises(ValueError, match="a rate is 0 to 1000 a second"):
                day.arrivals.set_rate(per_s)

    assert len((await a_day({30.0: wrong})).moments_s) == 120
