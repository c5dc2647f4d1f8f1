"""Plug & Charge as the simulator's REST API has it: the car's contract in place of a tag.

In OCPP 2.x the eMAID of the contract is the idToken, of type eMAID. OCPP 1.6 has no such type and
20 characters of room (CiString20Type), so there it becomes an idTag.
"""

from __future__ import annotations

import re
from typing import Final

from simfleet.errors import Invalid
from simfleet.station.contract import EMAID_PREFIX

PROVIDER: Final = "DE*PIP*"
"""Country and provider of the contracts that are made up here."""
EMAID_MAX: Final = 36
"""Characters of an idToken in OCPP 2.0.1 (IdTokenType)."""
ID_TAG_MAX: Final = 20
FORCED_VERSION: Final = "2.0.1"
"""What a charger is made as that is made for Plug & Charge, whatever was asked for."""
_EMAID: Final = r"[A-Za-z0-9*_=:+|@.-]{1,36}"


def generated_emaid(chargepoint_id: str) -> str:
    """The eMAID of a charger that was given none: `DE*PIP*SIMAC001` for `SIM-AC-001`.

    Of a long identity its end is kept: that is where identities of a series differ.
    """
    text = _alphanumeric(chargepoint_id)
    return PROVIDER + (text[-(EMAID_MAX - len(PROVIDER)) :] or "0")


def emaid(value: str) -> str:
    """An eMAID that an idToken can carry, or "". Raises `Invalid`."""
    if value and not re.fullmatch(_EMAID, value):
        shown = value if len(value) <= 60 else f"{value[:57]}..."
        raise Invalid(
            f"pnc_emaid is {shown!r}; it has at most {EMAID_MAX} letters, digits or any of"
            " * _ = : + | @ . -"
        )
    return value


def tag_of(contract: str, ocpp_version: str) -> str:
    """The tag that presents a contract, as stations know tags (see `tokens.typed`)."""
    if ocpp_version == "1.6":
        return id_tag_of(contract)
    return EMAID_PREFIX + contract


def id_tag_of(contract: str) -> str:
    """The idTag of OCPP 1.6 for a contract: itself if there is room, else country, provider and
    the last characters of the rest, which are what tells contracts of a provider apart.
    """
    if len(contract) <= ID_TAG_MAX:
        return contract
    head, rest = contract[: len(PROVIDER)], _alphanumeric(contract[len(PROVIDER) :])
    return head + rest[-(ID_TAG_MAX - len(head)) :]


def _alphanumeric(text: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", text.upper())
