"""Examine a log of the foreign CSMS as a vendor would: is this how a charger behaves?

    python -m end_to_end.semantic_check peer.jsonl      (from tests/)

Each rule is a function from one station's history to complaints, one line each. The rules are
those of OCPP 1.6 (edition 2), not of our code: nothing here is imported from SimFleet.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from end_to_end.peer_log import read_histories
from end_to_end.semantic_transactions import (
    TRANSACTION_MESSAGES,
    authorized,
    registers,
    sample_times,
    transactions,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from end_to_end.peer_log import Exchange, History

STATUSES = (
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEV",
    "SuspendedEVSE",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
)
# OCPP 1.6 section 4.9, the matrix of status transitions: the 19 cells that are empty although the
# statuses differ.
ILLEGAL_CHANGES = frozenset(
    (before, after)
    for before, afters in {
        "Available": ("Finishing",),
        "Preparing": ("Reserved", "Unavailable"),
        "Charging": ("Preparing", "Reserved"),
        "SuspendedEV": ("Preparing", "Reserved"),
        "SuspendedEVSE": ("Preparing", "Reserved"),
        "Finishing": ("Charging", "SuspendedEV", "SuspendedEVSE", "Reserved"),
        "Reserved": ("Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"),
        "Unavailable": ("Finishing", "Reserved"),
    }.items()
    for after in afters
)
STATUSES_OF_CONNECTOR_0 = ("Available", "Unavailable", "Faulted")
MESSAGE_ID_MAX = 36


@dataclass(frozen=True, slots=True)
class Expected:
    """What the examiner knows of the chargers, and how strict to be."""

    connectors: int = 1
    meter_interval_s: float | None = None
    """MeterValueSampleInterval; None: the first gap of a transaction says it."""
    clock_tolerance_s: float = 0.05
    """How far sample times may be off their grid: the station's clock is set by our answers."""
    call_timeout_s: float = 30.0
    """After this long without an answer, a station may make its next CALL."""
    all_stopped: bool = True
    """Whether every transaction must have ended."""
    settle_s: float = 5.0
    """How long after its boot a station must have reported all its connectors at the latest."""
    lost_answer_s: float = 1.0
    """An answer sent this shortly before the connection was lost may not have arrived."""


def examine(histories: Mapping[str, History], expected: Expected = Expected()) -> list[str]:
    """All complaints about all stations, each beginning with the identity."""
    return [
        f"{identity}: {complaint}"
        for identity, history in sorted(histories.items())
        for rule in RULES
        for complaint in rule(history, expected)
    ]


# ── the conversation ────────────────────────────────────────────────────────────────────────────


def subprotocol(history: History, _: Expected) -> Iterator[str]:
    for connection in history.connections:
        if connection.subprotocol != "ocpp1.6":
            yield f"connection {connection.number} speaks {connection.subprotocol}, not ocpp1.6"


def message_ids(history: History, _: Expected) -> Iterator[str]:
    """Unique per connection and sender, at most 36 characters (OCPP-J 4.1.4)."""
    for connection in history.connections:
        times = Counter(exchange.id for exchange in connection.calls)
        for id_, count in times.items():
            if count > 1:
                yield f"message id {id_!r} was used {count} times on connection {connection.number}"
            if not 0 < len(id_) <= MESSAGE_ID_MAX:
                yield f"message id {id_!r} has {len(id_)} characters"


def one_open_call(history: History, expected: Expected) -> Iterator[str]:
    """No CALL before the last one is answered or has timed out (OCPP-J 4.1.1)."""
    for connection in history.connections:
        for before, after in pairwise(connection.calls):
            was_open = not before.answered or (before.answered_position or 0) > after.position
            timed_out = after.at_s - before.at_s >= expected.call_timeout_s - 0.1
            if was_open and not timed_out:
                yield f"{after.action} {after.id} came while {before.action} {before.id} was open"


def understood(history: History, _: Expected) -> Iterator[str]:
    """Nothing that the `ocpp` package had to refuse, and all our CALLs were answered properly."""
    for connection in history.connections:
        for exchange in connection.calls:
            if exchange.error is not None:
                yield f"{exchange.action} was refused with {exchange.error}: {exchange.payload}"
        for stray in connection.strays:
            yield f"sent {stray!r}, which answers nothing"
        yield from connection.problems


def boot_first(history: History, _: Expected) -> Iterator[str]:
    """Before it is Accepted a station sends only BootNotification, and what was triggered."""
    calls = history.calls
    if calls and calls[0].action != "BootNotification":
        yield f"the first message is {calls[0].action}, not BootNotification"
    boot: Exchange | None = None
    for exchange in calls:
        if exchange.action == "BootNotification":
            boot = exchange
        elif (
            boot is not None
            and not _accepted_before(boot, exchange.position)
            and not _triggered(history, exchange)
        ):
            yield f"{exchange.action} was sent before BootNotification was accepted"


def _accepted_before(boot: Exchange, position: int) -> bool:
    accepted = (boot.answer or {}).get("status") == "Accepted"
    return accepted and boot.answered_position is not None and boot.answered_position < position


def _triggered(history: History, exchange: Exchange) -> bool:
    return any(
        command.action == "TriggerMessage"
        and command.payload["requestedMessage"] == exchange.action
        and command.position < exchange.position
        for command in history.commands
    )


# ── statuses ────────────────────────────────────────────────────────────────────────────────────


def statuses_after_boot(history: History, expected: Expected) -> Iterator[str]:
    """Connector 0 and all others are reported after each accepted boot, before any charging."""
    wanted = set(range(expected.connectors + 1))
    calls = history.calls
    boots = [index for index, call in enumerate(calls) if call.action == "BootNotification"]
    for begin, end in pairwise([*boots, len(calls)]):
        boot, after = calls[begin], calls[begin + 1 : end]
        if (boot.answer or {}).get("status") != "Accepted" or boot.answered_at_s is None:
            continue
        seen: set[int] = set()
        for exchange in after:
            if exchange.action == "StatusNotification":
                seen.add(exchange.payload["connectorId"])
            elif exchange.action in ("Authorize", *TRANSACTION_MESSAGES) and wanted - seen:
                yield (
                    f"{exchange.action} came before the status of connector "
                    f"{_listed(wanted - seen)} was reported after a boot"
                )
                break
        else:
            connection = history.connection(boot.connection)
            ended_at_s = connection.closed_at_s or history.ended_at_s
            if wanted - seen and ended_at_s - boot.answered_at_s >= expected.settle_s:
                yield f"no status of connector {_listed(wanted - seen)} after a boot"


def _listed(connectors: set[int]) -> str:
    return ", ".join(map(str, sorted(connectors)))


def statuses(history: History, expected: Expected) -> Iterator[str]:
    """Known statuses, on connectors that exist, changed only as section 4.9 lets them change.

    Between two connections, and over a boot, statuses may have changed unseen.
    """
    for connection in history.connections:
        last: dict[int, str] = {}
        for exchange in connection.calls:
            if exchange.action == "BootNotification":
                last.clear()
            if exchange.action != "StatusNotification":
                continue
            connector, status = exchange.payload["connectorId"], exchange.payload["status"]
            if not 0 <= connector <= expected.connectors:
                yield f"status of connector {connector}, which does not exist"
            if status not in (STATUSES if connector else STATUSES_OF_CONNECTOR_0):
                yield f"connector {connector} cannot be {status}"
            if (last.get(connector), status) in ILLEGAL_CHANGES:
                yield f"connector {connector} went from {last[connector]} to {status}"
            last[connector] = status


RULES: tuple[Callable[[History, Expected], Iterator[str]], ...] = (
    subprotocol,
    message_ids,
    one_open_call,
    understood,
    boot_first,
    statuses_after_boot,
    statuses,
    transactions,
    authorized,
    sample_times,
    registers,
)


if __name__ == "__main__":
    complaints = examine(read_histories(Path(sys.argv[1])), Expected(all_stopped=False))
    print("\n".join(complaints) or "nothing to complain about")
    sys.exit(bool(complaints))
