"""The versions by name, for what is not about one of them. Importing this loads none."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args, get_type_hints

if TYPE_CHECKING:
    from simfleet.ocpp.catalog import Catalog, Role

Version: TypeAlias = Literal["ocpp1.6", "ocpp2.0.1", "ocpp2.1"]
"""A version, spelled as its WebSocket subprotocol."""
VERSIONS: Final[tuple[Version, ...]] = get_args(Version)
ANSWERED: Final = "Answered"
"""What stands for a status where the response has none, such as that of GetConfiguration."""
_GOOD: Final = ("Accepted", "Unlocked", "Unpublished", ANSWERED)


def catalog_of(version: str) -> Catalog:
    """The messages of a version. KeyError for one that there is not."""
    match version:  # one by one: the structs of 2.1 take a tenth of a second to load
        case "ocpp1.6":
            from simfleet.ocpp.v16 import V16

            return V16
        case "ocpp2.0.1":
            from simfleet.ocpp.v201 import V201

            return V201
        case "ocpp2.1":
            from simfleet.ocpp.v21 import V21

            return V21
    raise KeyError(version)


def number_of(version: str) -> str:
    """What people call it: `2.0.1` for `ocpp2.0.1`."""
    return version.removeprefix("ocpp")


@cache
def actions_sent_by(role: Role) -> tuple[str, ...]:
    """The names of what one side sends in any version, in order."""
    names = {
        action.name
        for version in VERSIONS
        for action in catalog_of(version).actions.values()
        if role in action.sent_by
    }
    return tuple(sorted(names))


@cache
def statuses_of(version: str, action: str) -> tuple[str, ...]:
    """The statuses that a response may have; `Answered` if it has none. KeyError for an action
    that the version does not have.
    """
    hints = get_type_hints(catalog_of(version).actions[action].response)
    if "status" not in hints:
        return (ANSWERED,)
    return tuple(name for name in _names_in(hints["status"]) if name)


def _names_in(hint: object) -> tuple[str, ...]:
    """The texts of a Literal, which may be one of several types."""
    found: list[str] = []
    for one in get_args(hint):
        found += [one] if isinstance(one, str) else _names_in(one)
    return tuple(found)


def good_statuses_of(version: str, action: str) -> tuple[str, ...]:
    """The status that says that the station does what an action asks, if there is one."""
    statuses = statuses_of(version, action)
    return tuple(status for status in _GOOD if status in statuses)[:1]
