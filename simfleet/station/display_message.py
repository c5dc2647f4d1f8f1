"""One message for the display of a station, as the CSMS has written it."""

from __future__ import annotations

from msgspec import Struct


class Text(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a message says, in one language."""

    format: str
    content: str
    language: str | None = None


class Screen(Struct, frozen=True, gc=False, omit_defaults=True):
    """Which display of the station: a component of it."""

    name: str
    instance: str | None = None
    evse_id: int | None = None
    connector_id: int | None = None


class DisplayMessage(Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    """See `display`. `state` None: in any; moments are Unix seconds. `others` are the same in other
    languages (2.1). It is kept across a power loss as it is.
    """

    id: int
    priority: str
    text: Text
    screen: Screen | None = None
    state: str | None = None
    start_wall_s: float | None = None
    end_wall_s: float | None = None
    transaction_id: str | None = None
    others: tuple[Text, ...] | None = None
