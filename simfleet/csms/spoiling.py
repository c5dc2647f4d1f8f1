"""Answers that break OCPP on purpose, as `Behaviour` says. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from simfleet.csms.behaviour import applies
from simfleet.ocpp import frames
from simfleet.ocpp.wire import Wire

if TYPE_CHECKING:
    from simfleet.csms.behaviour import Behaviour
    from simfleet.ocpp.results import Received
    from simfleet.ocpp.rpc import Conversation

GARBAGE: Final = b'[3,"\x07 this is no JSON'
"""What `garbage` answers with; UTF-8, so that the WebSocket itself stays whole."""
WRONG_ID_PREFIX: Final = "not-"


class _BreaksSchema(Wire, frozen=True):
    """A payload that no response schema of OCPP 1.6 allows: none has this field."""

    not_in_any_schema: bool


_BROKEN: Final = _BreaksSchema(not_in_any_schema=True)


def spoilt_answer(
    conversation: Conversation, behaviour: Behaviour, received: Received, response: Wire
) -> list[bytes]:
    """The frames that answer a CALL, which may be none that the station can use.

    The first of the kinds that apply wins; `duplicate` doubles whatever came out.
    """
    action = received.action.name
    code = behaviour.error_code_of(action)
    if code is not None:
        conversation.refuse(received, code, "told to refuse this action")
        answer = list(conversation.take_frames())
    elif applies(behaviour.garbage, action):
        conversation.ignore(received)
        answer = [GARBAGE]
    elif applies(behaviour.wrong_id, action):
        conversation.ignore(received)
        wrong_id = (WRONG_ID_PREFIX + received.id)[: frames.MESSAGE_ID_MAX]
        answer = [frames.call_result(wrong_id, response)]
    elif applies(behaviour.bad_schema, action):
        conversation.ignore(received)
        answer = [frames.call_result(received.id, _BROKEN)]
    else:
        conversation.answer(received, response)
        answer = list(conversation.take_frames())
    return answer * 2 if applies(behaviour.duplicate, action) else answer
