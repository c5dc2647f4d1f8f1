"""Rules across fields of a scenario, checked on whatever could be read of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from simfleet.documents.fields import Draft, fields_of
from simfleet.documents.kinds import BAD
from simfleet.documents.nodes import join
from simfleet.documents.quantities import duration_text
from simfleet.load.capacity_fields import check_capacity
from simfleet.load.cases.rules import check_cases
from simfleet.load.closed_fields import check_stairs
from simfleet.load.command_rules import check_command
from simfleet.load.csms_fields import check_csms
from simfleet.load.fault_fields import check_faults
from simfleet.load.identities import clashes, identities_of, identity_of, pattern_problem
from simfleet.load.network_fields import check_network
from simfleet.load.open_fields import check_sessions
from simfleet.load.recipients import check_recipients
from simfleet.load.schema1 import CHARGERS_MAX, Slice
from simfleet.load.slice_models import factory_of
from simfleet.load.storm_fields import check_storm
from simfleet.load.threshold_fields import check_thresholds
from simfleet.models.model import Wanted
from simfleet.ocpp.versions import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simfleet.documents.nodes import Report


def check_rules(draft: Draft, report: Report) -> None:
    """Report every broken rule.

    `draft` may be BAD or have gaps; a rule that needs what is missing is not checked.
    """
    if draft is BAD:
        return
    fleet = draft.get("fleet")
    if fleet is BAD:
        return
    slices = [item for item in fleet if item is not BAD]
    _check_names(slices, report)
    _check_identities(slices, report)
    _check_user_names(draft, slices, report)
    _check_client_files(draft, report)
    _check_configuration(slices, report)
    stages = draft.get("stages")
    for stage in () if stages is BAD else stages:
        if stage is not BAD:
            check_faults(stage, slices, report)
            check_network(stage, slices, report)
            check_csms(stage, _url_of(draft), report)
            check_storm(stage, _url_of(draft), report)
            check_stairs(stage, report)
    for item in slices:
        check_network(item, slices, report)
    check_sessions(draft, report)
    _check_commands(draft, slices, report)
    check_cases(draft, slices, report)
    check_thresholds(draft, slices, report)
    _check_warm_up(draft, report)
    counts = [item.get("count") for item in slices]
    sized = len(slices) == len(fleet) and BAD not in counts
    check_capacity(draft, sum(counts) if sized else None, report)
    if len(slices) < len(fleet) or any(count is BAD for count in counts):
        return  # how large the fleet is meant to be is not known
    total = sum(counts)
    if total > CHARGERS_MAX:
        message = f"{total} chargers in all are out of range; a run has 0 to {CHARGERS_MAX}"
        report(draft.place_of("fleet"), "fleet", message)
    _check_charger_counts(draft, total, report)


def _url_of(draft: Draft) -> Any:
    target = draft.get("target")
    return target.get("url") if isinstance(target, Draft) else getattr(target, "url", BAD)


def _check_names(slices: list[Draft], report: Report) -> None:
    seen: dict[str, Draft] = {}
    for item in slices:
        name = item.get("name")
        if name is BAD:
            continue
        first = seen.setdefault(name, item)
        if first is not item:
            report(
                item.place_of("name"),
                f"{item.path}.name",
                f"{name!r} is the name of {first.path} already",
            )


def _check_identities(slices: list[Draft], report: Report) -> None:
    good: list[tuple[int, Iterable[str]]] = []
    total = 0
    for number, item in enumerate(slices):
        pattern, count = item.get("id_pattern"), item.get("count")
        if pattern is BAD or count is BAD:
            continue
        if fed := _fed(item):
            good.append((number, fed[:count]))
        elif problem := pattern_problem(pattern, count):
            report(item.place_of("id_pattern"), f"{item.path}.id", problem)
            continue
        else:
            good.append((number, identities_of(pattern, count)))
        total += count
    if total > CHARGERS_MAX:
        return  # reported as such; not worth a million identities
    for later, earlier, identity in clashes(good):
        place = slices[later].place_of("data" if _fed(slices[later]) else "id_pattern")
        owner = slices[earlier].path
        message = f"{identity!r} is also in {owner}; identities are unique in a run"
        report(place, f"{slices[later].path}.id", message)


def _fed(item: Draft) -> tuple[str, ...]:
    """The identities that come from a data file, if they do."""
    data = item.get("data")
    rows = data.values.get("rows") if isinstance(data, Draft) else None
    return () if rows is None else rows.column("identity")


def _check_client_files(draft: Draft, report: Report) -> None:
    target = draft.get("target")
    if not isinstance(target, Draft):
        return
    if target.get("client_key") not in (BAD, None) and target.get("client_cert") is None:
        message = "a key is of no use without the certificate; write target.client_cert as well"
        report(target.place_of("client_key"), "target.client_key", message)
    if target.get("client_cert") not in (BAD, None) and target.get("url") == "embedded":
        message = "the embedded CSMS issues its chargers' certificates itself; leave it out"
        report(target.place_of("client_cert"), "target.client_cert", message)


def _check_user_names(draft: Draft, slices: list[Draft], report: Report) -> None:
    """The identity is the user of HTTP Basic authentication, which ends at the first colon."""
    target = draft.get("target")
    everybody = isinstance(target, Draft) and target.get("password") not in (BAD, None)
    for item in slices:
        own = item.get("password") not in (BAD, None)
        if not everybody and not own and item.get("security_profile") not in (1, 2):
            continue
        pattern = next(iter(_fed(item)), item.get("id_pattern"))
        if pattern is not BAD and ":" in identity_of(pattern, 1):  # a {n:05} is none
            message = f"{pattern!r} has a colon, which no user of HTTP Basic authentication"
            cause = "target.password" if everybody else "security_profile 1 and 2"
            message += f" ({cause}) can have; write another character"
            report(item.place_of("id_pattern"), f"{item.path}.id", message)


def _check_configuration(slices: list[Draft], report: Report) -> None:
    """What the station itself would refuse, asked of it here so that it has a line and a column."""
    for item in slices:
        configuration = item.get("configuration")
        attributes = ("type", "max_power_w", "connectors", "vendor", "version")
        kind, power_w, connectors, vendor, version = (item.get(name) for name in attributes)
        model = item.get("model")
        if BAD in (configuration, model, kind, power_w, connectors, vendor, version):
            continue
        wanted = Wanted(kind=kind, max_power_w=power_w, connectors=connectors, vendor=vendor)
        try:
            factory_of(model, wanted, configuration, version=version)
        except ValueError as wrong:
            for line in str(wrong).splitlines():
                _report_setting(item, configuration, line, report)


def _report_setting(
    item: Draft, configuration: Mapping[str, str], line: str, report: Report
) -> None:
    """Report one line of `for_station`, `Key: what is wrong`, where that key was written."""
    name, _, message = line.partition(": ")
    path = f"{item.path}.configuration"
    alike = [key for key in configuration if key.lower() == name.lower()]
    if alike:
        key = name if name in alike else alike[0]
        report(item.place_of(f"configuration.{key}"), join(path, key), message)
    else:  # about a key that was left out
        report(item.place_of("configuration"), path, line)


def _check_charger_counts(draft: Draft, total: int, report: Report) -> None:
    stages = draft.get("stages")
    for stage in () if stages is BAD else stages:
        for field in () if stage is BAD else stage.struct.CHARGERS:
            wanted = stage.get(field)
            if wanted not in (BAD, None) and wanted > total:
                message = f"{wanted} chargers are more than the fleet has; write 0 to {total}"
                name = next(
                    one.name for one in fields_of(stage.struct).values() if one.attribute == field
                )
                report(stage.place_of(field), f"{stage.path}.{name}", message)


def _check_commands(draft: Draft, slices: list[Draft], report: Report) -> None:
    """Commands are sent by the embedded CSMS, to slices that exist, while there are stages."""
    commands, target = draft.get("commands"), draft.get("target")
    if commands is BAD or not commands:
        return
    url = target.get("url") if isinstance(target, Draft) else "embedded"
    if url not in (BAD, "embedded"):
        message = f"are sent by the embedded CSMS; with target.url: {url} leave them out"
        report(draft.place_of("commands"), "commands", message)
    lasts_s = _lasts_s(draft)
    for command in commands:
        if command is BAD:
            continue
        check_recipients(command, slices, report)
        check_command(command, _versions_meant(command, slices), report)
        at_s = command.get("at_s")
        if BAD not in (at_s, lasts_s) and at_s > lasts_s:
            message = f"is after the stages, which end at {duration_text(lasts_s)}"
            report(command.place_of("at_s"), f"{command.path}.at", message)


def _check_warm_up(draft: Draft, report: Report) -> None:
    warm_up_s, lasts_s = draft.get("warm_up_s"), _lasts_s(draft)
    if BAD not in (warm_up_s, lasts_s) and warm_up_s and warm_up_s >= lasts_s:
        message = f"is as long as all stages, which take {duration_text(lasts_s)}; write less"
        report(draft.place_of("warm_up_s"), "warm_up", message)


def _versions_meant(command: Draft, slices: list[Draft]) -> tuple[str, ...]:
    """The versions of the chargers that a command may go to; empty where that is not known."""
    to = command.get("to")
    if to is BAD:
        return ()
    get = to.get if isinstance(to, Draft) else partial(getattr, to)
    wanted, chosen = get("versions"), get("slices")
    if BAD in (wanted, chosen):
        return ()
    found = [item.get("version") for item in slices if not chosen or item.get("name") in chosen]
    if BAD in found:
        return ()
    return tuple(one for one in VERSIONS if one in found and (not wanted or one in wanted))


def _lasts_s(draft: Draft) -> Any:
    """How long the stages take together; BAD if that is not known."""
    stages = draft.get("stages")
    if stages is BAD or any(stage is BAD for stage in stages):
        return BAD
    times = [stage.struct.duration_s(stage.get) for stage in stages]
    return BAD if any(time_s is BAD for time_s in times) else sum(times)


def identity_problems(slices: tuple[Slice, ...]) -> list[str]:
    """What is wrong with the identities of a fleet whose counts were changed after it was read."""
    problems = [problem for part in slices if (problem := _slice_problem(part))]
    if not problems:
        good = [
            (number, [part.identity(n + 1) for n in range(part.count)])
            for number, part in enumerate(slices)
        ]
        problems = [
            f"{identity!r} would be in both {slices[earlier].name!r} and {slices[later].name!r}"
            for later, earlier, identity in clashes(good)
        ]
    return problems


def _slice_problem(part: Slice) -> str | None:
    """Why a slice cannot have so many chargers."""
    if part.data is not None and part.count > part.data.rows.count:
        return f"{part.name!r} would have {part.count}, and its data has {part.data.rows.count}"
    if part.data is not None and part.data.identity is not None:
        return None
    return pattern_problem(part.id_pattern, part.count)
