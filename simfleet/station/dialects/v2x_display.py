"""OCPP 2.0.1 and 2.1: display messages and cost (blocks I, O)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from simfleet.ocpp.wire import Wire
    from simfleet.station.station import Station

HANDLERS: Final[dict[str, Callable[[Station, Any, float], Wire]]] = {}
"""Answers to CALLs of the CSMS, by action."""
ACTIONS: Final[dict[type, str]] = {}
"""The action that carries a message."""
BUILDERS: Final[dict[type, Callable[[Station, Any], Wire | None]]] = {}
READERS: Final[dict[type, Callable[[Station, Any, Any, float], None]]] = {}
"""What the answers to our messages mean."""
