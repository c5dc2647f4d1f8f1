"""The base of every OCPP message struct, and the one JSON encoder they share."""

from __future__ import annotations

from typing import Final

import msgspec


class Wire(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, gc=False):
    """A message or a part of one, with Python names here and OCPP's camelCase names on the wire.

    An optional field that is None is left out; a date-time is a `datetime` with a time zone. Equal
    replies may be one shared instance, so treat lists inside as frozen too.

    Instances are invisible to the cycle collector (`gc=False`): a message is a tree, and at 10,000
    chargers the collector would walk them all for nothing.
    """


ENCODER: Final = msgspec.json.Encoder()
"""Encodes any Wire, and frames that carry one; without state, so one for all."""


def encode(message: Wire) -> bytes:
    """The payload of a frame, as JSON in UTF-8."""
    return ENCODER.encode(message)
