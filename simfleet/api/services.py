"""What the handlers work with: one object made by `service.py` and carried by the app."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, cast

import msgspec
from quart import current_app

from simfleet.api.sse import Streams
from simfleet.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simfleet.clock import WallClock
    from simfleet.fleet.registry import Registry
    from simfleet.load.mass_service import MassService
    from simfleet.load.run_service import RunService
    from simfleet.observe.health import Health
    from simfleet.observe.hub import Hub
    from simfleet.store import Store

__all__ = ["EXTENSION", "Component", "Services", "services"]

EXTENSION: Final = "simfleet"
"""Where the app keeps its `Services`, see `services()`."""


class Component(msgspec.Struct, frozen=True, omit_defaults=True):
    """How one part of the service is: `off` is on purpose, `degraded` works with losses."""

    status: Literal["ok", "degraded", "down", "off"]
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The rooms below, as handlers see them: `services().registry.find(...)`."""

    store: Store
    registry: Registry
    mass: MassService
    runs: RunService
    hub: Hub
    health: Health
    clock: WallClock
    settings: Settings = field(default_factory=Settings)
    streams: Streams = field(default_factory=Streams)
    components: Mapping[str, Callable[[], Component]] = field(default_factory=dict)
    """What /health shows, by name; each is asked when /health is."""
    figures: Callable[[], Mapping[str, float]] = dict
    """What /metrics shows besides the API's own: full metric name to value, without labels."""


def services() -> Services:
    """The services of the app that handles the current request."""
    return cast("Services", current_app.extensions[EXTENSION])
