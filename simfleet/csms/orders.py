"""What one command to many stations says, and how it went: an order and its report.

Pure. `broadcast.py` carries orders out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from simfleet.csms.convergence import Effect
from simfleet.errors import ProtocolViolation, Refused
from simfleet.ocpp.versions import VERSIONS, catalog_of

if TYPE_CHECKING:
    from simfleet.ocpp.wire import Wire

STATIONS_MAX: Final = 10_000
"""Identities that one order may name; a run has no more."""
ANY: Final = "any"
_ENCODE: Final = msgspec.json.Encoder().encode


class Order(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to send, to whom, and what is expected of the answers."""

    action: str
    payload: dict[str, Any] = {}
    """May hold placeholders, see `placeholders.py`."""
    identities: Annotated[list[str], Meta(max_length=STATIONS_MAX)] | None = None
    """Who may be meant; None is everybody. Only stations that are connected and booted get it."""
    share: Annotated[float, Meta(gt=0, le=1)] = 1.0
    """How many of them, rounded up."""
    choice: str = ""
    """Decides which of them: the same text chooses the same."""
    expect: tuple[str, ...] = (ANY,)
    """Statuses, CALLERROR codes or `timeout`; `any` is all of these."""
    answer: dict[str, Any] | None = None
    """What the response must hold besides, compared by `holds`."""
    converged: Effect | None = None
    """What shows that a station has done it; None: only answers are counted."""
    given: dict[str, Any] = {}
    """Values of placeholders that the CSMS does not know."""


class Report(Struct, kw_only=True):
    """How an order went. Every chosen station is in `sent` or in `skipped`; every one sent to is
    in one of `statuses`, `errors`, `timeouts` and `not_connected`.
    """

    chosen: int = 0
    sent: int = 0
    statuses: dict[str, int] = {}
    errors: dict[str, int] = {}
    """CALLERRORs by code, and `violation` for responses that break the schema."""
    timeouts: int = 0
    not_connected: int = 0
    """Stations whose connection ended before their answer came."""
    skipped: dict[str, int] = {}
    """Chosen stations that were sent nothing, by reason."""
    unexpected: int = 0
    answered_us: list[int] = []
    """From the beginning of the order to each answer; pacing is part of it."""
    watched: int = 0
    """Stations of which was awaited that they do what the order asks for. Those that neither did
    nor were late were not looked at to the end.
    """
    converged_us: list[int] = []
    """From the beginning of the order until the CSMS saw that a station had done it."""
    not_converged: int = 0
    examples: list[dict[str, Any]] = []


def request_of(action: str, payload: dict[str, Any], *, version: str = VERSIONS[0]) -> Wire:
    """The request of a CSMS to a station that speaks `version`. Raises `Refused` for an action that
    a CSMS does not send then, and `ProtocolViolation` for a payload that the schema forbids.
    """
    known = catalog_of(version).actions.get(action)
    if known is None or "csms" not in known.sent_by:
        raise Refused(f"{action!r} is not an action that a CSMS sends in {version}")
    return known.decode_request(_ENCODE(payload))


def requests_of(action: str, payload: dict[str, Any]) -> dict[str, Wire]:
    """The request in every version whose schema allows the payload. Raises as `request_of` where
    none does.
    """
    found: dict[str, Wire] = {}
    problem: ProtocolViolation | None = None
    for version in versions_with(action):
        try:
            found[version] = request_of(action, payload, version=version)
        except ProtocolViolation as violation:
            problem = problem or violation
    if problem is not None and not found:
        raise problem
    return found


def versions_with(action: str) -> tuple[str, ...]:
    """The versions in which a CSMS sends this. Raises `Refused` if there is none."""
    found = tuple(
        version
        for version in VERSIONS
        if (known := catalog_of(version).actions.get(action)) and "csms" in known.sent_by
    )
    if not found:
        raise Refused(f"{action!r} is not an action that a CSMS sends in any version")
    return found


def holds(wanted: Any, found: Any) -> bool:
    """Whether everything `wanted` is in `found`.

    Of a mapping the wanted keys, of a list each wanted item at least once; numbers by value.
    """
    match wanted:
        case dict():
            return isinstance(found, dict) and all(
                key in found and holds(value, found[key]) for key, value in wanted.items()
            )
        case list():
            return isinstance(found, list) and all(
                any(holds(item, candidate) for candidate in found) for item in wanted
            )
        case bool() | str() | None:
            return bool(wanted == found)
        case int() | float():
            is_number = isinstance(found, int | float) and not isinstance(found, bool)
            return is_number and math.isclose(wanted, found, rel_tol=1e-9, abs_tol=1e-9)
    return False
