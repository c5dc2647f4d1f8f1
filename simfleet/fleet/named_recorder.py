"""What the named chargers report: to the hub and the journal, frame by frame, and to each charger.

Unlike a mass fleet's, these records know the action of every answer, and whose charger it was.
Named chargers come back after a restart with transactions of an earlier life, so the ledger of a
run, which would call that a fault, is not kept for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from simfleet.fleet.recorder import Recorder
from simfleet.observe.records import view_frame
from simfleet.station.effects import (
    Excused,
    TransactionClosed,
    TransactionDelivered,
    TransactionOpened,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from simfleet.clock import WallClock
    from simfleet.observe.hub import Hub
    from simfleet.observe.lag import ScheduleLag
    from simfleet.observe.records import Direction
    from simfleet.station.effects import Effect
    from simfleet.station.station import Station

ASKED_MAX: Final = 16
"""CALLs of the CSMS whose action is remembered until they are answered, per charger."""


class FrameSink(Protocol):
    """Takes every frame of every named charger; never waits. The store's journal, by an adapter."""

    def __call__(
        self,
        *,
        user_id: int,
        chargepoint_id: str,
        direction: Direction,
        message_type: str,
        action: str,
        frame: bytes,
        at_wall_s: float,
        injected: str,
    ) -> None:
        """One frame; `message_type` is CALL, CALLRESULT, CALLERROR or MALFORMED, `action` that of
        the CALL, or of the CALL that is answered ("": unknown), `injected` the kind of the fault on
        purpose because of which it went out ("": none).
        """


class Witness(Protocol):
    """A named charger, as the recorder sees it."""

    @property
    def user_id(self) -> int:
        """Whose it is."""

    @property
    def open_action(self) -> str | None:
        """The action of its open CALL."""

    def noticed(self, effect: Effect | None, *, at_s: float) -> None:
        """Something happened: an effect; or (None) a frame, or the link came or went."""


class NamedRecorder(Recorder):
    """See the module. `witnesses` are the chargers that live, by identity."""

    __slots__ = ("_asked", "_journal", "_public", "_wall", "_witnesses", "transactions")

    def __init__(
        self,
        clock: WallClock,
        *,
        hub: Hub | None,
        schedule_lag: ScheduleLag,
        journal: FrameSink | None,
        witnesses: Mapping[str, Witness],
    ) -> None:
        super().__init__(clock, hub=None, schedule_lag=schedule_lag)
        self._wall = clock
        self._public = hub
        self._journal = journal
        self._witnesses = witnesses
        self._asked: dict[str, dict[str, str]] = {}
        self.transactions = {"opened": 0, "closed": 0, "started": 0, "stopped": 0}
        """Counts: begun and ended on the chargers, and answered by their CSMSs."""
        self._reports[TransactionOpened] = self._count_opened
        self._reports[TransactionClosed] = self._count_closed
        self._reports[TransactionDelivered] = self._count_delivered
        self._reports[Excused] = lambda *_: None  # there are no books to be excused in

    def sent(self, identity: str, frames: Sequence[bytes], at_s: float) -> None:
        """A charger writes these messages."""
        self.counters.frames_sent.add(at_s, len(frames))
        for frame in frames:
            view = view_frame(frame)
            label = self._labels.take(identity, frame) if self._labels else ""
            action = view.action
            if not action and view.message_type != "MALFORMED":
                action = self._asked.get(identity, {}).pop(view.message_id, "")
            self._put(identity, "sent", frame, view.message_type, action, at_s, injected=label)
        self._notice(identity, None, at_s)

    def received(self, identity: str, frame: bytes, at_s: float) -> None:
        """A message has reached a charger."""
        self.counters.frames_received.add(at_s)
        view = view_frame(frame)
        action = view.action
        if view.message_type == "CALL":
            asked = self._asked.setdefault(identity, {})
            if len(asked) >= ASKED_MAX:
                del asked[next(iter(asked))]
            asked[view.message_id] = action
        elif not action:
            witness = self._witnesses.get(identity)
            action = (witness.open_action if witness is not None else None) or ""
        self._put(identity, "received", frame, view.message_type, action, at_s)

    def _put(
        self,
        identity: str,
        direction: Direction,
        frame: bytes,
        message_type: str,
        action: str,
        at_s: float,
        injected: str = "",
    ) -> None:
        if self._public is not None:
            self._public.publish(identity, direction, frame, at_s, action, injected)
        witness = self._witnesses.get(identity)
        if self._journal is not None and witness is not None:
            self._journal(
                user_id=witness.user_id,
                chargepoint_id=identity,
                direction=direction,
                message_type=message_type,
                action=action,
                frame=frame,
                at_wall_s=self._wall.wall_s(at_s),
                injected=injected,
            )

    def disconnected(self, identity: str, kind: str, detail: str, *, at_s: float) -> None:
        """A link has ended."""
        super().disconnected(identity, kind, detail, at_s=at_s)
        self._asked.pop(identity, None)
        self._notice(identity, None, at_s)

    def effect(self, identity: str, effect: Effect, at_s: float) -> None:
        """Something a station reports."""
        super().effect(identity, effect, at_s)
        self._notice(identity, effect, at_s)

    def departed(self, station: Station) -> None:
        """A charger's task has ended; what it still owes, its hardware keeps."""
        conversation = station.conversation
        self.counters.late_replies += conversation.late_replies
        self.counters.duplicate_replies += conversation.duplicate_replies
        self.counters.unknown_replies += conversation.unknown_replies

    def _notice(self, identity: str, effect: Effect | None, at_s: float) -> None:
        witness = self._witnesses.get(identity)
        if witness is not None:
            witness.noticed(effect, at_s=at_s)

    def _count_opened(self, _: str, __: TransactionOpened, ___: float) -> None:
        self.transactions["opened"] += 1

    def _count_closed(self, _: str, __: TransactionClosed, ___: float) -> None:
        self.transactions["closed"] += 1

    def _count_delivered(self, _: str, effect: TransactionDelivered, __: float) -> None:
        self.transactions["started" if effect.what == "start" else "stopped"] += 1
