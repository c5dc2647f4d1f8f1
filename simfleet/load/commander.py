"""Sends a scenario's commands at their moments, through the embedded CSMS, and counts the answers.

One request to the CSMS per command and moment, however many chargers it goes to: the CSMS picks
them, paces them and counts (`csms/broadcast.py`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import trio
from msgspec import Struct

from simfleet.clock import real_wall_s
from simfleet.csms.orders import Order, Report
from simfleet.errors import CsmsFailed, Refused
from simfleet.load.commands import uses
from simfleet.load.converged_fields import effect_of
from simfleet.load.uploads import firmware
from simfleet.observe.histogram import FastHistogram, summary_ms
from simfleet.observe.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.csms.embedded import EmbeddedCsms
    from simfleet.load.commands import Command
    from simfleet.load.schema1 import Scenario
    from simfleet.load.uploads import RunFiles, Uploads
    from simfleet.pki.authority import Authority

EVENTS_MAX: Final = 1000
"""Commands that the summary tells one by one; the others are in the totals only."""
SETTLE_S: Final = 5.0
"""How long a run waits, with all chargers gone, for the last counts of its commands."""


class CommandEvent(Struct, frozen=True):
    """One command at one moment; times in seconds from the beginning of the load.

    `complete` is False when the run ended, or the CSMS refused, before all was counted; `failure`
    says why.
    """

    command: int
    send: str
    at_s: float
    took_s: float
    complete: bool
    failure: str
    chosen: int
    sent: int
    statuses: dict[str, int]
    errors: dict[str, int]
    timeouts: int
    not_connected: int
    skipped: dict[str, int]
    unexpected: int
    watched: int
    converged: int
    not_converged: int


class _Totals:
    """Everything that was counted of one action, or of all."""

    def __init__(self) -> None:
        self.rounds = self.chosen = self.sent = 0
        self.timeouts = self.not_connected = self.unexpected = 0
        self.watched = self.not_converged = 0
        self.statuses, self.errors, self.skipped = Tally(), Tally(), Tally()
        self.answered, self.converged = FastHistogram(), FastHistogram()

    def add(self, report: Report) -> None:
        self.rounds += 1
        self.chosen += report.chosen
        self.sent += report.sent
        self.timeouts += report.timeouts
        self.not_connected += report.not_connected
        self.unexpected += report.unexpected
        for tally, counts in (
            (self.statuses, report.statuses),
            (self.errors, report.errors),
            (self.skipped, report.skipped),
        ):
            for key, count in counts.items():
                tally.add(key, count)
        for took_us in report.answered_us:
            self.answered.record_value(took_us)
        self.watched += report.watched
        self.not_converged += report.not_converged
        for took_us in report.converged_us:
            self.converged.record_value(took_us)

    def snapshot(self) -> dict[str, Any]:
        return {
            "rounds": self.rounds,
            "chosen": self.chosen,
            "sent": self.sent,
            "statuses": self.statuses.snapshot(),
            "errors": self.errors.snapshot(),
            "timeouts": self.timeouts,
            "not_connected": self.not_connected,
            "skipped": self.skipped.snapshot(),
            "unexpected": self.unexpected,
            "answered_ms": summary_ms(self.answered),
            "watched": self.watched,
            "converged": self.converged.total_count,
            "not_converged": self.not_converged,
            "converged_ms": summary_ms(self.converged),
        }


class Commander:
    """See the module. `note(identity, kind, detail)` is told of every unexpected answer that the
    CSMS keeps in full, and of commands that could not be sent at all.
    """

    def __init__(
        self,
        scenario: Scenario,
        csms: EmbeddedCsms,
        *,
        uploads: Uploads | None,
        note: Callable[[str, str, str], None],
        authority: Authority | None = None,
    ) -> None:
        self._scenario = scenario
        self._csms = csms
        self._given = _given(scenario.commands, uploads, authority)
        self._note = note
        self._began_s = 0.0
        self._ending = trio.CancelScope()
        self._scheduling = trio.CancelScope()
        self._idle = trio.Event()
        self._totals = _Totals()
        self._by_action: dict[str, _Totals] = {}
        self._events: list[CommandEvent] = []
        self._events_left_out = 0

    async def run(self, began_s: float) -> None:
        """Send every command at its moments, counted from `began_s`, until told to finish."""
        self._began_s = began_s
        with self._ending:
            async with trio.open_nursery() as rounds:
                with self._scheduling:
                    async with trio.open_nursery() as schedules:
                        for number, command in enumerate(self._scenario.commands):
                            schedules.start_soon(self._follow, number, command, rounds)
        self._idle.set()

    async def finish(self) -> None:
        """Send no more, and wait a moment for the counts of what was sent."""
        self._scheduling.cancel()
        self._ending.deadline = trio.current_time() + SETTLE_S
        with trio.move_on_after(SETTLE_S), suppress(CsmsFailed, Refused):
            await self._csms.settle()
        await self._idle.wait()

    async def _follow(self, number: int, command: Command, rounds: trio.Nursery) -> None:
        for moment_s in command.moments(self._scenario.lasts_s):
            await trio.sleep_until(self._began_s + moment_s)
            rounds.start_soon(self._round, number, command)

    async def _round(self, number: int, command: Command) -> None:
        at_s = trio.current_time()
        report, failure = Report(), "the run ended before its answers were counted"
        try:
            report = await self._csms.broadcast(self._order(command))
            failure = ""
        except (Refused, CsmsFailed) as refused:
            failure = str(refused)
            self._note("", f"command:{command.send}", failure)
        finally:
            self._take(number, command, report, failure, at_s=at_s)

    def _order(self, command: Command) -> Order:
        to, fleet = command.to, self._scenario.fleet
        identities = [
            part.identity(n + 1)
            for part in fleet
            if (not to.slices or part.name in to.slices)
            and (not to.versions or part.version in to.versions)
            for n in range(part.count)
        ]
        return Order(
            action=command.send,
            payload=command.payload,
            identities=identities if to.slices or to.versions else None,
            share=to.share,
            choice=str(self._scenario.seed),
            expect=command.expected,
            answer=command.answer,
            converged=effect_of(command),
            given=self._given,
        )

    def _take(
        self, number: int, command: Command, report: Report, failure: str, *, at_s: float
    ) -> None:
        for totals in (self._totals, self._by_action.setdefault(command.send, _Totals())):
            totals.add(report)
        for example in report.examples:
            kind = f"command:{command.send}:{example['came']}"
            detail = f"{example['detail']} {example['response'] or ''}".strip()
            self._note(example["identity"], kind, detail)
        if len(self._events) >= EVENTS_MAX:
            self._events_left_out += 1
            return
        self._events.append(
            CommandEvent(
                command=number,
                send=command.send,
                at_s=round(at_s - self._began_s, 3),
                took_s=round(trio.current_time() - at_s, 3),
                complete=not failure,
                failure=failure,
                chosen=report.chosen,
                sent=report.sent,
                statuses=report.statuses,
                errors=report.errors,
                timeouts=report.timeouts,
                not_connected=report.not_connected,
                skipped=report.skipped,
                unexpected=report.unexpected,
                watched=report.watched,
                converged=len(report.converged_us),
                not_converged=report.not_converged,
            )
        )

    def figures(self) -> dict[str, Any]:
        """`scenario_commands` of the summary."""
        return {
            "totals": self._totals.snapshot(),
            "by_action": {
                action: totals.snapshot() for action, totals in sorted(self._by_action.items())
            },
            "events": sorted(self._events, key=lambda event: event.at_s),
            "events_left_out": self._events_left_out,
        }


def commander_of(
    scenario: Scenario,
    csms: EmbeddedCsms | None,
    *,
    files: RunFiles,
    note: Callable[[str, str, str], None],
    authority: Authority | None = None,
) -> Commander | None:
    """The commander of a scenario; None without commands. `files` serves if it needs a server,
    `authority` is the CSMS's CA, if it has one.
    """
    if csms is None or not scenario.commands:
        return None
    uploads = files.serve() if uses(scenario.commands, "uploads") else None
    return Commander(scenario, csms, uploads=uploads, note=note, authority=authority)


def _given(
    commands: tuple[Command, ...], uploads: Uploads | None, authority: Authority | None
) -> dict[str, Any]:
    """Values of the placeholders that only the run knows."""
    given: dict[str, Any] = {} if uploads is None else {"uploads": uploads.url}
    if any(uses(commands, name) for name in _OF_PKI):
        given |= _signed_firmware(authority)
    return given


_OF_PKI: Final = ("signing_certificate", "signature", "root_certificate", "root_hash_data")


def _signed_firmware(authority: Authority | None) -> dict[str, Any]:
    """A signer of this run's own for the firmware, and the CA that issued its certificate: the
    CSMS's, for a station that has installed it trusts no other in TLS.
    """
    from simfleet.pki.authority import Authority, sign_content  # `cryptography` is slow to import
    from simfleet.pki.checks import certificate_hash_data

    at_wall_s = real_wall_s()
    if authority is None:
        authority = Authority.create(at_wall_s=at_wall_s)
    signer = authority.issue_signer(at_wall_s=at_wall_s)
    named = certificate_hash_data(authority.certificate_pem, authority.certificate_pem, "SHA256")
    return {
        "signing_certificate": signer.certificate_pem.decode(),
        "signature": sign_content(signer.key_pem, firmware()),
        "root_certificate": authority.certificate_pem.decode(),
        "root_hash_data": {
            "hashAlgorithm": named.hash_algorithm,
            "issuerNameHash": named.issuer_name_hash,
            "issuerKeyHash": named.issuer_key_hash,
            "serialNumber": named.serial_number,
        },
    }
