"""Where files may come from and go to, as far as a station itself can tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from simfleet.station.configuration_keys import items_of

if TYPE_CHECKING:
    from simfleet.station.station import Station

RETRY_S: Final = 10.0
"""Pause between two attempts where the CSMS names none: "left to the Charge Point" (OCPP 1.6
sections 6.25 and 6.57).
"""
RETRY_MIN_S: Final = 1.0
"""The shortest pause, whatever the CSMS says."""
_URL: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://[^\s/]")


def scheme_of(url: str) -> str | None:
    """The scheme of a URL in upper case; None: it is no URL."""
    found = _URL.match(url)
    return None if found is None else found.group(1).upper()


def is_supported(station: Station, url: str) -> bool:
    """Whether it is a URL of a scheme among SupportedFileTransferProtocols."""
    return scheme_of(url) in items_of(
        station.configuration.get("SupportedFileTransferProtocols") or ""
    )
