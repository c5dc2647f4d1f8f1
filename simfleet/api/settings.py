"""/api/settings: a user's defaults for all chargers. Numbers are read as text, as ever."""

from __future__ import annotations

from typing import Annotated

import msgspec
from quart import Blueprint

from simfleet.api.auth import current_user
from simfleet.api.resources import Body, IdTag, Url
from simfleet.api.routes import route
from simfleet.api.services import services
from simfleet.fleet.charger_state import AuthMode, ChargerMode, ChargerType
from simfleet.fleet.user_settings import SettingsChange

__all__ = ["settings"]

settings = Blueprint("settings", __name__)

Seconds = Annotated[int, msgspec.Meta(ge=10, le=3600)]
BatchSize = Annotated[int, msgspec.Meta(ge=10, le=2500)]
Digits = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,4}$")]
"""A number as text: what GET shows may be sent back."""


class NewSettings(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What changes; the rest stays. An empty text brings the default back."""

    ocpp_backend_url: Url | msgspec.UnsetType = msgspec.UNSET
    rfid_card_id: IdTag | msgspec.UnsetType = msgspec.UNSET
    heartbeat_interval: Seconds | Digits | msgspec.UnsetType = msgspec.UNSET
    mass_batch_size: BatchSize | Digits | msgspec.UnsetType = msgspec.UNSET


class SettingsShown(msgspec.Struct, frozen=True):
    """All settings, each as text."""

    ocpp_backend_url: str
    rfid_card_id: str
    heartbeat_interval: str
    mass_batch_size: str


class ChargerSettings(msgspec.Struct, frozen=True):
    """What a charger is set to."""

    chargepoint_id: str
    charger_type: ChargerType
    mode: ChargerMode
    num_connectors: int
    backend_url: str
    rfid_tag: str
    auth_mode: AuthMode
    pnc_emaid: str
    pnc_pcid: str
    pnc_certificate_hash: str


class AllSettings(msgspec.Struct, frozen=True):
    """The settings and the chargers they are for."""

    settings: SettingsShown
    chargers: list[ChargerSettings]


@route(
    settings,
    "GET",
    "/api/settings",
    summary="All global settings, and the chargers",
    answers={200: AllSettings},
)
async def get_settings() -> AllSettings:
    return await _all()


@route(
    settings,
    "POST",
    "/api/settings",
    summary="Change some global settings, all of them or none",
    description="They apply at once, also to chargers that are on. Numbers may be sent as text.",
    body=NewSettings,
    answers={200: AllSettings},
    errors=(409,),
)
async def change_settings(body: NewSettings) -> AllSettings:
    given = msgspec.structs.asdict(body).items()
    change = SettingsChange(**{name: value for name, value in given if value is not msgspec.UNSET})
    await services().registry.change_settings((await current_user()).id, change)
    return await _all()


async def _all() -> AllSettings:
    user = await current_user()
    registry = services().registry
    current = await registry.settings(user.id)
    return AllSettings(
        SettingsShown(
            current.ocpp_backend_url,
            current.rfid_card_id,
            str(current.heartbeat_interval),
            str(current.mass_batch_size),
        ),
        [
            msgspec.convert(charger.state(), ChargerSettings, from_attributes=True)
            for charger in registry.of(user.id)
        ],
    )
