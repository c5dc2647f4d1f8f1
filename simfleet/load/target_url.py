"""Where a run's CSMS is: `embedded`, or a WebSocket address that the identity is appended to."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from simfleet.documents.quantities import shown

EMBEDDED = "embedded"
TARGET_PATTERN = r"embedded|wss?://[^\s/?#@]+(?:/[^\s?#]*)?"
_LENGTH_MAX = 500
_WRITE = "write embedded, ws://host:port/prefix or wss://host:port/prefix"


def parse_target_url(text: str) -> str:
    """`embedded`, or the address without trailing slash; ValueError says what is accepted."""
    if text == EMBEDDED:
        return text
    if len(text) > _LENGTH_MAX or not text.isprintable() or not text.isascii() or " " in text:
        raise ValueError(f"{shown(text)} is not an address; {_WRITE}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as problem:
        raise ValueError(f"{shown(text)} is not an address ({problem}); {_WRITE}") from None
    if parts.scheme in ("http", "https"):
        instead = text.replace("http", "ws", 1)
        raise ValueError(f"{shown(text)} is not a WebSocket address; write {instead}")
    if parts.scheme not in ("ws", "wss") or not re.match(r"wss?://", text):
        raise ValueError(f"{shown(text)} is not an address; {_WRITE}")
    if not parts.hostname or port == 0:
        raise ValueError(f"{shown(text)} has no {'port' if parts.hostname else 'host'}; {_WRITE}")
    if "@" in parts.netloc:
        # The text is not shown: it may hold a password.
        raise ValueError(
            "the address holds user or password; the user is the identity, put target.password"
        )
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise ValueError(
            f"{shown(text)} has a query or fragment, which an identity cannot be appended to"
        )
    return text.rstrip("/")
