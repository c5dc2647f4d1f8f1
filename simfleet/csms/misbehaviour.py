"""The ways in which the CSMS can be told to misbehave: `simfleet csms --misbehave KIND[=VALUE]`.

One table: the name, what may follow it, what it does, and how the value becomes fields of
`Behaviour`. It imports nothing heavy, because `--help` shows it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

EVERY_ACTION: Final = "*"
STATION_ACTIONS: Final = frozenset(
    {
        "Authorize",
        "BatterySwap",
        "BootNotification",
        "ClearedChargingLimit",
        "ClosePeriodicEventStream",
        "DataTransfer",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Get15118EVCertificate",
        "GetCertificateChainStatus",
        "GetCertificateStatus",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "NotifyChargingLimit",
        "NotifyCustomerInformation",
        "NotifyDERAlarm",
        "NotifyDERStartStop",
        "NotifyDisplayMessages",
        "NotifyEVChargingNeeds",
        "NotifyEVChargingSchedule",
        "NotifyEvent",
        "NotifyMonitoringReport",
        "NotifyPriorityCharging",
        "NotifyReport",
        "NotifySettlement",
        "OpenPeriodicEventStream",
        "PublishFirmwareStatusNotification",
        "PullDynamicScheduleUpdate",
        "ReportChargingProfiles",
        "ReportDERControl",
        "ReservationStatusUpdate",
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
        "TransactionEvent",
        "VatNumberValidation",
    }
)
"""Every CALL of a station in any version; a test holds it to the catalogs."""

SIGNS: Final = ("rejected", "never", "foreign-ca", "wrong-key", "expired", "garbage")
"""What can go wrong with a certificate that a station asks for."""
ERROR_CODE_DEFAULT: Final = "InternalError"
_SECONDS_PER_UNIT: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h)", re.ASCII)


class Kind(NamedTuple):
    """A row of the table. `value` is how its value is written; in brackets when it may be left out.

    `fields` turns the text after "=" ("" without one) into fields of `Behaviour`; it raises
    ValueError with a message that says what would be accepted.
    """

    name: str
    value: str
    description: str
    fields: Callable[[str], Mapping[str, object]]


def parse_duration_s(text: str) -> float:
    """Seconds in `50ms`, `10s`, `2m` or `1h`. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration; write 50ms, 10s, 2m or 1h")
    return float(found[1]) * _SECONDS_PER_UNIT[found[2]]


def parse_actions(text: str) -> frozenset[str]:
    """The actions in `Authorize,MeterValues`; nothing means every action. Raises ValueError."""
    if not text:
        return frozenset({EVERY_ACTION})
    return frozenset(parse_action(name.strip()) for name in text.split(","))


def parse_action(text: str) -> str:
    """One action that a station sends, or `*`. Raises ValueError."""
    if text == EVERY_ACTION or text in STATION_ACTIONS:
        return text
    wanted = ", ".join(sorted(STATION_ACTIONS))
    raise ValueError(f"{text!r} is not an action that a station sends; write one of {wanted}")


def _of_actions(field: str) -> Callable[[str], Mapping[str, object]]:
    return lambda text: {field: parse_actions(text)}


def _call_error(text: str) -> Mapping[str, object]:
    actions, _, code = text.partition(":")
    code = code or ERROR_CODE_DEFAULT
    if re.fullmatch(r"[A-Za-z]{1,50}", code) is None:
        raise ValueError(f"{code!r} is not an error code; write one such as NotSupported")
    return {"call_errors": dict.fromkeys(sorted(parse_actions(actions)), code)}


def _drop(text: str) -> Mapping[str, object]:
    try:
        fraction = float(text)
    except ValueError:
        fraction = -1.0
    if not 0 <= fraction <= 1:
        raise ValueError(f"{text!r} is not a fraction; write one from 0 to 1, such as 0.05")
    return {"drop": fraction}


def _whole(field: str, least: int, most: int) -> Callable[[str], Mapping[str, object]]:
    def fields(text: str) -> Mapping[str, object]:
        number = int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else -1
        if not least <= number <= most:
            raise ValueError(f"{text!r} is not a whole number from {least} to {most}")
        return {field: number}

    return fields


def _stall(text: str) -> Mapping[str, object]:
    lasting, _, after = text.partition("@")
    return {
        "stall_for_s": parse_duration_s(lasting),
        "stall_after_s": parse_duration_s(after) if after else 0.0,
    }


def _flag(field: str) -> Callable[[str], Mapping[str, object]]:
    def fields(text: str) -> Mapping[str, object]:
        if text:
            raise ValueError(f"takes no value, but {text!r} was given")
        return {field: True}

    return fields


def _sign(text: str) -> Mapping[str, object]:
    if text not in SIGNS:
        raise ValueError(f"{text!r} is no way to sign; write one of {', '.join(SIGNS)}")
    return {"sign": text}


_ACTIONS: Final = "[=ACTION,...]"

KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("never-answer", _ACTIONS, "leave CALLs unanswered", _of_actions("never_answer")),
        Kind("garbage", _ACTIONS, "answer with bytes that are no JSON", _of_actions("garbage")),
        Kind("wrong-id", _ACTIONS, "answer with an id nobody asked with", _of_actions("wrong_id")),
        Kind(
            "bad-schema",
            _ACTIONS,
            "answer with a payload that the schema forbids",
            _of_actions("bad_schema"),
        ),
        Kind(
            "call-error",
            "[=ACTION,...[:CODE]]",
            f"answer with a CALLERROR ({ERROR_CODE_DEFAULT})",
            _call_error,
        ),
        Kind("duplicate", _ACTIONS, "send each answer twice", _of_actions("duplicate")),
        Kind(
            "call-first",
            _ACTIONS,
            "send a CALL of our own before each answer",
            _of_actions("call_first"),
        ),
        Kind("drop", "=FRACTION", "leave this part of all CALLs unanswered", _drop),
        Kind(
            "throttle",
            "=N",
            "answer N CALLs a second, one after the other, over all connections",
            _whole("throttle", 1, 1_000_000),
        ),
        Kind(
            "close-after",
            "=N",
            "cut the connection after N messages",
            _whole("close_after", 1, 999_999_999),
        ),
        Kind(
            "stall",
            "=FOR[@AFTER]",
            "stop reading and answering for a time, e.g. 5s@10s",
            _stall,
        ),
        Kind(
            "close-handshake",
            "",
            "cut TCP during the opening handshake",
            _flag("close_in_handshake"),
        ),
        Kind(
            "http-status",
            "=STATUS",
            "refuse the opening handshake, e.g. with 503",
            _whole("http_status", 300, 599),
        ),
        Kind(
            "sign",
            "=HOW",
            f"answer SignCertificate badly: {', '.join(SIGNS)}",
            _sign,
        ),
        Kind("no-subprotocol", "", "accept without a subprotocol", _flag("no_subprotocol")),
    )
}
"""Every kind by name, in the order in which help shows them."""


def fields_of(text: str) -> Mapping[str, object]:
    """The fields of `Behaviour` that `KIND[=VALUE]` sets. Raises ValueError."""
    name, _, value = text.partition("=")
    kind = KINDS.get(name)
    if kind is None:
        raise ValueError(f"{name!r} is no kind of misbehaviour; write one of {', '.join(KINDS)}")
    try:
        return kind.fields(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def as_text() -> str:
    """The table for people: one line per kind."""
    width = max(len(kind.name + kind.value) for kind in KINDS.values())
    return "\n".join(
        f"  {kind.name + kind.value:<{width}}  {kind.description}" for kind in KINDS.values()
    )
