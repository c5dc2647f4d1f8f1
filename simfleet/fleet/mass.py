"""A fleet brought to a wished size and mode, declaratively.

`apply` only records the wish. One task, `reconcile`, makes the fleet so: chargers are started,
changed or sent away one by one, evenly over the time given, oldest first in, newest first out. A
new wish replaces the old one wherever it had got to, so two callers cannot race. A charger that was
sent away and has not gone yet, because it still owes the CSMS something, is called back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio
from msgspec import Struct

from simfleet.fleet.orders import Leave, Mode
from simfleet.fleet.pacing import even_due_s

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simfleet.fleet.plan import ChargerPlan
    from simfleet.fleet.supervisor import Supervisor

STARTS_PER_S: Final = 1000.0
"""Pace of a wish without a duration of its own."""
NEVER_S: Final = float("inf")
DRAIN_MAX_S: Final = 60.0
"""How long a charger that leaves may take to tell the CSMS what is owed to it."""


class Wish(Struct, frozen=True):
    """So many chargers in this mode, reached evenly over `over_s` from `began_s`."""

    target: int
    mode: Mode
    began_s: float
    over_s: float
    drain_s: float = DRAIN_MAX_S


class Mass:
    """The chargers of `plans`, of which the first `target` are wished to live."""

    def __init__(self, plans: Sequence[ChargerPlan], supervisor: Supervisor) -> None:
        self._plans = plans
        self._supervisor = supervisor
        self._wish = Wish(0, Mode.IDLE, 0.0, 0.0)
        self._started = 0
        """The first so many plans have a charger that was not told to leave."""
        self._changed = trio.Event()
        self._stirred = trio.Event()
        """Whoever waits for a moment has to look at the time again."""
        self._paused_at_s: float | None = None
        self._stood_s = 0.0
        """For how long the wish has stood still."""
        self.most_settled = 0
        """The largest wish for chargers that go online that was carried out."""
        self._settled = trio.Event()
        self._settled.set()
        self.on_arrival: Callable[[str], None] | None = None
        """Told the identity of every charger that comes, or is called back."""

    @property
    def size(self) -> int:
        """Chargers that live and were not told to leave."""
        return self._started

    @property
    def wish(self) -> Wish:
        """What is wanted."""
        return self._wish

    def apply(
        self, target: int, mode: Mode, *, over_s: float | None = None, drain_s: float = DRAIN_MAX_S
    ) -> None:
        """Wish for `target` chargers in `mode`. ValueError outside 0 to the number of plans."""
        if not 0 <= target <= len(self._plans):
            raise ValueError(f"target is {target}; this fleet has 0 to {len(self._plans)} chargers")
        if over_s is None:
            over_s = abs(target - self._started) / STARTS_PER_S
        at_s = trio.current_time()
        self._wish = Wish(target, mode, at_s, over_s, drain_s)
        self._stood_s = 0.0
        if self._paused_at_s is not None:
            self._paused_at_s = at_s
        if self._settled.is_set():  # else who waits for the old wish waits for this one, too
            self._settled = trio.Event()
        self._changed.set()
        self._stir()

    def pause(self) -> None:
        """Bring nobody in and send nobody away until `resume`. Again changes nothing."""
        if self._paused_at_s is None:
            self._paused_at_s = trio.current_time()
            self._stir()

    def resume(self) -> None:
        """Go on where it stood still: what is left takes as long as it would have."""
        if self._paused_at_s is not None:
            self._stood_s += trio.current_time() - self._paused_at_s
            self._paused_at_s = None
            self._stir()

    def _stir(self) -> None:
        self._stirred.set()
        self._stirred = trio.Event()

    def steps_to(self, target: int, mode: Mode) -> int:
        """How many chargers have to be started, changed or sent away for this wish."""
        return len(self._switching(target, mode)) + abs(target - self._started)

    @property
    def is_settled(self) -> bool:
        """Whether the last wish has been carried out."""
        return self._settled.is_set()

    async def settled(self) -> None:
        """Wait until the last wish has been carried out: everybody started, changed, told to go."""
        while not self._settled.is_set():
            await self._settled.wait()

    async def reconcile(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Carry out wishes until cancelled."""
        task_status.started()
        while True:
            await self._changed.wait()
            self._changed = trio.Event()
            await self._carry_out(self._wish)
            if not self._changed.is_set():
                if self._wish.mode is not Mode.IDLE:
                    self.most_settled = max(self.most_settled, self._wish.target)
                self._settled.set()

    async def _carry_out(self, wish: Wish) -> None:
        """Work off a wish, at its pace; stop as soon as there is another one."""
        switching = self._switching(wish.target, wish.mode)
        growth = max(0, wish.target - self._started)
        shrink = max(0, self._started - wish.target)
        steps = len(switching) + growth + shrink
        for step in range(steps):
            after_s = even_due_s(step, count=steps, over_s=wish.over_s)
            if self._due_s(wish, after_s) > trio.current_time():
                await self._until_due(wish, after_s)
            elif step % 50 == 0:
                await trio.lowlevel.checkpoint()  # behind schedule: let the others run
            if self._changed.is_set():
                return
            if step < shrink:
                self._send_away(wish)
            elif step < shrink + len(switching):
                self._switch(switching[step - shrink], wish.mode)
            else:
                await self._bring_in(self._plans[self._started], wish.mode)

    def _due_s(self, wish: Wish, after_s: float) -> float:
        if self._paused_at_s is not None:
            return NEVER_S
        return wish.began_s + self._stood_s + after_s

    async def _until_due(self, wish: Wish, after_s: float) -> None:
        """Wait until so much of a wish's time is over, or there is another wish."""
        while not self._changed.is_set():
            due_s = self._due_s(wish, after_s)
            if due_s <= trio.current_time():
                return
            with trio.CancelScope(deadline=due_s):
                await self._stirred.wait()

    def _switching(self, target: int, mode: Mode) -> list[str]:
        """Who stays and is to do something else than it was last told."""
        return [
            plan.identity
            for plan in self._plans[: min(self._started, target)]
            if (charger := self._supervisor.chargers.get(plan.identity)) is not None
            and charger.wished is not mode
        ]

    async def _bring_in(self, plan: ChargerPlan, mode: Mode) -> None:
        self._started += 1
        living = self._supervisor.chargers.get(plan.identity)
        if living is None:
            await self._supervisor.start(plan, mode)
        else:
            living.post(mode)  # told to leave and still here: called back
        if self.on_arrival is not None:
            self.on_arrival(plan.identity)

    def _send_away(self, wish: Wish) -> None:
        self._started -= 1
        charger = self._supervisor.chargers.get(self._plans[self._started].identity)
        if charger is not None:
            charger.post(Leave(trio.current_time() + wish.drain_s))

    def _switch(self, identity: str, mode: Mode) -> None:
        charger = self._supervisor.chargers.get(identity)
        if charger is not None:
            charger.post(mode)
