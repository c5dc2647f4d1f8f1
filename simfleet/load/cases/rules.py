"""What a case says that its chargers, their versions or the target do not allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simfleet.documents.fields import Draft
from simfleet.documents.kinds import BAD, did_you_mean
from simfleet.documents.nodes import Pairs, join
from simfleet.documents.quantities import shown
from simfleet.load.cases.fields import Cases
from simfleet.load.cases.payload_paths import literals_of, type_at
from simfleet.load.cases.steps import Assert, CsmsStep, Expect, Repeat, Set, Until
from simfleet.load.cases.where import Where
from simfleet.load.command_rules import check_command
from simfleet.load.fault_fields import check_fault
from simfleet.load.identities import identity_of
from simfleet.ocpp.versions import VERSIONS, catalog_of, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from simfleet.documents.nodes import Place, Report

_TARGETS: Final = ("charger", "to", "each")
_MESSAGES: Final = ("sent", "received", "reply_to")
_STATES: Final = ("phase", "transaction", "energy_kwh", "power_kw", "limit_kw", "online", "queued")


def check_cases(draft: Draft, slices: list[Draft], report: Report) -> None:
    """Report what is wrong with the cases of a scenario."""
    cases, stages = draft.get("cases"), draft.get("stages")
    if cases is BAD or stages is BAD:
        return
    doing = [one for one in stages if one is not BAD and one.struct is Cases]
    if cases and not doing and all(one is not BAD for one in stages):
        message = "are carried out by a stage; write {do: cases, within: 2m} among the stages"
        report(draft.place_of("cases"), "cases", message)
    names = _names(cases, report)
    for stage in doing:
        _check_stage(stage, cases, names, report)
    embedded = _embedded(draft)
    for case in cases:
        if case is not BAD:
            _check_case(case, slices, report, embedded=embedded)


def _embedded(draft: Draft) -> bool:
    target = draft.get("target")
    url = target.get("url") if isinstance(target, Draft) else "embedded"
    return url in (BAD, "embedded")


def _names(cases: list[Any], report: Report) -> set[str]:
    seen: dict[str, Draft] = {}
    for case in cases:
        name = BAD if case is BAD else case.get("name")
        if name is BAD:
            continue
        first = seen.setdefault(name, case)
        if first is not case:
            message = f"{name!r} is the name of {first.path} already"
            report(case.place_of("name"), f"{case.path}.name", message)
    return set(seen)


def _check_stage(stage: Draft, cases: list[Any], names: set[str], report: Report) -> None:
    if not cases:
        report(stage.place, stage.path, "there are no cases; write them at the top level: cases:")
    only = stage.get("only")
    for name in () if only is BAD or not cases else only:
        if name not in names and all(case is not BAD for case in cases):
            near = did_you_mean(name, names) or f"; write {', '.join(sorted(names))}"
            report(stage.place_of("only"), f"{stage.path}.only", f"{shown(name)} is no case{near}")


def _check_case(case: Draft, slices: list[Draft], report: Report, *, embedded: bool) -> None:
    given = [name for name in _TARGETS if case.get(name) is not None]
    if len(given) != 1:
        place = case.place if not given else case.place_of(given[1])
        message = "a case is for one charger or for each of many; write one of"
        message += " charger: ID, to: {slice: ac, number: 1} or each: {slice: ac}"
        report(place, case.path, message)
        return
    chosen = _chosen(case, slices, report)
    steps = case.get("steps")
    if steps is BAD:
        return
    versions = _versions(case, chosen)
    counts = [item.get("connectors") for item in chosen]
    connectors = min((one for one in counts if one is not BAD), default=None)
    check = _Check(versions, connectors, chosen, report, embedded=embedded)
    for step in _flat(steps):
        check.step(step)


def _chosen(case: Draft, slices: list[Draft], report: Report) -> list[Draft]:
    """The slices that the case is for; empty where that is not known."""
    names = [item.get("name") for item in slices]
    if BAD in names:
        return []
    wanted: Any
    if case.get("charger") not in (None, BAD):
        return _of_identity(case, slices, report)
    to, each = case.get("to"), case.get("each")
    if isinstance(to, Draft):
        wanted = [] if to.get("slice_name") is BAD else [to.get("slice_name")]
        _check_slices(wanted, names, to, "slice_name", report)
        _check_number(to, slices, report)
        return [item for item in slices if item.get("name") in wanted]
    if isinstance(each, Draft):
        wanted = each.get("slices")
        if wanted is BAD:
            return []
        _check_slices(wanted, names, each, "slices", report)
        return [item for item in slices if not wanted or item.get("name") in wanted]
    return []


def _check_slices(
    wanted: Sequence[str], names: list[str], draft: Draft, attribute: str, report: Report
) -> None:
    for name in wanted:
        if name not in names:
            near = did_you_mean(name, names) or f"; write {', '.join(names)}"
            message = f"{shown(name)} is not a slice of the fleet{near}"
            report(draft.place_of(attribute), f"{draft.path}.slice", message)


def _check_number(to: Draft, slices: list[Draft], report: Report) -> None:
    number = to.get("number")
    for item in slices:
        count = item.get("count")
        if item.get("name") != to.get("slice_name") or BAD in (number, count):
            continue
        if number > count:
            message = f"{number} is beyond the slice, which has {count}; write 1 to {count}"
            report(to.place_of("number"), f"{to.path}.number", message)


def _of_identity(case: Draft, slices: list[Draft], report: Report) -> list[Draft]:
    identity = case.get("charger")
    for item in slices:
        pattern, count = item.get("id_pattern"), item.get("count")
        if BAD in (pattern, count):
            return []
        if any(identity_of(pattern, n + 1) == identity for n in range(count)):
            return [item]
    examples = ", ".join(identity_of(item.get("id_pattern"), 1) for item in slices[:3])
    message = f"{shown(identity)} is no charger of the fleet; identities are such as {examples}"
    report(case.place_of("charger"), f"{case.path}.charger", message)
    return []


def _versions(case: Draft, chosen: list[Draft]) -> tuple[str, ...]:
    each = case.get("each")
    wanted = each.get("versions") if isinstance(each, Draft) else ()
    found = [item.get("version") for item in chosen]
    if BAD in found or wanted is BAD:
        return ()
    return tuple(one for one in VERSIONS if one in found and (not wanted or one in wanted))


def _flat(steps: list[Any]) -> Iterator[Draft]:
    for step in steps:
        if step is BAD:
            continue
        act = step.get("act")
        if isinstance(act, Draft) and act.struct is Repeat:
            inner = act.get("steps")
            yield from _flat([] if inner is BAD else inner)
        else:
            yield step


class _Check:
    """Checks the steps of one case."""

    def __init__(
        self,
        versions: tuple[str, ...],
        connectors: int | None,
        slices: list[Draft],
        report: Report,
        *,
        embedded: bool,
    ) -> None:
        self._versions = versions
        self._connectors = connectors
        self._slices = slices
        self._report = report
        self._embedded = embedded

    def step(self, step: Draft) -> None:
        """Report what is wrong with one step."""
        act = step.get("act")
        if not isinstance(act, Draft):
            return
        if step.get("word") == "fault":
            if "to" in act.places:
                message = "is for the faults of a stage; the case says which charger"
                self._report(act.place_of("to"), f"{act.path}.to", message)
            if self._slices:
                check_fault(act, self._slices, self._report)
            return
        self._check_connector(act)
        if act.struct in (Expect, Assert):
            self._check_messages(act)
        elif act.struct is CsmsStep:
            self._check_csms(act)
        elif act.struct is Until:
            self._one_of(act, ("transaction", "phase", "online"))
        elif act.struct is Set:
            self._one_of(act, ("vehicle", "energy_wh"))

    def _check_connector(self, act: Draft) -> None:
        number = act.get("connector_id")
        if number is BAD or self._connectors is None or "connector_id" not in act.places:
            return
        if number > self._connectors:
            having = "connector 1" if self._connectors == 1 else f"1 to {self._connectors}"
            message = f"{number} is no connector here; there is {having}"
            self._report(act.place_of("connector_id"), f"{act.path}.connector", message)

    def _one_of(self, act: Draft, attributes: tuple[str, ...]) -> None:
        if not any(attribute in act.places for attribute in attributes):
            names = ", ".join(name.removesuffix("_wh") for name in attributes)
            message = f"says nothing; write one of {names.replace('energy', 'energy_kwh')}"
            self._report(act.place, act.path, message)

    # ── messages ────────────────────────────────────────────────────────────────────────────────

    def _check_messages(self, act: Draft) -> None:
        named = [name for name in _MESSAGES if name in act.places]
        is_assert = act.struct is Assert
        if is_assert and not named:
            self._one_of(act, (*_MESSAGES, *_STATES))
            for extra in ("where", "count", "error"):
                if extra in act.places:
                    message = "is about messages; write sent, received or reply_to as well"
                    self._report(act.place_of(extra), f"{act.path}.{extra}", message)
            return
        if len(named) != 1:
            message = "is about one message; write sent, received or reply_to"
            self._report(act.place, act.path, message)
            return
        (name,) = named
        action = act.get(name)
        if "error" in act.places and name != "reply_to":
            message = "is what a reply may be; write reply_to instead"
            self._report(act.place_of("error"), f"{act.path}.error", message)
        if action is BAD:
            return
        for version in self._versions:
            if not self._check_message(act, name, action, version):
                return

    def _check_message(self, act: Draft, name: str, action: str, version: str) -> bool:
        """Whether a version has the message, and all that is wanted of it."""
        catalog = catalog_of(version)
        role = {"sent": "station", "received": "csms"}.get(name)
        known = [
            one.name for one in catalog.actions.values() if role is None or role in one.sent_by
        ]
        if action not in known:
            who = {"sent": "a charger sends no", "received": "a CSMS sends no"}.get(name, "no")
            message = f"{who} {action} in OCPP {number_of(version)}"
            if action in catalog.actions:
                other, word = ("CSMS", "received") if role == "station" else ("charger", "sent")
                message += f"; the {other} sends it: write {word}: {action}"
            elif near := did_you_mean(action, known):
                message += near
            elif len(self._versions) > 1:
                message += "; say which chargers it is for: each: {version: ...}"
            self._report(act.place_of(name), f"{act.path}.{name}", message)
            return False
        error = act.get("error")
        if error not in (None, BAD) and error not in catalog.codes.known:
            near = did_you_mean(error, catalog.codes.known)
            codes = ", ".join(sorted(catalog.codes.known))
            message = f"{shown(error)} is no CALLERROR code of OCPP {number_of(version)}"
            self._report(
                act.place_of("error"), f"{act.path}.error", f"{message}{near or f'; write {codes}'}"
            )
            return False
        if error is not None and act.get("where") not in (BAD, Where()):
            return True  # of the details of an error anything may be wanted
        found = catalog.actions[action]
        payload = found.response if name == "reply_to" else found.request
        if payload is None:
            message = f"{action} is never answered; write sent: {action}"
            self._report(act.place_of(name), f"{act.path}.{name}", message)
            return False
        return self._check_where(
            act, payload, f"{action}{'' if name != 'reply_to' else ' reply'}", version
        )

    def _check_where(self, act: Draft, payload: Any, what: str, version: str) -> bool:
        where = act.get("where")
        if not isinstance(where, Where) or not where.conditions:
            return True
        node = act.node.entries["where"].value  # type: ignore[attr-defined]
        return self._check_conditions(
            where, node, f"{act.path}.where", payload, f"{what} of OCPP {number_of(version)}"
        )

    def _check_conditions(
        self, where: Where, node: Any, path: str, payload: Any, what: str
    ) -> bool:
        assert isinstance(node, Pairs)
        good = True
        for (steps, wanted), (key, entry) in zip(
            where.conditions, node.entries.items(), strict=True
        ):
            inside = join(path, key)
            try:
                found = type_at(payload, steps)
            except ValueError as problem:
                self._report(entry.place, inside, f"{problem}, in {what}")
                good = False
                continue
            if isinstance(wanted, Where):
                inner = _item_of(found)
                good = self._check_conditions(wanted, entry.value, inside, inner, what) and good
                continue
            good = self._check_word(wanted, found, entry.value.place, inside) and good
        return good

    def _check_word(self, wanted: Any, hint: Any, place: Place, path: str) -> bool:
        """Whether a word that is wanted is one that can come."""
        words = literals_of(hint)
        if not words or wanted.operator not in ("==", "!=", "in"):
            return True
        values = wanted.value if isinstance(wanted.value, tuple) else (wanted.value,)
        for value in values:
            if value in words or (isinstance(value, str) and "$" in value):
                continue
            near = did_you_mean(str(value), words) or f"; it can be {', '.join(words)}"
            self._report(place, path, f"{shown(str(value))} never comes there{near}")
            return False
        return True

    # ── the CSMS ────────────────────────────────────────────────────────────────────────────────

    def _check_csms(self, act: Draft) -> None:
        from simfleet.csms.placeholders import GIVEN, names_in

        if not self._embedded:
            message = "is for the embedded CSMS; with another target leave it out"
            self._report(act.place, act.path, message)
            return
        payload, send = act.get("payload"), act.get("send")
        try:
            given = set() if payload is BAD else names_in(payload) & {*GIVEN}
        except ValueError as problem:
            self._report(act.place_of("payload"), f"{act.path}.payload", str(problem))
            return
        if given:
            message = f"${min(given)} is for `commands`; a case has no value for it"
            self._report(act.place_of("payload"), f"{act.path}.payload", message)
            return
        check_command(act, self._versions, self._report)
        for version in () if send is BAD else self._versions:
            action = catalog_of(version).actions.get(send)
            if action is None or not self._check_where(
                act, action.response, f"{send} reply", version
            ):
                return


def _item_of(hint: Any) -> Any:
    """What is inside of a list, for conditions on one item."""
    try:
        return type_at(hint, (0,))
    except ValueError:
        return hint
