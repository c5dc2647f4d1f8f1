"""Below /api/chargers/{chargepoint_id} and /api/mass-charger: faults on purpose."""

from __future__ import annotations

from typing import Annotated

import msgspec
from quart import Blueprint

from simfleet.api.auth import current_user
from simfleet.api.chargers import charger_named
from simfleet.api.resources import Body
from simfleet.api.routes import route
from simfleet.api.services import services
from simfleet.fleet.charger_faults import ChargerFault
from simfleet.station.fault_kinds import Fault, FaultKind

__all__ = ["faults"]

faults = Blueprint("faults", __name__)


class Which(msgspec.Struct, frozen=True):
    """Which faults; without a kind, all."""

    kind: FaultKind | None = None


class MassFault(Body, frozen=True):
    """A fault, and the part of the fleet that gets it."""

    fault: Fault
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0


class Touched(msgspec.Struct, frozen=True):
    """How many chargers were told."""

    chargers: int


@route(
    faults,
    "GET",
    "/api/chargers/{chargepoint_id}/faults",
    summary="The faults on purpose that the charger has, the oldest first",
    answers={200: list[ChargerFault]},
)
async def list_faults(chargepoint_id: str) -> list[ChargerFault]:
    return (await charger_named(chargepoint_id)).faults()


@route(
    faults,
    "POST",
    "/api/chargers/{chargepoint_id}/faults",
    summary="Have the charger do something wrong on purpose",
    description=(
        "It lasts until it ends by itself (`for_s`, `count`), is removed, or the charger is turned"
        " off. What it sends because of a fault is labelled in the logs: `injected`."
        " Answers with the faults that the charger has then."
    ),
    body=Fault,
    answers={200: list[ChargerFault]},
    errors=(409,),
)
async def add_fault(chargepoint_id: str, body: Fault) -> list[ChargerFault]:
    charger = await charger_named(chargepoint_id)
    await charger.add_fault(body)
    return charger.faults()


@route(
    faults,
    "DELETE",
    "/api/chargers/{chargepoint_id}/faults",
    summary="Remove the faults of a kind, or all; answers with what is left",
    query=Which,
    answers={200: list[ChargerFault]},
)
async def remove_faults(chargepoint_id: str, query: Which) -> list[ChargerFault]:
    charger = await charger_named(chargepoint_id)
    await charger.remove_faults(query.kind)
    return charger.faults()


@route(
    faults,
    "POST",
    "/api/mass-charger/faults",
    summary="Have a share of the load test's chargers do something wrong on purpose",
    description="Of the chargers that there are now; those that come later are well.",
    body=MassFault,
    answers={200: Touched},
    errors=(409,),
)
async def add_mass_fault(body: MassFault) -> Touched:
    user = await current_user()
    return Touched(services().mass.add_fault(user, body.fault, share=body.share))


@route(
    faults,
    "DELETE",
    "/api/mass-charger/faults",
    summary="Remove the faults of a kind, or all, of all chargers of the load test",
    query=Which,
    answers={200: Touched},
    errors=(409,),
)
async def remove_mass_faults(query: Which) -> Touched:
    return Touched(services().mass.remove_faults(await current_user(), query.kind))
