"""Placeholders in the payload of a command to many stations: `$now+10m`, `$transaction_id`. Pure.

A string that is one placeholder becomes its value, a number where that is one; inside a longer
string it becomes text (`"$uploads/$identity"`). `$$` is a dollar sign.

    $now, $now+10m, $now-1h   a date-time (RFC 3339, UTC) at or around the moment of sending
    $transaction_id           the transaction running at the station, on the payload's connectorId
                              or evseId; a number in 1.6, a string in 2.x
    $evse_id                  the EVSE (in 1.6 connector) of that transaction where $transaction_id
                              is used too, otherwise one that is free if there is one
    $id_tag                   the tag of that transaction, or the last one that was accepted
    $id_token                 the same as IdToken of 2.x has it: a mapping
    $identity                 the station's identity
    $n                        a number that no other CALL of the run's commands has, from 1
    $uploads                  where files can be put and firmware got: the URL of a loopback server
    $signing_certificate      PEM of the certificate whose key signed that firmware
    $signature                the firmware's signature, Base64
    $root_certificate         PEM of the CA's certificate that issued that one
    $root_hash_data           how OCPP names it: a mapping, as DeleteCertificate has it
"""

from __future__ import annotations

import difflib
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

GIVEN: Final = (
    "uploads",
    "signing_certificate",
    "signature",
    "root_certificate",
    "root_hash_data",
)
"""Those that whoever sends the command gives a value."""
NAMES: Final = (
    *("now", "transaction_id", "evse_id", "id_tag", "id_token", "identity", "n"),
    *GIVEN,
)
OFFSET_MAX_DAYS: Final = 3650
"""How far `$now+...` may be from now."""

_FOUND: Final = re.compile(r"\$(\$|now[+-][0-9A-Za-z]+|[A-Za-z_]+)?")
_OFFSET: Final = re.compile(r"now([+-])([0-9]{1,6})(ms|s|m|h|d)")
_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class Filling(Struct, frozen=True):
    """What the placeholders stand for in one CALL."""

    now: datetime
    identity: str
    n: int
    transaction_id: int | str | None = None
    evse_id: int | None = None
    id_tag: str | None = None
    id_token: dict[str, Any] | None = None
    given: dict[str, Any] = {}
    """Values of `GIVEN`; a name that is left out has none."""


EXAMPLE: Final = Filling(
    now=datetime(2030, 1, 1, tzinfo=UTC),
    identity="CP-00001",
    n=1,
    transaction_id=1,
    evse_id=1,
    id_tag="0123456789ABCD",
    id_token={"idToken": "0123456789ABCD", "type": "ISO14443"},
    given={
        "uploads": "http://127.0.0.1:65535",
        "signing_certificate": "-----BEGIN CERTIFICATE-----",
        "signature": "MEUCIQ==",
        "root_certificate": "-----BEGIN CERTIFICATE-----",
        "root_hash_data": {
            "hashAlgorithm": "SHA256",
            "issuerNameHash": "00",
            "issuerKeyHash": "00",
            "serialNumber": "0",
        },
    },
)
"""For checking a payload before there is a station."""


EXAMPLE_2: Final = replace(EXAMPLE, transaction_id="4b4c9ee2-6b3c-4d56-a9e2-5fd2b8a1c0de")
"""The same for 2.x."""


def example_of(version: str) -> Filling:
    """For checking a payload in this version."""
    return EXAMPLE if version == "ocpp1.6" else EXAMPLE_2


class Unfilled(Exception):
    """A placeholder has no value for this station now; `args[0]` is its name."""


def names_in(value: object) -> set[str]:
    """The placeholders used in a JSON value, without `$`. Raises ValueError for an unknown one."""
    found = (name for text in _texts(value) for name in _FOUND.findall(text))
    return {_name(name) for name in found if name != "$"}


def fill(value: Any, filling: Filling) -> Any:
    """A copy of a JSON value with its placeholders filled.

    Raises `Unfilled` for a placeholder that has no value, ValueError for one that is not known.
    """
    match value:
        case str():
            return _filled(value, filling) if "$" in value else value
        case dict():
            return {key: fill(item, filling) for key, item in value.items()}
        case list() | tuple():
            return [fill(item, filling) for item in value]
    return value


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for item in value.values():
                yield from _texts(item)
        case list() | tuple():
            for item in value:
                yield from _texts(item)


def _filled(text: str, filling: Filling) -> Any:
    whole = _FOUND.fullmatch(text)
    if whole is not None and whole[1] != "$":
        return _value(whole[1] or "", filling)
    return _FOUND.sub(lambda found: _as_text(found[1] or "", filling), text)


def _as_text(found: str, filling: Filling) -> str:
    return "$" if found == "$" else str(_value(found, filling))


def _value(found: str, filling: Filling) -> Any:
    name = _name(found)
    if name == "now":
        return _moment(found, filling.now)
    value = filling.given.get(name) if name in GIVEN else getattr(filling, name)
    if value is None:
        raise Unfilled(name)
    return value


def _name(found: str) -> str:
    """The name of a placeholder as written, such as `now+10m`. Raises ValueError."""
    if found in NAMES:
        return found
    if found.startswith(("now+", "now-")):
        _offset(found)
        return "now"
    near = difflib.get_close_matches(found, NAMES, n=1)
    hint = f"; did you mean ${near[0]}?" if near else f"; write ${', $'.join(NAMES)}, or $$ for $"
    raise ValueError(f"'${found}' is no placeholder{hint}")


def _offset(found: str) -> timedelta:
    parts = _OFFSET.fullmatch(found)
    if parts is None:
        raise ValueError(f"'${found}' is no moment; write $now+10m or $now-1h (ms, s, m, h or d)")
    offset = timedelta(seconds=int(parts[2]) * _UNITS_S[parts[3]])
    if offset > timedelta(days=OFFSET_MAX_DAYS):
        raise ValueError(f"'${found}' is too far away; write up to {OFFSET_MAX_DAYS}d")
    return offset if parts[1] == "+" else -offset


def _moment(found: str, now: datetime) -> str:
    moment = now if found == "now" else now + _offset(found)
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
