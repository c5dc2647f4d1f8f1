"""What is in a charger's diagnostics file and in its security log: plain text, and true.

The state is written down when the file is asked for, and what has a date is put together from what
the station has at hand: its transactions, and the happenings that it notes since it was first asked
for a log. So a charger that nobody asks keeps nothing for it. Secrets are left out.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from simfleet.station import nameplate
from simfleet.station.connector import NO_ERROR
from simfleet.station.firmware_state import version_of
from simfleet.station.messages import TransactionEnded, TransactionSampled, TransactionStarted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simfleet.station.connector import Connector
    from simfleet.station.station import Station
    from simfleet.station.transaction import Transaction

_SECRET: Final = re.compile(r"password|passphrase|secret|pin|authorizationkey", re.IGNORECASE)


class Window(Struct, frozen=True):
    """A stretch of time, Unix seconds; None: without a bound."""

    from_wall_s: float | None = None
    to_wall_s: float | None = None

    def holds(self, wall_s: float) -> bool:
        """Whether this moment lies in it."""
        return (self.from_wall_s is None or self.from_wall_s <= wall_s) and (
            self.to_wall_s is None or wall_s <= self.to_wall_s
        )


def moment(wall_s: float) -> str:
    """A moment as logs write it, to the second."""
    return datetime.fromtimestamp(int(wall_s), UTC).isoformat().replace("+00:00", "Z")


def diagnostics(station: Station, window: Window, *, at_s: float) -> bytes | None:
    """The diagnostics file: the state, if `window` holds the present, and what has happened in it.
    None: there is nothing to say.
    """
    wall_s = station.wall_s(at_s)
    now = window.holds(wall_s)
    dated = sorted(one for one in _dated(station) if window.holds(one[0]))
    if not now and not dated:
        return None
    lines = [f"diagnostics of {station.identity}, written {moment(wall_s)}", ""]
    if now:
        lines += _state(station, at_s=at_s)
    lines.append("[happenings]")
    lines += [f"{moment(when)} {what}" for when, what in dated]
    if station.logs is not None and station.logs.lost:
        lines.append(f"older ones that were overwritten: {station.logs.lost}")
    return _text(lines)


def security_log(station: Station, window: Window, *, at_s: float) -> bytes | None:
    """The security log. None: `window` holds neither the present nor an entry."""
    wall_s = station.wall_s(at_s)
    logged = [] if station.security is None else station.security.log
    lines = [
        f"{moment(one.wall_s)} {one.type} {one.tech_info}".rstrip()
        for one in logged
        if window.holds(one.wall_s)
    ]
    if not lines and not window.holds(wall_s):
        return None
    heading = f"security log of {station.identity}, written {moment(wall_s)}"
    return _text([heading, "", *(lines or ["no security events"])])


def _text(lines: list[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()


# ── the state ─────────────────────────────────────────────────────────────────────────────────────


def _state(station: Station, *, at_s: float) -> list[str]:
    spec = station.spec
    lines = [
        "[station]",
        f"identity = {station.identity}",
        f"vendor = {spec.vendor}",
        f"model = {spec.model}",
        f"serialNumber = {nameplate.serial_number(station)}",
        f"firmwareVersion = {version_of(station)}",
        f"protocol = {spec.version}",
        f"registration = {station.registration.value}",
        f"online = {_word(station.online)}",
        f"inoperative = {_word(station.inoperative)}",
        f"errorCode = {station.error_code}",
        f"transactions = {station.transactions}",
        f"messagesWaiting = {len(station.outbox)}",
        "",
        "[configuration]",
    ]
    configuration = station.configuration
    lines += [
        f"{key.name} = {configuration.get(key.name)}"
        for key in configuration.factory.keys.values()
        if not key.writeonly and not _SECRET.search(key.name)
    ]
    for connector in station.connectors:
        lines += ["", *_connector(connector, at_s=at_s)]
    lines.append("")
    return lines


def _connector(connector: Connector, *, at_s: float) -> list[str]:
    connector.meter_to(at_s)
    reading = connector.reading()
    lines = [
        f"[connector {connector.id}]",
        f"status = {connector.phase}",
        f"plugged = {_word(connector.plugged)}",
        f"inoperative = {_word(connector.inoperative)}",
        f"registerWh = {connector.meter.energy_wh:.1f}",
        f"powerW = {reading.power_w:.1f}",
        f"temperatureC = {reading.temperature_c:.1f}",
    ]
    if connector.error_code != NO_ERROR:
        lines.append(f"errorCode = {connector.error_code} {connector.error_info}".rstrip())
    if connector.visit is not None:
        lines.append(f"transaction = {connector.visit.number} (id {connector.visit.id})")
    elif connector.transaction is not None:
        lines.append(f"transaction = {_named(connector.transaction)}")
    return lines


def _word(flag: bool) -> str:
    return "true" if flag else "false"


# ── what has happened ─────────────────────────────────────────────────────────────────────────────


def _dated(station: Station) -> Iterator[tuple[float, str]]:
    seen: dict[int, Transaction] = {}
    for entry in station.outbox.durable:
        match entry.message:
            case (
                TransactionStarted(transaction)
                | TransactionSampled(transaction)
                | TransactionEnded(transaction)
            ):
                seen[transaction.number] = transaction
    for connector in station.connectors:
        if connector.transaction is not None:
            seen[connector.transaction.number] = connector.transaction
    for transaction in seen.values():
        name = _named(transaction)
        start = f"{name} started on connector {transaction.connector_id}"
        yield transaction.start_wall_s, f"{start}, register {transaction.start_wh:.1f} Wh"
        if transaction.ended:
            end = f"{name} ended, {transaction.reason}, register {transaction.stop_wh:.1f} Wh"
            yield transaction.stop_wall_s, f"{end}, not delivered yet"
    if station.logs is not None:
        yield from station.logs.lines


def _named(transaction: Transaction) -> str:
    known_as = "not named yet" if transaction.id is None else f"id {transaction.id}"
    return f"transaction {transaction.number} ({known_as})"
