"""Answers to CALLs of the CSMS as a fault on purpose gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.station.effects import CommandHandled

if TYPE_CHECKING:
    from simfleet.ocpp.results import Received
    from simfleet.station.fault_kinds import ResponseOverride
    from simfleet.station.station import Station


def override(
    station: Station, received: Received, fault: ResponseOverride, *, at_s: float
) -> tuple[str, bytes]:
    """Answer as the fault says: nothing is done about the CALL, unless it is only late. Returns
    what was done in words, and the frame of the answer (empty where there is none).
    """
    conversation, name = station.conversation, received.action.name
    before = conversation.newest
    if fault.error_code is not None:
        what = f"CALLERROR {fault.error_code}"
        conversation.refuse(received, fault.error_code, "a fault on purpose")
        station.effects.append(CommandHandled(name, fault.error_code))
    elif fault.status is not None:
        what = f"status {fault.status}"
        response = received.action.response
        assert response is not None
        conversation.answer(received, response(status=fault.status))
        station.effects.append(CommandHandled(name, None, fault.status))
    else:
        what = ""
        station.dialect.handle(station, received, at_s=at_s)
    if fault.delay_s is not None:
        what = f"{what}, {fault.delay_s:g} s late".removeprefix(", ")
    newest = conversation.newest
    return what, newest if newest is not None and newest is not before else b""
