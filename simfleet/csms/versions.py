"""What the CSMS has to know of each version it speaks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from simfleet.ocpp.catalog import Catalog
from simfleet.ocpp.v16 import V16
from simfleet.ocpp.v16 import messages as v16
from simfleet.ocpp.v21 import V21
from simfleet.ocpp.v21 import messages as v21
from simfleet.ocpp.v201 import V201
from simfleet.ocpp.v201 import messages as v201
from simfleet.ocpp.wire import Wire

if TYPE_CHECKING:
    from types import ModuleType

FIRST: Final = "ocpp1.6"
"""What a peer without a subprotocol is taken to speak."""

_TRIGGERED: Final = {
    "SignChargingStationCertificate": "SignCertificate",
    "SignV2GCertificate": "SignCertificate",
    "SignV2G20Certificate": "SignCertificate",
    "SignCombinedCertificate": "SignCertificate",
}
"""Messages that TriggerMessage of 2.x calls otherwise."""
_REPORTS: Final = {"GetBaseReport": "NotifyReport", "GetReport": "NotifyReport"}


class Version(Struct, frozen=True):
    """One version of OCPP, as the CSMS speaks it."""

    catalog: Catalog
    m: Any
    """The module of its message structs."""
    own_call: Wire
    """What the misbehaviour `call-first` sends: it asks for what every station has and changes
    nothing.
    """
    boots_first: bool
    """Whether stations that are not accepted are refused (SecurityError, 2.x)."""

    @property
    def name(self) -> str:
        """The subprotocol."""
        return self.catalog.version

    def asks_for(self, request: Wire) -> str | None:
        """The message that a station will send because of this one, before it is accepted."""
        if not self.boots_first:
            return None
        action = self.catalog.of_request[type(request)].name
        if action == "TriggerMessage":
            wanted = str(getattr(request, "requested_message", ""))
            return _TRIGGERED.get(wanted, wanted)
        return _REPORTS.get(action)


def _of_2(catalog: Catalog, m: ModuleType) -> Version:
    wanted = m.GetVariableData(
        component=m.Component(name="OCPPCommCtrlr"), variable=m.Variable(name="HeartbeatInterval")
    )
    own_call = m.GetVariablesRequest(get_variable_data=[wanted])
    return Version(catalog, m, own_call, boots_first=True)


VERSIONS: Final[dict[str, Version]] = {
    FIRST: Version(
        V16, v16, v16.GetConfigurationRequest(key=["HeartbeatInterval"]), boots_first=False
    ),
    "ocpp2.0.1": _of_2(V201, v201),
    "ocpp2.1": _of_2(V21, v21),
}
"""By subprotocol, the oldest first."""
