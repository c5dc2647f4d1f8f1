"""A scene whose station may break the protocol on purpose, and whose CSMS says so as OCPP asks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from builders_station import Scene
from simfleet.ocpp.results import Received
from simfleet.ocpp.rpc import Conversation
from simfleet.ocpp.v16 import V16
from simfleet.station.effects import Excused, Injected
from simfleet.station.events import FaultInjected, FaultRemoved

if TYPE_CHECKING:
    from builders_station import Sent
    from simfleet.ocpp.results import Violation
    from simfleet.station.fault_kinds import Fault


class FaultyScene(Scene):
    """As `Scene`; frames that break a rule are kept in `broken`, with the violation that a CSMS
    finds, and are answered as it would answer them.
    """

    def __init__(self, **arguments: Any) -> None:
        self.broken: list[tuple[bytes, Violation]] = []
        super().__init__(**arguments)

    def inject(self, fault: Fault) -> None:
        self.tell(FaultInjected(fault))

    def cure(self, kind: str | None = None) -> None:
        self.tell(FaultRemoved(kind))

    def injected(self, kind: str = "") -> list[Injected]:
        """What faults (of a kind) did since the mark."""
        return [one for one in self.seen(Injected) if kind in ("", one.kind)]

    def excused(self) -> list[tuple[str, float]]:
        return [(one.what, round(one.energy_wh, 3)) for one in self.seen(Excused)]

    def acted(self) -> dict[str, int]:
        """How often each fault that still acts has acted."""
        assert self.station.faults is not None
        return {one.fault.kind: one.acted for one in self.station.faults.all()}

    def _read(self, frame: bytes) -> Sent | None:
        csms = Conversation(V16, role="csms", id_prefix="csms-")
        came = csms.receive(frame, at_s=self.now_s)
        violations = csms.take_violations()
        if not violations:
            if not isinstance(came, Received) and self._is_stray(frame):
                return None
            return super()._read(frame)
        self.broken.append((frame, violations[0]))
        for answer in csms.take_frames():
            message_id = json.loads(answer)[1]
            self.witness.replied(message_id)
            self.receive_later(answer)
        return None

    def _is_stray(self, frame: bytes) -> bool:
        return False

    def receive_later(self, data: bytes) -> None:
        """The CSMS's answer comes after everything that was written with the frame."""
        self._late = [*getattr(self, "_late", []), data]

    def _write(self) -> bool:
        wrote = super()._write()
        late, self._late = getattr(self, "_late", []), []
        for data in late:
            self.station.receive(data, at_s=self.now_s)
        return wrote or bool(late)
