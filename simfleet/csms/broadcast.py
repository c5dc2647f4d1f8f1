"""One command to many stations: who gets it, at what pace, and how they answered.

A load run asks for this with one request (`control.py`), however many stations there are: targets,
placeholders and counts are the CSMS's business, which knows who is connected and what runs there.
The same order, seed and books choose the same stations.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec
import trio

from simfleet.csms.behaviour import chance
from simfleet.csms.orders import ANY, Order, Report, holds, request_of, requests_of, versions_with
from simfleet.csms.placeholders import Filling, Unfilled, fill, names_in
from simfleet.csms.watching import Watching
from simfleet.errors import ProtocolViolation, Refused
from simfleet.ocpp.results import LINK_LOST, TIMED_OUT
from simfleet.ocpp.versions import ANSWERED, VERSIONS
from simfleet.station.tokens import typed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simfleet.csms.book import Book
    from simfleet.csms.records import AnyTransaction, StationRecord
    from simfleet.csms.server import Csms
    from simfleet.ocpp.results import Outcome

COMMANDS_PER_S: Final = 500.0
"""Pace of all commands of one CSMS to many stations together: a command is no storm."""
AHEAD_MAX_S: Final = 0.01
"""CALLs due within this time are sent together; sleeping for less is not worth it."""
BROADCAST_MAX_S: Final = 120.0
"""For one order, from its beginning; who has not answered by then has timed out."""
EXAMPLES_MAX: Final = 10
"""Unexpected answers of one order that are told in full."""


def free_evse(record: StationRecord, book: Book) -> int | None:
    """The first EVSE (in 1.6 connector) that is Available without a transaction, if there is one;
    otherwise the first without a transaction.
    """
    free = [
        (connector.status != "Available", number)
        for number, connector in record.connectors.items()
        if number and (connector.last_start is None or connector.last_start.key not in book.open)
    ]
    return min(free)[1] if free else None


class Pace:
    """Turns, evenly in time; whoever waits longer than `AHEAD_MAX_S` sleeps."""

    def __init__(self, per_s: float = COMMANDS_PER_S) -> None:
        self._pause_s = 1 / per_s
        self._next_s = -math.inf

    async def turn(self) -> None:
        """Wait until it is the caller's turn."""
        at_s = trio.current_time()
        self._next_s = max(self._next_s + self._pause_s, at_s)
        if self._next_s - at_s > AHEAD_MAX_S:
            await trio.sleep_until(self._next_s)


class Counter:
    """Numbers the CALLs of all orders, from 1: what `$n` stands for."""

    def __init__(self) -> None:
        self.n = 0

    def next(self) -> int:
        """The next number."""
        self.n += 1
        return self.n


async def broadcast(csms: Csms, order: Order, *, pace: Pace, numbers: Counter) -> Report:
    """Carry out an order and wait for its answers, `BROADCAST_MAX_S` at most, and then for what it
    brings about, as long as it says.

    Raises `Refused` and `ProtocolViolation` as `request_of`, ValueError for an unknown placeholder,
    all before anything is sent.
    """
    asking = _Asking(csms, order, numbers)
    watching = asking.watching
    with csms.awaiting(watching):
        with trio.move_on_after(BROADCAST_MAX_S):
            for record in asking.chosen:
                await pace.turn()
                asking.send(record)
            await asking.answered()
        report = asking.close()
        if watching is not None:
            await watching.over()
            asking.note_convergence(watching)
    return report


class _Asking:
    """One order being carried out."""

    def __init__(self, csms: Csms, order: Order, numbers: Counter) -> None:
        self._csms = csms
        self._order = order
        self._numbers = numbers
        self._used = names_in([order.payload, order.answer or {}])
        self._fixed = None if self._used else requests_of(order.action, order.payload)
        self._versions = self._fixed or versions_with(order.action)
        self._began_s = trio.current_time()
        self._waiting: dict[str, Any] = {}
        """What is wanted of the answer, by the identities that have not answered yet."""
        self._done = trio.Event()
        self._all_sent = False
        self._closed = False
        self.watching: Watching | None = None
        if order.converged is not None:
            self.watching = Watching(
                order.converged,
                csms.book,
                began_s=self._began_s,
                wall_offset_s=csms.wall_s() - self._began_s,
            )
        self._report = Report()
        self.chosen = self._choose()
        self._turns = 0
        self._report.chosen = len(self.chosen)

    # ── whom ────────────────────────────────────────────────────────────────────────────────────

    def _choose(self) -> list[StationRecord]:
        order, book = self._order, self._csms.book
        named = None if order.identities is None else frozenset(order.identities)
        found = [
            record
            for record in self._csms.booted()
            if record.version in self._versions
            and (named is None or record.identity in named)
            and ("transaction_id" not in self._used or self._transaction(record, book) is not None)
        ]
        wanted = math.ceil(order.share * len(found) - 1e-9)
        if wanted < len(found):
            found.sort(key=lambda record: chance(0, record.identity, 0, order.choice))
        return sorted(found[:wanted], key=lambda record: record.identity)

    def _transaction(self, record: StationRecord, book: Book) -> AnyTransaction | None:
        payload = self._order.payload
        connector_id = payload.get("connectorId") if record.version == VERSIONS[0] else None
        evse = payload.get("evse")
        for evse_id in (payload.get("evseId"), evse.get("id") if isinstance(evse, dict) else None):
            connector_id = connector_id or evse_id
        for number, connector in sorted(record.connectors.items()):
            last = connector.last_start
            meant = number == connector_id or not isinstance(connector_id, int) or not connector_id
            if meant and last is not None and last.key in book.open:
                return last
        return None

    # ── asking ──────────────────────────────────────────────────────────────────────────────────

    def send(self, record: StationRecord) -> None:
        """Send the CALL to one station, if it can be sent."""
        identity, wanted = record.identity, self._order.answer
        self._turns += 1
        try:
            if self._fixed is not None:
                request, payload = self._fixed[record.version], self._order.payload
            else:
                filling, order = self._filling(record), self._order
                payload = fill(order.payload, filling)
                request = request_of(order.action, payload, version=record.version)
                wanted = fill(wanted, filling)
            self._csms.send(identity, request, when_done=lambda out: self._note(identity, out))
        except Unfilled as missing:
            self._skip(f"no_{missing.args[0]}")
        except ProtocolViolation as violation:
            self._skip("bad_payload")
            self._example(identity, "bad_payload", str(violation), None)
        except Refused as refused:
            self._skip("not_sent")
            self._example(identity, "not_sent", str(refused), None)
        else:
            self._report.sent += 1
            self._waiting[identity] = wanted
            if self.watching is not None:
                self.watching.sent(record, payload, at_s=trio.current_time())

    def _filling(self, record: StationRecord) -> Filling:
        book = self._csms.book
        transaction = self._transaction(record, book)
        id_tag = record.last_tag if transaction is None else transaction.id_tag
        kind, text = (None, id_tag) if id_tag is None else typed(id_tag)
        evse_id = None if transaction is None else transaction.connector_id
        if "transaction_id" not in self._used or evse_id is None:
            evse_id = free_evse(record, book) or evse_id
        return Filling(
            now=datetime.fromtimestamp(self._csms.wall_s(), UTC),
            identity=record.identity,
            n=self._numbers.next(),
            transaction_id=None if transaction is None else transaction.id,
            evse_id=evse_id,
            id_tag=text,
            id_token=None if text is None else {"idToken": text, "type": kind},
            given=self._order.given,
        )

    def _skip(self, why: str) -> None:
        self._report.skipped[why] = self._report.skipped.get(why, 0) + 1

    async def answered(self) -> None:
        """Wait for what is still to come."""
        self._all_sent = True
        if self._waiting:
            await self._done.wait()

    def close(self) -> Report:
        """What came until now; what comes later is not counted any more."""
        self._closed = True
        report = self._report
        for identity in self._waiting:
            report.timeouts += 1
            self._judge(identity, TIMED_OUT, "no answer while the order lasted", None)
        unsent = len(self.chosen) - self._turns
        if unsent:
            report.skipped["no_time"] = unsent
        return report

    # ── answers ─────────────────────────────────────────────────────────────────────────────────

    def _note(self, identity: str, outcome: Outcome) -> None:
        if self._closed:
            return
        report, failure = self._report, outcome.failure
        wanted = self._waiting.pop(identity, None)
        response = None if outcome.response is None else msgspec.to_builtins(outcome.response)
        word = failure
        if self.watching is not None:
            self.watching.answered(identity, outcome, (response or {}).get("status"))
        if failure == LINK_LOST:
            report.not_connected += 1
        elif failure == TIMED_OUT:
            report.timeouts += 1
        else:
            took_s = outcome.done_s - self._began_s
            report.answered_us.append(max(0, round(took_s * 1e6)))
            if failure is None:
                word = (response or {}).get("status", ANSWERED)
                report.statuses[word] = report.statuses.get(word, 0) + 1
            else:
                report.errors[failure] = report.errors.get(failure, 0) + 1
        if failure != LINK_LOST:
            assert word is not None
            self._judge(identity, word, outcome.detail, response, wanted)
        if self._all_sent and not self._waiting:
            self._done.set()

    def _judge(
        self,
        identity: str,
        word: str,
        detail: str,
        response: Mapping[str, Any] | None,
        wanted: object = None,
    ) -> None:
        expect = self._order.expect
        if ANY not in expect and word not in expect:
            self._report.unexpected += 1
            self._example(identity, word, detail, response)
        elif wanted is not None and response is not None and not holds(wanted, response):
            self._report.unexpected += 1
            self._example(identity, word, "the answer does not hold what is wanted of it", response)

    def note_convergence(self, watching: Watching) -> None:
        """Tell of the stations that have done what was asked for, and of those that have not."""
        report = self._report
        report.watched, report.converged_us = watching.watched, watching.took_us
        report.not_converged = len(watching.missed)
        assert self._order.converged is not None
        within = f"{self._order.converged.kind} not seen in {self._order.converged.within_s:g} s"
        for identity in watching.missed[:EXAMPLES_MAX]:
            report.examples.append(
                {"identity": identity, "came": "not_converged", "detail": within, "response": None}
            )

    def _example(
        self, identity: str, word: str, detail: str, response: Mapping[str, Any] | None
    ) -> None:
        examples = self._report.examples
        if len(examples) < EXAMPLES_MAX:
            examples.append(
                {"identity": identity, "came": word, "detail": detail, "response": response}
            )
