"""POST /api/chargers/{chargepoint_id}/actions: what happens to hardware, one thing at a time.

Each action is a struct of its own, told apart by ``"action"``; so each takes just the arguments it
has, and a wrong one is a 400 that names it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from quart import Blueprint

from simfleet.api.chargers import charger_named
from simfleet.api.resources import Body, ConnectorId
from simfleet.api.routes import route
from simfleet.fleet.charger_rules import CONNECTORS_MAX, ID_TAG_MAX, RAW_MAX
from simfleet.fleet.charger_state import ChargerState

__all__ = ["Action", "actions"]

actions = Blueprint("actions", __name__)


AnyConnectorId = Annotated[int, msgspec.Meta(ge=0, le=CONNECTORS_MAX)]
Fault = Literal[
    "ConnectorLockFailure",
    "EVCommunicationError",
    "GroundFailure",
    "HighTemperature",
    "InternalError",
    "LocalListConflict",
    "OtherError",
    "OverCurrentFailure",
    "OverVoltage",
    "PowerMeterFailure",
    "PowerSwitchFailure",
    "ReaderFailure",
    "ResetFailure",
    "UnderVoltage",
    "WeakSignal",
]
"""What can be wrong with a connector, in OCPP 1.6 (ChargePointErrorCode without NoError)."""


class _Action(Body, frozen=True, kw_only=True, tag_field="action"):
    """Base of the actions."""

    connector_id: ConnectorId = 1


class PowerOn(_Action, frozen=True, kw_only=True, tag="power_on"):
    """The mains come back; the charger boots."""


class PowerOff(_Action, frozen=True, kw_only=True, tag="power_off"):
    """The mains fail: nothing is said on the wire, not even good-bye."""


class PlugIn(_Action, frozen=True, kw_only=True, tag="plug_in"):
    """A car is plugged in."""


class Unplug(_Action, frozen=True, kw_only=True, tag="unplug"):
    """The cable comes out, whatever runs."""


class PresentToken(_Action, frozen=True, kw_only=True, tag="present_token"):
    """A tag is held to the reader; it starts a session, or stops the one it started."""

    id_tag: Annotated[str, msgspec.Meta(min_length=1, max_length=ID_TAG_MAX)] | None = None
    """Without it, the charger's own."""


class SuspendEv(_Action, frozen=True, kw_only=True, tag="suspend_ev"):
    """The car stops drawing."""


class ResumeEv(_Action, frozen=True, kw_only=True, tag="resume_ev"):
    """The car draws again."""


class FaultOccurs(_Action, frozen=True, kw_only=True, tag="fault"):
    """Something breaks; on connector 0, the charger as a whole."""

    error_code: Fault
    connector_id: AnyConnectorId = 1


class ClearFault(_Action, frozen=True, kw_only=True, tag="clear_fault"):
    """It is repaired."""

    connector_id: AnyConnectorId = 1


class FailLock(_Action, frozen=True, kw_only=True, tag="fail_lock"):
    """The connector lock does not open from now on; `failed` false: it does again."""

    failed: bool = True


class LinkDown(_Action, frozen=True, kw_only=True, tag="link_down"):
    """The connection is cut and stays so; the charger goes on offline."""


class LinkUp(_Action, frozen=True, kw_only=True, tag="link_up"):
    """The charger may connect again."""


class SendRaw(_Action, frozen=True, kw_only=True, tag="send_raw"):
    """A text message is sent as it is, OCPP or not."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=RAW_MAX)]


Action = (
    PowerOn
    | PowerOff
    | PlugIn
    | Unplug
    | PresentToken
    | SuspendEv
    | ResumeEv
    | FaultOccurs
    | ClearFault
    | FailLock
    | LinkDown
    | LinkUp
    | SendRaw
)


@route(
    actions,
    "POST",
    "/api/chargers/{chargepoint_id}/actions",
    summary="Let something happen to the charger",
    description="409 when the state of the charger forbids it; nothing has happened then.",
    body=Action,
    answers={200: ChargerState},
    errors=(409,),
)
async def act(chargepoint_id: str, body: Action) -> ChargerState:
    charger = await charger_named(chargepoint_id)
    arguments = msgspec.structs.asdict(body)
    connector_id = arguments.pop("connector_id")
    name = str(body.__struct_config__.tag)
    await charger.act(name, connector_id=connector_id, **arguments)
    return charger.state()
