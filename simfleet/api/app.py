"""The application: blueprints, and around each request limits, keys, headers and failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio
from quart import request

from simfleet.api import (
    actions,
    chargers,
    configuration,
    failures,
    faults,
    headers,
    live,
    logs,
    mass_charger,
    models,
    pages,
    runs,
    settings,
    system,
)
from simfleet.api.asgi import Api
from simfleet.api.auth import require_key
from simfleet.api.limits import Limiter, Limits
from simfleet.api.services import EXTENSION
from simfleet.errors import TooMany

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart import Blueprint, Response

    from simfleet.api.services import Services

__all__ = ["RESOURCES", "create_app"]

RESOURCES: Final = (
    chargers.chargers,
    configuration.configuration,
    actions.actions,
    faults.faults,
    settings.settings,
    logs.logs,
    mass_charger.mass_charger,
    models.models,
    runs.runs,
    live.live,
)
"""What users work with, in the order in which /docs shows it."""


def create_app(services: Services, blueprints: Sequence[Blueprint] = RESOURCES) -> Api:
    """The API over `services`: the system's own routes, and those of `blueprints`.

    To be called inside Trio: the rate limits count from now.
    """
    limits = services.settings
    app = Api("simfleet.api", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = limits.body_bytes_max
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    # /api//chargers is not /api/chargers: a redirect would be an answer nobody has documented.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    app.extensions[EXTENSION] = services
    limiter = Limiter(
        Limits(per_client_per_s=limits.requests_per_s_per_ip, total_per_s=limits.requests_per_s),
        at_s=trio.current_time(),
    )
    served = system.Served(limiter=limiter)
    app.extensions[system.EXTENSION] = served
    failures.install(app)
    preflight = headers.install(app, cors_origins=limits.cors_origins)

    async def admit() -> None:
        wait_s = limiter.admit(request.remote_addr or "", at_s=trio.current_time())
        if wait_s > 0:
            raise TooMany("too many requests; slow down", retry_after_s=wait_s)

    async def count(response: Response) -> Response:
        served.count(request.method, response.status_code)
        return response

    # In this order. All asynchronous: quart would run any other function in a thread.
    app.before_request(admit)
    app.before_request(preflight)
    app.before_request(require_key)
    app.after_request(count)
    for blueprint in (*blueprints, system.system, pages.pages):
        app.register_blueprint(blueprint)
    return app
