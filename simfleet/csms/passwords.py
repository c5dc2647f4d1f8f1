"""The password of a station as a command of the CSMS may change it. Pure.

In 1.6 it is the configuration key AuthorizationKey, in 2.x the variable BasicAuthPassword of
SecurityCtrlr. Names are compared without regard to case, as OCPP has them (CiString).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simfleet.ocpp.v16.messages import ChangeConfigurationRequest, ChangeConfigurationResponse
from simfleet.ocpp.v21.messages import SetVariablesRequest as SetVariables21
from simfleet.ocpp.v21.messages import SetVariablesResponse as VariablesSet21
from simfleet.ocpp.v201.messages import SetVariablesRequest as SetVariables201
from simfleet.ocpp.v201.messages import SetVariablesResponse as VariablesSet201

if TYPE_CHECKING:
    from simfleet.ocpp.wire import Wire


def password_in(request: Wire) -> str | None:
    """The password that a station is told by this, if it is told one."""
    match request:
        case ChangeConfigurationRequest():
            return request.value if request.key.lower() == "authorizationkey" else None
        case SetVariables201() | SetVariables21():
            return next((o.attribute_value for o in request.set_variable_data if _is_it(o)), None)
    return None


def password_status(response: Wire | None) -> str | None:
    """What the station answers about that password."""
    match response:
        case ChangeConfigurationResponse():
            return response.status
        case VariablesSet201() | VariablesSet21():
            results = response.set_variable_result
            return next((one.attribute_status for one in results if _is_it(one)), None)
    return None


def _is_it(one: Any) -> bool:
    """Whether a SetVariableData or SetVariableResult is about the password."""
    name = f"{one.component.name}.{one.variable.name}"
    return name.lower() == "securityctrlr.basicauthpassword"
