"""The display: messages that the CSMS has put on it (2.0.1 block O) and the cost of what runs
(block I).

Messages are told apart by their ids; setting an id again replaces it, and a new AlwaysFront message
replaces the one before (MessagePriorityEnumType). What has ended, and what belonged to a
transaction that is over, is taken away whenever somebody looks: nobody can tell the difference, and
no timer is needed. Messages outlive a loss of power.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from simfleet.station import visits
from simfleet.station.configuration_keys import items_of
from simfleet.station.configuration_keys2 import (
    DISPLAY_ENABLED,
    DISPLAY_FORMATS,
    DISPLAY_MAX,
    DISPLAY_PRIORITIES,
)
from simfleet.station.display_message import DisplayMessage
from simfleet.station.messages import DisplayPage
from simfleet.station.phase import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simfleet.station.station import Station

ALWAYS_FRONT: Final = "AlwaysFront"
PAGE_MESSAGES: Final = 8
"""Messages in one NotifyDisplayMessages."""
STATES: Final = frozenset({"Charging", "Faulted", "Idle", "Unavailable"})
STATES_21: Final = STATES | {"Suspended", "Discharging"}
LANGUAGES: Final = frozenset({"de", "en", "es", "fr", "it", "nl"})
"""What the display can write in (2.1), without regions."""
COSTS_MAX: Final = 64
"""Transactions whose cost is remembered; the oldest goes first."""
_RANKS: Final = {"AlwaysFront": 0, "InFront": 1, "NormalCycle": 2}

SetAnswer = Literal[
    "Accepted",
    "NotSupportedMessageFormat",
    "Rejected",
    "NotSupportedPriority",
    "NotSupportedState",
    "UnknownTransaction",
    "LanguageNotSupported",
]


class Display(Struct):
    """What a station shows, once it was ever told to show anything."""

    messages: dict[int, DisplayMessage]
    """By id, in the order in which they came."""
    costs: dict[str, float]
    """Running cost by transactionId, as the CSMS has said it last."""


def _of(station: Station) -> Display:
    if station.display is None:
        station.display = Display({}, {})
    return station.display


# ── messages ──────────────────────────────────────────────────────────────────────────────────────


def set_message(
    station: Station,
    message: DisplayMessage,
    *,
    states: frozenset[str] = STATES,
    languages: frozenset[str] | None = None,
    at_s: float,
) -> SetAnswer:
    """SetDisplayMessage. Rejected: no display, no room, or an end that has passed already.

    `states` and `languages` (None: any) are what the version lets a display be asked for.
    """
    configuration = station.configuration
    if not configuration.flag(DISPLAY_ENABLED):
        return "Rejected"
    refusal = _unsupported(station, message, states, languages)
    if refusal is not None:
        return refusal
    transaction_id = message.transaction_id
    if transaction_id is not None and visits.of_id(station, transaction_id) is None:
        return "UnknownTransaction"
    end_s = message.end_wall_s
    if end_s is not None and end_s <= max(station.wall_s(at_s), message.start_wall_s or 0.0):
        return "Rejected"
    display = _of(station)
    _tidy(station, at_s=at_s)
    gone = [
        one.id
        for one in display.messages.values()
        if one.id == message.id or one.priority == message.priority == ALWAYS_FRONT
    ]
    if not gone and len(display.messages) >= configuration.whole(DISPLAY_MAX):
        return "Rejected"
    for number in gone:
        del display.messages[number]
    display.messages[message.id] = message
    return "Accepted"


def _unsupported(
    station: Station,
    message: DisplayMessage,
    states: frozenset[str],
    languages: frozenset[str] | None,
) -> SetAnswer | None:
    configuration = station.configuration
    texts = (message.text, *(message.others or ()))
    formats = items_of(configuration.get(DISPLAY_FORMATS) or "")
    if any(one.format not in formats for one in texts):
        return "NotSupportedMessageFormat"
    if message.priority not in items_of(configuration.get(DISPLAY_PRIORITIES) or ""):
        return "NotSupportedPriority"
    if message.state is not None and message.state not in states:
        return "NotSupportedState"
    if languages is not None and any(
        one.language is not None and one.language.partition("-")[0].lower() not in languages
        for one in texts
    ):
        return "LanguageNotSupported"
    return None


def clear_message(station: Station, number: int, *, at_s: float) -> Literal["Accepted", "Unknown"]:
    """ClearDisplayMessage."""
    _tidy(station, at_s=at_s)
    if station.display is None or number not in station.display.messages:
        return "Unknown"
    del station.display.messages[number]
    return "Accepted"


def get_messages(
    station: Station,
    *,
    request_id: int,
    ids: Iterable[int] | None = None,
    priority: str | None = None,
    state: str | None = None,
    at_s: float,
) -> Literal["Accepted", "Unknown"]:
    """GetDisplayMessages: those that meet all that is given follow in NotifyDisplayMessages;
    Unknown: there is none.
    """
    wanted = None if ids is None else frozenset(ids)
    found = [
        one
        for one in messages(station, at_s=at_s)
        if (wanted is None or one.id in wanted)
        and (priority is None or one.priority == priority)
        and (state is None or one.state == state)
    ]
    if not found:
        return "Unknown"
    for first in range(0, len(found), PAGE_MESSAGES):
        last = first + PAGE_MESSAGES
        page = tuple(found[first:last])
        station.say(DisplayPage(request_id, page, last < len(found)), due_s=at_s)
    return "Accepted"


def messages(station: Station, *, at_s: float) -> list[DisplayMessage]:
    """All that are set and not over, in the order in which they came."""
    _tidy(station, at_s=at_s)
    return [] if station.display is None else list(station.display.messages.values())


def _tidy(station: Station, *, at_s: float) -> None:
    """Take away what is over."""
    if station.display is None:
        return
    wall_s = station.wall_s(at_s)
    known = station.display.messages
    for one in tuple(known.values()):
        ended = one.end_wall_s is not None and one.end_wall_s <= wall_s
        transaction_id = one.transaction_id
        if ended or (transaction_id is not None and visits.of_id(station, transaction_id) is None):
            del known[one.id]


def shown(station: Station, connector_id: int, *, at_s: float) -> list[DisplayMessage]:
    """What the display at a connector shows now: one message, or several that take turns."""
    connector = station.connectors[connector_id - 1]
    visit = connector.visit
    state = _STATES.get(connector.phase, "Idle")
    wall_s = station.wall_s(at_s)
    fitting = [
        one
        for one in messages(station, at_s=at_s)
        if (one.start_wall_s is None or one.start_wall_s <= wall_s)
        and one.state in (None, state)
        and (one.transaction_id is None or (visit is not None and visit.id == one.transaction_id))
    ]
    front = min((_RANKS[one.priority] for one in fitting), default=None)
    return [one for one in fitting if _RANKS[one.priority] == front]


_STATES: Final = {
    Phase.CHARGING: "Charging",
    Phase.SUSPENDED_EV: "Charging",
    Phase.SUSPENDED_EVSE: "Charging",
    Phase.FAULTED: "Faulted",
    Phase.UNAVAILABLE: "Unavailable",
}


# ── costs ─────────────────────────────────────────────────────────────────────────────────────────


def cost_updated(station: Station, transaction_id: str, cost: float) -> None:
    """CostUpdated: show what the transaction costs so far; of one that does not run here, forget
    it.
    """
    if visits.of_id(station, transaction_id) is None:
        return
    costs = _of(station).costs
    costs.pop(transaction_id, None)
    if len(costs) >= COSTS_MAX:
        del costs[next(iter(costs))]
    costs[transaction_id] = cost


def cost_of(station: Station, transaction_id: str) -> float | None:
    """What the display says of the cost of a transaction that runs; None: nothing."""
    if station.display is None or visits.of_id(station, transaction_id) is None:
        return None
    return station.display.costs.get(transaction_id)


# ── memory ────────────────────────────────────────────────────────────────────────────────────────


def remembered(station: Station) -> list[DisplayMessage]:
    """What survives a loss of power."""
    return [] if station.display is None else list(station.display.messages.values())


def restore(station: Station, known: list[DisplayMessage]) -> None:
    """Put it into a station that is made anew."""
    if known:
        _of(station).messages = {one.id: one for one in known}
