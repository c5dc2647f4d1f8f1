"""The messages of the chargers that have a case, each charger's in a window of its own.

One tap on the hub serves all of them: its filter takes the record itself, so nothing is queued,
nothing can be lost, and a frame of any other charger costs one look into a dict.
"""

from __future__ import annotations

import re
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
import trio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simfleet.observe.hub import Hub
    from simfleet.observe.records import MessageType, Record

FRAMES_MAX: Final = 1_000
"""Messages of one case that are remembered, the newest."""
OPEN_MAX: Final = 64
"""CALLs whose answer has not come yet."""
SHOWN_MAX: Final = 300
"""Characters of a message that is shown."""
HIDDEN: Final = "***"

_SECRET: Final = re.compile(
    r"password|passphrase|secret|authorizationkey|apikey|^pin$|simpin|privatekey",
    re.IGNORECASE,
)
_NAMES: Final = ("key", "name", "variable")

Way = Literal["sent", "received"]


class Frame:
    """One message. `taken`: an `expect` has had it."""

    __slots__ = (
        "_payload",
        "_raw",
        "action",
        "after_s",
        "code",
        "number",
        "taken",
        "type",
        "way",
    )

    def __init__(
        self,
        number: int,
        after_s: float,
        way: Way,
        message_type: MessageType,
        action: str,
        *,
        raw: msgspec.Raw | None,
        code: str = "",
    ) -> None:
        self.number = number
        """From 0, in the order of the wire."""
        self.after_s = after_s
        """Since the case began."""
        self.way: Way = way
        self.type = message_type
        self.action = action
        """Of an answer: that of the CALL that it answers; empty where that is not known."""
        self.code = code
        """Of a CALLERROR."""
        self.taken = False
        self._raw = raw
        self._payload: Any = None

    @property
    def payload(self) -> Any:
        """The payload as JSON has it; an empty mapping for what has none."""
        if self._payload is None:
            try:
                self._payload = {} if self._raw is None else msgspec.json.decode(self._raw)
            except msgspec.DecodeError:
                self._payload = {}
        return self._payload

    @property
    def is_reply(self) -> bool:
        """Whether it answers a CALL."""
        return self.type in ("CALLRESULT", "CALLERROR")

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        if self.type == "MALFORMED":
            return f"{self.way} something that is no OCPP message"
        what = self.action or "something unknown"
        if self.is_reply:
            what = f"the {'error' if self.type == 'CALLERROR' else 'reply'} to {what}"
        return f"{self.way} {what}"

    def shown(self) -> str:
        """One line: when, which way, what, and the payload without secrets, cut."""
        text = f"{self.after_s:+.3f}s {self.title}"
        if self.code:
            text += f" {self.code}"
        if self.type != "MALFORMED":
            text += f" {msgspec.json.encode(without_secrets(self.payload)).decode()}"
        return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 3]}..."


class Window:
    """What one charger has sent and received since its case began."""

    def __init__(self) -> None:
        self.began_s = trio.current_time()
        self.frames: deque[Frame] = deque(maxlen=FRAMES_MAX)
        self.total = 0
        self._calls: dict[str, str] = {}
        """Actions of the CALLs that are open, by message id."""
        self._changed = trio.Event()

    @property
    def forgotten(self) -> int:
        """Messages that were too many to be remembered."""
        return self.total - len(self.frames)

    def since(self, number: int) -> list[Frame]:
        """The messages from this one on, as far as they are remembered."""
        newest = self.total - number
        if newest <= 0:
            return []
        return list(self.frames)[-newest:]

    def take(self, record: Record) -> None:
        """A message was written or has come."""
        view = record.view()
        action = view.action
        if view.message_type == "CALL":
            if len(self._calls) >= OPEN_MAX:
                del self._calls[next(iter(self._calls))]
            self._calls[view.message_id] = action
        elif not action:
            action = self._calls.pop(view.message_id, "")
        after_s = trio.current_time() - self.began_s
        self.frames.append(
            Frame(
                self.total,
                after_s,
                record.direction,
                view.message_type,
                action,
                raw=view.payload,
                code=view.error_code,
            )
        )
        self.total += 1
        self.stir()

    def stir(self) -> None:
        """Have those who wait look again."""
        self._changed.set()
        self._changed = trio.Event()

    async def changed(self, deadline_s: float) -> None:
        """Wait for the next message, at most until then (monotonic)."""
        with trio.CancelScope(deadline=deadline_s):
            await self._changed.wait()


class Desk:
    """Hands the messages of a fleet to the windows of those that have a case."""

    def __init__(self) -> None:
        self._windows: dict[str, Window] = {}

    @contextmanager
    def listening(self, hub: Hub) -> Iterator[None]:
        """Take messages in while inside."""
        with hub.tap(self._take, depth=1):
            yield

    @contextmanager
    def window(self, identity: str) -> Iterator[Window]:
        """A window for a charger, while inside."""
        window = self._windows[identity] = Window()
        try:
            yield window
        finally:
            del self._windows[identity]

    def _take(self, record: Record) -> bool:
        window = self._windows.get(record.charger_id)
        if window is not None:
            window.take(record)
        return False  # it is taken already: nothing is to be queued


def without_secrets(payload: Any) -> Any:
    """The same, with asterisks for what looks like a secret: `AuthorizationKey` and its like."""
    if isinstance(payload, list):
        return [without_secrets(item) for item in payload]
    if not isinstance(payload, dict):
        return payload
    named = _secret_name(payload)
    shown = {}
    for key, value in payload.items():
        hidden = named and key in ("value", "attributeValue")
        hidden = hidden or (isinstance(value, str) and _SECRET.search(key) is not None)
        shown[key] = HIDDEN if hidden else without_secrets(value)
    return shown


def _secret_name(payload: dict[str, Any]) -> bool:
    """Whether a mapping is about a configuration key or variable that is a secret."""
    for name in _NAMES:
        value = payload.get(name)
        if isinstance(value, dict):
            value = value.get("name")
        if isinstance(value, str) and _SECRET.search(value):
            return True
    return False
