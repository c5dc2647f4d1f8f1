"""Which charging profiles a station has, as a CSMS of OCPP 2.x asks (2.0.1 part 2, K09)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.station.charging_profiles import Purpose
from simfleet.station.energy_messages import ProfilesTold

if TYPE_CHECKING:
    from simfleet.station.charging_profiles import Profile
    from simfleet.station.station import Station

CSMS: Final = "CSO"
"""The source of what the CSMS has set."""


class Wanted(Struct, frozen=True, gc=False):
    """What is asked for: all that fits every criterion given. Ids go before the others."""

    ids: frozenset[int] | None = None
    connector_id: int | None = None  # 0: those of the station alone
    purpose: Purpose | None = None
    stack_level: int | None = None
    sources: frozenset[str] | None = None

    def fits(self, profile: Profile) -> bool:
        """Whether a profile is asked for."""
        if self.ids is not None:
            return profile.id in self.ids
        return (
            self.connector_id in (None, profile.connector_id)
            and self.purpose in (None, profile.purpose)
            and self.stack_level in (None, profile.stack_level)
            and (self.sources is None or source_of(profile) in self.sources)
        )


def source_of(profile: Profile) -> str:
    """Who set a profile, in OCPP's words."""
    return profile.source or CSMS


def report(station: Station, request_id: int, wanted: Wanted, *, at_s: float) -> bool:
    """Tell of the profiles that fit, one message for each EVSE and source; False: none does."""
    parts: dict[tuple[int, str], list[Profile]] = {}
    for profile in station.profiles or ():
        if wanted.fits(profile):
            parts.setdefault((profile.connector_id, source_of(profile)), []).append(profile)
    ordered = sorted(parts.items())
    for number, ((connector_id, source), profiles) in enumerate(ordered, start=1):
        visit = station.connectors[connector_id - 1].visit if connector_id else None
        told = ProfilesTold(
            request_id,
            connector_id,
            source,
            tuple(profiles),
            None if visit is None else visit.id,
            number < len(ordered),
        )
        station.say(told, due_s=at_s)
    return bool(parts)
