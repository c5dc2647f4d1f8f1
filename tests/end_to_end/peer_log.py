"""What the foreign CSMS has logged, as conversations: each CALL with its answer, per identity."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Payload = dict[str, Any]


@dataclass(slots=True)
class Exchange:
    """A CALL and how it was answered. Positions number an identity's frames in the order logged."""

    connection: int
    position: int
    at_s: float
    id: str
    action: str
    payload: Payload
    answer: Payload | None = None
    error: str | None = None
    answered_position: int | None = None
    answered_at_s: float | None = None

    @property
    def answered(self) -> bool:
        return self.answered_position is not None


@dataclass(slots=True)
class Connection:
    """One WebSocket. `closed_at_s` is None while it is open; a killed CSMS has closed all its."""

    number: int
    opened_at_s: float
    subprotocol: str | None
    closed_at_s: float | None = None
    calls: list[Exchange] = field(default_factory=list)
    commands: list[Exchange] = field(default_factory=list)
    strays: list[object] = field(default_factory=list)
    """Frames of the station that answer nothing or are no frames."""
    problems: list[str] = field(default_factory=list)
    """What the `ocpp` package had to say about the station's answers to our commands."""


@dataclass(slots=True)
class History:
    """Everything between the CSMS and one identity."""

    identity: str
    connections: list[Connection] = field(default_factory=list)
    frames: int = 0
    ended_at_s: float = 0.0

    @property
    def calls(self) -> list[Exchange]:
        """The station's CALLs, over all connections."""
        return [exchange for connection in self.connections for exchange in connection.calls]

    @property
    def commands(self) -> list[Exchange]:
        """The CSMS's CALLs, over all connections."""
        return [exchange for connection in self.connections for exchange in connection.commands]

    def of(self, *actions: str) -> list[Exchange]:
        """The station's CALLs of these actions, in order."""
        return [exchange for exchange in self.calls if exchange.action in actions]

    def connection(self, number: int) -> Connection:
        return next(one for one in self.connections if one.number == number)


def read_histories(path: Path) -> dict[str, History]:
    """Read a log file into one history per identity."""
    return histories(read_entries(path))


def read_entries(path: Path) -> list[dict[str, Any]]:
    """The entries of a log file so far; a line that a kill has cut short is left out."""
    entries: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                entries.append(json.loads(line))
    return entries


def histories(entries: Iterable[dict[str, Any]]) -> dict[str, History]:
    """Sort log entries into one history per identity."""
    found: dict[str, History] = {}
    last_at_s = 0.0
    for entry in entries:
        if entry["event"] == "started":  # whatever a killed process had open is gone
            for history in found.values():
                _close_all(history, last_at_s)
        last_at_s = entry["at_s"]
        if "connection" in entry:
            history = found.setdefault(entry["identity"], History(entry["identity"]))
            _take(history, entry)
    return found


def _close_all(history: History, at_s: float) -> None:
    for connection in history.connections:
        if connection.closed_at_s is None:
            connection.closed_at_s = at_s


def _take(history: History, entry: dict[str, Any]) -> None:
    history.ended_at_s = entry["at_s"]
    if entry["event"] == "opened":
        history.connections.append(
            Connection(entry["connection"], entry["at_s"], entry["subprotocol"])
        )
        return
    connection = history.connection(entry["connection"])
    match entry["event"]:
        case "closed":
            connection.closed_at_s = entry["at_s"]
        case "received" | "sent":
            history.frames += 1
            _frame(connection, entry, position=history.frames)
        case "unanswered":
            connection.problems.append(f"{entry['action']} of the CSMS was never answered")
        case "refused_or_wrong":
            connection.problems.append(f"{entry['action']} of the CSMS: {entry['problem']}")


def _frame(connection: Connection, entry: dict[str, Any], *, position: int) -> None:
    of_station = entry["event"] == "received"
    match entry.get("frame", entry.get("text")):
        case [2, str(id_), str(action), dict(payload)]:
            exchange = Exchange(connection.number, position, entry["at_s"], id_, action, payload)
            (connection.calls if of_station else connection.commands).append(exchange)
        case [3 | 4 as kind, str(id_), *rest]:
            asked = connection.commands if of_station else connection.calls
            open_call = next(_open(asked, id_), None)
            if open_call is not None:
                _answer(open_call, kind, rest, entry["at_s"], position=position)
            elif of_station:
                connection.strays.append(entry["frame"])
        case other if of_station:
            connection.strays.append(other)


def _open(exchanges: list[Exchange], id_: str) -> Iterator[Exchange]:
    return (one for one in reversed(exchanges) if one.id == id_ and not one.answered)


def _answer(exchange: Exchange, kind: int, rest: list[Any], at_s: float, *, position: int) -> None:
    exchange.answered_position, exchange.answered_at_s = position, at_s
    if kind == 4:
        exchange.error = str(rest[0]) if rest else ""
    else:
        exchange.answer = rest[0] if rest and isinstance(rest[0], dict) else {}
