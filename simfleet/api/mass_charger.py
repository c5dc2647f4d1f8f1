"""/api/mass-charger: a load test of many chargers at once, declared and retargeted by REST."""

from __future__ import annotations

from typing import Annotated

import msgspec
from quart import Blueprint

from simfleet.api.auth import current_user
from simfleet.api.resources import Body, ModelName, Success, Text
from simfleet.api.routes import route
from simfleet.api.services import services
from simfleet.fleet.orders import Mode
from simfleet.load.mass_figures import MassError, MassStats
from simfleet.load.mass_fleet import TARGET_MAX

__all__ = ["mass_charger"]

mass_charger = Blueprint("mass-charger", __name__)


class Apply(Body, frozen=True):
    """How many chargers there shall be, and what they shall do."""

    target: Annotated[int, msgspec.Meta(ge=0, le=TARGET_MAX)]
    mode: Mode
    model: ModelName = ""
    ocpp_version: Text = ""


@route(
    mass_charger,
    "GET",
    "/api/mass-charger/stats",
    summary="Figures of the load test",
    description="Counts, rates, latencies per action, and whether the generator keeps up.",
    answers={200: MassStats},
)
async def mass_stats() -> MassStats:
    stats: MassStats = services().mass.stats(await current_user())
    return stats


@route(
    mass_charger,
    "POST",
    "/api/mass-charger/apply",
    summary="Start a load test, or change the one that runs",
    description=(
        "Declarative: the fleet moves towards the wish that came last, `mass_batch_size` chargers"
        " at a time, without reconnecting those that stay. A target of 0 stops it. `model` is what"
        " the chargers are, from their first to their last: 409 while others run. The same goes for"
        " `ocpp_version`: 1.6 (what a new fleet speaks without it), 2.0.1 or 2.1."
    ),
    body=Apply,
    answers={200: MassStats},
    errors=(409,),
)
async def mass_apply(body: Apply) -> MassStats:
    user, mass = await current_user(), services().mass
    stats: MassStats = await mass.apply(
        user, body.target, body.mode, model=body.model, ocpp_version=body.ocpp_version
    )
    return stats


@route(
    mass_charger,
    "POST",
    "/api/mass-charger/stop",
    summary="Stop all mass chargers and disconnect them",
    answers={200: MassStats},
    errors=(409,),
)
async def mass_stop() -> MassStats:
    stats: MassStats = await services().mass.stop(await current_user())
    return stats


@route(
    mass_charger,
    "GET",
    "/api/mass-charger/errors",
    summary="The newest errors of the load test, up to 500, newest first",
    answers={200: list[MassError]},
)
async def mass_errors() -> list[MassError]:
    errors: list[MassError] = services().mass.errors(await current_user())
    return errors


@route(
    mass_charger,
    "POST",
    "/api/mass-charger/errors/clear",
    summary="Forget the errors and count from zero again",
    answers={200: Success},
)
async def mass_clear_errors() -> Success:
    services().mass.clear_errors(await current_user())
    return Success()
