"""The local authorization list: what the CSMS wants a station to know of tags (OCPP 1.6 sections
3.4.2, 5.10 and 5.15).

The CSMS owns it: the station never changes an entry by itself, and what the list says of a tag goes
before what the authorization cache says. A list is never changed once it is made, so the chargers
of a fleet that were sent the same one share it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from weakref import WeakValueDictionary

from simfleet.station.tokens import TokenInfo, folded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.station.configuration import Configuration
    from simfleet.station.station import Station

PROFILE: Final = "LocalAuthListManagement"
UNSUPPORTED: Final = -1
"""The version of a station that has no list, or may not use it."""
EMPTY: Final = 0
"""The version of a list without entries."""

Change = tuple[str, TokenInfo | None]
"""A tag and what to know of it; None: nothing any more."""
UpdateStatus = Literal["Accepted", "Failed", "NotSupported", "VersionMismatch"]
_Entries = tuple[tuple[str, TokenInfo], ...]


class LocalList:
    """Tags as they were written, in the order in which they came. Make it with `shared`."""

    __slots__ = ("__weakref__", "_by_tag", "entries", "version")

    def __init__(self, version: int, entries: _Entries) -> None:
        self.version = version
        self.entries = entries
        self._by_tag = {folded(id_tag): info for id_tag, info in entries}

    def __len__(self) -> int:
        return len(self.entries)

    def find(self, id_tag: str, *, wall_s: float) -> TokenInfo | None:
        """What is known of a tag, or None. An entry that has expired says so, whatever it said
        before.
        """
        info = self._by_tag.get(folded(id_tag))
        return None if info is None else info.at(wall_s)

    def __contains__(self, id_tag: str) -> bool:
        return folded(id_tag) in self._by_tag


_SHARED: Final[WeakValueDictionary[tuple[int, _Entries], LocalList]] = WeakValueDictionary()
"""Lists in use by their content: equal lists are one object, gone with the last charger that has
it.
"""


def shared(version: int, entries: _Entries) -> LocalList | None:
    """The list with that content; None for one without entries."""
    if not entries:
        return None
    known = _SHARED.get((version, entries))
    if known is None:
        known = _SHARED[version, entries] = LocalList(version, entries)
    return known


def enabled(configuration: Configuration) -> bool:
    """Whether there is a list, and it may be used (LocalAuthListEnabled)."""
    return configuration.supports(PROFILE) and configuration.flag("LocalAuthListEnabled")


def version_of(station: Station, *, unsupported: int = UNSUPPORTED) -> int:
    """What GetLocalListVersion is told: -1 without a list (2.x: 0), 0 for an empty one."""
    if not enabled(station.configuration):
        return unsupported
    return EMPTY if station.local_list is None else station.local_list.version


def find(station: Station, id_tag: str, *, at_s: float) -> TokenInfo | None:
    """The list's word on a tag; None where it is not used or does not name the tag."""
    if station.local_list is None or not enabled(station.configuration):
        return None
    return station.local_list.find(id_tag, wall_s=station.wall_s(at_s))


def names(station: Station, id_tag: str) -> bool:
    """Whether the list that is in use names a tag."""
    held = station.local_list
    return held is not None and enabled(station.configuration) and id_tag in held


def update(
    station: Station, version: int, changes: Sequence[Change], *, full: bool
) -> UpdateStatus:
    """Answer SendLocalList. What is not Accepted has changed nothing.

    Full replaces the list, whatever version it had. Differential adds, replaces and (entries
    without info) removes. A list that ends up without entries has version 0, so the next
    differential update may have any version above that.
    """
    configuration = station.configuration
    if not enabled(configuration):
        return "NotSupported"
    if version <= EMPTY or len(changes) > configuration.whole("SendLocalListMaxLength"):
        return "Failed"
    if len({folded(id_tag) for id_tag, _ in changes}) < len(changes):
        return "Failed"  # a tag named twice: which one is meant?
    if full:
        entries = tuple((id_tag, info) for id_tag, info in changes if info is not None)
        if len(entries) < len(changes):
            return "Failed"  # nothing can be removed from a list that begins anew
    else:
        held = station.local_list
        if held is not None and version <= held.version:
            return "VersionMismatch"
        entries = _merged(held, changes)
    if len(entries) > configuration.whole("LocalAuthListMaxLength"):
        return "Failed"
    station.local_list = shared(version, entries)
    return "Accepted"


def _merged(held: LocalList | None, changes: Sequence[Change]) -> _Entries:
    merged = {} if held is None else {folded(one[0]): one for one in held.entries}
    for id_tag, info in changes:
        if info is None:
            merged.pop(folded(id_tag), None)
        else:
            merged[folded(id_tag)] = (id_tag, info)
    return tuple(merged.values())


# ── what the hardware keeps ───────────────────────────────────────────────────────────────────────


class KeptEntry(NamedTuple):
    """One entry; `expires_wall_s` in Unix seconds, `evse_ids` empty: for all."""

    id_tag: str
    status: str
    parent_id_tag: str | None
    expires_wall_s: float | None
    evse_ids: tuple[int, ...] = ()


def kept_entries(station: Station) -> list[KeptEntry]:
    """The entries as plain values; the version is kept beside them."""
    held = station.local_list
    return [] if held is None else [KeptEntry(id_tag, *info) for id_tag, info in held.entries]


def restore(station: Station, version: int, entries: Sequence[KeptEntry]) -> None:
    """The inverse of `kept_entries`."""
    station.local_list = shared(
        version, tuple((entry[0], TokenInfo(*entry[1:])) for entry in entries)
    )
