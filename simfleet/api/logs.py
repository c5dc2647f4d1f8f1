"""/api/logs: every OCPP message of the user's chargers, as a list and as a live stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from quart import Blueprint, current_app

from simfleet.api.auth import current_user
from simfleet.api.log_feed import LogEntry, LogFeed, LogFilter, entry_of
from simfleet.api.routes import EVENTS, route
from simfleet.api.services import services
from simfleet.api.sse import last_event_id, stream
from simfleet.observe.records import Direction
from simfleet.settings import LIST_LIMIT_MAX, LOGS_LIMIT

if TYPE_CHECKING:
    from quart import Response

__all__ = ["logs"]

logs = Blueprint("logs", __name__)

FEED: Final = "simfleet.log_feed"
"""Where the app keeps its `LogFeed`."""

RowId = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class StreamQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages; an empty text is any."""

    chargepoint_id: str = ""
    direction: Direction | None = None
    message_type: str = ""

    def filter(self, user_id: int) -> LogFilter:
        """The same, for the rows of one user."""
        return LogFilter(
            user_id, self.chargepoint_id or None, self.direction, self.message_type or None
        )


class LogQuery(StreamQuery, frozen=True, kw_only=True):
    """Which messages, and how many of them."""

    since_id: RowId | None = None
    before_id: RowId | None = None
    limit: int = LOGS_LIMIT


@route(
    logs,
    "GET",
    "/api/logs",
    summary="OCPP messages, newest first",
    description=(
        "`message_type` is an OCPP action, which finds calls and their answers, or one of CALL,"
        " CALLRESULT, CALLERROR and MALFORMED. `since_id` and `before_id` are excluded themselves."
        f" `limit` is 1 to {LIST_LIMIT_MAX}; what is beyond counts as the nearest of them."
    ),
    query=LogQuery,
    answers={200: list[LogEntry]},
)
async def list_logs(query: LogQuery) -> list[LogEntry]:
    wanted = query.filter((await current_user()).id)
    rows = await wanted.read(
        services().store,
        since_id=query.since_id,
        before_id=query.before_id,
        limit=max(1, min(query.limit, LIST_LIMIT_MAX)),
    )
    return [entry_of(row) for row in rows]


@route(
    logs,
    "GET",
    "/api/logs/stream",
    summary="OCPP messages as they happen, as server-sent events",
    description=(
        "One message per event, without a name, as EventSource's `onmessage` expects; the event's"
        " id is the message's. With `Last-Event-ID` it goes on after that message. Who reads too"
        ' slowly loses the oldest and is told how many: `event: missed`, `{"missed": n}`.'
    ),
    query=StreamQuery,
    answers={200: EVENTS},
)
async def stream_logs(query: StreamQuery) -> Response:
    user = await current_user()
    tap = _feed().tap(query.filter(user.id), after_id=last_event_id())
    return stream(tap, user=user.id, streams=services().streams)


def _feed() -> LogFeed:
    """The feed of this app; made when the first stream is opened."""
    feed: LogFeed | None = current_app.extensions.get(FEED)
    if feed is None:
        feed = current_app.extensions[FEED] = LogFeed(services().store)
    return feed
