"""Drivers who come at a rate of their own, whatever the CSMS does: the open model at work.

Each arrival is due at a moment that a pacer gives, is handed to a free connector of a connected
charger, and has one whole session there. Which connector, how much energy and the times of its
driver follow from the seed and the number of the arrival alone, as far as that connector is free.
Who finds no free connector is turned away, or waits in a bounded queue, and is counted.

    engine.arrivals                  of the stage that goes on; None while it is no `sessions`
    engine.arrivals.rate_per_s       at this moment, a curve's share included
    engine.arrivals.set_rate(3.5)    from now on; a ramp of the rate ends, a curve goes on
    engine.arrivals.pause(), .resume()    nobody comes meanwhile, nor later instead
    engine.guests.counts             what became of all arrivals of the run
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import trio
from msgspec import Struct

from simfleet.load.open_fields import RATE_MAX_PER_S
from simfleet.load.pacers import (
    NEVER_S,
    ConstantRate,
    LinearRate,
    even_marks,
    poisson_marks,
)
from simfleet.observe.histogram import FastHistogram, summary_ms
from simfleet.station.chance import Chance
from simfleet.station.events import DriverArrives

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.load.open_fields import Sessions
    from simfleet.load.pacers import Curve, Rate
    from simfleet.load.places import Places
    from simfleet.load.stages.stage_clock import StageClock
    from simfleet.station.effects import DriverMoved

LATE_S: Final = 0.1
"""An arrival that the generator began later than this is late."""
BURST_MAX: Final = 50
"""Arrivals in a row before the others may run, however many are due."""
CLOSE_S: Final = 1e-6
"""Two moments no further apart are one: what floating point makes of a sum."""


class ArrivalCounts(Struct):
    """What became of the arrivals of a run, over all its stages of sessions."""

    wanted: int = 0
    """That were due."""
    arrived: int = 0
    """That got a connector."""
    turned_away: int = 0
    queued: int = 0
    """That had to wait for a connector, whatever became of them."""
    waiting_peak: int = 0
    started: int = 0
    """Sessions that began a transaction."""
    finished: int = 0
    """Of these, whose driver has gone again."""
    unserved: int = 0
    """Drivers who went without a transaction: the tag was refused, the charger went down."""
    late: int = 0


class Guestbook:
    """The arrivals of a whole run: counted here, whichever stage they belong to."""

    def __init__(self) -> None:
        self.counts = ArrivalCounts()
        self.late: Callable[[float], None] | None = None
        """Told of the lag of every arrival: evidence of how well the generator keeps up."""
        self.lag = FastHistogram()
        """How late the generator began them, in microseconds."""

    def came(self, lag_s: float) -> None:
        """An arrival was begun so long after it was due."""
        self.counts.wanted += 1
        if self.late is not None:
            self.late(lag_s)
        if lag_s > LATE_S:
            self.counts.late += 1
        self.lag.record_value(min(3_600_000_000, max(0, round(lag_s * 1e6))))

    def moved(self, effect: DriverMoved) -> None:
        """A driver's session has begun, or is over."""
        match effect.what:
            case "charging":
                self.counts.started += 1
            case "gone":
                self.counts.finished += 1
            case "unserved":
                self.counts.unserved += 1

    def figures(self) -> dict[str, Any]:
        """The block `arrivals` of `summary.json`."""
        counts = self.counts
        return {
            "wanted": counts.wanted,
            "arrived": counts.arrived,
            "turned_away": counts.turned_away,
            "queued": counts.queued,
            "waiting_peak": counts.waiting_peak,
            "started": counts.started,
            "finished": counts.finished,
            "unserved": counts.unserved,
            "under_way": counts.arrived - counts.finished - counts.unserved,
            "late": counts.late,
            "lag_ms": summary_ms(self.lag),
        }


class Arrivals:
    """The arrivals of one stage, while it lasts: `run`."""

    def __init__(
        self,
        stage: Sessions,
        clock: StageClock,
        places: Places,
        book: Guestbook,
        *,
        curve: Curve | None,
        label: str,
        day_s: float,
    ) -> None:
        """`label` begins every random stream: seed and stage; `day_s` is the time of day now."""
        self._stage = stage
        self._curve = curve
        self._clock = clock
        self._places = places
        self._book = book
        self._label = label
        self._day_s = day_s
        chance = Chance.of(f"{label}:due", 0)
        self._marks = (
            poisson_marks(chance)
            if stage.arrivals == "poisson"
            else even_marks(chance.random() if stage.first == "random" else 0.0)
        )
        self._mark = next(self._marks)
        self._number = 0
        """Of the next arrival."""
        self._origin_s = 0.0
        """When the rate in force began, in time of the stage."""
        self._missed = 0.0
        """What the area under it and the marks of the arrivals are apart: less what came before
        it, and with what nobody came for in pauses."""
        self._rate: Rate = self._steady(stage.rate_per_s)
        if stage.to_per_s is not None:
            self._rate = LinearRate(stage.rate_per_s, stage.to_per_s, stage.for_s)
        self._paused_area: float | None = None
        """The area under the rate when the arrivals were paused."""
        self._waiting: trio.CancelScope | None = None
        self._queue: deque[Chance] = deque()
        self._over = False

    def _steady(self, per_s: float) -> Rate:
        """So many a second from `_origin_s` on, or the share of it that the curve says."""
        if self._curve is None:
            return ConstantRate(per_s)
        return self._curve.from_time(self._day_s + self._origin_s, per_s)

    # ── live ────────────────────────────────────────────────────────────────────────────────────

    @property
    def rate_per_s(self) -> float:
        """How many come a second at this moment; 0 while paused."""
        if self.paused or self._over:
            return 0.0
        return self._rate.at(self._clock.elapsed_s - self._origin_s)

    @property
    def paused(self) -> bool:
        """Whether nobody comes."""
        return self._paused_area is not None or self._clock.paused

    def set_rate(self, per_s: float) -> None:
        """Let so many come a second from now on; where there is a curve: at its 100 %.

        Ends a ramp of the rate. While paused, it counts from `resume` on. ValueError outside 0 to
        `RATE_MAX_PER_S`.
        """
        if not 0 <= per_s <= RATE_MAX_PER_S:
            raise ValueError(f"{per_s:g} a second; a rate is 0 to {RATE_MAX_PER_S:g} a second")
        area = self._area_now() if self._paused_area is None else self._paused_area
        self._missed -= area
        self._origin_s = self._clock.elapsed_s
        self._rate = self._steady(per_s)
        if self._paused_area is not None:
            self._paused_area = 0.0
        self._look_again()

    def pause(self) -> None:
        """Let nobody come until `resume`, while the stage goes on. Again changes nothing.

        A stage that stands still (`StageClock.pause`) has no arrivals anyway; unlike here, they
        come later instead.
        """
        if self._paused_area is None:
            self._paused_area = self._area_now()
            self._look_again()

    def resume(self) -> None:
        """Let them come again; ramp and curve have gone on meanwhile."""
        if self._paused_area is not None:
            self._missed += self._area_now() - self._paused_area
            self._paused_area = None
            self._look_again()

    def _area_now(self) -> float:
        return self._rate.area(self._clock.elapsed_s - self._origin_s)

    def _look_again(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()

    # ── at work ─────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Have everybody come who is due before the stage ends, however its end is moved."""
        clock = self._clock
        try:
            while True:
                due_s = self._due_s()
                if due_s >= clock.planned_s and clock.left_s <= CLOSE_S:
                    return
                with trio.CancelScope() as self._waiting:
                    await clock.until_or_change(min(due_s, clock.planned_s))
                await self._begin_due()
        finally:
            self._over = True
            self._give_up()

    def _due_s(self) -> float:
        """When the next one comes, in time of the stage."""
        if self._paused_area is not None:
            return NEVER_S
        return self._origin_s + self._rate.due_s(self._mark + self._missed)

    async def _begin_due(self) -> None:
        """Begin all that are due by now."""
        clock = self._clock
        begun = 0
        while (due_s := self._due_s()) <= clock.elapsed_s + CLOSE_S and due_s < clock.planned_s:
            self._begin(max(0.0, clock.elapsed_s - due_s))
            self._mark = next(self._marks)
            begun += 1
            if begun % BURST_MAX == 0:
                await trio.lowlevel.checkpoint()

    def _begin(self, lag_s: float) -> None:
        self._book.came(lag_s)
        guest = Chance.of(self._label, self._number)
        self._number += 1
        full = bool(self._queue) and not self._seat_queue()
        if full or not self._seat(guest, due_s=trio.current_time() - lag_s):
            self._queue_or_turn_away(guest)

    def _seat(self, guest: Chance, *, due_s: float) -> bool:
        """Give a driver a connector, if any is free."""
        place = self._places.take(guest)
        if place is None:
            return False
        charger, connector_id = place
        energy = self._stage.energy_wh or charger.station.spec.habits.energy_wh
        event = DriverArrives(
            connector_id,
            energy_wh=energy.draw(guest),
            think_time_s=self._stage.think_time_s,
            seed=guest.bits(),
            due_s=due_s,
        )
        if not charger.post(event):
            return False
        self._book.counts.arrived += 1
        return True

    def _queue_or_turn_away(self, guest: Chance) -> None:
        counts = self._book.counts
        if len(self._queue) >= self._stage.queue:
            counts.turned_away += 1
            return
        self._queue.append(guest)
        counts.queued += 1
        counts.waiting_peak = max(counts.waiting_peak, len(self._queue))

    def freed(self, identity: str, connector_id: int) -> None:
        """A connector has become free: whoever waits gets it."""
        self._places.freed(identity, connector_id)
        if self._queue:
            self._seat_queue()

    def _seat_queue(self) -> bool:
        """Give connectors to those who wait, the first first; whether nobody waits any more."""
        while self._queue:
            if not self._seat(self._queue[0], due_s=trio.current_time()):
                return False
            self._queue.popleft()
        return True

    def _give_up(self) -> None:
        """The stage is over: who still waits goes home."""
        self._book.counts.turned_away += len(self._queue)
        self._queue.clear()
