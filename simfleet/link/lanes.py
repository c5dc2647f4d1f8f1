"""One direction of a bad network: what becomes of each message, and when it arrives. Pure.

A message is decided about when it enters. It leaves in its turn: not before its own time, not
before the one ahead of it, and not while the network stands still.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from msgspec import Struct

from simfleet.link.impairments import (
    Corrupt,
    Duplicate,
    HalfOpen,
    Latency,
    Reset,
    Slow,
    Stall,
    Way,
)
from simfleet.ocpp import frames

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simfleet.link.impairments import Impairment
    from simfleet.station.chance import Chance

LANE_MAX: Final = 64
"""Messages of one direction that are on their way; the reader stops at so many, as a socket does.
"""
HEAVY_S: Final = 1.0
"""A message that is held up so long may be the reason why its CALL times out."""
CALLS_MAX: Final = 16
"""Open CALLs of one party whose actions are remembered for their answers."""
FLIPS_MAX: Final = 32
"""Places tried for a flipped byte that leaves no JSON; then the last byte is cut off."""

Loss = Literal["reset", "half_open"]


class Touch(Struct, frozen=True):
    """What an impairment did to a message, or to a connection (then `frame` is empty).

    `frame` is what travels on, or what was lost. `call_id` is the message id of the CALL that it
    is or answers.
    """

    kind: str
    way: Way
    action: str = ""
    frame: bytes = b""
    call_id: str = ""
    is_call: bool = False
    lost: bool = False


class Meaning(NamedTuple):
    """What a message is: its action, the id of the CALL that it is or answers, and which."""

    action: str
    call_id: str
    is_call: bool


class Calls:
    """Which action an answer is for: the open CALLs of each party, the last few."""

    __slots__ = ("_asked",)

    def __init__(self) -> None:
        self._asked: dict[Way, OrderedDict[str, str]] = {
            "to_csms": OrderedDict(),
            "from_csms": OrderedDict(),
        }

    def meaning(self, message: bytes, way: Way) -> Meaning:
        """What a message is that goes this way; whatever it is, this does not raise."""
        frame = frames.read(message)
        if isinstance(frame, frames.Call):
            asked = self._asked[way]
            asked[frame.id] = frame.action
            if len(asked) > CALLS_MAX:
                asked.popitem(last=False)
            return Meaning(frame.action, frame.id, True)
        if isinstance(frame, frames.CallResult | frames.CallError):
            other: Way = "from_csms" if way == "to_csms" else "to_csms"
            return Meaning(self._asked[other].get(frame.id, ""), frame.id, False)
        if isinstance(frame, frames.Send):
            return Meaning(frame.action, frame.id, False)
        return Meaning("", "", False)


class Active:
    """An impairment as one connection has it. `left` is shared by all connections of its charger:
    a list of one number, None without a bound.
    """

    __slots__ = ("chance", "due_s", "impairment", "left")

    def __init__(
        self, impairment: Impairment, chance: Chance, *, left: list[int] | None, at_s: float
    ) -> None:
        self.impairment = impairment
        self.chance = chance
        self.left = left
        every_s = getattr(impairment, "every_s", None)
        self.due_s = math.inf if every_s is None else at_s + self._wait_s(every_s)
        """When it happens next, whatever is said; inf where messages bring it about."""

    def _wait_s(self, every_s: float) -> float:
        return -math.log1p(-self.chance.random()) * every_s

    def happens(self, at_s: float) -> bool:
        """Whether its time has come; then the next is drawn."""
        if at_s < self.due_s:
            return False
        self.due_s = at_s + self._wait_s(getattr(self.impairment, "every_s", math.inf))
        return self._spend()

    def strikes(self, way: Way, action: str) -> bool:
        """Whether it acts on a message, by chance."""
        impairment = self.impairment
        if not impairment.goes(way) or not impairment.touches(action):
            return False
        probability = getattr(impairment, "probability", None)
        if probability is None or (probability < 1 and self.chance.random() >= probability):
            return False
        return self._spend()

    def _spend(self) -> bool:
        if self.left is None:
            return True
        if self.left[0] <= 0:
            return False
        self.left[0] -= 1
        return True


class Parcel(Struct):
    """A message on its way. `touch` is told when it arrives."""

    due_s: float
    message: bytes
    touch: Touch | None


class Lane:
    """One direction of one connection."""

    __slots__ = ("_calls", "_free_s", "_last_s", "queue", "stalled_until_s", "way")

    def __init__(self, way: Way, calls: Calls) -> None:
        self.way = way
        self.queue: deque[Parcel] = deque()
        self.stalled_until_s = -math.inf
        self._calls = calls
        self._free_s = -math.inf
        """When the bandwidth is free again."""
        self._last_s = -math.inf

    @property
    def due_s(self) -> float:
        """When the first message leaves; inf without one."""
        return max(self.queue[0].due_s, self.stalled_until_s) if self.queue else math.inf

    @property
    def full(self) -> bool:
        """Whether nothing more should be read into it."""
        return len(self.queue) >= LANE_MAX

    def leave(self, at_s: float) -> Parcel | None:
        """The next message that has arrived."""
        return self.queue.popleft() if self.queue and self.due_s <= at_s else None

    def stall(self, until_s: float) -> None:
        """Nothing leaves until then."""
        self.stalled_until_s = max(self.stalled_until_s, until_s)

    def enter(
        self, message: bytes, at_s: float, actives: Iterable[Active], touches: list[Touch]
    ) -> Loss | None:
        """Take a message. The connection's end, if it brings that about: then it is lost.

        What happens to it at once is added to `touches`; the rest waits in its parcel.
        """
        way = self.way
        meaning = self._calls.meaning(message, way)
        delay_s, copies, spoilt = 0.0, 1, ""
        # An error about a broken frame is let through: two parties that cannot read each other's
        # complaints would go on for ever.
        sound = meaning.call_id not in ("", frames.UNKNOWN_ID)
        for active in actives:
            impairment = active.impairment
            match impairment:
                case Latency():
                    if impairment.goes(way) and impairment.touches(meaning.action):
                        delay_s += impairment.delay_s
                        if impairment.jitter_s:
                            delay_s += active.chance.uniform(0.0, impairment.jitter_s)
                case Slow():
                    if impairment.goes(way) and impairment.touches(meaning.action):
                        began_s = max(at_s, self._free_s)
                        self._free_s = began_s + len(message) / impairment.bytes_per_s
                        delay_s += self._free_s - at_s
                case Reset() | HalfOpen():
                    if active.strikes(way, meaning.action):
                        touches.append(_touch(impairment.kind, way, meaning, message, lost=True))
                        return "reset" if isinstance(impairment, Reset) else "half_open"
                case Stall():
                    if active.strikes(way, meaning.action):
                        self.stall(at_s + impairment.for_s)
                        touches.append(_touch("stall", way, meaning, b""))
                case Corrupt():
                    if sound and not spoilt and active.strikes(way, meaning.action):
                        message = corrupted(message, meaning, impairment, active.chance)
                        spoilt = "corrupt"
                case Duplicate():
                    if sound and active.strikes(way, meaning.action):
                        copies = 2
        self._put(message, meaning, at_s + delay_s, copies, spoilt)
        if max(self.due_s, self._last_s) - at_s >= HEAVY_S and meaning.call_id:
            touches.append(_touch("held", way, meaning, b""))
        return None

    def _put(
        self, message: bytes, meaning: Meaning, due_s: float, copies: int, spoilt: str
    ) -> None:
        self._last_s = due_s = max(due_s, self._last_s)
        for copy in range(copies):
            kind = spoilt or ("duplicate" if copy else "")  # a copy of what is broken is broken
            touch = _touch(kind, self.way, meaning, message) if kind else None
            self.queue.append(Parcel(due_s, message, touch))


def _touch(kind: str, way: Way, meaning: Meaning, frame: bytes, *, lost: bool = False) -> Touch:
    return Touch(kind, way, meaning.action, frame, meaning.call_id, meaning.is_call, lost)


def corrupted(message: bytes, meaning: Meaning, how: Corrupt, chance: Chance) -> bytes:
    """The message with bytes flipped. Always valid UTF-8, else the WebSocket itself would break.

    `wrong_id` needs a message id; a message without one becomes no JSON.
    """
    if how.form == "wrong_id" and meaning.call_id:
        spoilt = _with_other_id(message, meaning.call_id, chance)
        if spoilt is not None:
            return spoilt
    for _ in range(FLIPS_MAX):
        at = chance.integer(0, len(message) - 1) if message else 0
        flipped = _flipped(message, at, chance)
        if flipped is not None and _is_broken(flipped):
            return flipped
    return message[:-1] or b"?"


def _flipped(message: bytes, at: int, chance: Chance) -> bytes | None:
    """One byte with one of its lower five bits flipped, where that stays printable ASCII."""
    if not message or not 0x20 <= message[at] < 0x7F:
        return None
    other = message[at] ^ (1 << chance.integer(0, 4))
    return message[:at] + bytes([other]) + message[at + 1 :] if other != 0x7F else None


def _is_broken(message: bytes) -> bool:
    """Whether it is no JSON any more, whatever it would be as OCPP."""
    frame = frames.read(message)
    return isinstance(frame, frames.Malformed) and frame.unparseable


def _with_other_id(message: bytes, call_id: str, chance: Chance) -> bytes | None:
    """The frame with one character of its message id changed; None if that cannot be found."""
    written = b'"' + call_id.encode() + b'"'
    at = message.find(written)
    if at < 0 or at > 8 or not call_id.isascii():  # escaped, or not where an id is
        return None
    place = at + 1 + chance.integer(0, len(call_id) - 1)
    other = b"X" if message[place : place + 1] != b"X" else b"Y"
    return message[:place] + other + message[place + 1 :]
