"""`commands` of a scenario: what the embedded CSMS sends to the chargers, and when.

The payload is free YAML; `command_rules.py` checks it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from simfleet.documents.fields import Key, Part
from simfleet.documents.kinds import BAD, Duration, Value
from simfleet.documents.nodes import Node, Pairs, Report
from simfleet.load.command_kinds import CsmsAction, Json, Names
from simfleet.load.command_rules import CommandDraft, check_placeholders, check_times
from simfleet.load.converged_fields import Converged, ConvergedKind
from simfleet.load.recipients import Recipients
from simfleet.ocpp.versions import VERSIONS, catalog_of, good_statuses_of

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMANDS_MAX: Final = 200
ROUNDS_MAX: Final = 10_000
"""Times that one command may be sent in a run."""
AT_MAX_S: Final = 7 * 86_400.0
EVERY_MIN_S: Final = 0.1


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A message that the embedded CSMS sends to chargers."""

    at_s: Annotated[
        float,
        Key(Duration(0, AT_MAX_S), "when, from the start of the first stage", "at"),
    ]
    every_s: Annotated[
        float | None,
        Key(Duration(EVERY_MIN_S, AT_MAX_S), "send it again and again, this far apart", "every"),
    ] = None
    until_s: Annotated[
        float | None,
        Key(
            Duration(0, AT_MAX_S),
            "last moment of a repeated command; without it, the end of the stages",
            "until",
        ),
    ] = None
    send: Annotated[str, Key(CsmsAction(), "the message, by its name in OCPP")]
    to: Annotated[
        Recipients,
        Key(Part(Recipients, "a mapping such as {slice: ac, share: 50%}"), "who gets it"),
    ] = Recipients()
    payload: Annotated[
        dict[str, Any],
        Key(Json("a mapping, the payload of the message,"), "what it says; see placeholders"),
    ] = {}
    expect: Annotated[
        tuple[str, ...],
        Key(
            Names("a status, a CALLERROR code, timeout or any"),
            "what chargers must answer; left out, what says that they do it",
        ),
    ] = ()
    answer: Annotated[
        dict[str, Any] | None,
        Key(
            Json("a mapping, a part of the answer,"),
            "what the answer must hold besides; of lists, each item somewhere",
        ),
    ] = None

    converged: Annotated[
        Converged | None,
        Key(
            ConvergedKind(),
            "what shows that a charger has done it, and by when; left out, what the message is"
            " known to do",
        ),
    ] = None

    @property
    def expected(self) -> tuple[str, ...]:
        """`expect`, or the good status of the message, whatever version it has that in."""
        if self.expect:
            return self.expect
        good = (
            status
            for version in VERSIONS
            if self.send in catalog_of(version).actions
            for status in good_statuses_of(version, self.send)
        )
        return tuple(dict.fromkeys(good))

    def moments(self, lasts_s: float) -> Iterator[float]:
        """When it is sent, in seconds from the start, in stages that last so long."""
        yield self.at_s
        if self.every_s is not None:
            end_s = lasts_s if self.until_s is None else min(lasts_s, self.until_s)
            rounds = int((end_s - self.at_s) / self.every_s + 1e-9)
            for number in range(1, min(rounds, ROUNDS_MAX - 1) + 1):
                yield self.at_s + number * self.every_s


class CommandPart(Part):
    """A command. Whether its message allows what it says depends on whom it goes to: see
    `command_rules.check_command`.
    """

    def __init__(self) -> None:
        super().__init__(Command, "a command such as {at: 5s, send: ClearCache}")

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        draft = super().read(node, path, report)
        if draft is BAD:
            return BAD
        assert isinstance(node, Pairs)
        check_times(draft, report)
        for name in ("payload", "answer"):
            value = draft.get(name)
            if name in node.entries and value is not BAD:
                place = node.entries[name].value
                if not check_placeholders(place, f"{draft.path}.{name}", report):
                    del draft.values[name]
        return CommandDraft(draft, node)


def uses(commands: tuple[Command, ...], placeholder: str) -> bool:
    """Whether a payload of these commands has the placeholder."""
    from simfleet.csms.placeholders import names_in

    return any(placeholder in names_in([one.payload, one.answer or {}]) for one in commands)
