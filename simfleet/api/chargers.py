"""/api/chargers: named chargers, and what their operator and driver do with them.

Creating one answers 201, every other POST 200, both with the charger as it is then. A body is
judged before the state: what is malformed is 400 even where the state would have given 409.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import trio
from msgspec import UNSET, UnsetType
from quart import Blueprint

from simfleet.api.auth import current_user
from simfleet.api.resources import (
    Body,
    ChargepointId,
    ConnectorId,
    ErrorCode,
    ModelName,
    Name,
    Success,
    Text,
    Token,
    Url,
)
from simfleet.api.routes import route
from simfleet.api.services import services
from simfleet.errors import Invalid, SimFleetError
from simfleet.fleet.charger_rules import (
    CONNECTORS_MAX,
    ENERGY_MAX_KWH,
    ENERGY_MIN_KWH,
    POWER_MAX_KW,
    NewCharger,
)
from simfleet.fleet.charger_state import AuthMode, ChargerMode, ChargerState, ChargerType
from simfleet.load.identities import identity_of, parse_identity_pattern, pattern_problem

if TYPE_CHECKING:
    from simfleet.fleet.registry import NamedCharger

__all__ = ["charger_named", "chargers"]

chargers = Blueprint("chargers", __name__)

COUNT_MAX: Final = 1_000
"""Chargers created by one request."""
BREATH_EVERY: Final = 50
"""Chargers shown in a list before others get a turn of the event loop."""

Kilowatts = Annotated[float, msgspec.Meta(gt=0, le=POWER_MAX_KW)]
KilowattHours = Annotated[float, msgspec.Meta(ge=ENERGY_MIN_KWH, le=ENERGY_MAX_KWH)]
IdPattern = Annotated[str, msgspec.Meta(min_length=1, max_length=96)]


class NewChargers(Body, frozen=True, kw_only=True):
    """One charger, or `count` chargers whose ids a pattern such as ``SIM-{n:04}`` makes.

    Type and power must be given, unless a `model` has them; what is given wins over the model.
    """

    chargepoint_id: IdPattern
    charger_type: ChargerType | UnsetType = UNSET
    max_power_kw: Kilowatts | UnsetType = UNSET
    num_connectors: Annotated[int, msgspec.Meta(ge=1, le=CONNECTORS_MAX)] | UnsetType = UNSET
    model: ModelName = ""
    ocpp_version: Text = "1.6"
    auth_mode: AuthMode = "rfid"
    pnc_emaid: Text = ""
    configuration: dict[str, str] = msgspec.field(default_factory=dict)
    backend_url: Url = ""
    charger_name: Name = ""
    count: Annotated[int, msgspec.Meta(ge=1, le=COUNT_MAX)] | None = None


class NotCreated(msgspec.Struct, frozen=True):
    """A charger that could not be created, and why."""

    chargepoint_id: str
    error: str
    code: str


class Created(msgspec.Struct, frozen=True):
    """What became of each of `count` chargers, in order."""

    created: list[ChargerState]
    failed: list[NotCreated]


class NewMode(Body, frozen=True):
    """What the charger shall do."""

    mode: ChargerMode


class Start(Body, frozen=True):
    """A session by hand; without a tag the charger's own, without that the user's."""

    energy_kwh: KilowattHours
    rfid_tag: Token = ""
    connector_id: ConnectorId = 1


class Stop(Body, frozen=True):
    """Nothing to say."""


class FreeCharging(Body, frozen=True):
    """Whether sessions go without Authorize."""

    free_charging: bool


class NewError(Body, frozen=True):
    """A fault, or NoError for its end."""

    error_code: ErrorCode
    connector_id: ConnectorId = 1


class Version(Body, frozen=True):
    """An OCPP version."""

    ocpp_version: Text


class ChargerName(Body, frozen=True):
    """A name for people; "" for none."""

    charger_name: Name


class NewId(Body, frozen=True):
    """Another identity."""

    chargepoint_id: ChargepointId


async def charger_named(chargepoint_id: str) -> NamedCharger:
    """The current user's charger of this id. Raises `Missing`: another user's is none."""
    charger: NamedCharger = services().registry.find((await current_user()).id, chargepoint_id)
    return charger


# ── list, create, get, delete ───────────────────────────────────────────────────────────────────


@route(
    chargers,
    "GET",
    "/api/chargers",
    summary="All chargers of the user, in the order of their creation",
    answers={200: list[ChargerState]},
)
async def list_chargers() -> list[ChargerState]:
    user = await current_user()
    states: list[ChargerState] = []
    for number, charger in enumerate(services().registry.of(user.id), start=1):
        states.append(charger.state())
        if number % BREATH_EVERY == 0:
            await trio.lowlevel.checkpoint()
    return states


@route(
    chargers,
    "POST",
    "/api/chargers",
    summary="Create a charger, or `count` chargers by an id pattern",
    description=(
        "With `count`, `chargepoint_id` is a pattern (`SIM-{n:04}` gives SIM-0001, SIM-0002, ...);"
        " each charger is created or fails on its own, and the answer is 200 and says which."
    ),
    body=NewChargers,
    answers={201: ChargerState, 200: Created},
    errors=(409,),
)
async def create_charger(body: NewChargers) -> ChargerState | tuple[Created, int]:
    user = await current_user()
    if body.count is None:
        return (await _create(user.id, body, body.chargepoint_id)).state()
    try:
        pattern = parse_identity_pattern(body.chargepoint_id)
    except ValueError as error:
        raise Invalid(f"chargepoint_id {error}") from None
    if problem := pattern_problem(pattern, body.count):
        raise Invalid(f"chargepoint_id: {problem}")
    result = Created([], [])
    for n in range(1, body.count + 1):
        chargepoint_id = identity_of(pattern, n)
        try:
            result.created.append((await _create(user.id, body, chargepoint_id)).state())
        except Invalid:  # of all of them alike, so the first one says it
            raise
        except SimFleetError as error:
            result.failed.append(NotCreated(chargepoint_id, str(error), error.code))
    return result, 200


async def _create(user_id: int, body: NewChargers, chargepoint_id: str) -> NamedCharger:
    given: dict[str, Any] = msgspec.structs.asdict(body)
    fields = {name: value for name, value in given.items() if value is not UNSET}
    del fields["count"]
    new = NewCharger(**{**fields, "chargepoint_id": chargepoint_id})
    charger: NamedCharger = await services().registry.create(user_id, new)
    return charger


@route(
    chargers,
    "GET",
    "/api/chargers/{chargepoint_id}",
    summary="One charger",
    answers={200: ChargerState},
)
async def get_charger(chargepoint_id: str) -> ChargerState:
    return (await charger_named(chargepoint_id)).state()


@route(
    chargers,
    "DELETE",
    "/api/chargers/{chargepoint_id}",
    summary="Delete a charger; it must be off",
    answers={200: Success},
    errors=(409,),
)
async def delete_charger(chargepoint_id: str) -> Success:
    await services().registry.delete((await current_user()).id, chargepoint_id)
    return Success()


# ── what it does ────────────────────────────────────────────────────────────────────────────────


@route(
    chargers,
    "POST",
    "/api/chargers/{chargepoint_id}/mode",
    summary="Set what the charger does: off, on, autopilot or manual",
    body=NewMode,
    answers={200: ChargerState},
    errors=(409,),
)
async def set_mode(chargepoint_id: str, body: NewMode) -> ChargerState:
    charger = await charger_named(chargepoint_id)
    await charger.set_mode(body.mode)
    return charger.state()


@route(
    chargers,
    "POST",
    "/api/chargers/{chargepoint_id}/start",
    summary="Start a session that ends by itself at the target energy",
    body=Start,
    answers={200: ChargerState},
    errors=(409,),
)
async def start_session(chargepoint_id: str, body: Start) -> ChargerState:
    charger = await charger_named(chargepoint_id)
    await charger.start(body.energy_kwh, rfid_tag=body.rfid_tag, connector_id=body.connector_id)
    return charger.state()


@route(
    chargers,
    "POST",
    "/api/chargers/{chargepoint_id}/stop",
    summary="Stop the running session: the driver stops and unplugs",
    answers={200: ChargerState},
    errors=(409,),
)
async def stop_session(chargepoint_id: str) -> ChargerState:
    charger = await charger_named(chargepoint_id)
    await charger.stop()
    return charger.state()


@route(
    chargers,
    "POST",
    "/api/chargers/{chargepoint_id}/free-charging",
    summary="Sessions without Authorize, or with it again",
    body=FreeCharging,
    answers={200: ChargerState},
)
async def set_free_charging(chargepoint_id: str, body: FreeCharging) -> ChargerState:
    charger = await charger_named(chargepoint_id)
    await charger.set_free_charging(body.free_charging)
    return charger.state()


@route(
    chargers,
    "POST",
    "/api/chargers/{chargepoint_id}/error",
    summary="Make the charger fail, or NoError: repair it",
    body=NewError,
    answers={200: ChargerState},
    errors=(409,),
)
async def set_error(chargepoint_id: str, body: NewError) -> ChargerState:
    charger = await charger_named(chargepoint_id)
    await charger.set_error(body.error_code, connector_id=body.connector_id)
    return charger.state()


# ── what it is ──────────────────────────────────────────────────────────────────────────────────


@route(
    chargers,
    "POST",
    "/api/chargers/{chargepoint_id}/ocpp-version",
    summary="Set the OCPP version; the charger must be off",
    body=Version,
    answers={200: ChargerState},
    errors=(409,),
)
async def set_version(chargepoint_id: str, body: Version) -> ChargerState:
    charger = await charger_named(chargepoint_id)
    await charger.set_version(body.ocpp_version)
    return charger.state()


@route(
    chargers,
    "POST",
    "/api/chargers/{chargepoint_id}/name",
    summary="Set the display name; an empty one clears it",
    body=ChargerName,
    answers={200: ChargerState},
)
async def set_name(chargepoint_id: str, body: ChargerName) -> ChargerState:
    charger = await charger_named(chargepoint_id)
    await charger.set_name(body.charger_name)
    return charger.state()


@route(
    chargers,
    "POST",
    "/api/chargers/{chargepoint_id}/chargepoint-id",
    summary="Rename the charger, its logs with it; it must be off",
    body=NewId,
    answers={200: ChargerState},
    errors=(409,),
)
async def rename_charger(chargepoint_id: str, body: NewId) -> ChargerState:
    user = await current_user()
    registry = services().registry
    await registry.rename(user.id, chargepoint_id, body.chargepoint_id)
    return (await charger_named(body.chargepoint_id)).state()
