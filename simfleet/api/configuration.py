"""Below /api/chargers/{chargepoint_id}: how a charger authorizes, where it connects, its keys."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from quart import Blueprint

from simfleet.api.chargers import charger_named
from simfleet.api.resources import Body, IdTag, Text, Url
from simfleet.api.routes import route
from simfleet.fleet.charger_rules import CONNECTORS_MAX
from simfleet.fleet.charger_state import AuthMode, ChargerState

__all__ = ["configuration"]

configuration = Blueprint("configuration", __name__)

KEYS_MAX: Final = 500
"""Configuration keys in one request; OCPP 1.6 names under 60."""


class Rfid(Body, frozen=True):
    """The charger's own tag; "" for the user's."""

    rfid_tag: IdTag


class AuthConfig(Body, frozen=True):
    """How drivers are authorized; what is not given stays."""

    auth_mode: AuthMode
    rfid_tag: IdTag | None = None
    pnc_emaid: Text | None = None
    pnc_pcid: Text | None = None
    pnc_certificate_hash: Text | None = None


class BackendUrl(Body, frozen=True):
    """The charger's own CSMS, to whose URL its id is appended; "" for the user's."""

    backend_url: Url


class NumConnectors(Body, frozen=True):
    """How many connectors it has."""

    num_connectors: Annotated[int, msgspec.Meta(ge=1, le=CONNECTORS_MAX)]


class Configuration(Body, frozen=True):
    """Configuration keys of OCPP and their values, as text."""

    configuration: Annotated[dict[str, str], msgspec.Meta(max_length=KEYS_MAX)]


@route(
    configuration,
    "POST",
    "/api/chargers/{chargepoint_id}/rfid",
    summary="Set the charger's own tag; an empty one reverts to the global default",
    body=Rfid,
    answers={200: ChargerState},
)
async def set_rfid(chargepoint_id: str, body: Rfid) -> ChargerState:
    charger = await charger_named(chargepoint_id)
    await charger.set_rfid(body.rfid_tag)
    return charger.state()


@route(
    configuration,
    "POST",
    "/api/chargers/{chargepoint_id}/auth-config",
    summary="Set how drivers are authorized; what is not given stays as it is",
    body=AuthConfig,
    answers={200: ChargerState},
    errors=(409,),
)
async def set_auth_config(chargepoint_id: str, body: AuthConfig) -> ChargerState:
    charger = await charger_named(chargepoint_id)
    now = charger.state()
    await charger.set_auth(
        body.auth_mode,
        rfid_tag=body.rfid_tag,
        pnc_emaid=now.pnc_emaid if body.pnc_emaid is None else body.pnc_emaid,
        pnc_pcid=now.pnc_pcid if body.pnc_pcid is None else body.pnc_pcid,
        pnc_certificate_hash=(
            now.pnc_certificate_hash
            if body.pnc_certificate_hash is None
            else body.pnc_certificate_hash
        ),
    )
    return charger.state()


@route(
    configuration,
    "POST",
    "/api/chargers/{chargepoint_id}/backend-url",
    summary="Set the charger's own CSMS; an empty one reverts to the global default",
    description="A charger that is on moves there at once.",
    body=BackendUrl,
    answers={200: ChargerState},
)
async def set_backend_url(chargepoint_id: str, body: BackendUrl) -> ChargerState:
    charger = await charger_named(chargepoint_id)
    await charger.set_backend_url(body.backend_url)
    return charger.state()


@route(
    configuration,
    "POST",
    "/api/chargers/{chargepoint_id}/num-connectors",
    summary="Set the number of connectors; the charger must be off",
    body=NumConnectors,
    answers={200: ChargerState},
    errors=(409,),
)
async def set_num_connectors(chargepoint_id: str, body: NumConnectors) -> ChargerState:
    charger = await charger_named(chargepoint_id)
    await charger.set_num_connectors(body.num_connectors)
    return charger.state()


@route(
    configuration,
    "GET",
    "/api/chargers/{chargepoint_id}/configuration",
    summary="The charger's OCPP configuration keys",
    answers={200: Configuration},
)
async def get_configuration(chargepoint_id: str) -> Configuration:
    return Configuration((await charger_named(chargepoint_id)).configuration())


@route(
    configuration,
    "PUT",
    "/api/chargers/{chargepoint_id}/configuration",
    summary="Change some OCPP configuration keys, all of them or none",
    description="An unknown, read-only or wrong key is a 400 that names it; then nothing changes.",
    body=Configuration,
    answers={200: Configuration},
    errors=(409,),
)
async def change_configuration(chargepoint_id: str, body: Configuration) -> Configuration:
    charger = await charger_named(chargepoint_id)
    await charger.change_configuration(body.configuration)
    return Configuration(charger.configuration())
