"""The one load generator of a service: who has it, and why somebody else cannot have it now.

A mass fleet and a run share the event loop, the CPU and the local ports. Two at a time would
measure each other, so whoever comes second is refused and told who was first.
"""

from __future__ import annotations

from typing import Final, Protocol

import trio
from msgspec import Struct

from simfleet.errors import Refused
from simfleet.fleet.garbage import collect_all

TIDY_AFTER_S: Final = 1.0
"""From the end of a load until what it has left in memory is collected."""


class Caller(Protocol):
    """Whoever asks for load; the store's `User` is one."""

    @property
    def id(self) -> int:
        """The user's number."""

    @property
    def name(self) -> str:
        """The user's name, shown to whoever is refused because of this one."""


class Hold(Struct, frozen=True):
    """Who has the generator, and for what: ``run 20261120-083300-1f2e3d (smoke)``."""

    user_id: int
    user_name: str
    purpose: str


class GeneratorBusy(Refused):
    """Somebody else has the generator; `hold` says who."""

    code = "GENERATOR_BUSY"

    def __init__(self, hold: Hold) -> None:
        super().__init__(
            f"the load generator is in use: {hold.purpose} of {hold.user_name!r};"
            " there is one at a time, so wait until it is over or stop it"
        )
        self.hold = hold


class Generator:
    """The generator itself. `hold` is None while nobody has it."""

    def __init__(self) -> None:
        self.hold: Hold | None = None

    def take(self, caller: Caller, purpose: str) -> Hold:
        """Take it, until `release`. Raises `GeneratorBusy`."""
        if self.hold is not None:
            raise GeneratorBusy(self.hold)
        self.hold = Hold(caller.id, caller.name, purpose)
        return self.hold

    def release(self, hold: Hold) -> None:
        """Give it back; nothing happens when somebody else has it meanwhile."""
        if self.hold is hold:
            self.hold = None

    async def tidy_up(self) -> None:
        """Free the memory of a load that is over; left to the end of the next one, if there is one
        already. Must run after whatever refers to the load has ended.
        """
        await trio.sleep(TIDY_AFTER_S)
        if self.hold is None:
            collect_all()
