"""OCPP identities made from a pattern, `SIM-{n:05}` to SIM-00001, SIM-00002 and so on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from simfleet.documents.quantities import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IDENTITY_LENGTH_MAX = 48  # OCPP 2.x identifierString; also what 1.6 CSMSs cope with
_CHARACTER = r"[A-Za-z0-9*_=:+|@.\-]"
_NUMBER = re.compile(r"\{n(?::0([1-9]))?\}")
IDENTITY_PATTERN = rf"(?:{_CHARACTER}|\{{n(?::0[1-9])?\}})+"


def identity_of(pattern: str, n: int) -> str:
    """The identity of charger number `n`."""
    return _NUMBER.sub(lambda found: str(n).zfill(int(found[1] or 1)), pattern)


def parse_identity_pattern(text: str) -> str:
    """The pattern itself. Raises ValueError if it cannot give OCPP identities."""
    if not text:
        raise ValueError('is empty; write an identity such as "SIM-{n:05}"')
    if len(text) > 2 * IDENTITY_LENGTH_MAX:
        raise ValueError(f"{shown(text)} is longer than {2 * IDENTITY_LENGTH_MAX} characters")
    rest = _NUMBER.sub("", text)
    if "{" in rest or "}" in rest:
        raise ValueError(
            f"{shown(text)}: the only placeholders are {{n}} and {{n:05}} (01 to 09 digits)"
        )
    if bad := sorted(set(re.sub(_CHARACTER, "", rest))):
        raise ValueError(
            f"{shown(text)}: {' '.join(map(repr, bad[:5]))} cannot be in an OCPP identity;"
            " write letters, digits and * _ = : + | @ . -"
        )
    return text


def identity_problem(identity: str) -> str | None:
    """Why a text is no OCPP identity, None if it is one."""
    if bad := sorted(set(re.sub(_CHARACTER, "", identity))):
        return (
            f"{shown(identity)}: {' '.join(map(repr, bad[:5]))} cannot be in an OCPP identity;"
            " write letters, digits and * _ = : + | @ . -"
        )
    if len(identity) > IDENTITY_LENGTH_MAX:
        most = f"an OCPP identity has at most {IDENTITY_LENGTH_MAX}"
        return f"{shown(identity)} has {len(identity)} characters; {most}"
    return None


def identities_of(pattern: str, count: int) -> Iterator[str]:
    """All identities of a slice."""
    return (identity_of(pattern, n) for n in range(1, count + 1))


def pattern_problem(pattern: str, count: int) -> str | None:
    """Why the pattern cannot name `count` chargers, None if it can."""
    if count > 1 and not _NUMBER.search(pattern):
        return f"{shown(pattern)} names {count} chargers alike; put {{n}} or {{n:05}} into it"
    longest = identity_of(pattern, max(count, 1))
    if len(longest) > IDENTITY_LENGTH_MAX:
        most = f"an OCPP identity has at most {IDENTITY_LENGTH_MAX}"
        return f"{shown(longest)} has {len(longest)} characters; {most}"
    return None


def clashes(slices: Iterable[tuple[int, Iterable[str]]]) -> Iterator[tuple[int, int, str]]:
    """Identities that two slices share: (later slice, earlier slice, one identity), once per pair.

    `slices` are (slice number, its identities), which are different within each.
    """
    owners: dict[str, int] = {}
    told: set[tuple[int, int]] = set()
    for number, identities in slices:
        for identity in identities:
            owner = owners.setdefault(identity, number)
            if owner != number and (number, owner) not in told:
                told.add((number, owner))
                yield number, owner, identity
