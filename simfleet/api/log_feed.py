"""Log rows as clients see them, and the feed of new ones to every open stream.

The rows come from the journal, not from the hub: a stream's event ids are the ids that
``GET /api/logs`` shows, and a client that comes again goes on after the last one it has seen, from
the database, then live, each row once and in order. A row is turned into an event at most once,
however many streams want it.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import msgspec
import trio

from simfleet.api.sse import STREAM_DEPTH_RECORDS, event
from simfleet.clock import utc
from simfleet.observe.records import Direction, view_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simfleet.observe.records import FrameView
    from simfleet.store import LogRow, Store

__all__ = ["FRAME_TYPES", "LogEntry", "LogFeed", "LogFilter", "entry_of"]

FRAME_TYPES: Final = frozenset({"CALL", "CALLRESULT", "CALLERROR", "MALFORMED"})
"""Accepted by the filter `message_type` besides OCPP actions, none of which is called so."""
CHUNK_ROWS: Final = 1_000
"""Rows in one write to a stream."""
WINDOW_IDS: Final = 1_000
"""Ids looked at by one query while catching up; it grows where there are no rows."""
WINDOW_IDS_MAX: Final = 1_000_000

_ENCODER = msgspec.json.Encoder()


class LogEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One OCPP message of a charger.

    `message_type` is the OCPP action, of an answer the action it answers; `direction` as the
    charger sees it. `payload` is the request or the response; of a CALLERROR
    ``{"errorCode", "errorDescription", "errorDetails"}``; of a text that is no OCPP message
    ``{"frame": text}``, and `message_type` is MALFORMED then. `timestamp` is UTC without a zone.
    `injected` is the kind of the fault on purpose because of which the charger sent it; left out
    where there is none.
    """

    id: int
    chargepoint_id: str
    direction: Literal["sent", "received"]
    message_type: str
    payload: dict[str, Any]
    timestamp: str
    injected: str = ""


class ErrorPayload(msgspec.Struct, frozen=True, rename="camel"):
    """What a CALLERROR says."""

    error_code: str
    error_description: str
    error_details: msgspec.Raw


def entry_of(row: LogRow) -> LogEntry:
    """The row as clients see it; parses its frame, some microseconds."""
    view = view_frame(row.frame)
    return LogEntry(
        row.id,
        row.chargepoint_id,
        "sent" if row.direction == "sent" else "received",
        row.action or view.action or view.message_type,
        cast("dict[str, Any]", _payload(row, view)),  # is JSON already, and is passed on as it is
        utc(row.at_wall_s).replace(tzinfo=None).isoformat(timespec="microseconds"),
        row.injected,
    )


def _payload(row: LogRow, view: FrameView) -> msgspec.Raw:
    if view.payload is None:
        text = row.frame.decode("utf-8", "backslashreplace")
        return msgspec.Raw(_ENCODER.encode({"frame": text}))
    if not view.error_code:
        return view.payload
    error = ErrorPayload(view.error_code, view.error_description, view.payload)
    return msgspec.Raw(_ENCODER.encode(error))


class LogFilter(msgspec.Struct, frozen=True):
    """Which of a user's rows are wanted; None is any."""

    user_id: int
    chargepoint_id: str | None = None
    direction: Direction | None = None
    message_type: str | None = None

    def __call__(self, row: LogRow) -> bool:
        """Whether `row`, which is the user's, is wanted."""
        if self.chargepoint_id is not None and row.chargepoint_id != self.chargepoint_id:
            return False
        if self.direction is not None and row.direction != self.direction:
            return False
        wanted = self.message_type
        if wanted is None:
            return True
        return wanted == (row.message_type if wanted in FRAME_TYPES else row.action)

    async def read(
        self,
        store: Store,
        *,
        since_id: int | None = None,
        before_id: int | None = None,
        limit: int,
    ) -> list[LogRow]:
        """The newest `limit` rows that pass, newest first."""
        frame_type = self.message_type if self.message_type in FRAME_TYPES else None
        return await store.logs(
            self.user_id,
            chargepoint_id=self.chargepoint_id,
            direction=self.direction,
            message_type=frame_type,
            action=self.message_type if frame_type is None else None,
            since_id=since_id,
            before_id=before_id,
            limit=limit,
        )


class _Event:
    """A row and, once somebody needs it, the event it makes."""

    __slots__ = ("_bytes", "row")

    def __init__(self, row: LogRow) -> None:
        self.row = row
        self._bytes = b""

    def encoded(self) -> bytes:
        if not self._bytes:
            self._bytes = event(_ENCODER.encode(entry_of(self.row)), id=self.row.id)
        return self._bytes


class LogFeed:
    """New rows, fanned out to the streams of the users they belong to. `note` never waits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._taps: dict[int, tuple[LogTap, ...]] = {}
        store.journal.listeners.append(self.note)

    def note(self, row: LogRow) -> None:
        """Offer a row to whoever listens; called for every row of the journal."""
        taps = self._taps.get(row.user_id)
        if taps:
            offered = _Event(row)
            for tap in taps:
                tap.offer(offered)

    @contextmanager
    def tap(
        self, wanted: LogFilter, *, after_id: int | None, depth: int = STREAM_DEPTH_RECORDS
    ) -> Iterator[LogTap]:
        """Listen while inside. With `after_id`, begin with the rows after that one."""
        tap = LogTap(self, self._store, wanted, after_id=after_id, depth=depth)
        try:
            yield tap
        finally:
            self._leave(tap)

    def join(self, tap: LogTap) -> int:
        """Offer `tap` every row from now on; return the id of the first of them."""
        user_id = tap.wanted.user_id
        self._taps[user_id] = (*self._taps.get(user_id, ()), tap)
        return self._store.journal.next_id

    def _leave(self, gone: LogTap) -> None:
        user_id = gone.wanted.user_id
        left = tuple(tap for tap in self._taps.get(user_id, ()) if tap is not gone)
        if left:
            self._taps[user_id] = left
        else:
            self._taps.pop(user_id, None)


class LogTap:
    """One stream's view of the rows: first what it has missed while it was away, then new ones.

    A stream that reads too slowly loses the oldest rows in its queue and is told how many. What
    it catches up with is read from the database at the stream's own pace, so none of it is lost.
    """

    def __init__(
        self, feed: LogFeed, store: Store, wanted: LogFilter, *, after_id: int | None, depth: int
    ) -> None:
        self.wanted = wanted
        self._feed = feed
        self._store = store
        self._queue: deque[_Event] = deque()
        self._depth = depth
        self._missed = 0
        self._some = trio.Event()
        next_id = store.journal.next_id
        # An id that nobody has been given yet is from another database: begin anew.
        self._after_id = next_id - 1 if after_id is None else min(after_id, next_id - 1)
        self._live_from = 0
        """The first id that came by way of the queue; 0 before that."""
        self._window_ids = WINDOW_IDS
        self._join_when_near()

    def offer(self, offered: _Event) -> None:
        """Queue a row if it is wanted; the oldest gives way when there are too many."""
        if not self.wanted(offered.row):
            return
        if len(self._queue) >= self._depth:
            self._queue.popleft()
            self._missed += 1
        self._queue.append(offered)
        self._some.set()

    async def receive(self) -> bytes:
        """Wait for what comes next, as events. A cancelled call loses nothing."""
        while True:
            if not self._live_from or self._after_id < self._live_from - 1:
                if events := await self._catch_up():
                    return events
                continue
            if not self._queue:
                self._some = trio.Event()
                await self._some.wait()
            else:
                await trio.lowlevel.checkpoint()
            return self._take()

    def _take(self) -> bytes:
        queue = self._queue
        parts = []
        if self._missed:
            parts.append(event(b'{"missed":%d}' % self._missed, name="missed"))
            self._missed = 0
        parts += [queue.popleft().encoded() for _ in range(min(CHUNK_ROWS, len(queue)))]
        return b"".join(parts)

    # ── catching up ──────────────────────────────────────────────────────────────────────────────

    def _join_when_near(self) -> None:
        """Take new rows into the queue once so few are left to catch up with that they will fit."""
        if not self._live_from and self._store.journal.next_id - self._after_id <= WINDOW_IDS:
            self._live_from = self._feed.join(self)

    async def _catch_up(self) -> bytes:
        """The next rows from the database, oldest first; b"" when there are none in this window."""
        end_id = self._live_from or self._store.journal.next_id
        until_id = min(self._after_id + self._window_ids, end_id - 1)
        rows = await self._read(until_id)
        if rows and self._window_ids > WINDOW_IDS:  # more than one query would have to hold
            self._window_ids = WINDOW_IDS
            return b""
        if not rows:
            self._window_ids = min(2 * self._window_ids, WINDOW_IDS_MAX)
        while rows and (older := await self._read(rows[-1].id - 1)):  # large frames: short pages
            rows += older
        self._after_id = until_id
        self._join_when_near()
        return b"".join(_Event(row).encoded() for row in reversed(rows))

    async def _read(self, until_id: int) -> list[LogRow]:
        if until_id <= self._after_id:
            return []
        return await self.wanted.read(
            self._store, since_id=self._after_id, before_id=until_id + 1, limit=WINDOW_IDS
        )
