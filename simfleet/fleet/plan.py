"""What a charger is made of, before it exists: the same plan gives the same charger, anywhere."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING

from msgspec import Struct

from simfleet.station.chance import Chance
from simfleet.station.configuration import Configuration, FactorySettings
from simfleet.station.credentials import Given
from simfleet.station.meter import Meter
from simfleet.station.spec import StationSpec
from simfleet.station.station import Station

if TYPE_CHECKING:
    from collections.abc import Sequence


class ChargerPlan(Struct, frozen=True):
    """One charger of a fleet. `index` counts over the whole fleet, from 0; `slice_name` groups
    results.

    Tag, vehicles, times and energies derive from `(seed, index)` alone, so a fleet is the same on
    one worker as on sixteen; only a tag may be given.
    """

    identity: str
    index: int
    seed: int
    slice_name: str
    spec: StationSpec
    factory: FactorySettings
    id_tag: str | None = None
    """What its drivers present; None: each charger has a tag of its own."""
    keyed: bool = False
    """Whether it comes with an `authorization_key` of its own."""
    password: str | None = None
    """What the installer left with it for HTTP Basic authentication, by way of the keyring."""

    def build(self, *, wall_offset_s: float, registers_wh: Sequence[float] = ()) -> Station:
        """The charger, fresh from the factory, or as it is switched on again: with the energy
        registers of its connectors where it left them, for a meter never goes back.
        """
        station = Station(
            self.identity,
            self.spec,
            Configuration(self.factory),
            chance=Chance.of(self.seed, self.index),
            wall_offset_s=wall_offset_s,
            id_tag=self.id_tag,
        )
        if self.password is not None:
            station.given = Given(password=True)  # the keyring has it
        elif self.keyed:
            key = authorization_key(self.seed, self.identity)
            station.configuration.store("AuthorizationKey", key)
        for connector, register_wh in zip(station.connectors, registers_wh, strict=False):
            connector.meter = Meter(connector.meter.spec, start_wh=register_wh)
        return station


def authorization_key(seed: int, identity: str) -> str:
    """The AuthorizationKey that a charger leaves the factory with: 20 bytes in hexadecimal.

    The same for the same seed, so it protects nothing but a test.
    """
    return blake2b(f"{seed}:{identity}:AuthorizationKey".encode(), digest_size=20).hexdigest()


def duplicate_identities(plans: Sequence[ChargerPlan]) -> list[str]:
    """Identities that more than one plan has; a fleet must have none."""
    counts = Counter(plan.identity for plan in plans)
    return sorted(identity for identity, count in counts.items() if count > 1)
