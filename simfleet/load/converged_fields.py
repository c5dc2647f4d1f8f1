"""`converged` of a command: what shows that a charger has done what it was told, and by when.

Without being asked, the commands that change something have what shows it: see `DEFAULTS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

from simfleet.documents.fields import Draft, Key, Part
from simfleet.documents.kinds import (
    BAD,
    Choice,
    Duration,
    Kind,
    Measure,
    ScalarKind,
    Text,
    Value,
    described,
    did_you_mean,
)
from simfleet.documents.nodes import Items, Node, Pairs, Report, Scalar, join
from simfleet.documents.quantities import shown
from simfleet.load.cases.payload_paths import literals_of, type_at
from simfleet.ocpp.versions import VERSIONS, catalog_of, number_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simfleet.csms.convergence import Effect
    from simfleet.load.commands import Command

WITHIN_S: Final = 60.0
FIRMWARE_WITHIN_S: Final = 600.0
WITHIN_MAX_S: Final = 86_400.0
NONE: Final = "none"
LIMIT: Final = "limit"

_PLAIN: Final = ("transaction_started", "transaction_stopped", "booted", LIMIT)
_VALUED: Final[dict[str, ScalarKind]] = {
    "status": Text("a status of a connector", pattern="[A-Za-z]+", length_max=40),
    "power_below_kw": Measure(0, 4000, "kW", scale=1000.0),
    "firmware": Text("a status of firmware, such as Installed", pattern="[A-Za-z]+", length_max=40),
    "message": Text("a message that a charger sends", pattern="[A-Za-z0-9]+", length_max=60),
}
DEFAULTS: Final = {
    "RemoteStartTransaction": "transaction_started",
    "RequestStartTransaction": "transaction_started",
    "RemoteStopTransaction": "transaction_stopped",
    "RequestStopTransaction": "transaction_stopped",
    "Reset": "booted",
    "SetChargingProfile": LIMIT,
    "ChangeAvailability": "status",
    "UpdateFirmware": "firmware",
    "SignedUpdateFirmware": "firmware",
}


class When(msgspec.Struct, frozen=True):
    """What shows it. `value`: the status, the watts, the message."""

    kind: str
    value: str | float | None = None


class WhenKind(Kind):
    """A word, or a mapping with one key that says more."""

    accepts = f"{', '.join(_PLAIN)}, or one of {{status: Available}}, {{power_below_kw: 11}},"
    accepts += " {firmware: Installed}, {message: Heartbeat}"

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        if isinstance(node, Scalar):
            if node.text in _PLAIN:
                return When(node.text)
            near = did_you_mean(node.text, (*_PLAIN, *_VALUED)) or f"; write {self.accepts}"
            report(node.place, path, f"{shown(node.text)} shows nothing{near}")
            return BAD
        if isinstance(node, Items) or len(node.entries) != 1:
            what = described(node) if isinstance(node, Items) else f"{len(node.entries)} keys"
            report(node.place, path, f"{self.accepts} is expected here, not {what}")
            return BAD
        ((word, entry),) = node.entries.items()
        kind = _VALUED.get(word)
        if kind is None:
            near = did_you_mean(word, _VALUED) or f"; write {self.accepts}"
            report(entry.place, join(path, word), f"{shown(word)} shows nothing{near}")
            return BAD
        value = kind.read(entry.value, join(path, word), report)
        return BAD if value is BAD else When(word, value)

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        valued = [
            {
                "type": "object",
                "properties": {word: kind.json_schema()},
                "required": [word],
                "additionalProperties": False,
            }
            for word, kind in _VALUED.items()
        ]
        return {"anyOf": [{"enum": list(_PLAIN)}, *valued]}


class Converged(msgspec.Struct, frozen=True, kw_only=True):
    """When a command has reached a charger in effect, as the CSMS sees it."""

    when: Annotated[
        When | None, Key(WhenKind(), "what shows it; left out, what the message is known to do")
    ] = None
    within_s: Annotated[
        float | None,
        Key(
            Duration(0.1, WITHIN_MAX_S),
            "by when, from the moment the command was due; who is later has not converged",
            "within",
        ),
    ] = None


class ConvergedKind(Kind):
    """A `Converged`, or the word `none`."""

    accepts = "a mapping such as {when: booted, within: 60s}, or none"

    def __init__(self) -> None:
        self._part = Part(Converged, self.accepts)
        self._none = Choice(NONE)

    def read(self, node: Node, path: str, report: Report) -> Value:
        """See Kind."""
        if isinstance(node, Scalar) and node.text == NONE:
            return Converged(when=When(NONE))
        if not isinstance(node, Pairs):
            report(node.place, path, f"{self.accepts} is expected here, not {described(node)}")
            return BAD
        return self._part.read(node, path, report)

    def json_schema(self) -> dict[str, Any]:
        """See Kind."""
        return {"anyOf": [self._none.json_schema(), self._part.json_schema()]}


def check_converged(draft: Draft, versions: Sequence[str], report: Report) -> None:
    """Report what the chargers that a command is for can never show."""
    converged, send = draft.get("converged"), draft.get("send")
    if not isinstance(converged, Draft) or send is BAD:
        return
    when = converged.get("when")
    if when is BAD:
        return
    if when is None:
        if send not in DEFAULTS:
            message = f"{send} is not known to do anything that shows; write when: as well"
            report(converged.place, f"{converged.path}.when", message)
        return
    place, path = converged.place_of("when"), f"{converged.path}.when"
    if when.kind == LIMIT and send != "SetChargingProfile":
        report(place, path, f"limit is that of a SetChargingProfile; {send} sets none")
    for version in versions:
        words = _words(when.kind, version)
        if words and when.value not in words:
            near = did_you_mean(str(when.value), words) or f"; write {', '.join(words)}"
            message = f"{shown(str(when.value))} never comes in OCPP {number_of(version)}{near}"
            report(place, path, message)
            return


def _words(kind: str, version: str) -> tuple[str, ...]:
    """What the value may be; empty if anything."""
    actions = catalog_of(version).actions
    if kind == "message":
        return tuple(one.name for one in actions.values() if "station" in one.sent_by)
    if kind == "status":
        name = "status" if version == VERSIONS[0] else "connectorStatus"
        return literals_of(type_at(actions["StatusNotification"].request, (name,)))
    if kind == "firmware":
        request = actions["FirmwareStatusNotification"].request
        return literals_of(type_at(request, ("status",)))
    return ()


def effect_of(command: Command) -> Effect | None:
    """What the CSMS is to look for; None for nothing."""
    from simfleet.csms.convergence import Effect

    said = command.converged
    when = None if said is None else said.when
    asked = when is not None
    if when is None:
        when = _default(command)
    if when is None or when.kind == NONE:
        return None
    within_s = None if said is None else said.within_s
    if within_s is None:
        within_s = FIRMWARE_WITHIN_S if when.kind == "firmware" else WITHIN_S
        if command.every_s is not None:  # until the next one, which has an effect of its own
            within_s = min(within_s, command.every_s)
    kind: Any = "power_below" if when.kind == "power_below_kw" else when.kind
    return Effect(kind=kind, value=when.value, within_s=within_s, asked=asked)


def _default(command: Command) -> When | None:
    kind = DEFAULTS.get(command.send)
    if kind is None or not set(command.expected) & _GOOD:
        return None  # nobody wants it to be done
    if kind == "firmware":
        return When(kind, "Installed")
    if kind == "status":
        wanted = command.payload.get("type", command.payload.get("operationalStatus"))
        left = wanted == "Operative"
        return When("status_left" if left else "status", "Unavailable")
    return When(kind)


_GOOD: Final = frozenset({"Accepted", "Scheduled", "Unlocked", "Answered", "any"})
