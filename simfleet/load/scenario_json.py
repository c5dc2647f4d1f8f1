"""A scenario written as JSON: the same schema, read by the same reader, with the same messages.

JSON is YAML as far as the reader goes, but for three things. All are dealt with in the text itself,
so that lines and columns in messages are those of what was sent.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from simfleet.documents.nodes import SIZE_MAX_BYTES
from simfleet.errors import ScenarioInvalid
from simfleet.load.scenario import parse_scenario

if TYPE_CHECKING:
    from simfleet.load.schema1 import Scenario
    from simfleet.models.catalogue import Catalogue

_SOURCE: Final = "scenario.json"
_BYTE: Final = re.compile(r" \(byte (\d+)\)")
_ESCAPE: Final = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|.)"
)


def parse_json_scenario(content: bytes, *, models: Catalogue | None = None) -> Scenario:
    """As `parse_scenario`: any bytes give a Scenario or ScenarioInvalid with all problems."""
    if len(content) <= SIZE_MAX_BYTES:  # else the reader says so
        _check_json(content)
        # Strings have no raw tabs in JSON, so these are indentation, which YAML forbids.
        content = content.replace(b"\t", b" ")
        content = _ESCAPE.sub(_joined, content)
    return parse_scenario(content, source=_SOURCE, models=models)


def _check_json(content: bytes) -> None:
    try:
        msgspec.json.decode(content, type=msgspec.Raw)
        content.decode("utf-8")
    except RecursionError:
        raise ScenarioInvalid([f"{_SOURCE}:1:1: it is nested too deeply"]) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as broken:
        text = str(broken)
        place = "1:1"
        if (at := _BYTE.search(text)) is not None:
            before = content[: int(at[1])]
            line_began = before.rfind(b"\n") + 1
            column = len(before[line_began:].decode("utf-8", "replace")) + 1
            line = before.count(b"\n") + 1
            place = f"{line}:{column}"
            text = text.replace(at[0], "")
        raise ScenarioInvalid([f"{_SOURCE}:{place}: {text}"]) from None


def _joined(escape: re.Match[bytes]) -> bytes:
    """Two escapes for one character beyond U+FFFF are one escape in YAML."""
    if escape[1] is None:
        return escape[0]
    high, low = int(escape[1], 16), int(escape[2], 16)
    return b"\\U%08X" % (0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
