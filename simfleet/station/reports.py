"""Reports that are too long for one message: one part waits or is on its way at a time, so parts
of a report never overtake each other, and the next is made only when the last was answered.

A report whose part was lost with the link is over: the CSMS asks again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simfleet.station.messages import Message
    from simfleet.station.station import Station

EVENTS_MAX: Final = 20
"""Events in one NotifyEvent."""
_ENCODER: Final = msgspec.json.Encoder()


class Report:
    """What is to be told for one request. `end` is where the part made last ends."""

    __slots__ = ("end", "items", "request_id")

    def __init__(self, request_id: int, items: Sequence[Any]) -> None:
        self.request_id = request_id
        self.items = items
        self.end = 0

    @property
    def more(self) -> bool:
        """Whether anything is left after the part made last."""
        return self.end < len(self.items)

    def part(
        self, start: int, write: Callable[[Any], Any], *, items_max: int, bytes_max: int
    ) -> list[Any]:
        """Write the items from `start`, as many as fit, at least one if there is one."""
        written: list[Any] = []
        room = bytes_max
        self.end = start
        while self.more and len(written) < items_max:
            one = write(self.items[self.end])
            room -= len(_ENCODER.encode(one)) + 1
            if room < 0 and written:
                break
            written.append(one)
            self.end += 1
        return written


def running(station: Station, kind: type[Message], action: str) -> bool:
    """Whether a report of this kind, told by that action, is being told."""
    if station.conversation.open_action == action:
        return True
    return any(isinstance(entry.message, kind) for entry in station.outbox.ordinary)


def begin(
    station: Station,
    kind: type[Any],
    request_id: int,
    items: Sequence[Any],
    *,
    at_s: float,
) -> None:
    """Tell all of `items` in messages of that kind. Pending stations may (2.0.1 B02.FR.02)."""
    station.say(kind(Report(request_id, items), 0, 0, at_s), due_s=at_s, triggered=True)


def go_on(station: Station, part: Any, *, at_s: float) -> None:
    """A part was answered, or nobody answered: the next, if there is one."""
    report: Report = part.report
    if report.more:
        following = type(part)(report, report.end, part.seq_no + 1, at_s)
        station.say(following, due_s=at_s, triggered=True)
