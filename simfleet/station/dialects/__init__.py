"""Domain words to OCPP messages and back: the only place that knows a version, beside `ocpp/v*`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from simfleet.station.dialects.v2x import DIALECT_21, DIALECT_201
from simfleet.station.dialects.v2x_quirks import quirky_dialect_2
from simfleet.station.dialects.v16 import Dialect16
from simfleet.station.dialects.v16_quirks import quirky_dialect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from simfleet.ocpp.catalog import Catalog
    from simfleet.ocpp.results import Received
    from simfleet.ocpp.wire import Wire
    from simfleet.station.accounts import Accounts
    from simfleet.station.messages import Message
    from simfleet.station.phase import Phase
    from simfleet.station.quirks import Quirks
    from simfleet.station.station import Station


class Dialect(Protocol):
    """What a station needs of a version. Without state: one object serves all stations."""

    @property
    def catalog(self) -> Catalog:
        """The messages of the version."""

    @property
    def m(self) -> Any:
        """The module of its message structs, for what serves several versions."""

    @property
    def resumes(self) -> bool:
        """Whether transactions can be told of as resumed (2.1)."""

    @property
    def tells_all_on_reconnect(self) -> bool:
        """Whether every status is told after every new connection, not only after a boot."""

    @property
    def accounts(self) -> Accounts:
        """How transactions are told of."""

    @property
    def error_codes(self) -> frozenset[str]:
        """What a fault may be called."""

    def shown(self, phase: Phase, error_code: str) -> tuple[Phase, str]:
        """A connector's state as its status shows it: states that look alike are equal."""

    @property
    def demanded(self) -> frozenset[str]:
        """Security events that the CSMS is told of, besides those that every version tells."""

    def action_of(self, message: Message) -> str:
        """The OCPP action that carries a message."""

    def station_code(self) -> Mapping[str, list[Callable[..., object]]]:
        """For every action, the functions that make a station's requests or answer the CSMS's."""

    def request_for(self, station: Station, message: Message) -> Wire | None:
        """The request to send; None when it can never be sent: the transaction was never named, or
        this kind of charger does not say such things.
        """

    def answered(self, station: Station, message: Message, response: Wire, *, at_s: float) -> None:
        """The CSMS has answered a message."""

    def handle(self, station: Station, received: Received, *, at_s: float) -> None:
        """The CSMS calls: answer, and do what follows."""

    def altered(
        self,
        request: Wire,
        *,
        transaction_id: int | str | None = None,
        meter_start_wh: int | None = None,
        meter_stop_wh: int | None = None,
        vendor: str | None = None,
        vendor_error_code: str | None = None,
    ) -> Wire:
        """A request with other values in the fields that are given and that it has: faults made on
        purpose.
        """

    def failure_told(self, request: Wire) -> Literal["", "firmware", "upload"]:
        """Whether a request tells of an update or an upload that has failed."""


DIALECTS: dict[str, Dialect] = {
    "ocpp1.6": Dialect16(),
    "ocpp2.0.1": DIALECT_201,
    "ocpp2.1": DIALECT_21,
}


def dialect_of(version: str, quirks: Quirks | None = None) -> Dialect:
    """The dialect of a version, by subprotocol name. KeyError for a version we do not speak."""
    if quirks is None:
        return DIALECTS[version]
    return quirky_dialect(quirks) if version == "ocpp1.6" else quirky_dialect_2(version, quirks)
