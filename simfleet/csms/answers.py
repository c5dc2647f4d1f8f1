"""Every request that a station can send, and the function that answers it.

The requests of all versions are different structs, save the few that 2.1 has from 2.0.1 as they
are, so one table serves all sessions. A function takes the session, the request and the time, and
returns the response, or None for a SEND.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.csms import (
    answers_core,
    answers_energy,
    answers_maintenance,
    answers_monitoring,
    answers_payment,
    answers_reports,
    answers_v16,
)
from simfleet.ocpp.v21 import V21
from simfleet.ocpp.v201 import V201

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from simfleet.csms.session import Session
    from simfleet.ocpp.wire import Wire

_BLOCKS_2: Final = (
    answers_core,
    answers_energy,
    answers_maintenance,
    answers_monitoring,
    answers_payment,
    answers_reports,
)
"""The modules that answer 2.0.1 and 2.1; `BY_ACTION` of each is by the name of the action."""


def _of_2() -> Iterator[tuple[type[Wire], Callable[[Session, Any, float], Wire | None]]]:
    for catalog in (V201, V21):
        for block in _BLOCKS_2:
            for action, answer in block.BY_ACTION.items():
                if action in catalog.actions:
                    yield catalog.actions[action].request, answer


ANSWERS: Final[Mapping[type[Wire], Callable[[Session, Any, float], Wire | None]]] = {
    **answers_v16.ANSWERS,
    **dict(_of_2()),
}
