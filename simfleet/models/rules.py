"""Rules across the fields of a model's file, checked on whatever could be read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simfleet.documents.fields import Draft
from simfleet.documents.kinds import BAD, Value, did_you_mean
from simfleet.documents.nodes import join
from simfleet.documents.quantities import number_text
from simfleet.models.model import (
    VARIABLES,
    ChargerModel,
    phases_usual,
    variable_row,
    vendor_row,
)
from simfleet.station.configuration_keys import KEYS

if TYPE_CHECKING:
    from simfleet.documents.nodes import Report
    from simfleet.models.schema import ModelWords

_STANDARD = {name.lower(): name for name in KEYS}
_NOT_HERE = {
    "numberofconnectors": "is the number of connectors; write it nowhere else",
    "authorizationkey": "is a secret of each charger, not of its model; write it in the scenario",
    "supportedfeatureprofiles": "has a field of its own; write feature_profiles",
}


def check_words(draft: Draft, report: Report) -> None:
    """Report every broken rule; one that needs what is missing is not checked."""
    if draft is BAD:
        return
    outlets = draft.get("connectors")
    if outlets is not BAD:
        _check_outlets([one for one in outlets if one is not BAD], report)
        _check_station_power(draft, outlets, report)
    _check_keys(draft, report)
    _check_vendor_keys(draft, report)
    _check_variables(draft, report)
    _check_quirks(draft, report)


def _check_outlets(outlets: list[Draft], report: Report) -> None:
    for outlet in outlets:
        kind, phases = outlet.get("kind"), outlet.get("phases")
        power_w, cable = outlet.get("max_power_w"), outlet.get("cable")
        if phases not in (BAD, None):
            if kind == "DC" and phases != 1:
                message = f"{phases} phases, but a DC connector has none; leave it out"
                report(outlet.place_of("phases"), f"{outlet.path}.phases", message)
            elif phases == 2:
                message = "2 is not a number of phases that connectors have; write 1 or 3"
                report(outlet.place_of("phases"), f"{outlet.path}.phases", message)
        if kind == "DC" and cable == "socket":
            message = "a DC connector has its cable on the station; write tethered, or nothing"
            report(outlet.place_of("cable"), f"{outlet.path}.cable", message)
        if kind == "AC" and power_w is not BAD and phases is not BAD:
            _check_ac_power(outlet, power_w, phases or phases_usual(power_w), report)


AC_PHASE_MAX_W = 32_000.0
"""Of one phase; 63 A connectors have 14.5 kW on each."""


def _check_ac_power(outlet: Draft, power_w: float, phases: int, report: Report) -> None:
    most_w = AC_PHASE_MAX_W * phases
    if power_w > most_w:
        most = number_text(most_w / 1000)
        shown = number_text(power_w / 1000)
        wires = "one phase carries" if phases == 1 else "three phases carry"
        message = f"{shown} kW are more than {wires}; write at most {most}"
        report(outlet.place_of("max_power_w"), f"{outlet.path}.power_kw", message)


def _check_station_power(draft: Draft, outlets: list[Draft], report: Report) -> None:
    limit_w = draft.get("station_max_power_w")
    powers: list[Value] = [BAD if one is BAD else one.get("max_power_w") for one in outlets]
    if limit_w in (BAD, None) or BAD in powers:
        return
    total_w: float = sum(powers)
    if limit_w > total_w:
        total, limit = number_text(total_w / 1000), number_text(limit_w / 1000)
        message = f"{limit} kW are more than the connectors have together, {total}; leave it out"
        report(draft.place_of("station_max_power_w"), "station_power_kw", message)


def _check_keys(draft: Draft, report: Report) -> None:
    configuration = draft.get("configuration")
    for key in configuration if configuration is not BAD else ():
        place, path = draft.place_of(f"configuration.{key}"), join("configuration", key)
        if problem := _NOT_HERE.get(key.lower()):
            report(place, path, f"{key} {problem}")
        elif key.lower() not in _STANDARD:
            near = did_you_mean(key, KEYS)
            report(place, path, f"OCPP has no such key; declare it in vendor_keys{near}")
    for field in ("read_only", "needs_reboot"):
        names = draft.get(field)
        for number, key in enumerate(names if names is not BAD else ()):
            if key is not BAD and key.lower() not in _STANDARD:
                near = did_you_mean(key, KEYS)
                message = f"{key!r} is no key of OCPP; a vendor's own says so itself{near}"
                report(draft.place_of(field), f"{field}[{number}]", message)


def _check_vendor_keys(draft: Draft, report: Report) -> None:
    drafts = draft.get("vendor_keys")
    seen: dict[str, str] = {}
    for name, one in drafts.items() if drafts is not BAD else ():
        path = join("vendor_keys", name)
        if name.lower() in _STANDARD:
            message = "is a key of OCPP; write its value in configuration"
            report(one.place, path, f"{_STANDARD[name.lower()]} {message}")
        if (first := seen.setdefault(name.lower(), name)) != name:
            message = f"is {first} again; upper and lower case make no difference"
            report(one.place, path, f"{name} {message}")
        if BAD in (one.get(field) for field in one.struct.__struct_fields__):
            continue
        _check_vendor_key(name, one, path, report)


def _check_vendor_key(name: str, draft: Draft, path: str, report: Report) -> None:
    key = draft.build()
    of_choices = key.type in ("choice", "list")
    if key.type == "choice" and not key.choices:
        report(draft.place, path, "a choice needs choices: a list of what it may be")
        return
    if key.choices and not of_choices:
        message = f"an {key.type} has no choices; write type: choice"
        report(draft.place_of("choices"), f"{path}.choices", message.replace("an bool", "a bool"))
    for field in ("low", "high", "unit"):
        if field in draft.places and key.type != "int":
            written = {"low": "min", "high": "max"}.get(field, field)
            message = f"only an int has a {written}; leave it out, or write type: int"
            report(draft.place_of(field), f"{path}.{written}", message)
    if key.low > key.high:
        message = f"{key.low} is more than max, {key.high}; write them the other way round"
        report(draft.place_of("low"), f"{path}.min", message)
        return
    row = vendor_row(name, key)
    if row.normal(key.default) is None:
        message = f"{key.default!r} is not {row.expects()}"
        report(draft.place_of("default"), f"{path}.default", message)


def _check_variables(draft: Draft, report: Report) -> None:
    from simfleet.station.device_model_table import ROWS  # for models with variables only

    drafts = draft.get("device_model")
    if drafts is BAD or not drafts:
        return
    keys = {f"{row.component}.{row.variable}".lower(): row.key for row in ROWS if row.key}
    for name, one in drafts.items():
        path = join("device_model", name)
        if BAD in (one.get(field) for field in one.struct.__struct_fields__):
            continue
        known = VARIABLES.get(name.lower())
        key = keys.get(name.lower(), "")
        if key and known is None and key.lower() != name.lower():
            message = f"{name} is the key {key}; write its value in configuration"
            report(one.place, path, message)
            continue
        variable = one.build()
        if known is not None and variable.type is not None:
            message = f"every station has {known.name}, and its type is known; leave it out"
            report(one.place_of("type"), f"{path}.type", message)
            continue
        if known is None and variable.type is None:
            report(one.place, path, "a variable of its own needs a type: text, for example")
            continue
        row = variable_row(name, variable)
        if row.type in ("enum", "csv") and not row.members:
            report(one.place, path, f"a {variable.type} needs choices: a list of what may be there")
        elif row.normal(row.default) is None:
            message = f"{row.default!r} is not {row.expects()}"
            report(one.place_of("default"), f"{path}.default", message)


def _check_quirks(draft: Draft, report: Report) -> None:
    quirks = draft.get("quirks")
    if quirks is BAD or not isinstance(quirks, Draft):
        return
    both = ("status_connector_zero_only", "no_connector_zero_status")
    if all(isinstance(quirks.get(name), Draft) for name in both):
        message = f"with {both[0]} no status at all is left; keep one of them"
        report(quirks.place_of(both[1]), f"quirks.{both[1]}", message)
    moments = quirks.get("timestamps")
    if isinstance(moments, Draft) and moments.get("style") is not BAD:
        local = moments.get("style") == "local_time"
        given = moments.get("utc_offset_min") is not None
        if local and not given:
            message = "local_time needs its zone; write utc_offset: +02:00"
            report(moments.place, "quirks.timestamps", message)
        elif given and not local and moments.get("utc_offset_min") is not BAD:
            message = "only local_time has a zone; leave it out"
            place = moments.place_of("utc_offset_min")
            report(place, "quirks.timestamps.utc_offset", message)


def check_settings(draft: Draft, words: ModelWords, report: Report) -> None:
    """What a station would refuse of the keys and values taken together, asked of it here."""
    try:
        ChargerModel("", words).factory()
        ChargerModel("", words).factory(version="ocpp2.1")
    except ValueError as wrong:
        for line in str(wrong).splitlines():
            name, _, message = line.partition(": ")
            alike = [key for key in words.configuration if key.lower() == name.lower()]
            if alike:
                place = draft.place_of(f"configuration.{alike[0]}")
                report(place, join("configuration", alike[0]), message)
            elif name.lower() == "supportedfeatureprofiles":
                report(draft.place_of("feature_profiles"), "feature_profiles", message)
            else:
                report(draft.place, "", line)
