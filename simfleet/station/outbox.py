"""What waits to be sent, in order, and what happens when sending fails (OCPP 1.6 section 3.7).

Transaction messages are durable: they stay until they are answered, through lost links and reboots,
and are sent in the order they were made. The `LASTING` ones, such as the end of a firmware update,
wait for the next link and are sent again when no answer came. Everything else is sent once and
forgotten when the link is lost. A durable message that is refused or times out is tried `attempts`
times, the n-th pause being n times the interval; meanwhile the others pass.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.station.messages import (
    DURABLE,
    LASTING,
    Boot,
    Message,
    SecurityNotice,
    SessionEvent,
    StatusReport,
    TransactionSampled,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ORDINARY_MAX: Final = 64
"""Messages other than transactions' that may wait; the oldest goes first when there is no room."""
DURABLE_MAX: Final = 1000
"""Transaction messages that may wait; only samples are dropped for want of room, never starts and
stops.
"""
LASTING_ATTEMPTS: Final = 3
"""How often a `LASTING` message is sent that is never answered: as often as one of a transaction by
default. OCPP leaves it to the station.
"""
NEVER_S: Final = float("inf")


class Entry(Struct, gc=False, eq=False):
    """One message that waits. `due_s` is when it should have been sent; response times count from
    it. `number` is its place in the order of all messages.
    """

    message: Message
    due_s: float
    number: int
    durable: bool
    triggered: bool
    attempts: int = 0


class Outbox:
    """The queue of one station. `blocked_until_s` is the end of the pause before the next durable
    attempt.
    """

    __slots__ = ("_count", "blocked_until_s", "durable", "ordinary")

    def __init__(self) -> None:
        self.ordinary: list[Entry] = []
        self.durable: list[Entry] = []
        self._count = 0
        self.blocked_until_s = 0.0

    def __len__(self) -> int:
        return len(self.ordinary) + len(self.durable)

    @property
    def next_number(self) -> int:
        """The number of the message that is queued next."""
        return self._count + 1

    def repeat(self, entry: Entry) -> None:
        """Queue a durable message again, ahead of all others of its kind, under its number."""
        again = Entry(entry.message, entry.due_s, entry.number, True, entry.triggered)
        self.durable.insert(0, again)

    def add(self, message: Message, *, due_s: float, triggered: bool = False) -> Message | None:
        """Queue a message; returns the one that was dropped to make room, if any.

        `triggered`: the CSMS asked for it, so it may go even while the station is Pending.
        """
        self._count += 1
        if isinstance(message, DURABLE):
            dropped = self._make_room(message) if len(self.durable) >= DURABLE_MAX else None
            if dropped is not message:
                self.durable.append(Entry(message, due_s, self._count, True, triggered))
            return dropped
        dropped = self._drop_oldest() if len(self.ordinary) >= ORDINARY_MAX else None
        self.ordinary.append(Entry(message, due_s, self._count, False, triggered))
        return dropped

    def _drop_oldest(self) -> Message:
        """Drop the oldest ordinary message, never a BootNotification: all else waits for it."""
        oldest = 1 if type(self.ordinary[0].message) is Boot else 0
        return self.ordinary.pop(oldest).message

    def _make_room(self, message: Message) -> Message | None:
        """Drop a sample: the new message if it is one, else the oldest waiting (not the one that
        may be in flight).
        """
        if _spare(message):
            return message
        for index, entry in enumerate(self.durable[1:], start=1):
            if _spare(entry.message):
                del self.durable[index]
                return entry.message
        return None

    def refill(self, waiting: Sequence[tuple[Message, int]], *, due_s: float) -> None:
        """Queue durable messages, each with the attempts it has had, as they waited elsewhere."""
        for message, attempts in waiting:
            self._count += 1
            self.durable.append(Entry(message, due_s, self._count, True, False, attempts))

    def put_first(self, messages: list[Message], *, due_s: float) -> None:
        """Queue messages ahead of everything, in their order (status reports after boot precede old
        transactions). They supersede the status reports that wait.
        """
        entries = [Entry(m, due_s, -1, False, False) for m in messages]
        self.ordinary[:] = entries + [
            entry for entry in self.ordinary if not isinstance(entry.message, StatusReport)
        ]

    def next_entry(self, *, at_s: float, registered: bool, pending: bool) -> Entry | None:
        """What to send now. It stays here until `sent` (ordinary) or `done` (durable) says
        otherwise.

        Until the station is registered only BootNotification may go, and while Pending also what
        was triggered.
        """
        if not registered:
            for entry in self.ordinary:
                if type(entry.message) is Boot or (pending and entry.triggered):
                    return entry
            return None
        durable = self.durable[0] if self.durable and self.blocked_until_s <= at_s else None
        if not self.ordinary:
            return durable
        first = self.ordinary[0]
        return durable if durable is not None and durable.number < first.number else first

    def wake_at_s(self) -> float:
        """When a pause ends and something waits for it."""
        return self.blocked_until_s if self.durable else NEVER_S

    def sent(self, entry: Entry) -> None:
        """An ordinary message is on its way: nothing to keep."""
        if not entry.durable:
            self.ordinary.remove(entry)

    def unsent(self, entry: Entry) -> None:
        """A `LASTING` message was on its way when the link was lost, or was not answered: it goes
        before the others.
        """
        self.ordinary.insert(0, entry)

    def may_repeat(self, entry: Entry) -> bool:
        """Whether a `LASTING` message that was not answered in time is worth another attempt."""
        entry.attempts += 1
        return entry.attempts < LASTING_ATTEMPTS

    def done(self, entry: Entry) -> None:
        """A durable message was answered, or is given up."""
        if self.durable and self.durable[0] is entry:
            del self.durable[0]
        elif entry in self.durable:
            self.durable.remove(entry)
        self.blocked_until_s = 0.0

    def failed(self, entry: Entry, *, attempts_max: int, interval_s: float, at_s: float) -> bool:
        """A durable message was refused or timed out. False: attempts used up, it is gone."""
        entry.attempts += 1
        if entry.attempts >= attempts_max:
            self.done(entry)
            return False
        self.blocked_until_s = at_s + interval_s * entry.attempts
        return True

    def hurry(self, until_s: float) -> None:
        """End the pause before the next durable attempt then, if it lasts longer."""
        self.blocked_until_s = min(self.blocked_until_s, until_s)

    def link_lost(self) -> list[Message]:
        """Forget what is not durable, but for the `LASTING` messages.

        Returns what was lost, but for status reports and security events: they are made anew when
        the link is back.
        """
        lost: list[Message] = []
        lasting: list[Entry] = []
        for entry in self.ordinary:
            if isinstance(entry.message, LASTING):
                lasting.append(entry)
            elif not isinstance(entry.message, Boot | StatusReport | SecurityNotice):
                lost.append(entry.message)
        self.ordinary[:] = lasting
        self.blocked_until_s = 0.0
        return lost


def _spare(message: Message) -> bool:
    """Whether a durable message is a mere sample."""
    if isinstance(message, SessionEvent):
        return message.kind == "Updated" and message.trigger.startswith("MeterValue")
    return isinstance(message, TransactionSampled)
