"""Server-sent events as EventSource users expect them, over Quart and Hypercorn.

A stream begins with `retry`, carries what is queued in one write every `COALESCE_S`, sends a
comment when nothing happens for `KEEP_ALIVE_S`, and ends when the client goes, the source ends or
the service stops. Whoever reads too slowly loses records and is told how many with an event of its
own kind, ``event: missed``, which an `onmessage` handler does not see.

Mind, when writing a source: nothing here may `yield` inside a cancel scope or a nursery (PEP 789);
only `receive` is called within one.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final, Protocol

import trio
from quart import Response, request

from simfleet.errors import TooMany

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterator

    from simfleet.observe.hub import Tap
    from simfleet.observe.records import Record

__all__ = [
    "STREAM_DEPTH_RECORDS",
    "Source",
    "Streams",
    "event",
    "event_stream",
    "last_event_id",
    "stream",
]

KEEP_ALIVE_S: Final = 10.0
"""Of silence, then a comment: proxies close what seems dead, and writing shows that it lives."""
RETRY_MS: Final = 2_000
"""What EventSource waits before it connects again."""
COALESCE_S: Final = 0.1
"""Between two writes of one stream: at 2,000 records a second, one write of 200 instead of 200."""
STREAM_DEPTH_RECORDS: Final = 4_096
"""How deep a tap for a stream should be: two seconds of 2,000 records each."""
STREAMS_MAX: Final = 256
"""Streams open at once; each holds a connection, a queue and a descriptor."""
STREAMS_PER_USER_MAX: Final = 64


class Source(Protocol):
    """Where a stream gets its events from."""

    async def receive(self) -> bytes:
        """Wait for what comes next and return it as whole events, see `event`.

        Must be cancel-safe. trio.EndOfChannel ends the stream.
        """
        ...


class Streams:
    """All open streams of the service: bounded in number, and ended together."""

    def __init__(
        self, *, streams_max: int = STREAMS_MAX, per_user_max: int = STREAMS_PER_USER_MAX
    ) -> None:
        self._streams_max = streams_max
        self._per_user_max = per_user_max
        self._open: dict[_Slot, object] = {}
        self._ended = False

    def __len__(self) -> int:
        return len(self._open)

    def __bool__(self) -> bool:
        return True  # without streams it is still the registry of streams

    def check(self, user: object) -> None:
        """Raise `TooMany` when `user` may not open another stream now."""
        mine = sum(1 for owner in self._open.values() if owner == user)
        if self._ended or len(self._open) >= self._streams_max or mine >= self._per_user_max:
            raise TooMany(
                f"too many streams are open ({mine} of yours, {len(self._open)} in all); at most "
                f"{self._per_user_max} and {self._streams_max}",
                retry_after_s=RETRY_MS / 1000,
            )

    @contextmanager
    def slot(self, user: object) -> Iterator[_Slot]:
        """Count as one open stream of `user` while inside. Raises as `check` does."""
        self.check(user)
        slot = _Slot()
        self._open[slot] = user
        try:
            yield slot
        finally:
            del self._open[slot]

    def end(self) -> None:
        """End every stream, and admit no more; each still writes what it has in hand."""
        self._ended = True
        for slot in self._open:
            slot.end()


class _Slot:
    """One open stream: can be told to end, whether or not it waits at the moment."""

    __slots__ = ("_ended", "_waiting")

    def __init__(self) -> None:
        self._ended = False
        self._waiting: trio.CancelScope | None = None

    def has_ended(self) -> bool:
        return self._ended

    def end(self) -> None:
        self._ended = True
        if self._waiting is not None:
            self._waiting.cancel()

    def waiting(self, timeout_s: float = math.inf) -> trio.CancelScope:
        """Around a wait: ends early when the stream is told to end, or after `timeout_s`."""
        self._waiting = trio.move_on_after(0.0 if self._ended else timeout_s)
        return self._waiting


def event(data: bytes, *, id: int | str | None = None, name: str = "") -> bytes:  # noqa: A002
    """One event. `data` may have several lines; without a `name` it is one for `onmessage`.

    `id` is what the client sends as `Last-Event-ID` when it comes again; no line breaks in it, nor
    in `name`.
    """
    head = f"event: {name}\n" if name else ""
    if id is not None:
        head += f"id: {id}\n"
    # All three ends of line that the format knows; JSON has none of them.
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return head.encode() + b"".join(b"data: " + line + b"\n" for line in lines) + b"\n"


def last_event_id() -> int | None:
    """The id after which the client of this request wants to go on; None for a new client.

    Also from `?last_event_id=`, for clients that cannot set headers. What is no number counts as
    new: it is none of ours.
    """
    text = request.headers.get("Last-Event-ID") or request.args.get("last_event_id") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


def event_stream(
    tap: AbstractContextManager[Tap],
    encode: Callable[[Record], bytes],
    *,
    user: object,
    streams: Streams,
) -> Response:
    """Answer with the records of a tap: ``event_stream(hub.tap(wanted, depth=...), encode, ...)``.

    The tap is opened when the stream begins and closed when it ends. `encode` turns a record into
    an event; b"" leaves it out. `user` is who the stream is counted for.
    """
    return stream(_records(tap, encode), user=user, streams=streams)


@contextmanager
def _records(
    tap: AbstractContextManager[Tap], encode: Callable[[Record], bytes]
) -> Iterator[Source]:
    with tap as opened:
        yield _Records(opened, encode)


class _Records:
    """A tap as a source: everything that is queued, and how much was lost before it."""

    def __init__(self, tap: Tap, encode: Callable[[Record], bytes]) -> None:
        self._tap = tap
        self._encode = encode

    async def receive(self) -> bytes:
        batch = await self._tap.receive_batch()
        parts = [self._encode(record) for record in batch.records]
        if batch.missed:
            parts.insert(0, event(b'{"missed":%d}' % batch.missed, name="missed"))
        return b"".join(parts)


def stream(
    source: AbstractContextManager[Source],
    *,
    user: object,
    streams: Streams,
    coalesce_s: float = COALESCE_S,
) -> Response:
    """Answer with what `source` gives, until it ends. Raises `TooMany` before anything is sent."""
    streams.check(user)
    body = _nothing() if request.method == "HEAD" else _body(source, user, streams, coalesce_s)
    response = Response(
        body,
        content_type="text/event-stream; charset=utf-8",
        headers={"Cache-Control": "no-cache, no-store", "X-Accel-Buffering": "no"},
    )
    response.timeout = None  # quart cuts a stream off after RESPONSE_TIMEOUT otherwise
    return response


async def _nothing() -> AsyncGenerator[bytes, None]:
    yield b""


async def _body(
    source: AbstractContextManager[Source], user: object, streams: Streams, coalesce_s: float
) -> AsyncGenerator[bytes, None]:
    # Only a true generator will do: quart-trio takes any other async iterable for a sync one.
    try:
        with streams.slot(user) as slot, source as opened:
            yield b"retry: %d\n\n" % RETRY_MS
            while not slot.has_ended():
                chunk = None
                with slot.waiting(KEEP_ALIVE_S):
                    chunk = await opened.receive()
                if chunk is None and not slot.has_ended():
                    chunk = b": keep-alive\n\n"
                if chunk:
                    yield chunk
                with slot.waiting():
                    await trio.sleep(coalesce_s)
            yield b": the service is stopping\n\n"
    except TooMany as full:  # others were quicker since `stream` looked
        yield b": %s\n\n" % str(full).encode()
    except trio.EndOfChannel:
        return
