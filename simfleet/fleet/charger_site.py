"""Where named chargers live: what they share, whose they are, and the store they are kept in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import trio

    from simfleet.clock import WallClock
    from simfleet.fleet.charger_life import ChargerLife
    from simfleet.fleet.clockwork import Clockwork
    from simfleet.fleet.errands import Errands
    from simfleet.fleet.keyring import Keyring
    from simfleet.fleet.named_recorder import NamedRecorder
    from simfleet.fleet.supervisor import Supervisor
    from simfleet.fleet.user_settings import UserSettings
    from simfleet.link.link import Dialer, LinkOptions
    from simfleet.models.catalogue import Catalogue
    from simfleet.station.chance import Chance


class ChargerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A charger for the store: what it is (`made`), what its hardware keeps, and its mode."""

    user_id: int
    chargepoint_id: str
    made: bytes
    kept: bytes
    mode: str


class StoredCharger(Protocol):
    """A charger as the store gives it back; see `ChargerRecord`."""

    @property
    def user_id(self) -> int:
        """Whose it is."""

    @property
    def chargepoint_id(self) -> str:
        """Its identity."""

    @property
    def made(self) -> bytes:
        """JSON of its `Definition`."""

    @property
    def kept(self) -> bytes:
        """JSON of its `Kept`."""

    @property
    def mode(self) -> str:
        """Its mode."""


class ChargerStore(Protocol):
    """What named chargers need of a store. Every method raises `StoreFailed` when nothing was
    written.
    """

    async def chargers(self) -> Sequence[StoredCharger]:
        """All chargers of all users, oldest first."""

    async def save_charger(self, charger: Any, /) -> None:
        """Add or replace a charger; `charger` has the fields of a `ChargerRecord`, in its order."""

    async def save_kept(self, kept: Sequence[tuple[str, bytes]], /) -> None:
        """Replace what hardware keeps, by identity."""

    async def rename_charger(self, old: str, new: str, /) -> None:
        """Give a charger another identity."""

    async def delete_charger(self, chargepoint_id: str, /) -> None:
        """Forget a charger."""

    async def settings_of(self, user_id: int, /) -> Mapping[str, str]:
        """What the user has set."""

    async def save_settings(self, user_id: int, settings: Mapping[str, str], /) -> None:
        """Set these; others stay."""


@dataclass(slots=True)
class Owner:
    """A user, as his chargers see him: his settings count where they have none of their own."""

    user_id: int
    settings: UserSettings


@dataclass(frozen=True, slots=True)
class Site:
    """What all named chargers share."""

    clock: WallClock
    dial: Dialer
    options: LinkOptions
    keyring: Keyring
    handshakes: trio.Semaphore
    clockwork: Clockwork
    errands: Errands
    recorder: NamedRecorder
    supervisor: Supervisor
    store: ChargerStore
    chance: Callable[[], Chance]
    """Chance for a station; another one at each call."""
    living: dict[str, ChargerLife]
    """By identity, while they have a task."""
    start_soon: Callable[[Callable[[], Awaitable[None]]], None]
    """Run a task as long as the registry runs."""
    models: Catalogue
    """The charger models that definitions can name."""
    touched: Callable[[ChargerLife], None]
    """What its hardware keeps may have changed: save it soon."""
