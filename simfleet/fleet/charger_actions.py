"""What can be done to a named charger by hand: the actions of `POST /api/chargers/{id}/actions`.

Each is something that happens to real hardware: a hand on the cable, a tag at the reader, the
mains, the network cable. A wrong name or argument is `Invalid`; what the charger cannot do just
then is `Refused` by the station itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

from msgspec import Struct

from simfleet.errors import Invalid
from simfleet.fleet import charger_refusals as refusals
from simfleet.fleet import charger_rules as rules
from simfleet.station.connector import NO_ERROR
from simfleet.station.dialects import dialect_of
from simfleet.station.events import (
    EvPaused,
    EvResumed,
    Failed,
    FaultCleared,
    LockFailed,
    PluggedIn,
    PowerLost,
    PowerRestored,
    TokenPresented,
    Unplugged,
)

if TYPE_CHECKING:
    from simfleet.fleet.handled_charger import HandledCharger
    from simfleet.station.events import Event

Action = Literal[
    "power_on",
    "power_off",
    "plug_in",
    "unplug",
    "present_token",
    "suspend_ev",
    "resume_ev",
    "fault",
    "clear_fault",
    "fail_lock",
    "link_down",
    "link_up",
    "send_raw",
]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
_NEEDS: Final = {"fault": "error_code", "send_raw": "text"}
_TAKES: Final = {
    "present_token": {"id_tag"},
    "fault": {"error_code"},
    "fail_lock": {"failed"},
    "send_raw": {"text"},
}
WITH_CONNECTOR_0: Final = frozenset({"fault", "clear_fault"})
"""What can also happen to the station as a whole."""


class Arguments(Struct, frozen=True, kw_only=True):
    """What some actions need or take besides the connector.

    `id_tag` of present_token (default: the charger's), `error_code` of fault, `failed` of
    fail_lock (False repairs the lock), `text` of send_raw.
    """

    id_tag: str | None = None
    error_code: str | None = None
    failed: bool | None = None
    text: str | None = None


def check(
    action: str, connector_id: int, arguments: Arguments, *, connectors: int, version: str
) -> None:
    """Raise `Invalid` for what could never be done by a charger of a version such as `2.0.1`."""
    faults = dialect_of(f"ocpp{version}").error_codes
    if action not in ACTIONS:
        raise Invalid(f"action is {action!r}; it is one of {', '.join(ACTIONS)}")
    if not (connector_id == 0 and action in WITH_CONNECTOR_0):
        rules.connector_id(connector_id, count=connectors)
    given = {name for name in Arguments.__struct_fields__ if getattr(arguments, name) is not None}
    needed = _NEEDS.get(action)
    if needed is not None and needed not in given:
        raise Invalid(f"{action} needs {needed}")
    surplus = given - _TAKES.get(action, set())
    if surplus:
        raise Invalid(f"{action} takes no {' and no '.join(sorted(surplus))}")
    id_tag = arguments.id_tag
    if id_tag is not None and not rules.token("id_tag", id_tag, version=version):
        raise Invalid("id_tag is empty; leave it out for the charger's own tag")
    if arguments.error_code is not None and arguments.error_code not in faults - {NO_ERROR}:
        known = ", ".join(sorted(faults - {NO_ERROR}))
        raise Invalid(f"error_code is {arguments.error_code!r}; it is one of {known}")
    if arguments.text is not None:
        rules.raw_text(arguments.text)


def perform(
    charger: HandledCharger, action: str, connector_id: int, arguments: Arguments, *, id_tag: str
) -> None:
    """Do it now. Raises `Refused`, and nothing has changed. `check` first."""
    match action:
        case "link_down":
            charger.cut_link()
        case "link_up":
            charger.restore_link()
        case "send_raw":
            station = charger.station
            if not station.online:
                raise refusals.ChargerOffline(
                    f"{station.identity} is not connected: nothing to send on"
                )
            station.conversation.inject((arguments.text or "").encode())
            charger.nudge()
        case _:
            charger.tell(_event(action, connector_id, arguments, id_tag))


def _event(action: str, connector_id: int, arguments: Arguments, id_tag: str) -> Event:
    match action:
        case "power_on":
            return PowerRestored()
        case "power_off":
            return PowerLost()
        case "plug_in":
            return PluggedIn(connector_id)
        case "unplug":
            return Unplugged(connector_id)
        case "present_token":
            return TokenPresented(connector_id, arguments.id_tag or id_tag)
        case "suspend_ev":
            return EvPaused(connector_id)
        case "resume_ev":
            return EvResumed(connector_id)
        case "fault":
            assert arguments.error_code is not None
            return Failed(connector_id, arguments.error_code)
        case "clear_fault":
            return FaultCleared(connector_id)
        case "fail_lock":
            return LockFailed(connector_id, arguments.failed is not False)
    raise AssertionError(f"{action!r} was not checked")
