"""OCPP 1.6J smart charging: CALLs of the CSMS (sections 5.5, 5.7, 5.16)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station

HANDLERS: Final[dict[type, Callable[[Station, Any, float], Wire]]] = {}
"""Answers to CALLs of the CSMS."""
ACTIONS: Final[dict[type, str]] = {}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {}
"""What the answers to our messages mean."""
