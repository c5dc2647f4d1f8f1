"""How quirks are written in a model's file, and what each of them means.

One field per quirk; each has a `why`, the sentence that somebody who meets it wants to read.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Struct

from simfleet.documents.fields import Key, ListOf, Part, fields_of
from simfleet.documents.kinds import Choice, Parsed, Text
from simfleet.ocpp.versions import actions_sent_by
from simfleet.station.phase import Phase
from simfleet.station.quirks import Quirks

_ACTIONS = actions_sent_by("csms")
_SKIPPED = (Phase.PREPARING, Phase.SUSPENDED_EV, Phase.SUSPENDED_EVSE, Phase.FINISHING)
_OFFSET_PATTERN = r"[+-](?:0[0-9]|1[0-4]):[0-5][0-9]"

Why = Annotated[
    str,
    Key(Text("one sentence", length_max=300), "what stands behind it, for whoever meets it"),
]


def _offset_min(text: str) -> int:
    if not re.fullmatch(_OFFSET_PATTERN, text):
        raise ValueError(f"{text!r} is no zone; write one such as +02:00")
    minutes = int(text[1:3]) * 60 + int(text[4:])
    return -minutes if text[0] == "-" else minutes


class Plain(Struct, frozen=True, kw_only=True):
    """A quirk that a charger has or has not."""

    why: Why


class IgnoredKeys(Struct, frozen=True, kw_only=True):
    """Keys that cannot be changed, whatever the answer says."""

    keys: Annotated[
        tuple[str, ...],
        Key(
            ListOf(
                Text("the name of a configuration key", length_max=50),
                "keys",
                count_min=1,
                count_max=100,
            ),
            "the keys",
        ),
    ]
    why: Why


class LackingActions(Struct, frozen=True, kw_only=True):
    """CALLs that were never built in."""

    actions: Annotated[
        tuple[str, ...],
        Key(
            ListOf(Choice(*_ACTIONS), "actions", count_min=1, count_max=len(_ACTIONS)),
            "what the CSMS asks for in vain",
        ),
    ]
    why: Why


class SkippedStatuses(Struct, frozen=True, kw_only=True):
    """Statuses that are never told."""

    statuses: Annotated[
        tuple[str, ...],
        Key(
            ListOf(Choice(*_SKIPPED), "statuses", count_min=1, count_max=len(_SKIPPED)),
            "the statuses",
        ),
    ]
    why: Why


class EnergyInKwh(Struct, frozen=True, kw_only=True):
    """Kilowatt-hours, under one label or another."""

    unit: Annotated[
        Literal["kWh", "Wh", "none"],
        Key(
            Choice("kWh", "Wh", "none"),
            "what the unit says: kWh is right, Wh is wrong by a factor of a thousand, and none"
            " means Wh as well",
        ),
    ]
    why: Why


class TagStyle(Struct, frozen=True, kw_only=True):
    """How the reader spells tags."""

    style: Annotated[
        Literal["upper_case", "lower_case", "reversed_bytes"],
        Key(Choice("upper_case", "lower_case", "reversed_bytes"), "how tags are spelled"),
    ]
    why: Why


class TimestampStyle(Struct, frozen=True, kw_only=True):
    """How the firmware writes date and time."""

    style: Annotated[
        Literal["whole_seconds", "local_time", "no_zone"],
        Key(
            Choice("whole_seconds", "local_time", "no_zone"),
            "no fractions; local time with its zone; UTC without saying so (no valid date-time)",
        ),
    ]
    utc_offset_min: Annotated[
        int | None,
        Key(
            Parsed("a zone such as +02:00", _offset_min, pattern=_OFFSET_PATTERN),
            "the zone of local_time",
            "utc_offset",
        ),
    ] = None
    why: Why


def _plain(means: str) -> Key:
    return Key(Part(Plain, "a mapping with a why:"), means)


class QuirkWords(Struct, frozen=True, kw_only=True):
    """What a model does otherwise than OCPP says, or than everybody else."""

    status_connector_zero_only: Annotated[
        Plain | None,
        _plain(
            "StatusNotification only ever has connectorId 0: what connector 1 does is told of 0,"
            " further connectors are not mentioned"
        ),
    ] = None
    no_connector_zero_status: Annotated[
        Plain | None, _plain("no StatusNotification for connector 0, the station as a whole")
    ] = None
    skipped_statuses: Annotated[
        SkippedStatuses | None,
        Key(Part(SkippedStatuses, "a mapping"), "statuses of connectors that are never reported"),
    ] = None
    boots_on_reconnect: Annotated[
        Plain | None,
        _plain("BootNotification after every new connection, though nothing has booted"),
    ] = None
    own_heartbeat_interval: Annotated[
        Plain | None,
        _plain("the interval in the answer to BootNotification is passed over"),
    ] = None
    ignored_keys: Annotated[
        IgnoredKeys | None,
        Key(
            Part(IgnoredKeys, "a mapping"),
            "ChangeConfiguration of these is answered Accepted and changes nothing",
        ),
    ] = None
    lacking_actions: Annotated[
        LackingActions | None,
        Key(Part(LackingActions, "a mapping"), "CALLs that are answered NotImplemented"),
    ] = None
    remote_start_needs_connector: Annotated[
        Plain | None, _plain("RemoteStartTransaction without connectorId is Rejected")
    ] = None
    remote_start_needs_cable: Annotated[
        Plain | None, _plain("RemoteStartTransaction is Rejected until a cable is in")
    ] = None
    energy_in_kwh: Annotated[
        EnergyInKwh | None,
        Key(Part(EnergyInKwh, "a mapping"), "energies in meter values are numbers of kWh"),
    ] = None
    defaults_left_out: Annotated[
        Plain | None,
        _plain(
            "sampled values have no measurand, context, location or unit where OCPP has a default"
        ),
    ] = None
    register_from_zero: Annotated[
        Plain | None,
        _plain("meterStart is always 0, and meterStop and meter values count from there"),
    ] = None
    meter_values_without_transaction: Annotated[
        Plain | None, _plain("MeterValues have no transactionId, not even during one")
    ] = None
    no_transaction_data: Annotated[
        Plain | None, _plain("StopTransaction has no transactionData, whatever is configured")
    ] = None
    no_stop_reason: Annotated[
        Plain | None, _plain("StopTransaction has no reason, which then means Local")
    ] = None
    no_stop_tag: Annotated[Plain | None, _plain("StopTransaction has no idTag")] = None
    tags: Annotated[
        TagStyle | None,
        Key(
            Part(TagStyle, "a mapping"),
            "tags are spelled its own way, those of RemoteStartTransaction too",
        ),
    ] = None
    timestamps: Annotated[
        TimestampStyle | None,
        Key(Part(TimestampStyle, "a mapping"), "date and time are written its own way"),
    ] = None
    seq_no_from_one: Annotated[
        Plain | None, _plain("seqNo of TransactionEvent counts from 1, not from 0 (2.x)")
    ] = None
    no_charging_state: Annotated[
        Plain | None, _plain("TransactionEvent never has a chargingState (2.x)")
    ] = None
    no_offline_flag: Annotated[
        Plain | None,
        _plain("TransactionEvent does not say that it comes late, from before a reconnect (2.x)"),
    ] = None

    def present(self) -> dict[str, str]:
        """The quirks that there are, each with its why."""
        return {
            name: quirk.why
            for name in self.__struct_fields__
            if (quirk := getattr(self, name)) is not None
        }

    def for_station(self) -> Quirks | None:
        """What a station has to know of them; None when there are none."""
        found: dict[str, object] = {}
        for name in self.present():
            match getattr(self, name):
                case Plain():
                    found[name] = True
                case IgnoredKeys(keys=keys):
                    found[name] = frozenset(key.lower() for key in keys)
                case LackingActions(actions=actions):
                    found[name] = frozenset(actions)
                case SkippedStatuses(statuses=statuses):
                    found[name] = frozenset(statuses)
                case EnergyInKwh(unit=unit):
                    found[name] = unit
                case TagStyle(style=style):
                    found[name] = style
                case TimestampStyle(style=style, utc_offset_min=offset_min):
                    found[name] = style
                    found["utc_offset_min"] = offset_min or 0
        return msgspec.convert(found, Quirks) if found else None


QUIRKS = {name: field.key.means for name, field in fields_of(QuirkWords).items()}
"""Every quirk that there is, and what it means."""
