"""OCPP 2.0.1 and 2.1: messages on the display and costs (blocks I, O)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from simfleet.station import cost_changes, display, visits
from simfleet.station.display_message import DisplayMessage, Screen, Text
from simfleet.station.messages import DisplayPage

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station


# ── CALLs of the CSMS ─────────────────────────────────────────────────────────────────────────────


def _set(station: Station, request: Any, at_s: float) -> Wire:
    m, said = station.dialect.m, request.message
    new = hasattr(said, "message_extra")  # 2.1
    status = display.set_message(
        station,
        _read(said),
        states=display.STATES_21 if new else display.STATES,
        languages=display.LANGUAGES if new else None,
        at_s=at_s,
    )
    response: Wire = m.SetDisplayMessageResponse(status=status)
    return response


def _clear(station: Station, request: Any, at_s: float) -> Wire:
    status = display.clear_message(station, request.id, at_s=at_s)
    response: Wire = station.dialect.m.ClearDisplayMessageResponse(status=status)
    return response


def _get(station: Station, request: Any, at_s: float) -> Wire:
    status = display.get_messages(
        station,
        request_id=request.request_id,
        ids=request.id,
        priority=request.priority,
        state=request.state,
        at_s=at_s,
    )
    response: Wire = station.dialect.m.GetDisplayMessagesResponse(status=status)
    return response


def _cost(station: Station, request: Any, at_s: float) -> Wire:
    display.cost_updated(station, request.transaction_id, request.total_cost)
    visit = visits.of_id(station, request.transaction_id)
    if visit is not None:
        cost_changes.said(station, visit, request.total_cost, at_s=at_s)
    response: Wire = station.dialect.m.CostUpdatedResponse()
    return response


# ── messages to and fro ───────────────────────────────────────────────────────────────────────────


def _read(said: Any) -> DisplayMessage:
    extra = getattr(said, "message_extra", None)
    where = said.display
    screen = None
    if where is not None:
        evse = where.evse
        screen = Screen(
            where.name,
            where.instance,
            None if evse is None else evse.id,
            None if evse is None else evse.connector_id,
        )
    return DisplayMessage(
        id=said.id,
        priority=said.priority,
        text=_text(said.message),
        screen=screen,
        state=said.state,
        start_wall_s=None if said.start_date_time is None else said.start_date_time.timestamp(),
        end_wall_s=None if said.end_date_time is None else said.end_date_time.timestamp(),
        transaction_id=said.transaction_id,
        others=None if extra is None else tuple(_text(one) for one in extra),
    )


def _text(content: Any) -> Text:
    return Text(content.format, content.content, content.language)


def _page(station: Station, message: DisplayPage) -> Wire:
    m = station.dialect.m
    request: Wire = m.NotifyDisplayMessagesRequest(
        request_id=message.request_id,
        message_info=[_info(m, one) for one in message.messages],
        tbc=True if message.more else None,
    )
    return request


def _info(m: Any, one: DisplayMessage) -> Any:
    more: dict[str, Any] = {}
    if one.others is not None:
        more["message_extra"] = [_content(m, text) for text in one.others]
    screen = one.screen
    if screen is not None:
        evse = None
        if screen.evse_id is not None:
            evse = m.EVSE(id=screen.evse_id, connector_id=screen.connector_id)
        more["display"] = m.Component(name=screen.name, instance=screen.instance, evse=evse)
    return m.MessageInfo(
        id=one.id,
        priority=one.priority,
        message=_content(m, one.text),
        state=one.state,
        start_date_time=_moment(one.start_wall_s),
        end_date_time=_moment(one.end_wall_s),
        transaction_id=one.transaction_id,
        **more,
    )


def _content(m: Any, text: Text) -> Any:
    return m.MessageContent(format=text.format, content=text.content, language=text.language)


def _moment(wall_s: float | None) -> datetime | None:
    return None if wall_s is None else datetime.fromtimestamp(round(wall_s, 3), UTC)


HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {
    "SetDisplayMessage": _set,
    "ClearDisplayMessage": _clear,
    "GetDisplayMessages": _get,
    "CostUpdated": _cost,
}
"""Answers to CALLs of the CSMS, by action."""
ACTIONS: Final[dict[type, str]] = {DisplayPage: "NotifyDisplayMessages"}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {DisplayPage: _page}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {}
"""What the answers to our messages mean."""
