"""What holds for all chargers of a user, and which values it may have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from simfleet.errors import Invalid
from simfleet.fleet import charger_rules as rules

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_ID_TAG: Final = "AABBCCDD"
BATCH: Final = 50


class UserSettings(Struct, frozen=True, kw_only=True):
    """What holds for all chargers of a user, unless a charger or its CSMS says otherwise.

    `heartbeat_interval` (seconds) counts where the CSMS names none in its boot answer.
    """

    ocpp_backend_url: str
    rfid_card_id: str = DEFAULT_ID_TAG
    heartbeat_interval: int = rules.HEARTBEAT_S
    mass_batch_size: int = BATCH


class SettingsChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings to change; None leaves one as it is. Numbers may come as digits in a string."""

    ocpp_backend_url: str | None = None
    rfid_card_id: str | None = None
    heartbeat_interval: int | str | None = None
    mass_batch_size: int | str | None = None


def settings_after(
    before: UserSettings, change: SettingsChange, *, default: UserSettings
) -> UserSettings:
    """All of a change, or `Invalid`. An empty text brings the default back."""
    after: dict[str, Any] = {}
    if change.ocpp_backend_url is not None:
        url = rules.backend_url("ocpp_backend_url", change.ocpp_backend_url)
        after["ocpp_backend_url"] = url or default.ocpp_backend_url
    if change.rfid_card_id is not None:
        tag = rules.id_tag("rfid_card_id", change.rfid_card_id)
        after["rfid_card_id"] = tag or default.rfid_card_id
    for name, given, low, high in (
        ("heartbeat_interval", change.heartbeat_interval, 10, 3600),
        ("mass_batch_size", change.mass_batch_size, 10, 2500),
    ):
        if given is not None:
            after[name] = _whole(name, given, low=low, high=high)
    return UserSettings(
        ocpp_backend_url=after.get("ocpp_backend_url", before.ocpp_backend_url),
        rfid_card_id=after.get("rfid_card_id", before.rfid_card_id),
        heartbeat_interval=after.get("heartbeat_interval", before.heartbeat_interval),
        mass_batch_size=after.get("mass_batch_size", before.mass_batch_size),
    )


def stored_settings(stored: Mapping[str, str], *, default: UserSettings) -> UserSettings:
    """The settings of a user as the store has them; what cannot be used any more is passed over."""
    settings = default
    for name in SettingsChange.__struct_fields__:
        if name in stored:
            try:
                change = SettingsChange(**{name: stored[name]})
                settings = settings_after(settings, change, default=default)
            except Invalid:
                continue
    return settings


def _whole(name: str, given: int | str, *, low: int, high: int) -> int:
    text = str(given)
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise Invalid(f"{name} is {rules.shown(given)}; it is a whole number from {low} to {high}")
    return int(text)
