"""Saves what the hardware of named chargers keeps: soon after each change, many at a time.

A charger that was killed with SimFleet is to come back with the register that its CSMS has seen,
so every frame that it sends counts as a change; and while it charges, its register is saved every
few seconds besides.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

from simfleet.errors import StoreFailed
from simfleet.station.memory import encode_kept

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simfleet.fleet.charger_life import ChargerLife
    from simfleet.fleet.charger_site import ChargerStore

SAVE_SOON_S: Final = 0.1
"""How long a change of what hardware keeps waits for others to be saved with."""
SAVE_EVERY_S: Final = 5.0
"""How often the registers of chargers that charge are saved."""
SAVE_BATCH: Final = 100
"""Chargers in one write; it takes a few milliseconds, and others get their turn in between."""
SAVE_RETRY_S: Final = 2.0
"""Pause before the next write to a store that took nothing."""

_log = logging.getLogger(__name__)


class KeptSaver:
    """See the module. `living` gives the chargers that have a task."""

    def __init__(self, store: ChargerStore, *, living: Callable[[], Iterable[ChargerLife]]) -> None:
        self._store = store
        self._living = living
        self._touched: dict[ChargerLife, None] = {}
        self._woken = trio.Event()
        self.failures = 0
        """Writes that the store did not take; they are tried again."""

    def touch(self, charger: ChargerLife) -> None:
        """What this charger's hardware keeps may have changed: save it soon."""
        self._touched[charger] = None
        self._woken.set()

    async def run(self) -> None:
        """Save what has changed, soon; and the registers of those that charge, now and then."""
        all_due_s = trio.current_time() + SAVE_EVERY_S
        while True:
            with trio.CancelScope(deadline=all_due_s):
                await self._woken.wait()
                await trio.sleep(SAVE_SOON_S)
            if trio.current_time() >= all_due_s:
                self._touched.update({c: None for c in self._living() if c.charging})
                all_due_s = trio.current_time() + SAVE_EVERY_S
            touched, self._touched = self._touched, {}
            self._woken = trio.Event()
            if not await self.save(touched):
                self._touched = touched | self._touched
                self._woken.set()
                await trio.sleep(SAVE_RETRY_S)

    async def save(self, chargers: Iterable[ChargerLife]) -> bool:
        """Write what these chargers' hardware keeps, where it has changed. False: not all of it."""
        waiting = list(chargers)
        complete = True
        for start in range(0, len(waiting), SAVE_BATCH):
            batch = []
            for charger in waiting[start : start + SAVE_BATCH]:
                data = encode_kept(charger.kept())
                if data != charger.saved_kept and not charger.deleted:
                    batch.append((charger, data))
            if not batch:
                await trio.lowlevel.checkpoint()
                continue
            try:
                await self._store.save_kept([(charger.identity, data) for charger, data in batch])
            except StoreFailed as failed:
                complete = False
                if self.failures == 0:
                    _log.error("what chargers keep could not be saved: %s", failed)
                self.failures += 1
            else:
                for charger, data in batch:
                    charger.saved_kept = data
        return complete
