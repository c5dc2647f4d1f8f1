"""Types that the bodies of several resources share: identifiers, tags, names, each with its bounds.

Everything that can be judged from a body alone is judged here, by the type; so a body is judged
before any state is looked at, and openapi.json says the same as the code.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from simfleet.fleet.charger_rules import (
    CONNECTORS_MAX,
    ID_TAG_MAX,
    NAME_MAX,
    PNC_MAX,
    TOKEN_MAX,
    URL_MAX,
)
from simfleet.models.schema import MODEL_NAME_MAX

__all__ = [
    "Body",
    "ChargepointId",
    "ConnectorId",
    "ErrorCode",
    "IdTag",
    "ModelName",
    "Name",
    "Success",
    "Text",
    "Token",
    "Url",
]

ChargepointId = Annotated[
    str,
    # Python's `$` also matches before a final line break, hence the look-ahead.
    msgspec.Meta(pattern=r"^[A-Za-z0-9*_=:+|@.\-]{1,48}(?!\n)$", max_length=48),
]
"""An OCPP identity (2.x identifierString, 48 characters): what a URL carries as it is."""
ConnectorId = Annotated[int, msgspec.Meta(ge=1, le=CONNECTORS_MAX)]
IdTag = Annotated[str, msgspec.Meta(max_length=ID_TAG_MAX)]
"""OCPP 1.6 IdToken: CiString20."""
Token = Annotated[str, msgspec.Meta(max_length=TOKEN_MAX)]
"""What is presented at a reader: a tag, in 2.x with its type if that is not ISO14443."""
ModelName = Annotated[str, msgspec.Meta(max_length=MODEL_NAME_MAX)]
"""`brand/model` of the catalogue, or "" for none."""
Name = Annotated[str, msgspec.Meta(max_length=NAME_MAX)]
Text = Annotated[str, msgspec.Meta(max_length=PNC_MAX)]
Url = Annotated[str, msgspec.Meta(max_length=URL_MAX)]

ErrorCode = Literal[
    "NoError",
    "GroundFailure",
    "OverCurrentFailure",
    "EVCommunicationError",
    "InternalError",
    "ConnectorLockFailure",
    "HighTemperature",
    "UnderVoltage",
    "OverVoltage",
]
"""The error codes of the document: a part of OCPP 1.6's."""


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of the bodies: a misspelt field is an error."""


class Success(msgspec.Struct, frozen=True):
    """The answer of what leaves nothing to show."""

    success: bool = True
