"""What a bad network on purpose does to the books: told, labelled and excused.

What can be known exactly is: a durable message is given up for the network's sake only if every
attempt of it was touched. Whether a message that was not answered had reached the CSMS, nobody on
this side knows: `reckoning.py` finds what follows from that.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import trio

from simfleet.station.events import CallSpoilt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from simfleet.fleet.recorder import Recorder
    from simfleet.link.lanes import Touch
    from simfleet.station.events import Event

PREFIX: Final = "network_"
SPOILT_KEPT: Final = 8
"""Corrupted frames of one charger that may still be called violations."""
_SHOWN: Final = frozenset({"corrupt", "duplicate", "reset", "half_open"})
_BLAMED: Final = frozenset({"corrupt", "held", "half_open"})
_STOPS: Final = frozenset({"StopTransaction", "TransactionEvent"})


class NetworkBooks:
    """See the module. `post(identity, event)` hands an event to a charger, if it lives."""

    def __init__(self, recorder: Recorder, *, post: Callable[[str, Event], object]) -> None:
        self._recorder = recorder
        self._post = post
        self._spoilt: dict[str, deque[bytes]] = {}
        recorder.spoilt = self.spoilt

    def mark(self, identities: Iterable[str]) -> None:
        """From now on these chargers may repeat what the CSMS had heard already, and come back
        before it knows that they were gone.
        """
        identities = list(identities)
        excuses = self._recorder.ledger.excuses
        excuses.troubled.update(identities)
        excuses.doubled.update(identities)

    def touched(self, identity: str, touch: Touch) -> None:
        """An impairment has acted. Called in the charger's own task."""
        if touch.call_id and touch.kind in _BLAMED:
            self._post(identity, CallSpoilt(touch.call_id))
        if touch.kind == "held":
            return
        recorder, excuses = self._recorder, self._recorder.ledger.excuses
        kind = PREFIX + touch.kind
        recorder.counters.injected.add(kind)
        if touch.kind in ("reset", "half_open"):
            excuses.doubled.add(identity)
        if touch.kind == "corrupt":
            if touch.way == "to_csms":
                excuses.spoilt_frames += 1
            else:
                kept = self._spoilt.setdefault(identity, deque(maxlen=SPOILT_KEPT))
                kept.append(touch.frame)
        if touch.kind == "duplicate" and touch.way == "to_csms" and touch.is_call:
            excuses.overlapping_calls += 1
            excuses.repeated_stops += touch.action in _STOPS
            recorder.doubt(identity)
        if touch.frame and touch.kind in _SHOWN:
            self._show(identity, touch, kind)

    def _show(self, identity: str, touch: Touch, kind: str) -> None:
        """Let those who watch see it: what the charger wrote was shown when it did."""
        if touch.way == "from_csms" and not touch.lost:
            self._recorder.label(identity, touch.frame, kind)  # it is received next
        else:
            sent = touch.way == "to_csms"
            self._recorder.shown(identity, touch.frame, kind, sent=sent, at_s=trio.current_time())

    def spoilt(self, identity: str, frame: bytes) -> bool:
        """Whether a violation is of a frame that the network has corrupted; asked once of each."""
        kept = self._spoilt.get(identity)
        for one in kept or ():
            if one.startswith(frame):
                assert kept is not None
                kept.remove(one)
                return True
        return False
